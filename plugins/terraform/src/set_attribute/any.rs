//! Any value in any file: what is outside of the value stays, to the byte.

use hcl_edit::structure::Body;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use crate::testing::{FakeHost, run};

/// Expressions on one line.
fn value() -> BoxedStrategy<String> {
    let leaf = select(vec![
        "1",
        "-2.5e3",
        "true",
        "null",
        "\"\"",
        "\"a b\"",
        "\"é \\u00e9 \\\" $${x} %%{y}\"",
        "\"${a[\"}\"]}#//\"",
        "var.x",
        "a.b[0].c[*].d",
        "\"%{ if a ~}b%{ else }c%{ endif }\"",
        "<<EOT\narn = 1 }\nEOT\n",
        "<<-E\n  ${x} /*\n  E\n",
    ]);
    let leaf = leaf.prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 3, |inner| {
        let one = inner.prop_filter("a heredoc ends a line", |text| !text.contains('\n')).boxed();
        prop_oneof![
            prop::collection::vec(one.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(" , "))),
            prop::collection::vec(one.clone(), 0..3).prop_map(|items| format!("f({})", items.join(","))),
            one.clone().prop_map(|item| format!("{{ arn = {item}, \"k\" : 1 }}")),
            one.clone().prop_map(|item| format!("({item})")),
            (one.clone(), one.clone()).prop_map(|(a, b)| format!("{a} == {b} ? \"a\" : {b}")),
            one.clone().prop_map(|item| format!("\"x${{{item}}}y\"")),
            one.prop_map(|item| format!("[for v in {item} : v if v != 1]")),
        ]
    })
    .boxed()
}

fn one_line() -> BoxedStrategy<String> {
    value().prop_filter("one line", |text| !text.contains('\n')).boxed()
}

fn noise() -> impl Strategy<Value = String> {
    let lines = vec![
        "",
        "  ",
        "# arn = 1",
        "// }",
        "/* module \"m\" {\n arn = 2 */",
        "other {\n  arn = 3\n}",
        "one { arn = 4 }",
        "data \"m\" {\n}",
        "\t# é\u{fc}",
        "module \"n\" {\n  arn = <<X\n}\nX\n}",
    ];
    prop::collection::vec(select(lines), 0..4).prop_map(|lines| lines.iter().map(|line| format!("{line}\n")).collect())
}

/// Before the value, the value, and behind it.
fn file() -> impl Strategy<Value = [String; 3]> {
    let space = || select(vec!["", " ", "\t", "  /* c */ "]).prop_map(str::to_owned);
    let end = select(vec!["", " ", " # é", " // arn = 1", " /* x */"]).prop_map(str::to_owned);
    let shape = (noise(), noise(), noise(), space(), space(), end, value(), any::<[bool; 2]>());
    shape.prop_map(|(before, inside, behind, left, right, end, value, [crlf, mark])| {
        // A heredoc ends its line.
        let end = if value.ends_with('\n') { String::new() } else { format!("{end}\n") };
        let (value, line) = value.strip_suffix('\n').map_or((value.as_str(), ""), |heredoc| (heredoc, "\n"));
        let head = format!("{before}module \"m\" {{\n{inside}arn{left}={right}");
        let parts = [head, value.to_owned(), format!("{line}{end}{inside}}}\n{behind}")];
        let parts = if crlf { parts.map(|part| part.replace('\n', "\r\n")) } else { parts };
        let [head, value, tail] = parts;
        [format!("{}{head}", if mark { "\u{feff}" } else { "" }), value, tail]
    })
}

proptest! {
    #[test]
    fn what_is_outside_stays([head, old, tail] in file(), new in one_line()) {
        let text = [head.as_str(), &old, &tail].concat();
        let with = json!({ "text": text, "block": ["module", "m"], "attribute": "arn", "value": new });
        let output = run("set_attribute", &FakeHost::answers(200, &[], ""), with).unwrap().output;
        prop_assert_eq!(output["text"].as_str().unwrap(), [head.as_str(), &new, &tail].concat());
        prop_assert_eq!(output["before"].as_str().unwrap(), old);
    }

    /// Whatever is put there: it is refused, or it is that one value.
    #[test]
    fn nothing_gets_out_of_the_value(new in "[ab1\"${}%()\\[\\]#/*= \\\\\n,.<-]{0,12}", part in any::<bool>()) {
        stays_inside(&new, part);
    }
}

const HEAD: &str = "module \"m\" {\n  m = { arn = ";
const TAIL: &str = ", b = 1 } # c\n  c = \"x\" /* y */\n}\n";

fn stays_inside(new: &str, part: bool) {
    let text = format!("{HEAD}\"a\"{TAIL}");
    let mut with = json!({ "text": text, "block": ["module", "m"], "attribute": "m", "path": ["arn"] });
    if part {
        with["replace"] = json!({ "from": "a", "to": new });
    } else {
        with["value"] = json!(new);
    }
    let Ok(outcome) = run("set_attribute", &FakeHost::answers(200, &[], ""), with) else { return };
    let found = outcome.output["text"].as_str().unwrap();
    let expected = if part { format!("{HEAD}\"{new}\"{TAIL}") } else { format!("{HEAD}{new}{TAIL}") };
    // What is put in may stand there already, as a quote does.
    assert_eq!(found, if outcome.output["changed"] == true { expected } else { text });
    let body: Body = found.parse().unwrap();
    let module = body.get_blocks("module").next().unwrap();
    assert_eq!(module.body.attributes().count(), 2);
    assert_eq!(module.body.get_attribute("m").unwrap().value.as_object().unwrap().len(), 2);
    assert_eq!(module.body.get_attribute("c").unwrap().value.as_str(), Some("x"));
}
