"""The Auto Scaling groups of the lab: lifecycle states that take their time, activities, launches that fail.
Instances and groups are moto's objects; machines live and die in the lab's daemon, which says what became of them."""
import collections
import threading
import time
import uuid

from moto.autoscaling.models import autoscaling_backends
from moto.ec2.models import ec2_backends

from wire import AwsError, now

RETRY_EVERY = 5  # seconds between two attempts of a group that cannot launch
INVALID = "ValidationError"


class Groups:
    def __init__(self, config):
        account, region = config["account"], config["region"]
        self.lock = threading.RLock()
        self.scaling, self.ec2 = autoscaling_backends[account][region], ec2_backends[account][region]
        self.node_of = {node["group"]: node["n"] for node in config["nodes"]}
        self.activities = collections.deque(maxlen=1000)
        self.failing, self.tried = {}, {}
        for group in self.scaling.autoscaling_groups.values():
            for state in group.instance_states:
                state.instance.architecture = "arm64"  # moto forgets it for a registered image

    def named(self, name):
        group = self.scaling.autoscaling_groups.get(name or "")
        if group is None:
            raise AwsError(INVALID, "AutoScalingGroup name not found - AutoScalingGroup %s not found" % name)
        return group

    def find(self, instance_id):
        for group in self.scaling.autoscaling_groups.values():
            for state in group.instance_states:
                if state.instance.id == instance_id:
                    return group, state
        return None, None

    def arn(self, params):
        """The group a call is about, for policies; `*` when it is about none."""
        group = self.find(params["InstanceId"])[0] if "InstanceId" in params else None
        group = group or self.scaling.autoscaling_groups.get(params.get("AutoScalingGroupName", ""))
        return group.arn if group else "*"

    @staticmethod
    def suspended(group):
        # Plain names in the older moto that serves an older Python.
        return [p["ProcessName"] if isinstance(p, dict) else p for p in group.suspended_processes]

    def view(self):
        with self.lock:
            return {
                group.name: {
                    "desired": group.desired_capacity,
                    "suspended": self.suspended(group),
                    "failing": self.failing.get(group.name),
                    "instances": [{"id": s.instance.id, "state": s.lifecycle_state} for s in group.instance_states],
                    "newest": next((self.in_short(a) for a in self.activities if a["AutoScalingGroupName"] == group.name), None),
                }
                for group in self.scaling.autoscaling_groups.values()
            }

    @staticmethod
    def in_short(activity):
        return "%s: %s" % (activity["StatusCode"], activity["Description"])

    # Activities, newest first.

    def activity(self, group, description, cause, instance, **more):
        entry = dict({
            "ActivityId": str(uuid.uuid4()), "AutoScalingGroupName": group.name, "Description": description,
            "Cause": "At %s %s" % (now(), cause), "StartTime": now(), "EndTime": None, "StatusCode": "InProgress",
            "Progress": 0, "Details": "{}", "instance": instance,
        }, **more)
        with self.lock:
            self.activities.appendleft(entry)
        return entry

    def finish(self, instance, word):
        for entry in self.activities:
            if entry["instance"] == instance and entry["Description"].startswith(word) and not entry["EndTime"]:
                entry.update(StatusCode="Successful", Progress=100, EndTime=now())

    @staticmethod
    def shown(activity):
        return {k: v for k, v in activity.items() if k != "instance"}

    def describe_activities(self, request, call):
        params, ids = request.params, request.members("ActivityIds")
        name = params.get("AutoScalingGroupName")
        if name:
            self.named(name)
        with self.lock:
            entries = [self.shown(a) for a in self.activities
                       if name in (None, a["AutoScalingGroupName"]) and (not ids or a["ActivityId"] in ids)]
        start, most = int(params.get("NextToken", 0)), int(params.get("MaxRecords", 100))
        rest = start + most < len(entries)
        return {"Activities": entries[start:start + most], "NextToken": str(start + most) if rest else None}

    # The life of an instance.

    def begin_termination(self, instance_id, decrement, why):
        """Marks the instance Terminating and answers its group and the activity."""
        with self.lock:
            group, state = self.find(instance_id)
            if state is None:
                raise AwsError(INVALID, "Instance Id not found - No managed instance found for instance ID: " + instance_id)
            if not state.lifecycle_state.startswith("InService"):
                raise AwsError("ScalingActivityInProgress", "Instance %s is %s." % (instance_id, state.lifecycle_state))
            if decrement and group.desired_capacity <= group.min_size:
                raise AwsError(INVALID, "Currently, desiredSize equals minSize (%d). Terminating instance without replacement will "
                               "violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower "
                               "group's min size." % group.min_size)
            state.lifecycle_state = "Terminating"
            if decrement:
                group.desired_capacity -= 1
            self.ec2_state(state.instance, "shutting-down", 32)
            return group, self.activity(group, "Terminating EC2 instance: " + instance_id,
                                        "instance %s was taken out of service in response to %s." % (instance_id, why), instance_id)

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

    def launch(self, name):
        """Starts a new instance in state Pending if the group wants one and can."""
        with self.lock:
            group = self.named(name)
            if len(group.instance_states) >= group.desired_capacity:
                return {"instance": None, "why": "its group wants no more instances"}
            if "Launch" in self.suspended(group):
                return {"instance": None, "why": "its group has Launch suspended"}
            if name in self.failing:
                return {"instance": None, "why": self.fail(group, self.failing[name])}
            known = {state.instance.id for state in group.instance_states}
            group.replace_autoscaling_group_instances(1, group.get_propagated_tags())
            state = next(s for s in group.instance_states if s.instance.id not in known)
            state.lifecycle_state = "Pending"
            state.instance.architecture = "arm64"
            self.ec2_state(state.instance, "pending", 0)
            self.activity(group, "Launching a new EC2 instance: " + state.instance.id,
                          "an instance was launched in response to a difference between desired and actual capacity, "
                          "increasing the capacity from 0 to 1.", state.instance.id)
            return {"instance": state.instance.id}

    def fail(self, group, message):
        """A group that cannot launch tries again and again; each attempt is an activity."""
        if time.monotonic() - self.tried.get(group.name, -RETRY_EVERY) >= RETRY_EVERY:
            self.tried[group.name] = time.monotonic()
            self.activity(group, "Launching a new EC2 instance.  Status Reason: " + message,
                          "an instance was launched in response to a difference between desired and actual capacity, "
                          "increasing the capacity from 0 to 1.", None,
                          StatusCode="Failed", StatusMessage=message, Progress=100, EndTime=now())
        return message

    def no_launch(self, body):
        with self.lock:
            self.named(body["group"])
            self.failing[body["group"]] = body["message"]
            self.tried.pop(body["group"], None)

    def in_service(self, instance_id):
        with self.lock:
            _, state = self.find(instance_id)
            if state is not None:
                state.lifecycle_state = "InService"
                self.ec2_state(state.instance, "running", 16)
                self.finish(instance_id, "Launching")

    def clear(self):
        with self.lock:
            self.failing.clear()
            for name in self.node_of:
                self.named(name).suspended_processes = []
