"""moto as the AWS of one lab, with what moto lacks. It knows nothing of NATS: machines live and die in the lab's daemon,
which tells this process what became of them (POST on the private address) and is told of each termination before it happens.

The first line on stdin is the configuration (JSON); when stdin ends, the daemon is gone and so are we.
"""
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # the catalogue costs a second and nobody looks at it

from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402

import script  # noqa: E402
from app import Aws  # noqa: E402
from build import build  # noqa: E402
from wire import AwsError  # noqa: E402


class Quiet(WSGIRequestHandler):
    def log(self, *args):
        pass


class Door:
    """The AWS address, which can be shut (connection refused) and opened again."""

    def __init__(self, app, address):
        self.app, self.address, self.server = app, address, None

    def open(self):
        if self.server is None:
            self.server = make_server(self.address[0], self.address[1], self.app, threaded=True, request_handler=Quiet)
            threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def shut(self):
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


def routes(config, app, door):
    """The requests of the lab's daemon."""
    groups = app.groups

    def begin(body):
        with groups.lock:
            states = groups.named(body["group"]).instance_states
            if not states:
                raise AwsError("Empty", "%s has no instance" % body["group"])
            groups.begin_termination(states[0].instance.id, False, "an EC2 health check indicating it has been terminated or stopped")
            return {"instance": states[0].instance.id}

    def clear(_):
        app.faults.clear()
        groups.clear()
        app.refreshes.hesitate(0)
        app.agents.clear()
        app.diagnostic.clear()
        door.open()

    def faults():
        return {**app.faults.view(), **app.agents.view(), **app.diagnostic.view()}

    return {
        "/begin": begin,
        "/terminated": lambda b: groups.terminated(b["instance"]),
        "/launch": lambda b: groups.launch(b["group"]),
        "/no_launch": groups.no_launch,
        "/in_service": lambda b: groups.in_service(b["instance"]),
        "/somebody": app.somebody,
        "/hesitate": lambda b: app.refreshes.hesitate(b["seconds"]),
        "/log": app.diagnostic.write,
        "/log_group_gone": app.diagnostic.take,
        "/old_boot_lines": app.diagnostic.age,
        "/ssm_unregistered": app.agents.unregister,
        "/ssm_lost": app.agents.lose,
        "/error": app.faults.set,
        "/expired": app.faults.expire,
        "/down": lambda _: door.shut(),
        "/up": lambda _: door.open(),
        "/clear": clear,
        "/groups": lambda _: groups.view(),
        "/state": lambda _: {"groups": groups.view(), "refreshes": app.refreshes.view(), "faults": faults(), "up": door.server is not None},
        "/calls": lambda b: {"total": app.count, "calls": [c for c in list(app.calls) if c["n"] > b.get("since", 0)]},
    }


def private(address, posts):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            try:
                status, answer = 200, posts[self.path](body) or {}
            except Exception as error:  # every failure goes back to the daemon, which reports it
                status, answer = 500, {"error": "%s: %s" % (type(error).__name__, getattr(error, "message", error))}
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    return ThreadingHTTPServer(tuple(address), Handler)


def main():
    config = json.loads(sys.stdin.readline())
    app = Aws(config)
    build(config, app.moto)
    app.open()
    door = Door(app, config["aws"])
    door.open()
    server = private(config["private"], routes(config, app, door))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
    script.end_all()
    os._exit(0)


main()
