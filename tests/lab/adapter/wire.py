"""AWS requests and answers as they stand on the wire: query and JSON protocols, errors, request ids.
It knows shapes only; what an operation does is elsewhere."""
import datetime
import io
import json
import uuid
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

NAMESPACE = {
    "autoscaling": "http://autoscaling.amazonaws.com/doc/2011-01-01/",
    "ec2": "http://ec2.amazonaws.com/doc/2016-11-15/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
}
HTML = "<html><head><title>503 Service Temporarily Unavailable</title></head><body><h1>503</h1></body></html>"


class AwsError(Exception):
    """What AWS would say. `code` may be a dictionary by protocol: AWS names some errors differently in each."""

    def __init__(self, code, message, status=400):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status

    def code_of(self, service):
        if isinstance(self.code, str):
            return self.code
        return self.code.get(service) or self.code["query" if service in NAMESPACE else "json"]


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class Request:
    """One request, read once; its body can still be read by moto."""

    def __init__(self, environ):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        environ["wsgi.input"] = io.BytesIO(body)
        scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split(",")[0].split("/")
        self.key, self.service = scope[0] or "?", scope[3] if len(scope) > 3 else "?"
        self.token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN")
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if target:
            self.operation, self.params = target.rpartition(".")[2], json.loads(body or b"{}")
        else:
            self.params = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
            self.operation = self.params.pop("Action", environ.get("PATH_INFO", "?"))
            self.params.pop("Version", None)

    def members(self, name):
        """A list of the query protocol."""
        return [v for k, v in self.params.items() if k.startswith(name + ".member.")]


def xml(value):
    """A dict, list or scalar as the body of an AWS query answer."""
    if isinstance(value, dict):
        return "".join("<%s>%s</%s>" % (k, xml(v), k) for k, v in value.items() if v is not None)
    if isinstance(value, list):
        return "".join("<member>%s</member>" % xml(v) for v in value)
    return escape(str(value).lower() if isinstance(value, bool) else str(value))


def error(request, call, problem):
    """Status, type and text of an error."""
    code, service, status = problem.code_of(request.service), request.service, "%d Lab" % problem.status
    inner = xml({"Error": {"Code": code, "Message": problem.message}})
    if service == "ec2":
        return status, "text/xml", "<Response><Errors>%s</Errors><RequestID>%s</RequestID></Response>" % (inner, call["request_id"])
    if service in NAMESPACE:
        return status, "text/xml", "<ErrorResponse>%s<RequestId>%s</RequestId></ErrorResponse>" % (inner, call["request_id"])
    return status, "application/x-amz-json-1.1", json.dumps({"__type": code, "message": problem.message})


def answer(request, call, value):
    """Status, type and text of a good answer."""
    name, space, number = request.operation, NAMESPACE.get(request.service), call["request_id"]
    if request.service == "ec2":
        return "200 OK", "text/xml", '<%sResponse xmlns="%s"><requestId>%s</requestId>%s</%sResponse>' % (name, space, number, value, name)
    if space:
        return "200 OK", "text/xml", (
            '<%sResponse xmlns="%s"><%sResult>%s</%sResult><ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>'
            % (name, space, name, xml(value), name, number, name))
    return "200 OK", "application/x-amz-json-1.1", json.dumps(value)


def request_id():
    return str(uuid.uuid4())
