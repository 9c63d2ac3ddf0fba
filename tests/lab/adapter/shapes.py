"""What a request must look like by AWS's own published model, which comes with moto: types, lengths, ranges, patterns, what must be
there. What an operation does with it is elsewhere."""
import functools
import re

from botocore.loaders import Loader

from wire import AwsError

UNFIT = {"ssm": "ValidationException", "logs": "InvalidParameterException"}  # what each service calls a value that does not fit
KINDS = {"structure": dict, "map": dict, "list": list, "string": str, "integer": int, "long": int, "boolean": bool}
NAMES = {"string": "a String", "integer": "an Integer", "long": "a Long", "boolean": "a Boolean"}


@functools.lru_cache(maxsize=None)
def model(service):
    return Loader().load_service_model(service, "service-2")


def check(request):
    """Refuses a request that AWS would refuse before it looks at anything."""
    known, wrong = model(request.service), []
    walk(known["shapes"], known["operations"][request.operation]["input"]["shape"], request.params, "", wrong)
    if wrong:
        raise AwsError(UNFIT, "%d validation error%s detected: %s" % (len(wrong), "s" if wrong[1:] else "", "; ".join(wrong)))


def walk(shapes, name, value, at, wrong):
    shape = shapes[name]
    kind = shape["type"]
    if not isinstance(value, KINDS[kind]) or isinstance(value, bool) != (kind == "boolean"):
        raise AwsError("SerializationException", strange(kind, value))
    for constraint in unmet(shape, kind, value):
        shown = "Value" if shape.get("sensitive") else "Value '%s'" % (value,)
        wrong.append("%s at '%s' failed to satisfy constraint: Member must %s" % (shown, at, constraint))
    if kind == "structure":
        for member in shape.get("required", []):
            if value.get(member) is None:
                wrong.append("Value null at '%s' failed to satisfy constraint: Member must not be null" % below(at, member))
        for member, inner in shape.get("members", {}).items():
            if value.get(member) is not None:
                walk(shapes, inner["shape"], value[member], below(at, member), wrong)
    elif kind == "map":
        for key, inner in value.items():
            walk(shapes, shape["value"]["shape"], inner, "%s.%s.member" % (at, key), wrong)
    elif kind == "list":
        for n, inner in enumerate(value, 1):
            walk(shapes, shape["member"]["shape"], inner, "%s.%d.member" % (at, n), wrong)


def below(at, member):
    name = member[0].lower() + member[1:]
    return "%s.%s" % (at, name) if at else name


def unmet(shape, kind, value):
    """What must be and is not."""
    size, word = (value, "value") if kind in ("integer", "long") else (None, None) if kind == "boolean" else (len(value), "length")
    if size is not None and "min" in shape and size < shape["min"]:
        yield "have %s greater than or equal to %d" % (word, shape["min"])
    if size is not None and "max" in shape and size > shape["max"]:
        yield "have %s less than or equal to %d" % (word, shape["max"])
    if "enum" in shape and value not in shape["enum"]:
        yield "satisfy enum value set: [%s]" % ", ".join(shape["enum"])
    pattern = shape.get("pattern")
    if pattern and r"\p" not in pattern and not re.fullmatch(pattern, value):  # Python knows no \p{L}
        yield "satisfy regular expression pattern: " + pattern


def strange(kind, value):
    if isinstance(value, list):
        return "Start of list found where not expected"
    if isinstance(value, dict):
        return "Start of structure or map found where not expected."
    if kind not in NAMES:
        return "Expected %s or null" % ("list" if kind == "list" else "map")
    given = "STRING" if isinstance(value, str) else str(value).upper() if isinstance(value, bool) else "NUMBER"
    return "%s_VALUE can not be converted to %s" % (given, NAMES[kind])
