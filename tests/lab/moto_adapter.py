"""moto as the AWS of one lab, with what moto lacks: group instances that pass through states, scaling activities,
recorded calls, errors on demand. It knows nothing of NATS: machines live and die in the lab's daemon, which tells
this process what became of them (POST on the private address) and is told of each termination before it happens.

The first line on stdin is the configuration (JSON); when stdin ends, the daemon is gone and so are we.
"""
import collections
import datetime
import http.client
import io
import json
import os
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode
from xml.sax.saxutils import escape

os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # the catalogue costs a second and nobody looks at it

from moto.autoscaling.models import autoscaling_backends  # noqa: E402
from moto.ec2.models import ec2_backends  # noqa: E402
from moto.logs.models import logs_backends  # noqa: E402
from moto.server import DomainDispatcherApplication, create_backend_app  # noqa: E402
from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402
from werkzeug.test import Client  # noqa: E402

CALLS_KEPT = 20_000
NAMESPACE = {"autoscaling": "http://autoscaling.amazonaws.com/doc/2011-01-01/", "ec2": "http://ec2.amazonaws.com/doc/2016-11-15/"}


class AwsError(Exception):
    def __init__(self, code, message, status=400):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def xml(value):
    """A dict, list or scalar as the body of an AWS query answer."""
    if isinstance(value, dict):
        return "".join("<%s>%s</%s>" % (k, xml(v), k) for k, v in value.items() if v is not None)
    if isinstance(value, list):
        return "".join("<member>%s</member>" % xml(v) for v in value)
    return escape(str(value).lower() if isinstance(value, bool) else str(value))


class Groups:
    """The Auto Scaling groups of the lab and their activities; state changes come from the daemon."""

    def __init__(self, config):
        account, region = config["account"], config["region"]
        self.config = config
        self.lock = threading.RLock()
        self.scaling = autoscaling_backends[account][region]
        self.ec2 = ec2_backends[account][region]
        self.node_of = {node["group"]: node for node in config["nodes"]}
        self.activities = collections.deque(maxlen=1000)
        for group in self.scaling.autoscaling_groups.values():
            for state in group.instance_states:
                state.instance.architecture = "arm64"  # moto forgets it for a registered image

    def find(self, instance_id):
        for group in self.scaling.autoscaling_groups.values():
            for state in group.instance_states:
                if state.instance.id == instance_id:
                    return group, state
        return None, None

    def view(self):
        with self.lock:
            return {
                group.name: {
                    "desired": group.desired_capacity,
                    "suspended": [p["ProcessName"] if isinstance(p, dict) else p for p in group.suspended_processes],
                    "instances": [{"id": s.instance.id, "state": s.lifecycle_state} for s in group.instance_states],
                }
                for group in self.scaling.autoscaling_groups.values()
            }

    def activity(self, group, description, cause, instance):
        entry = {
            "ActivityId": str(uuid.uuid4()), "AutoScalingGroupName": group.name, "Description": description,
            "Cause": "At %s %s" % (now(), cause), "StartTime": now(), "EndTime": None, "StatusCode": "InProgress",
            "Progress": 0, "Details": "{}", "instance": instance,
        }
        self.activities.appendleft(entry)
        return entry

    def finish(self, instance, word, status="Successful"):
        for entry in self.activities:
            if entry["instance"] == instance and entry["Description"].startswith(word) and not entry["EndTime"]:
                entry.update(StatusCode=status, Progress=100, EndTime=now())

    def begin_termination(self, instance_id, decrement):
        """Marks the instance Terminating and answers its group and the activity."""
        with self.lock:
            group, state = self.find(instance_id)
            if state is None:
                raise AwsError("ValidationError", "Instance Id not found - No managed instance found for instance ID: " + instance_id)
            if not state.lifecycle_state.startswith("InService"):
                raise AwsError("ScalingActivityInProgress", "Instance %s is %s." % (instance_id, state.lifecycle_state))
            if decrement and group.desired_capacity <= group.min_size:
                raise AwsError("ValidationError", "Currently, desiredSize equals minSize (%d). Terminating instance without replacement will "
                               "violate group's min size constraint." % group.min_size)
            state.lifecycle_state = "Terminating"
            if decrement:
                group.desired_capacity -= 1
            self.ec2_state(state.instance, "shutting-down", 32)
            return group, self.activity(group, "Terminating EC2 instance: " + instance_id,
                                        "instance %s was taken out of service in response to a user request." % instance_id, instance_id)

    @staticmethod
    def ec2_state(instance, name, code):
        instance._state.name, instance._state.code = name, code

    def terminated(self, instance_id):
        with self.lock:
            group, state = self.find(instance_id)
            if state is None:
                return
            group.instance_states.remove(state)
            state.instance.terminate()
            self.finish(instance_id, "Terminating")

    def launch(self, group_name):
        """Starts a new instance in state Pending if the group wants one; None when it does not or must not."""
        with self.lock:
            group = self.scaling.autoscaling_groups[group_name]
            suspended = [p["ProcessName"] if isinstance(p, dict) else p for p in group.suspended_processes]
            if len(group.instance_states) >= group.desired_capacity or "Launch" in suspended:
                return None
            known = {state.instance.id for state in group.instance_states}
            group.replace_autoscaling_group_instances(1, group.get_propagated_tags())
            state = next(s for s in group.instance_states if s.instance.id not in known)
            state.lifecycle_state = "Pending"
            state.instance.architecture = "arm64"
            self.ec2_state(state.instance, "pending", 0)
            self.activity(group, "Launching a new EC2 instance: " + state.instance.id,
                          "an instance was started in response to a difference between desired and actual capacity.", state.instance.id)
            return state.instance.id

    def in_service(self, instance_id):
        with self.lock:
            _, state = self.find(instance_id)
            if state is not None:
                state.lifecycle_state = "InService"
                self.ec2_state(state.instance, "running", 16)
                self.finish(instance_id, "Launching")


