"""A script on a node, as the SSM agent runs it: by sh, in a process group of its own, its output kept up to a limit, all of the group
killed when its time is over. The node's programs come first in its PATH, and the two paths of the seed lead into the node's folder:
the script's text is changed before it runs, and its output back, so all it meets has to hold them changed (as the bootstrap log does).
What is written in pieces (`$DIR/nats`) is not found."""
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time

from wire import AwsError

HERE = os.path.dirname(os.path.abspath(__file__))
OWN = ("systemctl", "journalctl", "nats", "df", "mountpoint")  # each a file in `node`
# They would reach beyond the node: to the machine that runs the lab, its disks, and the servers of other nodes.
REFUSED = ("reboot", "shutdown", "poweroff", "halt", "pkill", "killall", "findmnt")
PATHS = {"/var/lib/nats": "store", "/var/log/nats-bootstrap.log": "bootstrap.log"}
PROGRAM = re.compile(r"(?<![\w.~-])(?:/usr(?:/local)?)?/s?bin/(%s)(?![\w./-])" % "|".join(OWN + REFUSED))
STDOUT, STDERR, MARK = 24_000, 8_000, "--output truncated--"
CAPTURED = 1 << 20
KILLED = 137
STARTING = threading.Lock()  # a script whose file another fork still holds open for writing cannot be executed
RUNNING = set()


def run(job, config, cancelled):
    """Runs it to its end; answers details, response code, stdout, stderr."""
    folder = job["node"]["folder"]
    if not re.fullmatch(r"[\w./+@:-]+", folder):
        raise AwsError("InternalServerError", "the lab runs no commands in a folder of such a name: " + folder, 500)
    prepare(job["node"], config)
    own = os.path.join(folder, "commands", job["command"])
    os.makedirs(own, exist_ok=True)
    try:
        child = start(job, config, own)
    except OSError as problem:
        why = "chdir %s: %s" % (job["directory"], os.strerror(problem.errno).lower())
        return "Failed", 1, "", "failed to run commands: " + why
    outputs = [Output(child.stdout), Output(child.stderr)]
    how = wait(child, outputs, time.monotonic() + job["seconds"], cancelled)
    return result(how, child, [output.text(folder) for output in outputs])


def start(job, config, own):
    path = os.path.join(own, "_script.sh")
    directory = job["directory"] if os.path.isabs(job["directory"]) else own
    text = translated("\n".join(job["lines"]) + "\n", job["node"]["folder"])
    with STARTING:
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o700)
        child = subprocess.Popen(["/bin/sh", "-c", "exec " + shlex.quote(path)], cwd=directory, env=environment(job, config), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    RUNNING.add(child.pid)
    return child


def environment(job, config):
    folder = job["node"]["folder"]
    return {
        "PATH": folder + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
        "AWS_SSM_INSTANCE_ID": job["instance"], "AWS_SSM_REGION_NAME": config["region"], "AWS_SSM_PLATFORM_NAME": "Amazon Linux",
        "AWS_SSM_PLATFORM_VERSION": "2023", "SSM_COMMAND_ID": job["command"],
        # By this the daemon finds whatever is left, wherever it has gone.
        "SLUICE_LAB_NODE": folder + "/",
    }


def wait(child, outputs, until, cancelled):
    """How it ended. Like the agent's, it has not as long as somebody holds its output open."""
    try:
        while True:
            if child.poll() is not None and not any(output.is_alive() for output in outputs):
                return None
            if cancelled.wait(0.02):
                kill(child.pid)
                child.wait()
                return "Cancelled"
            if time.monotonic() > until:
                kill(child.pid)
                child.wait()
                return "ExecutionTimedOut"
    finally:
        RUNNING.discard(child.pid)


def kill(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def end_all():
    for group in list(RUNNING):
        kill(group)


def result(how, child, texts):
    out, err = (prefix(text) for text in texts)
    status = child.returncode
    if how:
        return how, KILLED, "", ""
    if status == 0:
        return "Success", 0, out, err[:STDERR]
    if status == KILLED:  # the agent takes it for its own doing
        return "ExecutionTimedOut", KILLED, "", ""
    why = "exit status %d" % status if status > 0 else "signal: " + (signal.strsignal(-status) or "unknown").lower()
    return "Failed", max(status, -1), out, prefix(texts[1] + "failed to run commands: " + why)[:STDERR]


def prefix(text):
    """The agent counts bytes, and marks what it has cut."""
    data = text.encode()
    return text if len(data) < STDOUT else data[:STDOUT - len(MARK)].decode("utf-8", "replace") + MARK


class Output(threading.Thread):
    """Reads a pipe to its end and keeps the beginning."""

    def __init__(self, pipe):
        super().__init__(daemon=True)
        self.pipe, self.data = pipe, b""
        self.start()

    def run(self):
        while True:
            more = os.read(self.pipe.fileno(), 65536)
            if not more:
                return self.pipe.close()
            self.data += more[:max(0, CAPTURED - len(self.data))]

    def text(self, folder):
        text = self.data.decode("utf-8", "replace")
        for path, name in PATHS.items():
            text = text.replace(os.path.join(folder, name), path)
        return text


def translated(text, folder):
    for path, name in PATHS.items():
        text = re.sub(r"(?<![\w.~-])%s(?![\w.-])" % re.escape(path), os.path.join(folder, name), text)
    return PROGRAM.sub(r"\1", text)


def prepare(node, config):
    """The node's own programs."""
    folder = os.path.join(node["folder"], "bin")
    if os.path.isdir(folder):
        return
    made = folder + ".%d" % threading.get_ident()
    os.makedirs(made)
    address = "%s:%d" % tuple(config["hook"])
    for name in OWN:
        words = [sys.executable, "-E", "-s", "-S", os.path.join(HERE, "node", name + ".py"), address, str(node["n"])]
        launcher(os.path.join(made, name), "exec %s \"$@\"" % " ".join(shlex.quote(word) for word in words))
    for name in REFUSED:
        launcher(os.path.join(made, name), "echo '%s: the nodes of a lab share one machine, so it is not done here' >&2; exit 1" % name)
    try:
        os.rename(made, folder)
    except OSError:  # another command was quicker
        for name in OWN + REFUSED:
            os.remove(os.path.join(made, name))
        os.rmdir(made)


def launcher(path, line):
    with open(path, "w") as file:
        file.write("#!/bin/sh\n%s\n" % line)
    os.chmod(path, 0o700)
