"""systemctl, as far as one looks at units: is-active, show, status. It starts and stops nothing."""
import time

import machine

OPTIONS = ("--no-pager", "-l", "--full", "--plain", "-q", "--quiet", "--value")
NO_SUCH_UNIT, NOT_ACTIVE = 4, 3
NONE = {"active": "inactive", "sub": "dead", "pid": 0, "since": None, "result": "success", "code": 0, "status": 0}


def read():
    """Verb, units, options, properties."""
    words, given, properties, rest = [], set(), [], list(machine.ARGUMENTS)
    while rest:
        word = rest.pop(0)
        name, same, value = word.partition("=")
        if name in ("-p", "--property"):
            properties += (value if same else rest.pop(0) if rest else "").split(",")
        elif name in ("-n", "--lines", "-o", "--output"):
            same or (rest and rest.pop(0))
        elif word == "--":
            words += rest
            break
        elif word in OPTIONS:
            given.add(word)
        elif word.startswith("-"):
            machine.fail("systemctl: unrecognized option '%s'" % word)
        else:
            words.append(word)
    return words[:1], [machine.unit_name(unit) for unit in words[1:]], given, properties


def properties_of(name, unit, known):
    """In systemd's order, which is not the caller's."""
    return {
        "Type": "simple", "Restart": "no", "MainPID": unit["pid"], "Result": unit["result"], "NRestarts": 0,
        "ExecMainStartTimestamp": stamp(unit), "ExecMainPID": unit["pid"], "ExecMainCode": unit["code"], "ExecMainStatus": unit["status"], "Id": name + ".service",
        "Names": name + ".service", "Description": name + (".service" if not known else ""),
        "LoadState": "loaded" if known else "not-found", "ActiveState": unit["active"], "SubState": unit["sub"],
        "UnitFileState": "enabled" if known else "", "ActiveEnterTimestamp": stamp(unit) if unit["active"] == "active" else "",
    }


def stamp(unit):
    return time.strftime("%a %Y-%m-%d %H:%M:%S UTC", time.gmtime(unit["since"])) if unit["since"] else ""


def show(units, names, given, wanted):
    blocks = []
    for name in names:
        have = properties_of(name, units.get(name, NONE), name in units)
        lines = [(key, value) for key, value in have.items() if not wanted or key in wanted]
        blocks.append("\n".join(str(value) if "--value" in given else "%s=%s" % (key, value) for key, value in lines))
    print("\n\n".join(blocks))
    return 0


def is_active(units, names, given, _):
    states = [units.get(name, NONE)["active"] for name in names]
    if not {"-q", "--quiet"} & given:
        print("\n".join(states))
    return 0 if "active" in states else NOT_ACTIVE if set(names) & set(units) else NO_SUCH_UNIT


def status(units, names, given, _):
    codes = []
    for name in names:
        if name not in units:
            machine.fail("Unit %s.service could not be found." % name, NO_SUCH_UNIT)
        unit = units[name]
        since = stamp(unit)
        why = unit["sub"] if unit["active"] == "active" else "Result: " + unit["result"] if unit["active"] == "failed" else "dead"
        lines = ["%s %s.service - %s" % ({"active": "●", "failed": "×"}.get(unit["active"], "○"), name, name),
                 "     Loaded: loaded (/etc/systemd/system/%s.service; enabled; preset: disabled)" % name,
                 "     Active: %s (%s)%s" % (unit["active"], why, " since %s" % since if since else "")]
        if unit["active"] == "active":
            lines.append("   Main PID: %d (%s)" % (unit["pid"], "nats-server" if name == "nats" else name))
        elif unit["active"] == "failed":
            lines.append("    Process: ExecStart=/usr/bin/%s (code=%s, status=%d)" % (
                name, "killed" if unit["code"] == 2 else "exited", unit["status"]))
        print("\n".join(lines))
        codes.append(0 if unit["active"] == "active" else NOT_ACTIVE)
    return max(codes, default=0)


def main():
    verb, names, given, wanted = read()
    verbs = {"show": show, "is-active": is_active, "status": status}
    if verb and verb[0] not in verbs:
        machine.fail("systemctl: the lab's nodes know %s, not '%s'" % (", ".join(verbs), verb[0]))
    if not verb or not names:
        machine.fail("systemctl: the lab's nodes want a verb and a unit")
    raise SystemExit(verbs[verb[0]](machine.ask()["units"], names, given, wanted))


main()
