"""One command on one machine: its states, and how the answers show it. It knows neither processes nor requests."""
import datetime
import threading
import time

PLUGIN = "aws:runShellScript"
UNSEEN = 0.3  # seconds in which nobody knows of it yet, and never at the first look
STATUS = {"DeliveryTimedOut": "TimedOut", "ExecutionTimedOut": "TimedOut"}  # the others are called like their details
ENDED = {"Success", "Failed", "Cancelled", "DeliveryTimedOut", "ExecutionTimedOut"}
IN_LIST = 2500


def iso(at):
    return "" if at is None else datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def duration(seconds):
    """PT1H2M3.456S."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return "PT%s%s%sS" % ("%dH" % hours if hours else "", "%dM" % minutes if minutes else "", ("%.3f" % rest).rstrip("0").rstrip("."))


class Invocation:
    def __init__(self, command, instance):
        self.command, self.instance = command, instance
        self.lock, self.details, self.code = threading.Lock(), "Pending", -1
        self.started, self.ended, self.out, self.err = None, None, "", ""
        self.looks, self.cancelled = 0, threading.Event()

    def begin(self):
        """False when it was cancelled before."""
        with self.lock:
            if self.details == "Pending":
                self.details, self.started = "InProgress", time.time()
            return self.details == "InProgress"

    def end(self, details, code=-1, out="", err=""):
        with self.lock:
            if self.details not in ENDED:
                self.details, self.code, self.ended = details, code, time.time()
                if details in ("Success", "Failed"):  # of what was cut short AWS shows nothing
                    self.out, self.err = out, err

    def cancel(self):
        with self.lock:
            if self.details == "InProgress":
                self.details = "Cancelling"
            elif self.details == "Pending":
                self.details, self.ended = "Cancelled", time.time()
        self.cancelled.set()

    def seen(self):
        """Whether a look for it finds it already."""
        self.looks += 1
        return self.looks > 1 and self.listed()

    def listed(self):
        return time.time() - self.command["requested"] >= UNSEEN

    def settle(self):
        """A machine that is gone reports nothing; its command is given up when all its time is over."""
        if self.details not in ENDED and time.time() > self.command["expires"]:
            self.end("DeliveryTimedOut")

    def status(self):
        return STATUS.get(self.details, self.details)

    def shown(self):
        """As GetCommandInvocation shows it."""
        self.settle()
        with self.lock:
            spent = None if self.started is None else (self.ended or time.time()) - self.started
            return {
                "CommandId": self.command["id"], "InstanceId": self.instance, "Comment": self.command["comment"],
                "DocumentName": self.command["document"], "DocumentVersion": self.command["version"], "PluginName": PLUGIN,
                "ResponseCode": self.code, "ExecutionStartDateTime": iso(self.started),
                "ExecutionElapsedTime": "" if spent is None else duration(spent),
                "ExecutionEndDateTime": iso(self.started and self.ended), "Status": self.status(), "StatusDetails": self.details,
                "StandardOutputContent": self.out, "StandardOutputUrl": "", "StandardErrorContent": self.err, "StandardErrorUrl": "",
                "CloudWatchOutputConfig": {"CloudWatchLogGroupName": "", "CloudWatchOutputEnabled": False},
            }

    def in_list(self, with_output):
        """As ListCommandInvocations shows it."""
        self.settle()
        with self.lock:
            short = {
                "CommandId": self.command["id"], "InstanceId": self.instance, "InstanceName": "", "Comment": self.command["comment"],
                "DocumentName": self.command["document"], "DocumentVersion": self.command["version"],
                "RequestedDateTime": self.command["requested"], "Status": self.status(), "StatusDetails": self.details,
                "StandardOutputUrl": "", "StandardErrorUrl": "", "CommandPlugins": [],
            }
            if with_output:
                text = self.out + ("\n----------ERROR-------\n" + self.err if self.err else "")
                text = text if len(text) <= IN_LIST else text[:IN_LIST] + "\n---Output truncated---"
                short["CommandPlugins"] = [{"Name": PLUGIN, "Status": self.status(), "StatusDetails": self.details,
                                            "ResponseCode": self.code, "Output": text}]
            return short
