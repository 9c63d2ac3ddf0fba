//! Expressions over the world of the tests, and what they give.

use std::borrow::Cow;

use super::super::{Layered, Scope, eval_ref, parse, truth};
use super::world::{Steps, evaluated, names, outputs, rendered};

#[test]
fn ways_into_values() {
    check("inputs.cluster.name", r#""nats-staging""#);
    check("inputs.cluster.nodes[0].name", r#""node-1""#);
    check("inputs.cluster.nodes[-1].name", r#""node-3""#);
    check("inputs.cluster.nodes[3]", "Undefined |3| `inputs.cluster.nodes` has no item 3: it has 3 items");
    check("inputs.cluster.nodes[-4]", "Undefined |-4| `inputs.cluster.nodes` has no item -4: it has 3 items");
    check("inputs.cluster.nam", "Undefined |nam| `inputs.cluster` has no `nam`; did you mean `name`?");
    check(r#"inputs.cluster["region"]"#, r#""us-east-2""#);
    check(
        "inputs.cluster.nodes.name",
        r#"WrongType |name| `inputs.cluster.nodes` is a list, which has no `.name`; take an item first: `[0]`, `| first`, `| map(attribute="...")`"#,
    );
    check(
        "inputs.cluster[0]",
        "WrongType |0| `inputs.cluster` is an object, which has no `[0]`; an object is read by name",
    );
    check("inputs.cluster.name.x", "WrongType |x| `inputs.cluster.name` is a string, which has no `.x`");
    check("inputs.node.aws.region", "Undefined |region| `inputs.node.aws` is none");
    check(r#"inputs.node.aws.region | default("eu")"#, r#""eu""#);
    check(r#"inputs.node.aws | default("eu")"#, r#""eu""#);
    check(r#"inputs.nod.name | default("x")"#, r#""x""#);
    check(r#"inptus.node | default("x")"#, "UnknownName |inptus| there is no `inptus` here; did you mean `inputs`?");
    check("inputs.node.aws is defined", "true");
    check("inputs.node.awss is defined", "false");
    check("inputs.node.awss is undefined", "true");
    check("inputs.node.aws is none", "true");
    check("inputs.node.awss is none", "Undefined |awss| `inputs.node` has no `awss`; did you mean `aws`?");
    check("steps.instance.id", r#""i-1""#);
    check("steps.instance.idd", "Undefined |idd| `steps.instance` has no `idd`; did you mean `id`?");
    check("steps.instanse.id", "Undefined |instanse| `steps` has no `instanse`; did you mean `instance`?");
    check("steps.idle.x", "Undefined |idle| step `idle` was skipped");
    check("steps.idle.x | default(1)", "1");
    check("steps", "Undefined |steps| `steps` is no value by itself; there is `creds`, `instance`, `token`");
    check("steps.instance", r#"{"id":"i-1","old":null}"#);
    check("inputs.cluster.nodes[seen.majority].name", r#""node-3""#);
    check(
        "inputs.cluster[item]",
        "Undefined |item| `inputs.cluster` has no `node-2`; there is `labels`, `name`, `nodes`, `region`",
    );
    check(r#"inputs.cluster.labels["tier"]"#, r#""staging""#);
    check("inputs.cluster.nodes[1.5]", "NotAllowed |1.5| an item is read by an integer or by a name");
    check("inputs.cluster.nodes[seen.load]", "WrongType |seen.load| an item is read by an integer or by a name");
}

#[test]
fn arithmetic() {
    check("1 + 2", "3");
    check("2 - 3", "-1");
    check("7 // 2", "3");
    check("-7 // 2", "-4");
    check("7 // -2", "-4");
    check("-7 % 3", "2");
    check("7 % -3", "-2");
    check("7 / 2", "3.5");
    check("6 / 2", "3.0");
    check("1 / 0", "Arithmetic |1 / 0| division by zero");
    check("1 // 0", "Arithmetic |1 // 0| division by zero");
    check("1 % 0", "Arithmetic |1 % 0| division by zero");
    check("2 ** 10", "1024");
    check("2 ** -1", "Arithmetic |2 ** -1| the exponent of `**` is negative; write `1 / (a ** b)`");
    check("2 ** 64", "Arithmetic |2 ** 64| the result is too large for a number");
    check("0 ** 99999999999", "0");
    check("2 ** 0.5", "WrongType |2 ** 0.5| `**` takes integers only");
    check("seen.max + 1", "Arithmetic |seen.max + 1| the result is too large for a number");
    check("seen.max + 0", "18446744073709551615");
    check("seen.max * seen.max", "Arithmetic |seen.max * seen.max| the result is too large for a number");
    check("-9223372036854775808", "-9223372036854775808");
    check("-9223372036854775809", "Arithmetic |9223372036854775809| the result is too large for a number");
    check("0 - seen.max", "Arithmetic |0 - seen.max| the result is too large for a number");
    check(
        "seen.max / 2",
        "Arithmetic |seen.max / 2| 18446744073709551615 is too large to be exact as a float; `//`, `+`, `-` and `*` are exact between integers",
    );
    check(
        "seen.max + 0.5",
        "Arithmetic |seen.max + 0.5| 18446744073709551615 is too large to be exact as a float; `//`, `+`, `-` and `*` are exact between integers",
    );
    check("7.5 // 2", "3.0");
    check("-7.5 % 2", "0.5");
    check("0.1 + 0.2", "0.30000000000000004");
    check("1e308 * 10", "Arithmetic |1e308 * 10| the result is too large for a number");
}

#[test]
fn adding_and_joining() {
    check(r#""a" + "b""#, r#""ab""#);
    check("[1] + [2]", "[1,2]");
    check(
        r#""a" + 1"#,
        r#"WrongType |"a" + 1| `+` does not go with a string and an integer; `~` joins anything as text; `| int` makes a number of text"#,
    );
    check(
        r#"1 + "a""#,
        r#"WrongType |1 + "a"| `+` does not go with an integer and a string; `~` joins anything as text; `| int` makes a number of text"#,
    );
    check(
        "1 + none",
        "WrongType |1 + none| `+` does not go with an integer and none; `| default(...)` gives a value in place of none",
    );
    check("{} + {}", "WrongType |{} + {}| `+` does not go with an object and an object");
    check(r#"-"a""#, r#"WrongType |"a"| `-` takes a number, and this is a string"#);
    check("-seen.load", "-0.5");
    check(r#""a" ~ 1 ~ true ~ 1.5"#, r#""a1true1.5""#);
    check(
        r#""a" ~ none"#,
        "WrongType |none| none cannot stand in text; `| default(...)` gives a value in place of none",
    );
    check(
        r#""a" ~ [1]"#,
        r#"WrongType |[1]| a list cannot stand in text; `| join(", ")` or `| tojson` makes text of it"#,
    );
    check(r#""a" ~ {}"#, "WrongType |{}| an object cannot stand in text; `| tojson` makes text of it");
}

#[test]
fn comparisons() {
    check("1 == 1.0", "true");
    check(r#"1 == "1""#, "false");
    check("none == none", "true");
    check(r#"[1, {"a": 1.0}] == [1.0, {"a": 1}]"#, "true");
    check("1 != 2", "true");
    check("1 < 1.5", "true");
    check("seen.max > 18446744073709551614.0", "false");
    check("seen.max == 18446744073709551615.0", "false");
    check(r#""a" < "b""#, "true");
    check(
        r#""a" < 1"#,
        r#"WrongType |"a" < 1| a string cannot be compared with an integer; `| int` or `| float` makes a number of text"#,
    );
    check(
        "none < 1",
        "WrongType |none < 1| none cannot be compared with an integer; `| default(...)` gives a value in place of none",
    );
    check("[1] < [2]", "WrongType |[1] < [2]| a list is neither less nor greater than another");
    check("true < false", "WrongType |true < false| a boolean is neither less nor greater than another");
    check("1 < 2 < 3", "true");
    check("1 < 3 < 2", "false");
    check(r#"3 < 2 < "x""#, "false");
    check("2 in [1, 2.0]", "true");
    check(r#""up" in "startup""#, "true");
    check(r#""tier" in inputs.cluster.labels"#, "true");
    check(r#"1 in "a""#, r#"WrongType |1 in "a"| a string can only hold a string, and this is an integer"#);
    check(
        "1 in 1",
        "WrongType |1 in 1| nothing is in an integer; `in` looks into a list, a string or the keys of an object",
    );
    check("4 not in [1]", "true");
}

#[test]
fn conditions() {
    check("true and false", "false");
    check(r#"true and "x""#, r#""x""#);
    check(r#"none or "x""#, r#""x""#);
    check(r#""" or "x""#, r#""x""#);
    check("0 or 1", "WrongType |0| a number is neither true nor false; compare it: `> 0`");
    check(r#"seen.empty or "none""#, r#""none""#);
    check("not seen.empty", "true");
    check("not 0", "WrongType |0| a number is neither true nor false; compare it: `> 0`");
    check("not none", "true");
    check("seen.ok and seen.voters_left >= seen.majority", "true");
    check(r#""a" if seen.ok else 1 / 0"#, r#""a""#);
    check(r#""a" if none else "b""#, r#""b""#);
    check(r#""a" if 1 else "b""#, "WrongType |1| a number is neither true nor false; compare it: `> 0`");
}

#[test]
fn filters_of_collections() {
    check(r#"[1, [2], {"a": seen.ok}]"#, r#"[1,[2],{"a":true}]"#);
    check(r#"{"a": inputs.node.name}["a"]"#, r#""node-1""#);
    check("inputs.cluster.name | length", "12");
    check(r#""é€" | length"#, "2");
    check("inputs.cluster.nodes | length", "3");
    check("inputs.cluster.labels | length", "1");
    check("5 | length", "WrongType |5 | length| `length` takes a string, a list or an object, and this is an integer");
    check(
        "none | length",
        "WrongType |none | length| `length` takes a string, a list or an object, and this is none; `| default(...)` gives a value in place of none",
    );
    check("[1, 2] | first", "1");
    check(
        "[] | first",
        "Undefined |[] | first| `first` has nothing to give: the list is empty; add `| default(...)` if that can be",
    );
    check("[] | first | default(0)", "0");
    check("[3] | last", "3");
    check(r#"inputs.cluster.nodes | map(attribute="name") | join(", ")"#, r#""node-1, node-2, node-3""#);
    check(r#"inputs.cluster.nodes | map("ports.client") | sum"#, "12669");
    check(
        r#"inputs.cluster.nodes | map(attribute="nam")"#,
        r#"Undefined |inputs.cluster.nodes | map(attribute="nam")| item 0 of the list has no `nam`; did you mean `name`?"#,
    );
    check(
        r#"inputs.cluster.nodes | map(attribute="")"#,
        r#"Undefined |inputs.cluster.nodes | map(attribute="")| item 0 of the list has no ``; there is `behind`, `name`, `ports`, `state`"#,
    );
    check(
        r#"inputs.cluster.nodes | selectattr("state", "==", "up") | map(attribute="name")"#,
        r#"["node-1","node-3"]"#,
    );
    check(r#"inputs.cluster.nodes | rejectattr("behind", ">", 1) | length"#, "1");
    check(
        r#"inputs.cluster.nodes | selectattr("state", "equals", "up")"#,
        r#"BadValue |inputs.cluster.nodes | selectattr("state", "equals", "up")| there is no test "equals"; there is `!=`, `<`, `<=`, `==`, `>`, `>=`, `in`, `not in`"#,
    );
    check(
        r#"inputs.cluster.nodes | selectattr("state", "==")"#,
        r#"BadValue |inputs.cluster.nodes | selectattr("state", "==")| there is a test and nothing to test against"#,
    );
    check(
        r#"inputs.cluster.nodes | selectattr("behind")"#,
        r#"WrongType |inputs.cluster.nodes | selectattr("behind")| a number is neither true nor false; compare it: `> 0`"#,
    );
    check(r#"inputs.cluster.nodes | selectattr("name", "in", ["node-1"]) | length"#, "1");
    check("inputs.cluster.labels | keys", r#"["tier"]"#);
    check(r#"{"b": 1, "a": 2} | values"#, "[2,1]");
    check("[3, 1, 2.5] | sort", "[1,2.5,3]");
    check(r#"["b", "a"] | sort(reverse=true)"#, r#"["b","a"]"#);
    check(
        r#"[1, "a"] | sort"#,
        r#"WrongType |[1, "a"] | sort| an integer cannot be compared with a string; `| int` or `| float` makes a number of text"#,
    );
    check(
        "[none, none] | sort",
        "WrongType |[none, none] | sort| none is neither less nor greater than another; `| default(...)` gives a value in place of none",
    );
    check(
        r#"inputs.cluster.nodes | sort(attribute="behind", reverse=true) | map(attribute="name") | first"#,
        r#""node-2""#,
    );
    check(r#"[1, 1.0, "1", 2] | unique"#, r#"[1,"1",2]"#);
    check("[3, 1] | min", "1");
    check(r#"["a", "b"] | max"#, r#""b""#);
    check(
        "[] | max",
        "Undefined |[] | max| `max` has nothing to give: the list is empty; add `| default(...)` if that can be",
    );
    check("[1, 2.5] | sum", "3.5");
    check("[] | sum", "0");
    check(r#"["a"] | sum"#, r#"WrongType |["a"] | sum| `sum` adds numbers, and an item is a string"#);
}

#[test]
fn filters_of_text() {
    check(
        "[1, none] | join",
        "WrongType |[1, none] | join| none cannot stand in text; `| default(...)` gives a value in place of none",
    );
    check(r#"[1, "a", true] | join"#, r#""1atrue""#);
    check(r#""a,b,,c" | split(",")"#, r#"["a","b","","c"]"#);
    check(r#"" a  b " | split"#, r#"["a","b"]"#);
    check(r#""a" | split("")"#, r#"BadValue |"a" | split("")| the separator of `split` is empty"#);
    check(r#""aXbX" | replace("X", "--")"#, r#""a--b--""#);
    check(r#""a" | replace("", "b")"#, r#"BadValue |"a" | replace("", "b")| what `replace` looks for is empty"#);
    check(r#""Ab" | lower"#, r#""ab""#);
    check(r#""aß" | upper"#, r#""ASS""#);
    check(r#""  x " | trim"#, r#""x""#);
    check("1 | lower", "WrongType |1 | lower| `lower` takes a string, and this is an integer");
    check(
        "none | lower",
        "WrongType |none | lower| `lower` takes a string, and this is none; `| default(...)` gives a value in place of none",
    );
    check(r#""abc" | startswith("ab")"#, "true");
    check(r#""abc" | endswith("bc")"#, "true");
    check(r#""abc" | contains("b")"#, "true");
    check("[1, 2] | contains(2)", "true");
    check(r#"inputs.cluster.labels | contains("tier")"#, "true");
    check(
        r#""abc" | contains(1)"#,
        r#"WrongType |"abc" | contains(1)| a string can only hold a string, and this is an integer"#,
    );
    check("1 | string", r#""1""#);
    check(
        "none | string",
        "WrongType |none | string| `string` takes a boolean, a number or a string, and this is none; `| default(...)` gives a value in place of none",
    );
    check(r#"{"b": 1, "a": [true, none]} | tojson"#, r#""{\"a\":[true,null],\"b\":1}""#);
    check(r#"(["a"] | join) ~ ("b" | upper)"#, r#""aB""#);
}

#[test]
fn filters_of_numbers() {
    check(r#""12" | int"#, "12");
    check(r#"" 12 " | int"#, "12");
    check(r#""1.5" | int"#, r#"BadValue |"1.5" | int| "1.5" is not an integer"#);
    check(r#""x" | int"#, r#"BadValue |"x" | int| "x" is not an integer"#);
    check("1.9 | int", "1");
    check("-1.9 | int", "-1");
    check("1e300 | int", "Arithmetic |1e300 | int| the result is too large for a number");
    check(r#""1.5" | float"#, "1.5");
    check(r#""inf" | float"#, r#"BadValue |"inf" | float| "inf" is not a number"#);
    check("3 | float", "3.0");
    check(
        "seen.max | float",
        "Arithmetic |seen.max | float| 18446744073709551615 is too large to be exact as a float; `//`, `+`, `-` and `*` are exact between integers",
    );
    check("-3 | abs", "3");
    check("-3.5 | abs", "3.5");
    check("-9223372036854775808 | abs", "9223372036854775808");
    check("2.5 | round", "3");
    check("-2.5 | round", "-3");
    check("3 | round", "3");
    check("1.005 | round(2)", "1.0");
    check("2.675 | round(digits=1)", "2.7");
    check("1.5 | round(99)", "BadValue |1.5 | round(99)| `round` takes 0 to 15 digits");
    check("1e300 | round", "Arithmetic |1e300 | round| the result is too large for a number");
    check("inputs.wait | duration", "5400");
    check(r#""90s" | duration"#, "90");
    check(r#""2d" | duration"#, "172800");
    check(r#""500ms" | duration"#, "0.5");
    check(r#""1500ms" | duration"#, "1.5");
    check(r#""2000ms" | duration"#, "2");
    let right = "write a whole number and a unit: 500ms, 30s, 10m, 2h, 1d";
    check(r#""5" | duration"#, &format!(r#"BadValue |"5" | duration| `5` has no unit; {right}"#));
    check(
        r#""1h30m" | duration"#,
        &format!(r#"BadValue |"1h30m" | duration| `1h30m` has a unit that is not known; {right}"#),
    );
    check(r#""" | duration"#, &format!(r#"BadValue |"" | duration| `` is not a duration; {right}"#));
    check(
        r#""99999999999999999999d" | duration"#,
        &format!(r#"BadValue |"99999999999999999999d" | duration| `99999999999999999999d` is too long; {right}"#),
    );
}

#[test]
fn tests_of_kinds() {
    check("none is none", "true");
    check("1 is none", "false");
    check("1 is integer", "true");
    check("1.0 is integer", "false");
    check("1.0 is number", "true");
    check(r#""1" is number"#, "false");
    check(r#""a" is string"#, "true");
    check("[] is list", "true");
    check("{} is object", "true");
    check("{} is list", "false");
    check("true is boolean", "true");
    check("1 is not boolean", "true");
}

#[test]
fn leaves_are_rendered() {
    let check = |text: &str, expect: &str| assert_eq!(rendered(text), expect, "{text}");
    check("plain", r#""plain""#);
    check("", r#""""#);
    check("{{ inputs.node.number }}", "1");
    check(" {{ inputs.node.number }}", r#"" 1""#);
    check("{{ seen.empty }}", "[]");
    check("{{ inputs.node.aws }}", "null");
    check("cluster/{{ inputs.cluster.name }}", r#""cluster/nats-staging""#);
    check("{{ seen.voters_left }} of {{ seen.load }} {{ seen.ok }}", r#""2 of 0.5 true""#);
    check("{{ '{{' }} {{ '{%' }}", r#""{{ {%""#);
    check("{{ '{{ item }}' }}", r#""{{ item }}""#);
    check(
        "x {{ inputs.node.aws }}",
        "WrongType |inputs.node.aws| none cannot stand in text; `| default(...)` gives a value in place of none",
    );
    check(
        "x {{ seen.empty }}",
        r#"WrongType |seen.empty| a list cannot stand in text; `| join(", ")` or `| tojson` makes text of it"#,
    );
    check("{{ steps.token }}", r#"{"$secret":"secrets.token"}"#);
    check(
        "Bearer {{ steps.token }}",
        "Secret |steps.token| `steps.token` is or holds a secret; a secret may only stand alone in a field that takes secrets",
    );
    check("é{{ item.x }}", "WrongType |x| `item` is a string, which has no `.x`");
}

#[test]
fn what_grows_is_limited() {
    let check = |text: &str, expect: &str| assert!(evaluated(text).starts_with(expect), "{text}");
    let ten = "| replace(\"x\", \"xxxxxxxxxx\")";
    let long = format!("\"{}\" {ten} {ten}", "x".repeat(1000));
    check(&format!("{long} | length"), "100000");
    check(&format!("{long} {ten} {ten} | length"), "TooLarge |");
    check(&format!("[{long}, {long}] | join | length"), "200000");
    check(&format!("{long} ~ {long} ~ {long} | length"), r#""xx"#);
    check(&format!("{long} | replace(\"x\", \"x \") | split | length"), "TooLarge |");
}

#[test]
fn a_value_of_the_scope_is_borrowed() {
    let (names, steps) = (names(), Steps(outputs()));
    let scope = Layered(&names as &dyn Scope, &steps as &dyn Scope);
    let borrowed = |text: &str| matches!(eval_ref(&parse(text).unwrap(), &scope).unwrap(), Cow::Borrowed(_));
    assert!(borrowed("inputs.cluster.nodes"));
    assert!(borrowed("steps.instance.id"));
    assert!(borrowed("inputs.cluster.nodes if seen.ok else []"));
    assert!(!borrowed("1 + 1"));
}

#[test]
fn conditions_are_true_or_false() {
    let (names, steps) = (names(), Steps(outputs()));
    let scope = Layered(&names as &dyn Scope, &steps as &dyn Scope);
    let check =
        |text: &str, expect: Option<bool>| assert_eq!(truth(&parse(text).unwrap(), &scope).ok(), expect, "{text}");
    check("seen.ok", Some(true));
    check("steps.instance.id", Some(true));
    check("steps.instance.old", Some(false));
    check("seen.empty", Some(false));
    check("seen.voters_left", None);
    check("steps.token", None);
    check("steps.idle.x", None);
}

fn check(text: &str, expect: &str) {
    assert_eq!(evaluated(text), expect, "{text}");
}
