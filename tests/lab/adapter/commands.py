"""Run Command as SSM answers it: SendCommand, and what became of it. Which machines may be asked is elsewhere (`agents`), how a
script runs on one too (`script`)."""
import collections
import threading
import time
import uuid

import document
import script
from agents import HEARD
from invocation import PLUGIN, Invocation
from wire import AwsError

KEPT = 1000
TIME_TO_START = 3600
STEP = 0.1  # from one state to the next, so that each can be seen


class Commands:
    def __init__(self, config, agents):
        self.config, self.agents = config, agents
        self.lock, self.known = threading.Lock(), collections.OrderedDict()

    def send(self, request, call):
        params, now = request.params, time.time()
        lines, directory, seconds = document.read(params, self.config["region"])
        instances = self.meant(params)
        to_start = params.get("TimeoutSeconds", TIME_TO_START)
        command = {
            "id": str(uuid.uuid4()), "comment": params.get("Comment", ""), "document": params["DocumentName"],
            "version": params.get("DocumentVersion", "$DEFAULT"), "requested": now, "to_start": to_start, "lines": lines,
            "directory": directory, "seconds": seconds, "expires": now + to_start + seconds,
        }
        command["invocations"] = [Invocation(command, instance) for instance in instances]
        with self.lock:
            self.known[command["id"]] = command
            if len(self.known) > KEPT:
                self.known.popitem(last=False)
        for invocation in command["invocations"]:
            threading.Thread(target=self.deliver, args=(invocation,), daemon=True).start()
        return {"Command": self.answer(command, params)}

    def meant(self, params):
        """The machines a request is for."""
        instances, targets = params.get("InstanceIds") or [], params.get("Targets") or []
        if bool(instances) == bool(targets):
            raise AwsError("InvalidParameters", "say either InstanceIds or Targets")
        if targets:
            return self.agents.matching(targets)
        if len(set(instances)) < len(instances):
            raise AwsError("DuplicateInstanceId", "")
        bad = [i for i in instances if self.agents.find(i)[0] is None]
        if bad:
            raise AwsError("InvalidInstanceId", "Instances [[%s]] not in a valid state for account %s" % (
                ", ".join(bad), self.config["account"]))
        return instances

    @staticmethod
    def answer(command, params):
        return {
            "CommandId": command["id"], "DocumentName": command["document"], "DocumentVersion": command["version"],
            "Comment": command["comment"], "ExpiresAfter": command["expires"], "Parameters": params.get("Parameters") or {},
            "InstanceIds": params.get("InstanceIds") or [], "Targets": params.get("Targets") or [],
            "RequestedDateTime": command["requested"], "Status": "Pending", "StatusDetails": "Pending", "OutputS3Region": "",
            "OutputS3BucketName": "", "OutputS3KeyPrefix": "", "MaxConcurrency": "50", "MaxErrors": "0",
            "TargetCount": len(params.get("InstanceIds") or []), "CompletedCount": 0, "ErrorCount": 0, "DeliveryTimedOutCount": 0,
            "ServiceRole": "", "TimeoutSeconds": command["to_start"],
        }

    # On the machine.

    def deliver(self, invocation):
        """Waits until the machine is heard of, and lets it run."""
        command, instance = invocation.command, invocation.instance
        while not invocation.cancelled.wait(STEP):
            node, ping = self.agents.find(instance)
            patience = self.agents.patience(instance)
            waits = command["to_start"] if patience is None else min(patience, command["to_start"])
            if time.time() > command["requested"] + waits:
                return invocation.end("DeliveryTimedOut")
            if ping == HEARD:
                return self.run(invocation, node)

    def run(self, invocation, node):
        if not invocation.begin():
            return
        command = invocation.command
        result = script.run(
            {"node": node, "instance": invocation.instance, "command": command["id"], "lines": command["lines"],
             "directory": command["directory"], "seconds": command["seconds"]}, self.config, invocation.cancelled)
        # A machine that goes takes what its agent had to say with it.
        if self.agents.find(invocation.instance)[0] is not None:
            time.sleep(STEP)
            invocation.end(*result)

    # What became of it.

    def of(self, command_id):
        with self.lock:
            command = self.known.get(command_id)
        return command["invocations"] if command else None

    def get(self, request, call):
        params = request.params
        found = next((i for i in self.of(params["CommandId"]) or [] if i.instance == params["InstanceId"]), None)
        if found is None or not found.seen():
            raise AwsError("InvocationDoesNotExist", "")
        if params.get("PluginName", PLUGIN) != PLUGIN:
            raise AwsError("InvalidPluginName", "The plugin name isn't valid.")
        return found.shown()

    def list(self, request, call):
        params = request.params
        if params.get("Filters"):
            raise AwsError("InvalidFilterKey", "the lab does not honour Filters of ListCommandInvocations")
        with self.lock:
            commands = [c for c in reversed(self.known.values()) if params.get("CommandId") in (None, c["id"])]
        found = [i for c in commands for i in c["invocations"] if params.get("InstanceId") in (None, i.instance) and i.listed()]
        start, most = self.place(params.get("NextToken")), params.get("MaxResults", 50)
        answer = {"CommandInvocations": [i.in_list(params.get("Details", False)) for i in found[start:start + most]]}
        if start + most < len(found):
            answer["NextToken"] = str(start + most)
        return answer

    @staticmethod
    def place(token):
        if token is not None and not token.isdigit():
            raise AwsError("InvalidNextToken", "The specified token isn't valid.")
        return int(token or 0)

    def cancel(self, request, call):
        params = request.params
        invocations, only = self.of(params["CommandId"]), params.get("InstanceIds") or []
        if invocations is None:
            raise AwsError("InvalidCommandId", "")
        if len(set(only)) < len(only):
            raise AwsError("DuplicateInstanceId", "")
        if not set(only) <= {i.instance for i in invocations}:
            raise AwsError("InvalidInstanceId", "")
        for invocation in invocations:
            if not only or invocation.instance in only:
                invocation.cancel()
        return {}

    def arns(self, params):
        """What SendCommand is about, for policies: the document, and each machine with its tags."""
        about = [(document.arn(self.config["region"], params["DocumentName"]), {})]
        targets = params.get("Targets") or []
        ids = params.get("InstanceIds") or (self.agents.matching(targets) if targets else [])
        return about + [(self.agents.arn(i), self.agents.conditions(i)) for i in ids]
