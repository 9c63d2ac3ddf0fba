"""The nats CLI of a node, as far as the seed uses it there. Only node-1 has the context `pivot`, which is the admin's; what that user
may not ask, it is not told. The figures are those of the servers' monitoring ports."""
import http.client
import json
import os

import machine

NO_RIGHTS = "server request failed, ensure the account used has system privileges and appropriate permissions"
CONTEXT = "pivot"


def error(text):
    machine.fail("nats: error: " + text)


def get(address, path):
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def table(title, head, rows):
    rows = [[str(cell) for cell in row] for row in [head] + rows]
    wide = [max(len(row[n]) for row in rows) for n in range(len(head))]
    lines = ["│ %s │" % " │ ".join(cell.ljust(wide[n]) for n, cell in enumerate(row)) for row in rows]
    print("\n".join([title, lines[0], "├%s┤" % "┼".join("─" * (n + 2) for n in wide)] + lines[1:]))


def report_jetstream(servers):
    rows = []
    for server, varz, jsz in servers:
        meta = jsz.get("meta_cluster") or {}
        star = "*" if meta.get("leader") == varz["server_name"] else ""
        rows.append([varz["server_name"] + star, varz.get("cluster", {}).get("name", ""), jsz.get("streams", 0), jsz.get("consumers", 0),
                     jsz.get("messages", 0), jsz.get("bytes", 0), jsz.get("memory", 0), jsz.get("storage", 0)])
    table("JetStream Summary", ["Server", "Cluster", "Streams", "Consumers", "Messages", "Bytes", "Memory", "File"], rows)


def report_connections(servers):
    rows = []
    for server, varz, _ in servers:
        for c in (get(server, "/connz") or {}).get("connections", []):
            rows.append([c["cid"], c.get("name", ""), varz["server_name"], c["ip"], c.get("uptime", ""), c["in_msgs"], c["out_msgs"],
                         c.get("subscriptions", 0)])
    table("Connections Report", ["CID", "Name", "Server", "IP", "Uptime", "In Msgs", "Out Msgs", "Subs"], rows)


def streams(servers):
    """By name, as their leaders tell of them."""
    found = {}
    for server, varz, _ in servers:
        detail = get(server, "/jsz?accounts=1&streams=1&config=1") or {}
        for account in detail.get("account_details") or []:
            for stream in account.get("stream_detail") or []:
                leads = (stream.get("cluster") or {}).get("leader") == varz["server_name"]
                if leads or stream["name"] not in found:
                    found[stream["name"]] = stream
    return found


def stream_ls(servers):
    rows = [[name, s["state"]["messages"], s["state"]["bytes"], s["state"]["last_seq"]] for name, s in sorted(streams(servers).items())]
    table("Streams", ["Name", "Messages", "Size", "Last Sequence"], rows)


def stream_info(servers, name):
    stream = streams(servers).get(name)
    if stream is None:
        error("could not pick a Stream to operate on: stream not found (10059)")
    state, cluster = stream["state"], stream.get("cluster") or {}
    print("Information for Stream %s\n" % name)
    for label, value in [("Subjects", ", ".join(stream.get("config", {}).get("subjects", []))), ("Leader", cluster.get("leader", "")),
                         ("Messages", state["messages"]), ("Bytes", state["bytes"]), ("First Sequence", state["first_seq"]),
                         ("Last Sequence", state["last_seq"]), ("Active Consumers", state.get("consumer_count", 0))]:
        print("%20s: %s" % (label, value))
    for replica in cluster.get("replicas") or []:
        print("%20s: %s, %s" % ("Replica", replica["name"], "current" if replica["current"] else "outdated"))


def main():
    node, words, context, rest = machine.ask(), [], None, list(machine.ARGUMENTS)
    while rest:
        word = rest.pop(0)
        name, same, value = word.partition("=")
        if name == "--context":
            context = value if same else rest.pop(0) if rest else ""
        elif word.startswith("-"):
            error("the lab's nodes know the option --context, not %s" % name)
        else:
            words.append(word)
    known = [CONTEXT] if node["context"] else []
    selection = os.path.join(node["folder"], "nats-context")
    if words[:2] in (["context", "select"], ["ctx", "select"]):
        if words[2:3] != known[:1] or not known:
            error("unknown context")
        with open(selection, "w") as file:
            file.write(words[2])
        return print('NATS Configuration Context "%s"' % words[2])
    context = context or (open(selection).read() if os.path.exists(selection) else None)
    if context is None:
        error("nats: Authorization Violation")  # the server's default port, and nobody's name
    if context not in known:
        error('unknown context "%s"' % context)
    serve(node, words)


def serve(node, words):
    servers = [(server, get(server, "/varz"), get(server, "/jsz")) for server in node["monitors"] if server]
    servers = [(server, varz, jsz) for server, varz, jsz in servers if varz and jsz]
    if not servers:
        error("nats: no servers available for connection")
    of_system = {("server", "report", "jetstream"): report_jetstream, ("server", "report", "connections"): report_connections}
    if tuple(words) in of_system:
        if not node["system_rights"]:
            error(NO_RIGHTS)
        return of_system[tuple(words)](servers)
    if words == ["stream", "ls"]:
        return stream_ls(servers)
    if words[:2] == ["stream", "info"] and len(words) == 3:
        return stream_info(servers, words[2])
    error("the lab's nodes know context select, stream ls, stream info NAME, server report jetstream|connections")


main()
