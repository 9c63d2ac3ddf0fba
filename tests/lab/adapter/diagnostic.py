"""The diagnostic log group: what boots write into it, and the faults of it. Groups, streams and events are moto's; how they are read
is elsewhere (`logs`, `insights`)."""
import threading
import time

DAY = 24 * 3600 * 1000


class Diagnostic:
    def __init__(self, config, backend):
        self.name, self.backend = config["log_group"], backend
        self.lock, self.taken, self.old = threading.Lock(), None, set()

    def write(self, body):
        """{node, stream, lines}. A boot does not end because nobody takes its lines."""
        with self.lock:
            group = self.backend.groups.get(self.name)
            if group is None:
                return
            if body["stream"] not in group.streams:
                self.backend.create_log_stream(self.name, body["stream"])
            stamp = int(time.time() * 1000) - (DAY if body["node"] in self.old else 0)
            events = [{"timestamp": stamp, "message": line} for line in body["lines"]]
            self.backend.put_log_events(self.name, body["stream"], events)

    def take(self, _):
        """Somebody deletes the group."""
        with self.lock:
            self.taken = self.backend.groups.pop(self.name, self.taken)

    def age(self, body):
        """From now on the lines of the node are a day old, those that are there too."""
        with self.lock:
            if body["node"] not in self.old:
                self.old.add(body["node"])
                self.shift(body["node"], -DAY)

    def clear(self):
        with self.lock:
            if self.taken is not None:
                self.backend.groups[self.name] = self.taken
                self.taken = None
            for node in self.old:
                self.shift(node, DAY)
            self.old.clear()

    def shift(self, node, by):
        group = self.backend.groups.get(self.name) or self.taken
        for stream, content in group.streams.items():
            if stream.startswith(node + "-bootstrap-"):
                for event in content.events:
                    event.timestamp += by

    def view(self):
        return {"log_group_gone": self.taken is not None, "old_boot_lines": sorted(self.old)}