class Aws:
    """The WSGI application of the AWS address: records, injects errors, answers what moto lacks, passes on the rest."""

    def __init__(self, config):
        self.config = config
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.groups = None
        self.calls = collections.deque(maxlen=CALLS_KEPT)
        self.count = 0
        self.errors = {}
        self.lock = threading.Lock()
        self.own = {
            ("autoscaling", "TerminateInstanceInAutoScalingGroup"): self.terminate_in_group,
            ("autoscaling", "DescribeScalingActivities"): self.scaling_activities,
            ("autoscaling", "DescribeInstanceRefreshes"): lambda params: {"InstanceRefreshes": []},
            ("ec2", "TerminateInstances"): self.terminate_instances,
        }

    def __call__(self, environ, start_response):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        environ["wsgi.input"] = io.BytesIO(body)
        call, params = self.record(environ, body)
        try:
            self.inject(call)
            answer = self.own.get((call["service"], call["operation"]))
            answer = answer(params) if answer else None
        except AwsError as error:
            call["error"] = error.code
            return self.error(call, error, start_response)
        if answer is None:
            return self.moto(environ, start_response)
        return self.answer(call, answer, start_response)

    def record(self, environ, body):
        scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split(",")[0].split("/")
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if target:
            operation, params = target.rpartition(".")[2], json.loads(body or b"{}")
        else:
            params = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
            operation = params.pop("Action", environ.get("PATH_INFO", "?"))
            params.pop("Version", None)
        shown = dict(params)
        if "Value" in shown:
            shown["Value"] = "(%d bytes)" % len(str(shown["Value"]))
        with self.lock:
            self.count += 1
            call = {"n": self.count, "at": now(), "service": scope[3] if len(scope) > 3 else "?", "operation": operation,
                    "identity": scope[0] or "?", "params": shown}
            self.calls.append(call)
        return call, params

    def inject(self, call):
        with self.lock:
            fault = self.errors.get(call["operation"])
            if not fault or fault["times"] <= 0:
                return
            fault["times"] -= 1
        raise AwsError(fault["code"], "the lab was told to fail this call", fault["status"])

    @staticmethod
    def error(call, error, start_response):
        if call["service"] in NAMESPACE or call["service"] == "sts":
            kind, tag = "text/xml", "Errors" if call["service"] == "ec2" else None
            inner = xml({"Error": {"Code": error.code, "Message": error.message}})
            text = "<Response><Errors>%s</Errors><RequestID>%s</RequestID></Response>" % (inner, uuid.uuid4()) if tag else \
                "<ErrorResponse>%s<RequestId>%s</RequestId></ErrorResponse>" % (inner, uuid.uuid4())
        else:
            kind, text = "application/x-amz-json-1.1", json.dumps({"__type": error.code, "message": error.message})
        start_response("%d Lab" % error.status, [("Content-Type", kind), ("Content-Length", str(len(text.encode())))])
        return [text.encode()]

    @staticmethod
    def answer(call, value, start_response):
        name, space = call["operation"], NAMESPACE[call["service"]]
        if call["service"] == "ec2":
            text = '<%sResponse xmlns="%s"><requestId>%s</requestId>%s</%sResponse>' % (name, space, uuid.uuid4(), value, name)
        else:
            text = '<%sResponse xmlns="%s"><%sResult>%s</%sResult><ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>' % (
                name, space, name, xml(value), name, uuid.uuid4(), name)
        data = text.encode()
        start_response("200 OK", [("Content-Type", "text/xml"), ("Content-Length", str(len(data)))])
        return [data]

    def terminate_in_group(self, params):
        instance, decrement = params.get("InstanceId", ""), params.get("ShouldDecrementDesiredCapacity", "false") == "true"
        activity = self.terminate(instance, decrement, "TerminateInstanceInAutoScalingGroup")
        return {"Activity": self.shown(activity)}

    def terminate_instances(self, params):
        ids = [v for k, v in params.items() if k.startswith("InstanceId.")]
        if any(self.groups.find(i)[1] is None for i in ids):
            return None  # not (only) machines of the lab: moto's own answer
        for instance in ids:
            self.terminate(instance, False, "TerminateInstances")
        item = "<item><instanceId>%s</instanceId><currentState><code>32</code><name>shutting-down</name></currentState>" \
               "<previousState><code>16</code><name>running</name></previousState></item>"
        return "<instancesSet>%s</instancesSet>" % "".join(item % escape(i) for i in ids)

    def terminate(self, instance, decrement, operation):
        group, activity = self.groups.begin_termination(instance, decrement)
        node = self.groups.node_of[group.name]["n"]
        tell(self.config["hook"], "/ec2/terminating", {"node": node, "instance": instance, "cause": "aws " + operation})
        return activity

    @staticmethod
    def shown(activity):
        return {k: v for k, v in activity.items() if k != "instance"}

    def scaling_activities(self, params):
        name = params.get("AutoScalingGroupName")
        entries = [a for a in list(self.groups.activities) if name in (None, a["AutoScalingGroupName"])]
        return {"Activities": [self.shown(a) for a in entries[: int(params.get("MaxRecords", 100))]]}


