//! Texts that are wrong as YAML, and hostile ones: each gets a diagnostic, and nothing overflows.

use super::{Node, parse, read};
use crate::diagnostic::{Code, Findings};

/// The tree and the codes with their lines.
fn parsed(text: &str) -> (Option<Node>, Vec<(Code, usize)>) {
    let source = read("a.yaml", text.as_bytes()).unwrap();
    let mut findings = Findings::new(&source);
    let node = parse(&source, &mut findings);
    let line = |found: &crate::diagnostic::Diagnostic| {
        found.labels.first().map_or(0, |label| source.position(label.span.start).line)
    };
    let codes = findings.finish().iter().map(|found| (found.code, line(found))).collect();
    (node, codes)
}

#[test]
fn reads_a_tree() {
    let (node, codes) = parsed("a: 1\nb: [x, ~, 'no', no, true]\nc:\n  1: {}\n  no: []\n");
    assert_eq!(codes, []);
    let expect = serde_json::json!({
        "a": 1, "b": ["x", null, "no", "no", true], "c": { "1": {}, "no": [] },
    });
    assert_eq!(node.unwrap().to_json(), expect);
}

#[test]
fn spans_cover_what_was_written() {
    let text = "a: 1 # x\nb:\n  - \"two\"\n  - {c: d}   \n\n# end\ne: f g\n";
    let source = read("a.yaml", text.as_bytes()).unwrap();
    let node = parse(&source, &mut Findings::new(&source)).unwrap();
    let super::Kind::Map(map) = &node.kind else { panic!() };
    let of = |name: &str| source.slice(map.get(name).unwrap().value.span);
    assert_eq!(of("a"), "1");
    assert_eq!(of("e"), "f g");
    assert!(of("b").starts_with("- \"two\"\n  - {c: d}"), "{:?}", of("b"));
    assert_eq!(source.slice(map.get("b").unwrap().key.span), "b");
}

#[test]
fn says_what_is_wrong_and_where() {
    let check = |text: &str, expect: &[(Code, usize)]| assert_eq!(parsed(text).1, expect, "{text}");
    check("", &[(Code::EmptyFile, 0)]);
    check("# nothing\n\n", &[(Code::EmptyFile, 0)]);
    check("a: 1\n---\nb: 2\n", &[(Code::SeveralDocuments, 2)]);
    check("a: 1\n\tb: 2\n", &[(Code::TabIndent, 2)]);
    check("a:\n\t- b\n", &[(Code::TabIndent, 2)]);
    check("a: [1, 2\nb: 3\n", &[(Code::YamlSyntax, 2)]);
    check("a: \"x\n", &[(Code::YamlSyntax, 1)]);
    check("a: b: c\n", &[(Code::YamlSyntax, 1)]);
    check("%YAML 1.1\n---\na: 1\n", &[(Code::YamlSyntax, 1)]);
    check(
        "a: 1\na: 2\nb: {c: 1, c: 2}\na: 3\n",
        &[(Code::DuplicateKey, 2), (Code::DuplicateKey, 3), (Code::DuplicateKey, 4)],
    );
    check(
        "a: &x 1\nb: *x\nc: *y\n<<: {d: 1}\n",
        &[(Code::NoAnchors, 1), (Code::NoAnchors, 2), (Code::NoAnchors, 3), (Code::NoAnchors, 4)],
    );
    check("a: !secret x\n", &[(Code::NoTags, 1)]);
    check("a: {{ inputs.x }}\n", &[(Code::KeyNotText, 1)]);
    check("? [a]\n: 1\n", &[(Code::KeyNotText, 1)]);
    check("a: 99999999999999999999\nb: .nan\n", &[(Code::BadValue, 1), (Code::BadValue, 2)]);
}

#[test]
fn hostile_texts_are_refused() {
    let check = |text: &str, expect: Code| {
        let (_, codes) = parsed(text);
        assert!(codes.iter().any(|(code, _)| *code == expect), "{codes:?}");
        assert!(codes.len() <= 101);
    };
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n";
    check(bomb, Code::NoAnchors);
    check(&"[".repeat(10_000), Code::TooDeep);
    check(&"{a: ".repeat(10_000), Code::TooDeep);
    check(&"- ".repeat(10_000), Code::TooDeep);
    let stairs: String = (0..400).map(|at| format!("{}a:\n", " ".repeat(at))).collect();
    check(&stairs, Code::TooDeep);
    check(&format!("{{{}}}", "a,".repeat(100_000)), Code::TooManyErrors);
    check(&"*a ".repeat(80_000), Code::YamlSyntax);
}
