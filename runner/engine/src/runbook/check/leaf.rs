//! Leaves of the tree as expressions and templates: parsed, typed, and every fault put where it stands in the file.

use serde_json::Value;

use super::super::checked::Tree;
use crate::diagnostic::{Code, Diagnostic, Findings, Severity};
use crate::expr::{self, Expr, Fault, Fit, Inferred, Kind as ExprKind, ParseCode, Template, Ty, TypeCode, TypeScope};
use crate::source::Span;
use crate::yaml::fields::wrong_type;
use crate::yaml::{Kind, Node, place};

/// A condition: `when`, `that`, `fail_if`.
pub(super) fn condition(node: &Node, what: &str, names: &dyn TypeScope, findings: &mut Findings) -> Option<Expr> {
    let expr = bare(node, what, findings)?;
    let inferred = expr::expect_bool(&expr, names);
    report(node, inferred, findings).map(|_| expr)
}

/// An expression with a value that may be no secret: `progress`, `for_each`.
pub(super) fn value(node: &Node, what: &str, names: &dyn TypeScope, findings: &mut Findings) -> Option<(Expr, Ty)> {
    let expr = bare(node, what, findings)?;
    let inferred = expr::infer(&expr, names);
    let ty = report(node, inferred, findings)?;
    no_secret(node, &ty, what, findings)?;
    Some((expr, ty))
}

/// Text of an expression without `{{ }}`.
fn bare(node: &Node, what: &str, findings: &mut Findings) -> Option<Expr> {
    let text = match &node.kind {
        Kind::Text(text) => &text.value,
        Kind::Bool(value) => return Some(literal(Value::Bool(*value), node)),
        _ => {
            wrong_type(node, what, "an expression", findings);
            return None;
        }
    };
    if text.trim_start().starts_with("{{") {
        let message = format!("{what} is an expression already, without `{{{{ }}}}`");
        findings.helped(Code::BadExpression, node.span, message, "leave the double braces out");
        return None;
    }
    match expr::parse(text) {
        Ok(expr) => Some(expr),
        Err(error) => {
            parse_fault(node, error, findings);
            None
        }
    }
}

fn literal(value: Value, node: &Node) -> Expr {
    let length = node.span.range().len();
    Expr { kind: ExprKind::Literal(value), span: expr::Span::new(0, length) }
}

/// A text with `{{ }}` that may be no secret: `else`, `lock`, `banner`.
pub(super) fn template(
    node: &Node,
    what: &str,
    names: &dyn TypeScope,
    findings: &mut Findings,
) -> Option<(Template, Ty)> {
    let (template, ty) = any_template(node, what, names, findings)?;
    no_secret(node, &ty, what, findings)?;
    Some((template, ty))
}

fn any_template(node: &Node, what: &str, names: &dyn TypeScope, findings: &mut Findings) -> Option<(Template, Ty)> {
    let text = crate::yaml::fields::text(node, what, findings)?;
    match expr::parse_template(text) {
        Ok(template) => {
            let inferred = expr::infer_template(&template, names);
            report(node, inferred, findings).map(|ty| (template, ty))
        }
        Err(error) => {
            parse_fault(node, error, findings);
            None
        }
    }
}

/// A value of any shape with templates in its leaves, and its type.
pub(super) fn tree(node: &Node, what: &str, names: &dyn TypeScope, findings: &mut Findings) -> Option<(Tree, Ty)> {
    match &node.kind {
        Kind::Broken => None,
        Kind::Null | Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) => {
            let value = node.to_json();
            let ty = Ty::of(&value);
            Some((Tree::Constant(value), ty))
        }
        Kind::Text(_) => any_template(node, what, names, findings).map(|(template, ty)| match template {
            Template::Text(text) => (Tree::Constant(Value::String(text)), ty),
            filled @ (Template::Whole(_) | Template::Parts(_)) => (Tree::Leaf(filled), ty),
        }),
        Kind::Seq(items) => {
            let items: Vec<_> = items.iter().map(|item| tree(item, what, names, findings)).collect();
            let (trees, types): (Vec<Tree>, Vec<Ty>) =
                items.into_iter().collect::<Option<Vec<_>>>()?.into_iter().unzip();
            Some((joined_seq(trees), Ty::list(Ty::union(types))))
        }
        Kind::Map(map) => {
            let read = |entry: &crate::yaml::Entry, findings: &mut Findings| {
                let (tree, ty) = tree(&entry.value, what, names, findings)?;
                Some((entry.key.name.clone(), tree, ty))
            };
            let entries: Vec<_> = map.iter().map(|entry| read(entry, findings)).collect();
            let entries = entries.into_iter().collect::<Option<Vec<_>>>()?;
            let types = entries.iter().map(|(name, _, ty)| (name.clone(), ty.clone())).collect::<Vec<_>>();
            let trees = entries.into_iter().map(|(name, tree, _)| (name, tree));
            Some((joined_map(trees), Ty::record(types)))
        }
    }
}