def tell(address, path, body):
    connection = http.client.HTTPConnection(*address, timeout=30)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 200:
        raise AwsError("InternalFailure", "the lab's daemon said: " + text.decode("utf-8", "replace"), 500)


class Quiet(WSGIRequestHandler):
    def log(self, *args):
        pass


class Door:
    """The AWS address, which can be shut (connection refused) and opened again."""

    def __init__(self, app, address):
        self.app, self.address, self.server = app, address, None

    def open(self):
        if self.server is None:
            self.server = make_server(self.address[0], self.address[1], self.app, threaded=True, request_handler=Quiet)
            threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def shut(self):
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


def build(config, app):
    """Makes the world of the configuration through moto's public wire API, without the network."""
    client = Client(app.moto)
    stamp = "AWS4-HMAC-SHA256 Credential=LAB/20200101/%s/%%s/aws4_request, SignedHeaders=host, Signature=0" % config["region"]

    def query(service, action, **params):
        body = urlencode(dict(params, Action=action))
        answer = client.post("/", data=body, headers={"Authorization": stamp % service},
                             content_type="application/x-www-form-urlencoded; charset=utf-8")
        return checked(action, answer)

    def target(service, name, body):
        answer = client.post("/", data=json.dumps(body), content_type="application/x-amz-json-1.1",
                             headers={"Authorization": stamp % service, "X-Amz-Target": name})
        return checked(name, answer)

    def checked(what, answer):
        text = answer.get_data(as_text=True)
        if answer.status_code != 200:
            raise SystemExit("%s: %s %s" % (what, answer.status_code, text[:500]))
        return text

    for parameter in config["parameters"]:
        target("ssm", "AmazonSSM.PutParameter", {"Name": parameter["name"], "Value": parameter["value"], "Type": parameter["type"]})
    target("logs", "Logs_20140328.CreateLogGroup", {"logGroupName": config["log_group"]})
    image = query("ec2", "RegisterImage", Name="nats-node", Architecture="arm64", RootDeviceName="/dev/xvda")
    image = image.partition("<imageId>")[2].partition("</imageId>")[0]
    template = config["cluster"] + "-node"
    query("ec2", "CreateLaunchTemplate", LaunchTemplateName=template, **{
        "LaunchTemplateData.InstanceType": "m8gd.medium", "LaunchTemplateData.ImageId": image})
    for node, zone in zip(config["nodes"], "abc"):
        query("autoscaling", "CreateAutoScalingGroup", AutoScalingGroupName=node["group"], MinSize=1, MaxSize=1, DesiredCapacity=1, **{
            "LaunchTemplate.LaunchTemplateName": template, "LaunchTemplate.Version": "$Latest", "DefaultInstanceWarmup": 120,
            "AvailabilityZones.member.1": config["region"] + zone, "Tags.member.1.Key": "Name", "Tags.member.1.Value": node["name"],
            "Tags.member.1.PropagateAtLaunch": "true", "Tags.member.1.ResourceId": node["group"],
            "Tags.member.1.ResourceType": "auto-scaling-group"})


