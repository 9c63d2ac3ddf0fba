"""journalctl of a node. The only unit that writes a journal is nats: what its server wrote since this machine was launched."""
import datetime
import re
import sys
import time

import machine

LINE = re.compile(r"\[(\d+)\] (\d{4}/\d\d/\d\d \d\d:\d\d:\d\d)\.\d+ ")
FORMATS = ("short", "short-iso", "cat")
QUIET = ("--no-pager", "-q", "--quiet", "-a", "--all", "-b", "--boot")


def read():
    units, count, form, follow, rest = [], None, "short", False, list(machine.ARGUMENTS)
    while rest:
        word = rest.pop(0)
        name, same, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name in ("-u", "--unit", "-o", "--output", "-n", "--lines"):
            value = value if same else rest.pop(0) if rest else machine.fail("journalctl: option requires an argument -- '%s'" % name)
            if name in ("-u", "--unit"):
                units.append(machine.unit_name(value))
            elif name in ("-o", "--output"):
                form = value if value in FORMATS else machine.fail("journalctl: the lab's nodes know the formats " + ", ".join(FORMATS))
            else:
                count = None if value == "all" else int(value) if value.isdigit() else machine.fail("Failed to parse lines '%s'" % value)
        elif word in ("-f", "--follow"):
            follow = True
        elif re.fullmatch(r"-n\d+", word):
            count = int(word[2:])
        elif word not in QUIET:
            machine.fail("journalctl: unrecognized option '%s'" % word)
    return units, 10 if follow and count is None else count, form, follow


def shown(lines, host, form):
    """Each line as the journal shows it; one without a time has that of the line before."""
    pid, at = "0", time.localtime()
    for line in lines:
        found = LINE.match(line)
        if found:
            pid, at = found.group(1), time.strptime(found.group(2), "%Y/%m/%d %H:%M:%S")
        moment = datetime.datetime.fromtimestamp(time.mktime(at)).astimezone()
        head = moment.strftime("%b %d %H:%M:%S" if form == "short" else "%Y-%m-%dT%H:%M:%S%z")
        yield line if form == "cat" else "%s %s nats-server[%s]: %s" % (head, host, pid, line)


def main():
    units, count, form, follow = read()
    journal = machine.ask()
    file = open(journal["journal"], errors="replace")
    file.seek(journal["journal_from"])
    lines = file.read().splitlines() if not units or "nats" in units else []
    lines = lines if count is None else lines[max(0, len(lines) - count):]
    print("\n".join(shown(lines, journal["name"], form)) if lines else "-- No entries --", flush=True)
    while follow:
        time.sleep(0.2)
        for line in shown(file.read().splitlines() if not units or "nats" in units else [], journal["name"], form):
            print(line, flush=True)
    sys.exit(0)


main()
