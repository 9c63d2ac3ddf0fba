"""Instance refreshes, which really replace the instance, one group at a time. Terminate first, always: the lab has one
address for a node and cannot run two. It knows groups, not machines; a termination is asked of whoever does them."""
import threading
import time
import uuid

from wire import AwsError, now

ACTIVE = {"Pending", "InProgress", "Cancelling"}
STEP = 0.5
ACTIVE_ALREADY = "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh."


class Refreshes:
    def __init__(self, groups, terminate):
        self.groups, self.terminate = groups, terminate
        self.lock, self.entries, self.hesitation = threading.Lock(), [], STEP

    def active(self, name):
        return next((e for e in self.entries if e["AutoScalingGroupName"] == name and e["Status"] in ACTIVE), None)

    def start(self, request, call):
        params = request.params
        group = self.groups.named(params.get("AutoScalingGroupName"))
        if params.get("Strategy", "Rolling") != "Rolling":
            raise AwsError("ValidationError", "the lab knows the strategy Rolling only")
        if int(params.get("Preferences.MaxHealthyPercentage", 100)) > 100:
            raise AwsError("ValidationError", "the lab has one address for a node: MaxHealthyPercentage can be 100 at most")
        with self.lock:
            if self.active(group.name):
                raise AwsError("InstanceRefreshInProgress", ACTIVE_ALREADY)
            entry = {
                "InstanceRefreshId": str(uuid.uuid4()), "AutoScalingGroupName": group.name, "Status": "Pending", "StatusReason": None,
                "StartTime": now(), "EndTime": None, "PercentageComplete": 0, "InstancesToUpdate": len(group.instance_states),
                "Preferences": {k.partition(".")[2]: v for k, v in params.items() if k.startswith("Preferences.")},
            }
            self.entries.insert(0, entry)
        threading.Thread(target=self.run, args=(entry, group, call), daemon=True).start()
        return {"InstanceRefreshId": entry["InstanceRefreshId"]}

    def cancel(self, request, call):
        group = self.groups.named(request.params.get("AutoScalingGroupName"))
        with self.lock:
            entry = self.active(group.name)
            if entry is None or entry["Status"] == "Cancelling":
                raise AwsError("ActiveInstanceRefreshNotFound", "No in progress or pending Instance Refresh found for Auto Scaling "
                               "group %s" % group.name)
            entry.update(Status="Cancelling", StatusReason="Cancelled by user.")
        return {"InstanceRefreshId": entry["InstanceRefreshId"]}

    def describe(self, request, call):
        name, ids = self.groups.named(request.params.get("AutoScalingGroupName")).name, request.members("InstanceRefreshIds")
        with self.lock:
            entries = [dict(e) for e in self.entries if e["AutoScalingGroupName"] == name and (not ids or e["InstanceRefreshId"] in ids)]
        start, most = int(request.params.get("NextToken", 0)), int(request.params.get("MaxRecords", 50))
        rest = start + most < len(entries)
        return {"InstanceRefreshes": entries[start:start + most], "NextToken": str(start + most) if rest else None}

    def view(self):
        with self.lock:
            return [{k: e[k] for k in ("AutoScalingGroupName", "InstanceRefreshId", "Status", "PercentageComplete")} for e in self.entries]

    def hesitate(self, seconds):
        """From now on a refresh is pending for so long before it ends an instance."""
        self.hesitation = max(STEP, seconds)

    def run(self, entry, group, call):
        begins = time.monotonic() + self.hesitation
        while time.monotonic() < begins and entry["Status"] == "Pending":
            time.sleep(0.05)
        old = [state.instance.id for state in group.instance_states]
        for done, instance in enumerate(old):
            if not self.go_on(entry):
                break
            try:
                self.terminate(instance, False, "an instance refresh", "refresh " + entry["InstanceRefreshId"], call)
            except AwsError as problem:
                return self.end(entry, "Failed", problem.message)
            self.replaced(group, instance)
            time.sleep(min(float(entry["Preferences"].get("InstanceWarmup", STEP)), 60))
            with self.lock:
                entry.update(PercentageComplete=100 * (done + 1) // len(old), InstancesToUpdate=len(old) - done - 1)
        with self.lock:
            cancelled = entry["Status"] == "Cancelling"
        self.end(entry, "Cancelled" if cancelled else "Successful", entry["StatusReason"])

    def go_on(self, entry):
        """False when it was cancelled before this instance's turn."""
        with self.lock:
            if entry["Status"] == "Cancelling":
                return False
            entry["Status"] = "InProgress"
            return True

    def replaced(self, group, instance):
        """Waits for the successor, however long it takes: an instance that goes is not called back by a cancel."""
        while True:
            with self.groups.lock:
                states = [(s.instance.id, s.lifecycle_state) for s in group.instance_states]
            if states and all(i != instance and state == "InService" for i, state in states):
                return
            time.sleep(0.05)

    def end(self, entry, status, reason):
        with self.lock:
            entry.update(Status=status, StatusReason=reason, EndTime=now())
