"""What the lab was told to do to AWS calls: refuse them, answer in HTML, or do them and never answer.
It knows calls by operation; what they do is elsewhere."""
import select
import socket
import threading
import time

from wire import AwsError

THROTTLED = {"query": "Throttling", "ec2": "RequestLimitExceeded", "json": "ThrottlingException"}
EXPIRED = {"query": "ExpiredToken", "ec2": "RequestExpired", "json": "ExpiredTokenException"}
HOLD_AT_MOST = 900


class Faults:
    def __init__(self):
        self.lock = threading.Lock()
        self.by_operation, self.expired, self.age = {}, False, 0

    def set(self, body):
        """{operation, times, how: error|throttle|html|silence|cut, code, status}; the operation may be `*`."""
        with self.lock:
            self.by_operation[body["operation"]] = dict(body)

    def expire(self, body):
        self.expired = body.get("expired", True)

    def clear(self):
        with self.lock:
            self.by_operation.clear()
            self.expired = False
            self.age += 1

    def view(self):
        with self.lock:
            left = [dict(f) for f in self.by_operation.values() if f["times"] > 0]
            return {"calls": left, "expired": self.expired}

    def take(self, operation):
        """Raises what the call is refused with, or answers how it is to end: html, silence, cut or None."""
        if self.expired:
            raise AwsError(EXPIRED, "The security token included in the request is expired", 403)
        with self.lock:
            fault = self.by_operation.get(operation) or self.by_operation.get("*")
            if not fault or fault["times"] <= 0:
                return None
            fault["times"] -= 1
        if fault["how"] == "throttle":
            raise AwsError(THROTTLED, "Rate exceeded")
        if fault["how"] == "error":
            raise AwsError(fault["code"], "the lab was told to fail this call", fault["status"])
        return fault["how"]

    def abandon(self, environ, how):
        """The call was done and its answer never comes: the connection stays silent until the caller gives up or the
        faults are cleared, or is cut at once."""
        connection = environ.get("werkzeug.socket")
        age, end = self.age, time.monotonic() + HOLD_AT_MOST
        while how == "silence" and connection and self.age == age and time.monotonic() < end:
            if select.select([connection], [], [], 0)[0] and not connection.recv(1, socket.MSG_PEEK):
                break
            time.sleep(0.05)
        if connection:
            connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError("told to give no answer")
