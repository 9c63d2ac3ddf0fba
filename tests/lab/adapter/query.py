"""The query language of Logs Insights, as much of it as the lab knows: fields, filter, sort, limit. Whatever else stands in a query is
refused as malformed. It knows rows as dictionaries, and nothing of groups."""
import re

from wire import AwsError

SYMBOLS = re.compile(r"""\s+|\#[^\n]*|(?P<regex>/(?:[^/\\\n]|\\.)+/)|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<word>[@\w.]+)"""
                     r"""|(?P<sign>=~|!=|[|,=])""")
TIMES = ("@timestamp", "@ingestionTime")
MOST = 10_000


class Query:
    def __init__(self, text):
        self.text, self.tokens, self.fields, self.tests, self.order, self.limit = text, [], [], [], None, None
        at = 0
        while at < len(text):
            found = SYMBOLS.match(text, at)
            if not found:
                raise malformed(text, text[at], at)
            if found.lastgroup:
                self.tokens.append((found.lastgroup, found.group(), at))
            at = found.end()
        self.command()
        while self.tokens:
            self.take("sign", "|")
            self.command()

    def run(self, rows):
        """What is found, in its order; all of it, and what is shown."""
        found = [row for row in rows if all(any(test(row) for test in some) for some in self.tests)]
        key, newest_first = self.order or ("@timestamp", True)
        found.sort(key=lambda row: row[key], reverse=newest_first)
        return found, found[:self.limit or MOST]

    def shown(self):
        return self.fields or ["@timestamp", "@message"]

    # Reading.

    def peek(self, *values):
        return bool(self.tokens) and self.tokens[0][1] in values

    def take(self, kind, *values):
        if not self.tokens:
            raise malformed(self.text, "<EOF>", len(self.text))
        found, value, at = self.tokens[0]
        if found != kind or values and value not in values:
            raise malformed(self.text, value, at)
        del self.tokens[0]
        return value

    def command(self):
        getattr(self, "read_" + self.take("word", "fields", "filter", "sort", "limit"))()

    def read_fields(self):
        self.fields.append(self.take("word"))
        while self.peek(","):
            self.take("sign")
            self.fields.append(self.take("word"))

    def read_filter(self):
        """Terms joined by `or` are one test, those joined by `and` several; `or` beside `and` would want brackets."""
        self.tests.append([self.term()])
        word = self.tokens[0][1] if self.peek("and", "or") else None
        while word and self.peek(word):
            self.take("word")
            if word == "and":
                self.tests.append([self.term()])
            else:
                self.tests[-1].append(self.term())

    def term(self):
        field = self.take("word")
        if self.peek("=", "!="):
            same = self.take("sign") == "="
            value = plain(self.take("text"))
            return lambda row: (text(row, field) == value) == same
        if self.peek("=~"):
            self.take("sign")
            return self.regex(field, True)
        wanted = not self.peek("not")
        if not wanted:
            self.take("word")
        self.take("word", "like")
        if self.tokens and self.tokens[0][0] == "text":
            value = plain(self.take("text"))
            return lambda row: (value in text(row, field)) == wanted
        return self.regex(field, wanted)

    def regex(self, field, wanted):
        at = self.tokens[0][2] if self.tokens else len(self.text)
        value = self.take("regex")
        try:
            pattern = re.compile(value[1:-1].replace("\\/", "/"))
        except re.error:
            raise malformed(self.text, value, at)
        return lambda row: bool(pattern.search(text(row, field))) == wanted

    def read_sort(self):
        if self.order:
            raise malformed(self.text, "sort", 0)
        self.order = self.take("word", *TIMES), self.take("word", "asc", "desc") == "desc"

    def read_limit(self):
        at = self.tokens[0][2] if self.tokens else len(self.text)
        value = self.take("word")
        if not value.isdigit() or not 1 <= int(value) <= MOST:
            raise malformed(self.text, value, at)
        self.limit = int(value)


def text(row, field):
    return str(row.get(field, ""))


def plain(value):
    return re.sub(r"\\(.)", r"\1", value[1:-1])


def malformed(whole, symbol, at):
    before = whole[:at]
    line = before.count("\n") + 1
    position = at - (before.rfind("\n") + 1) + 1
    return AwsError("MalformedQueryException", "unexpected symbol found %s at line %d and position %d" % (symbol, line, position))
