//! Texts made to hurt, too large or too odd to lie in a folder. Each is refused within a second, and nothing panics.

use std::time::Duration;

use proptest::prelude::*;
use sluice_engine::diagnostic::{Code, Paint, render};

use crate::cases::findings;
use crate::clock::Clock;

/// As a runbook and as an inventory.
fn check(name: &str, bytes: &[u8], expect: Code) {
    check_one(&format!("{name}.yaml"), bytes, expect);
    check_one(&format!("inventory-{name}.yaml"), bytes, expect);
}

fn check_one(name: &str, bytes: &[u8], expect: Code) {
    let start = Clock::start();
    let found = findings(name, bytes);
    let shown: usize = found.iter().map(|one| render(one, Paint::Ansi).len()).sum();
    assert!(start.elapsed() < Duration::from_secs(1), "{name} took {:?}", start.elapsed());
    assert!(found.iter().any(|one| one.code == expect), "{name}: {:?}", found.first());
    assert!(found.len() <= 101 && shown < 200_000, "{name}: {} findings, {shown} bytes", found.len());
}

#[test]
fn large_files_are_refused_at_once() {
    check("ten-megabytes", "a: b\n".repeat(2_000_000).as_bytes(), Code::FileTooLarge);
}

#[test]
fn the_largest_file_is_read_in_time() {
    let step = "  - { id: a, uses: base.echo, with: { value: \"e f g h\" } }\n";
    let steps = step.repeat((sluice_engine::yaml::LARGEST - 40) / step.len());
    check_runbook(&format!("runbook: a\nsteps:\n{steps}"), Code::DuplicateId);
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    check("latin-1", b"runbook: caf\xe9\n", Code::NotUtf8);
    check("utf-16", b"\xff\xfer\0u\0n\0", Code::NotUtf8);
    check("overlong", b"a: \xc0\xaf\n", Code::NotUtf8);
    check("surrogate", b"a: \xed\xa0\x80\n", Code::NotUtf8);
}

#[test]
fn nesting_is_bounded() {
    check("brackets", "[".repeat(10_000).as_bytes(), Code::TooDeep);
    check("braces", format!("a: {}", "{a: ".repeat(10_000)).as_bytes(), Code::TooDeep);
    check("dashes", "- ".repeat(10_000).as_bytes(), Code::TooDeep);
    check("questions", "? ".repeat(10_000).as_bytes(), Code::TooDeep);
    let closed = format!("a: {}{}", "[".repeat(10_000), "]".repeat(10_000));
    check("closed", closed.as_bytes(), Code::TooDeep);
    let groups: String = (0..100).map(|depth| format!("{0}- id: a\n{0}  steps:\n", "    ".repeat(depth))).collect();
    check("groups", format!("steps:\n{groups}").as_bytes(), Code::TooDeep);
}

#[test]
fn aliases_do_not_multiply() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let alias = format!("*a{}, ", level - 1).repeat(9);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", alias.trim_end_matches(", ")));
    }
    check("bomb", bomb.as_bytes(), Code::NoAnchors);
}

#[test]
fn many_mistakes_stay_readable() {
    let steps: String = (0..3000).map(|at| format!("  - {{ id: s{at}, usse: base.echo, wiht: {{}} }}\n")).collect();
    check_runbook(&format!("runbook: a\nsteps:\n{steps}"), Code::TooManyErrors);
    let clusters: String = (0..2000).map(|at| format!("  c{at}: {{ nodse: 3, asw: {{}} }}\n")).collect();
    check_one("inventory-mistakes.yaml", format!("clusters:\n{clusters}").as_bytes(), Code::TooManyErrors);
    check("long-line", format!("{}: 1\n", "k".repeat(900)).as_bytes(), Code::UnknownKey);
    check(
        "long-name",
        format!("runbook: {}\nsteps: []\nclusters: 1\n", "n".repeat(200_000)).as_bytes(),
        Code::UnknownKey,
    );
}

#[test]
fn a_template_cannot_be_made_to_hurt() {
    let nested = format!(
        "runbook: a\nsteps:\n  - {{ id: a, uses: base.echo, with: {{ value: \"{{{{ {}1{} }}}}\" }} }}\n",
        "(".repeat(20_000),
        ")".repeat(20_000)
    );
    check_runbook(&nested, Code::BadExpression);
    let chain = format!(
        "runbook: a\nsteps:\n  - {{ id: a, uses: base.echo, when: \"{}\", with: {{ value: 1 }} }}\n",
        "not ".repeat(20_000)
    );
    check_runbook(&chain, Code::BadExpression);
}

fn check_runbook(text: &str, expect: Code) {
    check_one("hostile.yaml", text.as_bytes(), expect);
}

const GOOD: &str = include_str!("cases/good.txt");

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    /// Whatever is cut out of, put into or swapped in a good runbook: it is fine, or somebody is told why not.
    #[test]
    fn a_mutilated_runbook_never_fails_silently(cut in 0..GOOD.len(), length in 0..40usize, put in "[a-z{}\\[\\]:\"' \n|>&*!#\t-]{0,6}") {
        let start = GOOD.floor_char_boundary(cut);
        let end = GOOD.floor_char_boundary((start + length).min(GOOD.len()));
        let text = format!("{}{put}{}", &GOOD[..start], &GOOD[end..]);
        let source = sluice_engine::source::Source::new("mutilated.yaml", text.clone());
        if let Err(found) = sluice_engine::runbook::load(&source, &crate::actions::fake()) {
            prop_assert!(found.iter().any(sluice_engine::diagnostic::Diagnostic::is_error), "{text}");
            found.iter().for_each(|one| { render(one, Paint::Plain); });
        }
    }
}
