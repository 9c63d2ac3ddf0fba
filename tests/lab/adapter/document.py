"""The document AWS-RunShellScript: its name, its parameters, and what those may be. It runs nothing."""
import re

from wire import AwsError

NAME = "AWS-RunShellScript"
SECONDS = re.compile(r"([1-9][0-9]{0,4})|(1[0-6][0-9]{4})|(17[0-1][0-9]{3})|(172[0-7][0-9]{2})|(172800)")
SHORTEST, DEFAULT = 5, 3600
VERSIONS = ("$DEFAULT", "$LATEST", "1")
# What would change what a command does, and the lab does not do.
NOT_HONOURED = ("OutputS3BucketName", "CloudWatchOutputConfig", "NotificationConfig", "ServiceRoleArn", "AlarmConfiguration",
                "MaxConcurrency", "MaxErrors", "DocumentHash")


def arn(region, name):
    """Documents of Amazon belong to no account."""
    return name if name.startswith("arn:") else "arn:aws:ssm:%s::document/%s" % (region, name)


def read(params, region):
    """Lines, directory and seconds of a request."""
    if arn(region, params["DocumentName"]) != arn(region, NAME):
        raise AwsError("InvalidDocument", "Document with name %s does not exist." % params["DocumentName"])
    if params.get("DocumentVersion", "$DEFAULT") not in VERSIONS:
        raise AwsError("InvalidDocumentVersion", "The document version isn't valid or doesn't exist.")
    strange = [name for name in NOT_HONOURED if params.get(name) is not None]
    if strange:
        raise AwsError("InvalidParameters", "the lab does not honour %s" % ", ".join(strange))
    given = params.get("Parameters") or {}
    unknown = sorted(set(given) - {"commands", "workingDirectory", "executionTimeout"})
    if unknown:
        raise AwsError("InvalidParameters", "Parameters %s are not defined in the document %s." % (unknown, NAME))
    if not given.get("commands"):
        raise AwsError("InvalidParameters", "Parameter commands is required by the document %s." % NAME)
    seconds = single(given, "executionTimeout", str(DEFAULT))
    if not SECONDS.fullmatch(seconds):
        raise AwsError("InvalidParameters", "Parameter executionTimeout has value %s not matching %s." % (seconds, SECONDS.pattern))
    # The agent takes what is shorter for a mistake, and its default instead.
    return given["commands"], single(given, "workingDirectory", ""), int(seconds) if int(seconds) >= SHORTEST else DEFAULT


def single(given, name, default):
    values = given.get(name, [default])
    if len(values) != 1 or len(values[0]) > 4096:
        raise AwsError("InvalidParameters", "Parameter %s is one String of 4096 characters at most." % name)
    return values[0]