/// A list of constants is a constant.
pub(super) fn joined_seq(items: Vec<Tree>) -> Tree {
    let constants: Option<Vec<Value>> = items.iter().map(|item| item.constant().cloned()).collect();
    constants.map_or(Tree::Seq(items), |constants| Tree::Constant(Value::Array(constants)))
}

/// A mapping of constants is a constant.
pub(super) fn joined_map(entries: impl Iterator<Item = (String, Tree)>) -> Tree {
    let entries: indexmap::IndexMap<String, Tree> = entries.collect();
    let constants: Option<serde_json::Map<String, Value>> =
        entries.iter().map(|(name, tree)| Some((name.clone(), tree.constant()?.clone()))).collect();
    constants.map_or(Tree::Map(entries), |constants| Tree::Constant(Value::Object(constants)))
}

/// Whether the type may stand where another is wanted. What only may not fit is a warning: the run finds out.
pub(super) fn fits(node: &Node, what: &str, given: &Ty, wanted: &Ty, findings: &mut Findings) -> Option<()> {
    match expr::fits(given, wanted) {
        Fit::Yes => Some(()),
        // Whatever is wrong there is mended first.
        Fit::Maybe(_) if findings.any_within(node.span) => Some(()),
        Fit::Maybe(misfit) => {
            // One of the values it may have is the misfit.
            let message = misfit.message.replacen("and this is ", "and this may be ", 1);
            let found = Diagnostic::warning(Code::MayNotFit, format!("{what}{}: {message}", misfit.path));
            let found = found.at(findings.source(), node.span, "");
            findings.push(misfit.hint.into_iter().fold(found, Diagnostic::help));
            Some(())
        }
        Fit::No(misfit) => {
            let (code, message) = match (given, wanted) {
                _ if given.may_hold_secret() => (Code::SecretMisused, format!("{what} takes no secret")),
                (Ty::Object(_), Ty::Object(_)) => {
                    let other = format!("{what}{} gets an object of another kind: {}", misfit.path, misfit.message);
                    (Code::TypeMismatch, other)
                }
                _ => (Code::TypeMismatch, format!("{what}{}: {}", misfit.path, misfit.message)),
            };
            let found = Diagnostic::error(code, message);
            let found = found.at(findings.source(), node.span, "");
            findings.push(misfit.hint.into_iter().fold(found, Diagnostic::help));
            None
        }
    }
}

/// Where no schema asks for a secret none may stand.
pub(super) fn no_secret(node: &Node, ty: &Ty, what: &str, findings: &mut Findings) -> Option<()> {
    if !ty.may_hold_secret() {
        return Some(());
    }
    let help = "a secret may only stand alone in a field of `with` that takes secrets";
    findings.helped(Code::SecretMisused, node.span, format!("{what} would hold a secret"), help);
    None
}

/// The type, when nothing was wrong. What could go wrong in the run is a warning, one for each place.
fn report(node: &Node, inferred: Inferred, findings: &mut Findings) -> Option<Ty> {
    let fine = inferred.errors.is_empty();
    for error in inferred.errors {
        let code = match error.code {
            TypeCode::UnknownName => Code::UndefinedName,
            TypeCode::UnknownProperty => Code::UndefinedName,
            TypeCode::WrongType | TypeCode::NeverEqual | TypeCode::NotACondition => Code::TypeMismatch,
            TypeCode::MayBeMissing | TypeCode::MayNotFit => Code::TypeMismatch,
            TypeCode::Secret => Code::SecretMisused,
        };
        fault(Severity::Error, code, node, error, findings);
    }
    let mut places = Vec::new();
    for note in inferred.notes.into_iter().filter(|_| fine) {
        let code = match note.code {
            TypeCode::MayBeMissing => Code::MayBeMissing,
            TypeCode::MayNotFit => Code::MayNotFit,
            TypeCode::NeverEqual
            | TypeCode::UnknownName
            | TypeCode::UnknownProperty
            | TypeCode::WrongType
            | TypeCode::NotACondition
            | TypeCode::Secret => Code::TypeMismatch,
        };
        if !places.contains(&note.span) {
            places.push(note.span);
            fault(Severity::Warning, code, node, note, findings);
        }
    }
    fine.then_some(inferred.ty)
}

fn parse_fault(node: &Node, error: expr::ParseError, findings: &mut Findings) {
    let code = match error.code {
        ParseCode::Syntax | ParseCode::NotAllowed | ParseCode::TooLarge | ParseCode::BadArguments => {
            Code::BadExpression
        }
        ParseCode::UnknownFilter | ParseCode::UnknownTest => Code::UnknownFilter,
    };
    fault(Severity::Error, code, node, error, findings);
}

fn fault<C>(severity: Severity, code: Code, node: &Node, fault: Fault<C>, findings: &mut Findings) {
    let span = fault_span(node, fault.span, findings);
    let found = Diagnostic { severity, ..Diagnostic::error(code, fault.message) }.at(findings.source(), span, "");
    findings.push(fault.hint.into_iter().fold(found, Diagnostic::help));
}

fn fault_span(node: &Node, span: expr::Span, findings: &Findings) -> Span {
    place(findings.source(), node, span.start..span.end)
}
