"""Who calls, and what a role's session may: AssumeRole, GetCallerIdentity, session policies.
The role itself may do everything; a session policy narrows it. Signatures are not checked."""
import datetime
import json
import re
import secrets
import threading

from wire import AwsError

DENIED = {"query": "AccessDenied", "ec2": "UnauthorizedOperation", "json": "AccessDeniedException"}
EXPIRED = {"query": "ExpiredToken", "ec2": "RequestExpired", "json": "ExpiredTokenException"}
NO_TOKEN = {"query": "InvalidClientTokenId", "ec2": "AuthFailure", "json": "UnrecognizedClientException"}
SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
CONDITIONS = {"StringEquals", "StringLike", "ArnEquals", "ArnLike"}
LARGEST_POLICY = 2048


def many(value):
    return value if isinstance(value, list) else [value]


def matches(pattern, text, fold=False):
    """IAM's wildcards: * and ?."""
    regex = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch(regex, text, re.IGNORECASE | re.DOTALL if fold else re.DOTALL) is not None


def parse(text):
    """A session policy's statements; everything this file would not honour is refused here."""
    if len(text) > LARGEST_POLICY:
        raise AwsError("PackedPolicyTooLarge", "the session policy has %d characters, %d may be" % (len(text), LARGEST_POLICY))
    try:
        statements = many(json.loads(text)["Statement"])
        for statement in statements:
            strange = set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition"}
            strange |= set(statement.get("Condition", {})) - CONDITIONS
            if strange or statement["Effect"] not in ("Allow", "Deny") or not statement["Action"] or not statement["Resource"]:
                raise AwsError("MalformedPolicyDocument", "the lab does not honour this statement: %s" % (sorted(strange) or statement))
    except (ValueError, KeyError, TypeError) as problem:
        raise AwsError("MalformedPolicyDocument", "This policy contains invalid Json or lacks a part: %r" % problem)
    return statements


def applies(statement, action, resource, context):
    conditions = statement.get("Condition", {}).items()
    return (
        any(matches(a, action, fold=True) for a in many(statement["Action"]))
        and any(matches(r, resource) for r in many(statement["Resource"]))
        and all(
            any(matches(v, context.get(key, "")) if "Like" in operator or "Arn" in operator else v == context.get(key) for v in many(values))
            for operator, keys in conditions for key, values in keys.items()
        )
    )


def allowed(statements, action, resource, context):
    effects = {s["Effect"] for s in statements if applies(s, action, resource, context)}
    return "Allow" in effects and "Deny" not in effects


class Roles:
    def __init__(self, config):
        self.account, self.region, self.known = config["account"], config["region"], set(config["roles"])
        self.lock, self.sessions = threading.Lock(), {}

    def identify(self, request):
        """The caller's ARN and session (None for a user)."""
        session = self.sessions.get(request.key)
        if session:
            return session["arn"], session
        return "arn:aws:iam::%s:user/%s" % (self.account, request.key), None

    def admit(self, request, session, resources):
        """Refuses a session that is not one, is over, or whose policy does not allow this. Resources come with what is true
        of each, for conditions."""
        if session is None:
            if request.key.startswith("ASIA"):
                raise AwsError(NO_TOKEN, "The security token included in the request is invalid.", 403)
            return
        if request.token != session["token"]:
            raise AwsError(NO_TOKEN, "The security token included in the request is invalid.", 403)
        if datetime.datetime.now(datetime.timezone.utc) > session["until"]:
            raise AwsError(EXPIRED, "The security token included in the request is expired", 403)
        action = "%s:%s" % (request.service, request.operation)
        if action == "sts:GetCallerIdentity" or session["policy"] is None:
            return
        for resource, context in resources:
            if not allowed(session["policy"], action, resource, {"aws:RequestedRegion": self.region, **context}):
                raise AwsError(DENIED, "User: %s is not authorized to perform: %s on resource: %s because no session policy allows "
                               "the %s action" % (session["arn"], action, resource, action), 403)

    def assume(self, request, call):
        params = request.params
        role, name, policy = params.get("RoleArn", ""), params.get("RoleSessionName", ""), params.get("Policy")
        if not SESSION_NAME.fullmatch(name):
            raise AwsError("ValidationError", "1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy "
                           "constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*" % name)
        if role not in self.known:
            raise AwsError("AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s" % (call["caller"], role), 403)
        seconds = int(params.get("DurationSeconds", 3600))
        if not 900 <= seconds <= 43200:
            raise AwsError("ValidationError", "DurationSeconds %d is not from 900 to 43200" % seconds)
        statements = parse(policy) if policy else None
        title, unique = role.rpartition("/")[2], "AROA" + secrets.token_hex(8).upper()
        session = {
            "arn": "arn:aws:sts::%s:assumed-role/%s/%s" % (self.account, title, name), "id": "%s:%s" % (unique, name),
            "role": role, "name": name, "policy": statements, "token": secrets.token_urlsafe(48),
            "until": datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds),
        }
        key = "ASIA" + secrets.token_hex(8).upper()
        with self.lock:
            self.sessions[key] = session
        credentials = {"AccessKeyId": key, "SecretAccessKey": secrets.token_urlsafe(30), "SessionToken": session["token"],
                       "Expiration": session["until"].strftime("%Y-%m-%dT%H:%M:%SZ")}
        return {"Credentials": credentials, "AssumedRoleUser": {"AssumedRoleId": session["id"], "Arn": session["arn"]}}

    def whoami(self, request, call):
        session = self.sessions.get(request.key)
        return {"Arn": call["caller"], "UserId": session["id"] if session else request.key, "Account": self.account}
