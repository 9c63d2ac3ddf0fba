//! The types of expressions, and what the checker says of them. A line is the type, an error, or a note.

use super::world::{condition, inferred};

#[test]
fn ways_into_types() {
    check("inputs.cluster.name", "a string");
    check(
        "inputs.cluster.nodes[0].note",
        "a string\nnote MayBeMissing |note| `inputs.cluster.nodes[0]` may have no `note`; use `| default(...)` or `is defined`",
    );
    check(r#"inputs.cluster.nodes[0].note | default("")"#, "a string");
    check("inputs.cluster.nodes[0].note is defined", "a boolean");
    check(
        "inputs.cluster.nodes.name",
        "anything\nWrongType |name| `inputs.cluster.nodes` is a list, which has no `.name`; take an item first: `[0]`, `| first`",
    );
    check(
        "inputs.cluster.labels.tier",
        "a string\nnote MayBeMissing |tier| `inputs.cluster.labels` may have no `tier`; use `| default(...)` or `is defined`",
    );
    check(r#"inputs.cluster.labels.tier | default("x")"#, "a string");
    check("inputs.cluster.nam", "anything\nUnknownProperty |nam| `inputs.cluster` has no `nam`; did you mean `name`?");
    check("inputs.clustr.name", "anything\nUnknownProperty |clustr| `inputs` has no `clustr`; did you mean `cluster`?");
    check("inptus.x", "anything\nUnknownName |inptus| there is no `inptus` here; did you mean `inputs`?");
    check(
        "inputs.node.aws.region",
        "a string\nnote MayBeMissing |region| `inputs.node.aws` may be none, and then there is no `region`; use `| default(...)` or `is defined`",
    );
    check(r#"inputs.node.aws.region | default("eu")"#, "a string");
    check(r#"inputs.node.aws | default("eu")"#, r#"an object or "eu""#);
    check(
        "steps.instanse.id",
        "anything\nUnknownProperty |instanse| `steps` has no `instanse`; did you mean `instance`?",
    );
    check("steps.idle.x", "anything\nUnknownProperty |idle| step `idle` was skipped");
    check(
        "steps",
        "anything\nUnknownProperty |steps| `steps` is no value by itself; there is `creds`, `instance`, `token`",
    );
    check(
        r#"steps.instance.id ~ "x""#,
        "a string\nnote MayNotFit |steps.instance.id| `~` takes a boolean, a number or a string, and this may be none; `| default(...)` gives a value in place of none",
    );
    check(r#"steps.instance.id | default("none") ~ "x""#, "a string");
    check("steps.instance", "an object");
    check("inputs.cluster[item]", "an object or a list (each an object) or a string");
    check("inputs.cluster.labels[item]", "a string");
    check(
        "inputs.cluster.nodes[item]",
        "anything\nWrongType |item| `inputs.cluster.nodes` is a list, which is not read by a string",
    );
    check(
        "inputs.cluster.nodes[seen.load]",
        "an object\nnote MayNotFit |seen.load| `inputs.cluster.nodes` is a list, which is read by an integer, and this may be a float",
    );
    check("inputs.cluster.nodes[seen.majority].state", r#""down" or "up""#);
}

#[test]
fn operators() {
    check("seen.voters_left - seen.majority", "an integer");
    check("seen.load * 2", "a number");
    check("seen.voters_left / 2", "a float");
    check("seen.voters_left // 2", "an integer");
    check("seen.load ** 2", "an integer\nnote MayNotFit |seen.load ** 2| `**` may not go with a number and an integer");
    check(
        r#"seen.voters_left + "a""#,
        "anything\nWrongType |seen.voters_left + \"a\"| `+` does not go with an integer and a string; `~` joins anything as text; `| int` makes a number of text",
    );
    check(
        "seen.either + 1",
        "an integer\nnote MayBeMissing |either| `seen` may have no `either`; use `| default(...)` or `is defined`\nnote MayNotFit |seen.either + 1| `+` may not go with an integer or a string and an integer",
    );
    check(
        "seen.free + 1",
        "a number\nnote MayBeMissing |free| `seen` may have no `free`; use `| default(...)` or `is defined`",
    );
    check("seen.ok + 1", "anything\nWrongType |seen.ok + 1| `+` does not go with a boolean and an integer");
    check("-seen.load", "a number");
    check(
        "-item",
        "nothing\nWrongType |item| `-` takes a number, and this is a string; `| int` or `| float` makes a number of text",
    );
    check("inputs.cluster.nodes + [1]", "a list (each an integer or an object)");
    check(
        r#"seen.voters_left == "2""#,
        "a boolean\nNeverEqual |seen.voters_left == \"2\"| an integer is never equal to \"2\"",
    );
    check(
        r#"inputs.cluster.nodes[0].state == "upp""#,
        "a boolean\nNeverEqual |inputs.cluster.nodes[0].state == \"upp\"| \"down\" or \"up\" is never equal to \"upp\"; did you mean `up`?",
    );
    check(r#"inputs.cluster.nodes[0].state == "up""#, "a boolean");
    check(
        "seen.voters_left == none",
        "a boolean\nnote NeverEqual |seen.voters_left == none| an integer is never equal to none",
    );
    check("seen.why == none", "a boolean");
    check(
        "seen.voters_left < item",
        "a boolean\nWrongType |seen.voters_left < item| an integer cannot be compared with a string; `| int` or `| float` makes a number of text",
    );
    check(
        "seen.either < 1",
        "a boolean\nnote MayBeMissing |either| `seen` may have no `either`; use `| default(...)` or `is defined`\nnote MayNotFit |seen.either < 1| `<` cannot mix numbers and strings",
    );
    check(
        r#"seen.why < "a""#,
        "a boolean\nnote MayNotFit |seen.why < \"a\"| `<` takes a number or a string, and this may be none; `| default(...)` gives a value in place of none",
    );
    check(
        "seen.ok < seen.ok",
        "a boolean\nWrongType |seen.ok < seen.ok| `<` takes a number or a string, and this is a boolean",
    );
    check(
        "item in inputs.cluster.nodes",
        "a boolean\nNeverEqual |item in inputs.cluster.nodes| a string is never in a list of which each item is an object",
    );
    check("item in inputs.cluster.labels", "a boolean");
    check(
        "1 in inputs.cluster.labels",
        "a boolean\nWrongType |1 in inputs.cluster.labels| a search in a string or in the keys of an object takes a string, and this is an integer; `| string` makes text of it",
    );
    check("item in inputs.cluster.name", "a boolean");
    check(
        "1 in item",
        "a boolean\nWrongType |1 in item| a search in a string or in the keys of an object takes a string, and this is an integer; `| string` makes text of it",
    );
    check(
        r#""up" in seen.voters_left"#,
        "a boolean\nWrongType |\"up\" in seen.voters_left| `in` takes a string, a list or an object, and this is an integer",
    );
}

#[test]
fn choices_and_literals() {
    check("seen.ok and seen.why", "a boolean, a string or none");
    check(r#"seen.why or "x""#, "a string");
    check(
        "seen.voters_left or 1",
        "an integer\nNotACondition |seen.voters_left| this is an integer, and a number is neither true nor false; compare it: `> 0`",
    );
    check(r#""a" if seen.ok else 1"#, r#""a" or an integer"#);
    check(
        r#""a" if item else "b""#,
        "\"a\" or \"b\"\nNotACondition |item| this is a string, which says neither yes nor no; compare it: `== ...`, `!= \"\"`",
    );
    check(r#"[1, "a", none]"#, r#"a list (each an integer or "a" or none)"#);
    check(r#"{"a": 1, "b": seen.ok}"#, "an object");
    check(r#"{"a": 1}["b"]"#, "anything\nUnknownProperty |\"b\"| this has no `b`; did you mean `a`?");
}

#[test]
fn filters() {
    check(r#"inputs.cluster.nodes | map(attribute="name")"#, "a list (each a string)");
    check(
        r#"inputs.cluster.nodes | map(attribute="note")"#,
        "a list (each a string)\nnote MayBeMissing |inputs.cluster.nodes | map(attribute=\"note\")| an item of the list may have no `note`; use `| default(...)` or `is defined`",
    );
    check(
        r#"inputs.cluster.nodes | map(attribute="nam")"#,
        "a list\nUnknownProperty |inputs.cluster.nodes | map(attribute=\"nam\")| an item of the list has no `nam`; did you mean `name`?",
    );
    check(
        "inputs.cluster.nodes | map(attribute=item)",
        "a list\nWrongType |inputs.cluster.nodes | map(attribute=item)| the attribute is written out; write it in quotes",
    );
    check(r#"inputs.cluster.nodes | map(attribute="ports.client") | sum"#, "an integer");
    check(
        r#"inputs.cluster.nodes | map(attribute="name") | sum"#,
        "a number\nWrongType |inputs.cluster.nodes | map(attribute=\"name\") | sum| an item that `sum` adds takes a number, and this is a string; `| int` or `| float` makes a number of text",
    );
    check(
        r#"inputs.cluster.nodes | selectattr("state", "==", "upp")"#,
        "a list (each an object)\nNeverEqual |inputs.cluster.nodes | selectattr(\"state\", \"==\", \"upp\")| \"down\" or \"up\" is never equal to \"upp\"; did you mean `up`?",
    );
    check(r#"inputs.cluster.nodes | selectattr("state", "==", "up") | length"#, "an integer");
    check(
        r#"inputs.cluster.nodes | selectattr("state", "=", "up")"#,
        "a list (each an object)\nWrongType |inputs.cluster.nodes | selectattr(\"state\", \"=\", \"up\")| there is no test \"=\"; there is `!=`, `<`, `<=`, `==`, `>`, `>=`, `in`, `not in`",
    );
    check(
        r#"inputs.cluster.nodes | selectattr("state", "==")"#,
        "a list (each an object)\nWrongType |inputs.cluster.nodes | selectattr(\"state\", \"==\")| there is a test and nothing to test against",
    );
    check(
        r#"inputs.cluster.nodes | selectattr("behind")"#,
        "a list (each an object)\nNotACondition |inputs.cluster.nodes | selectattr(\"behind\")| this is an integer, and a number is neither true nor false; compare it: `> 0`",
    );
    check(r#"inputs.cluster.nodes | selectattr("behind", ">", 0) | first"#, "an object");
    check(
        "inputs.cluster.nodes | sort",
        "a list (each an object)\nWrongType |inputs.cluster.nodes | sort| `sort` takes a number or a string, and this is an object; `| tojson` makes text of it",
    );
    check(r#"inputs.cluster.nodes | sort(attribute="name") | map("name") | join(",")"#, "a string");
    check(
        r#"inputs.cluster.nodes | join(",")"#,
        "a string\nWrongType |inputs.cluster.nodes | join(\",\")| an item that `join` puts into text takes a boolean, a number or a string, and this is an object; `| tojson` makes text of it",
    );
    check(
        "inputs.cluster.nodes | max",
        "an object\nWrongType |inputs.cluster.nodes | max| `max` takes a number or a string, and this is an object; `| tojson` makes text of it",
    );
    check(
        "[seen.either] | sort",
        "a list (each an integer or a string)\nnote MayBeMissing |either| `seen` may have no `either`; use `| default(...)` or `is defined`\nnote MayNotFit |[seen.either] | sort| `sort` cannot mix numbers and strings",
    );
    check("[1, 2.5] | sum", "a number");
    check("[] | first", "nothing");
    check("[] | sum", "an integer");
    check("seen.empty | first", "anything");
    check(
        "inputs.cluster.nodes | keys",
        "anything\nWrongType |inputs.cluster.nodes | keys| `keys` takes an object, and this is a list (each an object)",
    );
    check("inputs.cluster.labels | values", "a list (each a string)");
    check("item | length", "an integer");
    check(
        "seen.voters_left | length",
        "anything\nWrongType |seen.voters_left | length| `length` takes a string, a list or an object, and this is an integer",
    );
    check(
        "seen.why | length",
        "an integer\nnote MayNotFit |seen.why | length| `length` takes a string, a list or an object, and this may be none; `| default(...)` gives a value in place of none",
    );
    check(
        "seen.why | lower",
        "a string\nnote MayNotFit |seen.why | lower| `lower` takes a string, and this may be none; `| default(...)` gives a value in place of none",
    );
    check(
        r#"item | replace(1, "x")"#,
        "anything\nWrongType |item | replace(1, \"x\")| `from` of `replace` takes a string, and this is an integer; `| string` makes text of it",
    );
    check("seen.load | round", "an integer");
    check("seen.load | round(1)", "a number");
    check("seen.voters_left | round", "an integer");
    check("seen.load | int", "an integer");
    check("inputs.wait | duration", "a number");
    check(
        "item | contains(1)",
        "a boolean\nWrongType |item | contains(1)| a search in a string or in the keys of an object takes a string, and this is an integer; `| string` makes text of it",
    );
    check("inputs.cluster | tojson", "a string");
    check(r#"inputs.cluster.labels | contains("a")"#, "a boolean");
}

#[test]
fn conditions() {
    check_condition("seen.ok", "");
    check_condition("steps.instance.id", "");
    check_condition(
        "seen.voters_left",
        "NotACondition |seen.voters_left| this is an integer, and a number is neither true nor false; compare it: `> 0`",
    );
    check_condition(
        "item",
        r#"NotACondition |item| this is a string, which says neither yes nor no; compare it: `== ...`, `!= ""`"#,
    );
    check_condition(r#"item == "x""#, "");
    check_condition("inputs.node.aws", "");
    check_condition(
        "inputs.cluster",
        r#"NotACondition |inputs.cluster| this is an object, which says neither yes nor no; compare it: `== ...`, `!= ""`"#,
    );
    check_condition("seen.empty", "");
    check_condition(
        "seen.free",
        "note MayBeMissing |free| `seen` may have no `free`; use `| default(...)` or `is defined`",
    );
    check_condition(
        "steps.token",
        "Secret |steps.token| `steps.token` is or holds a secret; a secret may only stand alone in a field that takes secrets",
    );
    check_condition(
        "not seen.ok and seen.voters_left",
        "NotACondition |seen.voters_left| this is an integer, and a number is neither true nor false; compare it: `> 0`",
    );
    check_condition("1 < 2", "");
    check_condition("none", "");
    check_condition("seen.why or seen.ok", "");
    check_condition("steps.instance.id and not seen.ok", "");
    check_condition(
        "(seen.ok if seen.ok else 1)",
        "NotACondition |1| this is an integer, and a number is neither true nor false; compare it: `> 0`",
    );
    check_condition(
        "1 if seen.ok else none",
        "NotACondition |1| this is an integer, and a number is neither true nor false; compare it: `> 0`",
    );
    check_condition(
        "item or seen.ok",
        r#"NotACondition |item| this is a string, which says neither yes nor no; compare it: `== ...`, `!= ""`"#,
    );
    check_condition("inputs.node.aws is none", "");
    check_condition("inputs.cluster.nodes | length > 0", "");
    check_condition(
        "inputs.cluster.nodes | length",
        "NotACondition |inputs.cluster.nodes | length| this is an integer, and a number is neither true nor false; compare it: `> 0`",
    );
}

fn check(text: &str, expect: &str) {
    assert_eq!(inferred(text), expect, "{text}");
}

fn check_condition(text: &str, expect: &str) {
    assert_eq!(condition(text), expect, "{text}");
}
