"""The WSGI application of the AWS address: records each call, injects faults, asks whether the caller may, answers what
moto lacks, passes on the rest."""
import collections
import http.client
import json
import threading
from xml.sax.saxutils import escape

from moto.logs.models import logs_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.test import Client
from urllib.parse import urlencode

import shapes
import wire
from agents import Agents
from commands import Commands
from diagnostic import Diagnostic
from faults import Faults
from groups import Groups
from insights import Insights
from logs import Logs, named
from refreshes import Refreshes
from roles import Roles
from wire import AwsError

CALLS_KEPT = 20_000
FORM, JSON = "application/x-www-form-urlencoded; charset=utf-8", "application/x-amz-json-1.1"


class Aws:
    def __init__(self, config):
        self.config, self.moto = config, DomainDispatcherApplication(create_backend_app)
        self.faults, self.roles = Faults(), Roles(config)
        self.calls, self.count, self.lock = collections.deque(maxlen=CALLS_KEPT), 0, threading.Lock()
        # moto's parameters are plain dictionaries, and requests come on several threads.
        self.parameters = threading.Lock()

    def open(self):
        """The groups exist now."""
        self.groups = Groups(self.config)
        self.refreshes = Refreshes(self.groups, self.terminate)
        self.agents = Agents(self.config, self.groups)
        self.commands = Commands(self.config, self.agents)
        backend = logs_backends[self.config["account"]][self.config["region"]]
        self.diagnostic = Diagnostic(self.config, backend)
        logs, insights = Logs(backend), Insights(self.config, backend)
        # What AWS's published model says of these is held against each request.
        self.modelled = {
            ("logs", "FilterLogEvents"): logs.filter,
            ("logs", "StartQuery"): insights.start,
            ("logs", "GetQueryResults"): insights.get,
            ("logs", "StopQuery"): insights.stop,
            ("ssm", "DescribeInstanceInformation"): self.agents.describe,
            ("ssm", "SendCommand"): self.commands.send,
            ("ssm", "GetCommandInvocation"): self.commands.get,
            ("ssm", "ListCommandInvocations"): self.commands.list,
            ("ssm", "CancelCommand"): self.commands.cancel,
        }
        self.own = {
            **self.modelled,
            ("autoscaling", "TerminateInstanceInAutoScalingGroup"): self.terminate_in_group,
            ("autoscaling", "DescribeScalingActivities"): self.groups.describe_activities,
            ("autoscaling", "StartInstanceRefresh"): self.refreshes.start,
            ("autoscaling", "CancelInstanceRefresh"): self.refreshes.cancel,
            ("autoscaling", "DescribeInstanceRefreshes"): self.refreshes.describe,
            ("autoscaling", "SuspendProcesses"): self.known_group,
            ("autoscaling", "ResumeProcesses"): self.known_group,
            ("ec2", "TerminateInstances"): self.terminate_instances,
            ("sts", "AssumeRole"): self.roles.assume,
            ("sts", "GetCallerIdentity"): self.roles.whoami,
        }

    def __call__(self, environ, start_response):
        request = wire.Request(environ)
        call, session = self.record(request)
        start = self.stamped(call, start_response)
        try:
            how = self.faults.take(request.operation)
            if how == "html":
                return self.send(start, "503 Lab", "text/html", wire.HTML)
            if (request.service, request.operation) in self.modelled:
                shapes.check(request)
            self.roles.admit(request, session, self.resources(request))
            chunks = self.do(request, call, environ, start)
        except AwsError as problem:
            call["error"] = problem.code_of(request.service)
            return self.send(start, *wire.error(request, call, problem))
        if how:
            call["answered"] = False
            self.faults.abandon(environ, how)
        return chunks

    def record(self, request):
        shown = dict(request.params)
        if "Value" in shown:
            shown["Value"] = "(%d bytes)" % len(str(shown["Value"]))
        caller, session = self.roles.identify(request)
        with self.lock:
            self.count += 1
            call = {
                "n": self.count, "at": wire.now(), "service": request.service, "operation": request.operation, "identity": request.key,
                "caller": caller, "role": session and session["role"], "session": session and session["name"],
                "request_id": wire.request_id(), "params": shown,
            }
            self.calls.append(call)
        return call, session

    @staticmethod
    def stamped(call, start_response):
        """Every answer carries the request id of the record, moto's too; the record keeps the status."""
        def start(status, headers, exc_info=None):
            call["status"] = int(status.split(" ")[0])
            headers = [h for h in headers if h[0].lower() != "x-amzn-requestid"] + [("x-amzn-RequestId", call["request_id"])]
            return start_response(status, headers)
        return start

    @staticmethod
    def send(start, status, kind, text):
        data = text.encode()
        start(status, [("Content-Type", kind), ("Content-Length", str(len(data)))])
        return [data]

    def do(self, request, call, environ, start):
        own = self.own.get((request.service, request.operation))
        value = own(request, call) if own else None
        if value is not None:
            return self.send(start, *wire.answer(request, call, value))
        if request.service == "ssm":
            with self.parameters:
                return list(self.moto(environ, start))
        return list(self.moto(environ, start))

    def resources(self, request):
        """What a call is about, for policies, each with its condition keys: each has to be allowed. Most reads know no
        resource but `*`."""
        if request.operation == "SendCommand":
            return self.commands.arns(request.params)
        return [(name, {}) for name in self.names(request)]

    def names(self, request):
        params = request.params
        if request.service == "autoscaling" and not request.operation.startswith("Describe"):
            return [self.groups.arn(params)]
        if request.service == "ssm" and {"Name", "Names", "Path"} & set(params):
            names = params.get("Names") or [params.get("Name") or params["Path"]]
            return [name if name.startswith("arn:") else self.arn("ssm", "parameter/" + name.lstrip("/")) for name in names]
        if request.service == "logs" and named(params):
            return [self.arn("logs", "log-group:%s:*" % name) for name in named(params)]
        if request.operation == "AssumeRole":
            return [params.get("RoleArn", "")]
        return ["*"]

    def arn(self, service, name):
        return "arn:aws:%s:%s:%s:%s" % (service, self.config["region"], self.config["account"], name)

    def known_group(self, request, call):
        self.groups.named(request.params.get("AutoScalingGroupName"))  # moto's own answer to an unknown one is a 500
        return None

    def terminate_in_group(self, request, call):
        decrement = request.params.get("ShouldDecrementDesiredCapacity", "false") == "true"
        instance = request.params.get("InstanceId", "")
        activity = self.terminate(instance, decrement, "a user request", "aws " + request.operation, call)
        return {"Activity": self.groups.shown(activity)}

    def terminate_instances(self, request, call):
        ids = [v for k, v in request.params.items() if k.startswith("InstanceId.")]
        if any(self.groups.find(i)[1] is None for i in ids):
            return None  # not (only) machines of the lab: moto's own answer
        for instance in ids:
            self.terminate(instance, False, "an EC2 health check indicating it has been terminated or stopped",
                           "aws TerminateInstances", call)
        item = "<item><instanceId>%s</instanceId><currentState><code>32</code><name>shutting-down</name></currentState>" \
               "<previousState><code>16</code><name>running</name></previousState></item>"
        return "<instancesSet>%s</instancesSet>" % "".join(item % escape(i) for i in ids)

    def terminate(self, instance, decrement, why, cause, call):
        """Marks the instance and has the daemon judge the loss and then end the machine."""
        group, activity = self.groups.begin_termination(instance, decrement, why)
        body = {"node": self.groups.node_of[group.name], "instance": instance, "cause": cause, "call": call["n"],
                "caller": call["caller"], "session": call["session"], "request_id": call["request_id"]}
        tell(self.config["hook"], "/ec2/terminating", body)
        return activity

    def somebody(self, body):
        """A call of somebody who is not the one under test, through the same door as all others."""
        text = urlencode(dict(body["params"], Action=body["operation"]))
        answer = Client(self).post("/", data=text, content_type=FORM, headers={"Authorization": stamp("SOMEBODY-ELSE", self.config, body["service"])})
        text = answer.get_data(as_text=True)
        if answer.status_code != 200:
            raise AwsError("Refused", "%s: %s" % (body["operation"], text))
        return {"answer": text}


def stamp(key, config, service):
    return "AWS4-HMAC-SHA256 Credential=%s/20200101/%s/%s/aws4_request, SignedHeaders=host, Signature=0" % (key, config["region"], service)


def tell(address, path, body):
    connection = http.client.HTTPConnection(*address, timeout=30)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 200:
        raise AwsError("InternalFailure", "the lab's daemon said: " + text.decode("utf-8", "replace"), 500)
