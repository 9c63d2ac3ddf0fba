"""Logs Insights: StartQuery, GetQueryResults, StopQuery. A query takes its time: scheduled at the first look, running with a part of its
rows at the second, complete at the third. It sees what was ingested a little while before it began. Events are moto's."""
import base64
import collections
import datetime
import threading
import time
import uuid

from logs import named
from query import TIMES, Query
from wire import AwsError

KEPT = 1000
LAG = 1000  # milliseconds


class Insights:
    def __init__(self, config, backend):
        self.config, self.backend = config, backend
        self.lock, self.known = threading.Lock(), collections.OrderedDict()

    def start(self, request, call):
        params = request.params
        query = Query(params["queryString"])
        groups = self.groups(params)
        if params["startTime"] > params["endTime"]:
            raise AwsError("InvalidParameterException", "startTime is after endTime")
        if any(params["endTime"] < group.creation_time.replace(tzinfo=datetime.timezone.utc).timestamp() - 1 for group in groups):
            raise AwsError("MalformedQueryException", "Query's end date and time is either before the log groups creation time or exceeds "
                           "the log groups log retention settings")
        rows = [row for group in groups for row in self.rows(group, params["startTime"] * 1000, params["endTime"] * 1000)]
        found, shown = query.run(rows)
        entry = {"looks": 0, "stopped": False, "fields": query.shown(), "found": len(found), "scanned": len(rows),
                 "bytes": sum(len(row["@message"].encode()) for row in rows), "rows": shown[:params.get("limit")]}
        name = str(uuid.uuid4())
        with self.lock:
            self.known[name] = entry
            if len(self.known) > KEPT:
                self.known.popitem(last=False)
        return {"queryId": name}

    def groups(self, params):
        given = [params[key] for key in ("logGroupName", "logGroupNames", "logGroupIdentifiers") if params.get(key)]
        if len(given) != 1 or params.get("queryLanguage", "CWLI") != "CWLI":
            raise AwsError("InvalidParameterException", "say exactly one of logGroupName, logGroupNames, logGroupIdentifiers, and the "
                           "language CWLI")
        names = named(params)
        missing = [name for name in names if name not in self.backend.groups]
        if missing:
            raise AwsError("ResourceNotFoundException", "Log group '%s' does not exist for account ID '%s'" % (
                missing[0], self.config["account"]))
        return [self.backend.groups[name] for name in names]

    def rows(self, group, start, end):
        seen = time.time() * 1000 - LAG
        for stream, content in list(group.streams.items()):
            for event in list(content.events):
                if start <= event.timestamp <= end and event.ingestion_time <= seen:
                    pointer = base64.b64encode(("%s/%s" % (stream, event.event_id)).encode()).decode()
                    yield {"@timestamp": event.timestamp, "@message": event.message, "@logStream": stream, "@ptr": pointer,
                           "@log": "%s:%s" % (self.config["account"], group.name), "@ingestionTime": event.ingestion_time}

    def entry(self, params):
        entry = self.known.get(params["queryId"])
        if entry is None:
            raise AwsError("ResourceNotFoundException", "The specified query does not exist.")
        return entry

    def get(self, request, call):
        with self.lock:
            entry = self.entry(request.params)
            entry["looks"] += 0 if entry["stopped"] else 1
            status = "Cancelled" if entry["stopped"] else {1: "Scheduled", 2: "Running"}.get(entry["looks"], "Complete")
            part = {"Running": len(entry["rows"]) // 2, "Complete": len(entry["rows"])}.get(status, 0)
            whole = status == "Complete"
            return {
                "queryLanguage": "CWLI", "status": status, "results": [shown(row, entry["fields"]) for row in entry["rows"][:part]],
                "statistics": {"recordsMatched": float(entry["found"] if whole else part), "bytesScanned": float(entry["bytes"] if whole else 0),
                               "recordsScanned": float(entry["scanned"] if whole else part)},
            }

    def stop(self, request, call):
        with self.lock:
            entry = self.entry(request.params)
            if entry["stopped"] or entry["looks"] > 2:
                raise AwsError("InvalidParameterException", "The specified query is not running.")
            entry["stopped"] = True
            return {"success": True}


def shown(row, fields):
    names = list(dict.fromkeys(fields + ["@ptr"]))
    return [{"field": name, "value": clock(row[name]) if name in TIMES else row[name]} for name in names if name in row]


def clock(stamp):
    """2026-11-22 17:54:46.927"""
    at = datetime.datetime.fromtimestamp(stamp / 1000, datetime.timezone.utc)
    return at.strftime("%Y-%m-%d %H:%M:%S.") + "%03d" % (stamp % 1000)
