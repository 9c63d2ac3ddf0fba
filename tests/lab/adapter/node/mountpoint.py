"""mountpoint of a node: the node's folder is the disk that the seed mounts at /var/lib/nats, when it is mounted; what else is asked for
is the machine's own."""
import os
import subprocess
import sys

import machine

NOT_MOUNTED = 32


def main():
    node, arguments = machine.ask(), machine.ARGUMENTS
    asked = [word for word in arguments if not word.startswith("-")]
    if asked and os.path.realpath(asked[-1]) == os.path.realpath(node["store"]):
        if not {"-q", "--quiet"} & set(arguments):
            print("%s is %sa mountpoint" % (asked[-1], "" if node["disk"] else "not "))
        sys.exit(0 if node["disk"] else NOT_MOUNTED)
    sys.exit(subprocess.call(["/usr/bin/mountpoint"] + arguments))


main()