def private(config, app, door):
    """The requests of the lab's daemon."""
    groups = app.groups
    log = logs_backends[config["account"]][config["region"]]

    def begin(body):
        with groups.lock:
            state = groups.scaling.autoscaling_groups[body["group"]].instance_states[0]
            groups.begin_termination(state.instance.id, False)
            return {"instance": state.instance.id}

    def write_log(body):
        if body["stream"] not in log.groups[config["log_group"]].streams:
            log.create_log_stream(config["log_group"], body["stream"])
        stamp = int(time.time() * 1000)
        log.put_log_events(config["log_group"], body["stream"], [{"timestamp": stamp, "message": line} for line in body["lines"]])

    def set_error(body):
        app.errors[body["operation"]] = {"times": body["times"], "code": body["code"], "status": body["status"]}

    def clear(_):
        app.errors.clear()
        door.open()

    posts = {
        "/begin": begin,
        "/terminated": lambda b: groups.terminated(b["instance"]),
        "/launch": lambda b: {"instance": groups.launch(b["group"])},
        "/in_service": lambda b: groups.in_service(b["instance"]),
        "/log": write_log,
        "/error": set_error,
        "/down": lambda _: door.shut(),
        "/up": lambda _: door.open(),
        "/clear": clear,
        "/groups": lambda _: groups.view(),
        "/calls": lambda b: {"total": app.count, "calls": [c for c in list(app.calls) if c["n"] > b.get("since", 0)]},
    }

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            try:
                status, answer = 200, posts[self.path](body) or {}
            except Exception as error:  # every failure goes back to the daemon, which reports it
                status, answer = 500, {"error": "%s: %s" % (type(error).__name__, getattr(error, "message", error))}
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    return ThreadingHTTPServer(tuple(config["private"]), Handler)


def main():
    config = json.loads(sys.stdin.readline())
    app = Aws(config)
    build(config, app)
    app.groups = Groups(config)
    door = Door(app, config["aws"])
    door.open()
    server = private(config, app, door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)


main()
