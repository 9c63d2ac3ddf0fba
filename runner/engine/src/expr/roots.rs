//! Which names an expression uses: what the checker and the plan make dependencies of. Knows no scope.

use super::tree::{Expr, Kind, Path, Template};

/// Every path in the expression, from left to right, with repetitions. `Path` shows itself as `steps.quorum.voters_left`.
pub fn roots(expr: &Expr) -> Vec<&Path> {
    let mut found = Vec::new();
    collect(expr, &mut found);
    found
}

/// The same for all expressions of a template.
pub fn template_roots(template: &Template) -> Vec<&Path> {
    template.exprs().into_iter().flat_map(roots).collect()
}

fn collect<'a>(expr: &'a Expr, found: &mut Vec<&'a Path>) {
    if let Kind::Path(path) = &expr.kind {
        found.push(path);
    }
    for child in children(expr) {
        collect(child, found);
    }
}

fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        Kind::Literal(_) | Kind::Path(_) => Vec::new(),
        Kind::List(items) => items.iter().collect(),
        Kind::Map(fields) => fields.iter().map(|(_, value)| value).collect(),
        Kind::Get { base, .. } => vec![base],
        Kind::Item { base, index } => vec![base, index],
        Kind::Not(inner) | Kind::Negate(inner) | Kind::Test { input: inner, .. } => vec![inner],
        Kind::Arithmetic { left, right, .. }
        | Kind::Concat { left, right }
        | Kind::And { left, right }
        | Kind::Or { left, right } => vec![left, right],
        Kind::Compare { first, rest } => std::iter::once(&**first).chain(rest.iter().map(|(_, value)| value)).collect(),
        Kind::If { condition, yes, no } => vec![yes, condition, no],
        Kind::Filter { input, args, .. } => std::iter::once(&**input).chain(args.iter().flatten()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::{parse, parse_template};

    fn shown(paths: Vec<&Path>) -> Vec<String> {
        paths.into_iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_path_is_found_once_for_each_time_it_stands() {
        let check = |text: &str, expect: &[&str]| assert_eq!(shown(roots(&parse(text).unwrap())), expect, "{text}");
        check("1", &[]);
        check("steps.quorum.voters_left >= seen.majority", &["steps.quorum.voters_left", "seen.majority"]);
        check("inputs.nodes[0].name", &["inputs.nodes[0].name"]);
        check("a[b.c].d", &["a", "b.c"]);
        check("a | default(b) | join(c)", &["a", "b", "c"]);
        check("a if b else c", &["a", "b", "c"]);
        check("[a, {\"k\": b}, not c, -d]", &["a", "b", "c", "d"]);
        check("a < b <= a", &["a", "b", "a"]);
        check("a is defined and (b | first).c or d ~ e", &["a", "b", "d", "e"]);
        check("a[\"x y\"]", &["a[\"x y\"]"]);
    }

    #[test]
    fn paths_of_templates_are_those_of_their_expressions() {
        let check = |text: &str, expect: &[&str]| {
            assert_eq!(shown(template_roots(&parse_template(text).unwrap())), expect, "{text}");
        };
        check("a", &[]);
        check("{{ a.b }}", &["a.b"]);
        check("x {{ a.b }} y {{ c + d }}", &["a.b", "c", "d"]);
    }
}
