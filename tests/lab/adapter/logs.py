"""FilterLogEvents as CloudWatch answers it: prefixes, patterns, and pages that may be empty and yet not the last.
The events themselves are moto's."""
import base64
import hashlib
import json
import re

from wire import AwsError

PAGE = 2  # small, so that whoever reads one page only is found out
FIRST_BACKWARDS = 1_704_067_200_000
TERMS = re.compile(r'\s*([?-]?)(?:"((?:[^"\\]|\\.)*)"|([^\s"?%{}\[\]-][^\s"]*))')


def invalid(text):
    return AwsError("InvalidParameterException", text)


def pattern(text):
    """A predicate over messages: phrases and words must all be there, one of the ?terms, none of the -terms."""
    every, some, none, at = [], [], [], 0
    while text[at:].strip():
        found = TERMS.match(text, at)
        if not found:
            raise invalid("the lab does not know this filter pattern: %s" % text)
        phrase = found.group(3) if found.group(2) is None else re.sub(r"\\(.)", r"\1", found.group(2))
        {"": every, "?": some, "-": none}[found.group(1)].append(phrase)
        at = found.end()
    return lambda line: (
        all(p in line for p in every) and (not some or any(p in line for p in some)) and not any(p in line for p in none))


def named(params):
    """The log groups of a request: by name, names, or identifiers, which may be ARNs."""
    many = [params.get("logGroupName")] + (params.get("logGroupNames") or [])
    many += [params.get("logGroupIdentifier")] + (params.get("logGroupIdentifiers") or [])
    return [name.partition(":log-group:")[2] if name.startswith("arn:") else name for name in many if name]


class Logs:
    def __init__(self, backend):
        self.backend = backend

    def filter(self, request, call):
        params = request.params
        if params.get("logStreamNames") and params.get("logStreamNamePrefix"):
            raise invalid("logStreamNames and logStreamNamePrefix cannot both be given")
        names, backwards = named(params), params.get("startFromHead") is False
        if len(names) != 1:
            raise invalid("say either logGroupName or logGroupIdentifier")
        if backwards and params.get("startTime", 0) < FIRST_BACKWARDS:
            raise invalid("startFromHead can be false only with a startTime on or after Jan 1, 2024")
        group = self.backend.groups.get(names[0])
        if group is None:
            raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
        wanted, digest = pattern(params.get("filterPattern", "")), self.digest(params)
        start = self.place(params.get("nextToken"), digest)
        if start is None:  # nothing found on the first look at the index: an empty page, and not the end
            return self.page([], digest, 0)
        events = self.matching(group, params, wanted)
        if backwards:
            events.reverse()
        end = start + min(params.get("limit", PAGE), PAGE)
        shown = events[start:end]
        # The last page that shows something does not know yet that it is the last.
        return self.page(shown, digest, end if shown else None)

    def matching(self, group, params, wanted):
        names, prefix = params.get("logStreamNames"), params.get("logStreamNamePrefix", "")
        start, end = params.get("startTime", 0), params.get("endTime")
        events = [
            dict(event.to_filter_dict(), logStreamName=stream)
            for stream, content in list(group.streams.items())
            if (stream in names if names else stream.startswith(prefix))
            for event in list(content.events)
            if event.timestamp >= start and (end is None or event.timestamp <= end) and wanted(event.message)
        ]
        return sorted(events, key=lambda event: (event["timestamp"], int(event["eventId"])))

    @staticmethod
    def digest(params):
        asked = json.dumps({k: v for k, v in params.items() if k != "nextToken"}, sort_keys=True)
        return hashlib.sha256(asked.encode()).hexdigest()[:16]

    @staticmethod
    def place(token, digest):
        """Where the page of a token begins; a token belongs to one question."""
        if token is None:
            return None
        try:
            of, _, at = base64.urlsafe_b64decode(token).decode().partition(":")
            if of == digest:
                return int(at)
        except ValueError:
            pass
        raise invalid("The specified nextToken is invalid.")

    @staticmethod
    def page(events, digest, after):
        answer = {"events": events, "searchedLogStreams": []}
        if after is not None:
            answer["nextToken"] = base64.urlsafe_b64encode(("%s:%d" % (digest, after)).encode()).decode()
        return answer
