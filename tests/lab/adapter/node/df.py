"""df of a node: the machine's own, in which the node's folder is the disk that the seed mounts at /var/lib/nats, when it is mounted."""
import os
import re
import subprocess
import sys

import machine

DEVICE = "/dev/nvme1n1"
REAL = next(path for path in ("/usr/bin/df", "/bin/df") if os.path.exists(path))


def ask(arguments):
    return subprocess.run([REAL] + arguments, stdout=subprocess.PIPE, universal_newlines=True)


def as_disk(line, store):
    """The line of the file system that holds the folder, as one of a disk's own. To whoever sent the command the folder is shown as
    what it stands for; a command sees it as it is, and may look for it in this line."""
    return re.sub(r"\S+$", store, re.sub(r"^\S+", DEVICE, line.rstrip()))


def main():
    node, arguments = machine.ask(), machine.ARGUMENTS
    with_value = [n + 1 for n, word in enumerate(arguments) if word in ("-B", "-t", "-x")]
    asked = [word for n, word in enumerate(arguments) if not word.startswith("-") and n not in with_value]
    lists = not any(word.startswith("--output") for word in arguments)
    if not node["disk"] or not lists or len(asked) > 1:
        sys.exit(subprocess.call([REAL] + arguments))
    done = ask(arguments)
    lines = done.stdout.splitlines()
    if not asked:
        lines += [as_disk(line, node["store"]) for line in ask(arguments + [node["store"]]).stdout.splitlines()[1:]]
    elif os.path.realpath(asked[0]).startswith(os.path.realpath(node["store"])):
        lines[1:] = [as_disk(line, node["store"]) for line in lines[1:]]
    print("\n".join(lines))
    sys.exit(done.returncode)


main()
