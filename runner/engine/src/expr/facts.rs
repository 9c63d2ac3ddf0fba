//! What a condition that holds says about the paths in it: that they are there, and that they are not none. So what a
//! `when` has asked needs no `default` behind it. Knows no types.

use super::kinds::Kinds;
use super::tree::{Comparison, Expr, Kind, Path, Test};

/// The path is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub path: Path,
    /// And it is not none.
    pub not_none: bool,
}

/// What is known where the condition holds.
pub fn facts(condition: &Expr) -> Vec<Fact> {
    given(condition, true)
}

/// What is known where the condition holds, or where it does not.
pub(super) fn given(condition: &Expr, holds: bool) -> Vec<Fact> {
    let mut found = Vec::new();
    collect(condition, holds, &mut found);
    found
}

impl Fact {
    /// Whether it says that the first `parts` parts of the path are there, and if so whether they are not none.
    pub(super) fn says(&self, path: &Path, parts: usize) -> Option<bool> {
        let same = self.path.root == path.root && parts <= self.path.parts.len() && parts <= path.parts.len();
        let along = self.path.parts.iter().zip(&path.parts).take(parts).all(|(known, part)| known.key == part.key);
        // What has something inside is not none.
        (same && along).then_some(self.not_none || parts < self.path.parts.len())
    }
}

fn collect(condition: &Expr, holds: bool, found: &mut Vec<Fact>) {
    match (&condition.kind, holds) {
        (Kind::Path(_) | Kind::Filter { .. }, true) => strict(condition, true, found),
        (Kind::Not(inner), _) => collect(inner, !holds, found),
        (Kind::And { left, right }, true) | (Kind::Or { left, right }, false) => {
            collect(left, holds, found);
            collect(right, holds, found);
        }
        (Kind::Compare { first, rest }, _) => {
            if let [(op, second)] = rest.as_slice() {
                compared(*op, first, second, holds, found);
            }
        }
        (Kind::Test { test, input }, _) => tested(*test, input, holds, found),
        _ => {}
    }
}

fn compared(op: Comparison, left: &Expr, right: &Expr, holds: bool, found: &mut Vec<Fact>) {
    let is_none = |expr: &Expr| matches!(&expr.kind, Kind::Literal(value) if value.is_null());
    let is_value = |expr: &Expr| matches!(&expr.kind, Kind::Literal(value) if !value.is_null());
    for (side, other) in [(left, right), (right, left)] {
        let not_none = match op {
            // It could be evaluated, so it is there; only some comparisons say more.
            Comparison::Equal => (holds && is_value(other)) || (!holds && is_none(other)),
            Comparison::NotEqual => (holds && is_none(other)) || (!holds && is_value(other)),
            Comparison::Less | Comparison::LessOrEqual | Comparison::Greater | Comparison::GreaterOrEqual => true,
            Comparison::In | Comparison::NotIn => false,
        };
        strict(side, not_none, found);
    }
}

fn tested(test: Test, input: &Expr, holds: bool, found: &mut Vec<Fact>) {
    match (test, holds) {
        (Test::Defined, true) | (Test::Undefined, false) => strict(input, false, found),
        (Test::None, _) => strict(input, !holds, found),
        (Test::Boolean | Test::Integer | Test::Number | Test::String | Test::List | Test::Object, true) => {
            strict(input, true, found);
        }
        (Test::Defined | Test::Undefined, _) => {}
        (Test::Boolean | Test::Integer | Test::Number | Test::String | Test::List | Test::Object, false) => {
            strict(input, false, found);
        }
    }
}

/// An operand that could be evaluated.
fn strict(expr: &Expr, not_none: bool, found: &mut Vec<Fact>) {
    match &expr.kind {
        Kind::Path(path) => found.push(Fact { path: path.clone(), not_none }),
        Kind::Filter { filter, input, .. } if !filter.lenient => {
            strict(input, filter.takes.and(Kinds::NULL).is_empty(), found);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::parse;

    #[test]
    fn conditions_say_what_is_there() {
        let check = |text: &str, holds: bool, expect: &[&str]| {
            let shown = |fact: &Fact| format!("{}{}", fact.path, if fact.not_none { "" } else { "?" });
            let found: Vec<String> = given(&parse(text).unwrap(), holds).iter().map(shown).collect();
            assert_eq!(found, expect, "{text} is {holds}");
        };
        check("a.b", true, &["a.b"]);
        check("a.b", false, &[]);
        check("not a.b", false, &["a.b"]);
        check("a.b and c", true, &["a.b", "c"]);
        check("a.b or c", true, &[]);
        check("a.b or c", false, &[]);
        check("a == none or b == none", false, &["a", "b"]);
        check("a != none", true, &["a"]);
        check("a == 'x'", true, &["a"]);
        check("a == 'x'", false, &["a?"]);
        check("a != 'x'", true, &["a?"]);
        check("a == b", true, &["a?", "b?"]);
        check("a > 3", true, &["a"]);
        check("a | length > 0", true, &["a"]);
        check("a | default(1) > 0", true, &[]);
        check("a is defined", true, &["a?"]);
        check("a is undefined", false, &["a?"]);
        check("a is undefined", true, &[]);
        check("a is not none", true, &["a"]);
        check("a is string", true, &["a"]);
        check("1 if a else 2", true, &[]);
    }

    #[test]
    fn a_fact_speaks_of_what_is_on_the_way() {
        let path = |text: &str| match parse(text).unwrap().kind {
            Kind::Path(path) => path,
            other => panic!("{other:?}"),
        };
        let check = |known: &str, not_none: bool, text: &str, parts: usize, expect: Option<bool>| {
            let fact = Fact { path: path(known), not_none };
            assert_eq!(fact.says(&path(text), parts), expect, "{known} of {text}");
        };
        check("a.b.c", false, "a.b.c", 2, Some(false));
        check("a.b.c", true, "a.b.c", 2, Some(true));
        check("a.b.c", false, "a.b.c", 1, Some(true));
        check("a.b.c", false, "a.b.d", 1, Some(true));
        check("a.b.c", false, "a.b.d", 2, None);
        check("a.b", true, "a.b.c", 2, None);
        check("b", true, "a", 0, None);
    }
}
