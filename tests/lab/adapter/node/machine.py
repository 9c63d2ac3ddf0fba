"""What the lab's daemon says of the machine that a program runs on. The first two arguments of each program say where it is to be asked,
and which machine that is; the rest is the caller's."""
import http.client
import json
import sys

ARGUMENTS = sys.argv[3:]


def ask():
    connection = http.client.HTTPConnection(sys.argv[1], timeout=30)
    connection.request("POST", "/machine", json.dumps({"node": int(sys.argv[2])}))
    answer = json.loads(connection.getresponse().read())
    connection.close()
    if "error" in answer:
        fail("the lab's daemon said: " + answer["error"])
    return answer


def fail(text, code=1):
    print(text, file=sys.stderr)
    sys.exit(code)


def unit_name(text):
    return text[:-len(".service")] if text.endswith(".service") else text
