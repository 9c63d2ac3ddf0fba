//! Names of filters and tests, and arguments put in the order of a filter's parameters. Knows the tables, not their
//! functions.

use serde_json::Value;
use sluice_plugin::SECRET_KEY;

use super::fault::{Cause, ParseCode, ParseError, Span};
use super::filters::{FILTERS, Filter};
use super::near;
use super::tree::{Expr, Kind, Test};

/// One argument as written.
pub(super) struct Argument {
    pub(super) name: Option<String>,
    pub(super) value: Expr,
}

pub(super) fn filter(name: &str, span: Span) -> Result<&'static Filter, ParseError> {
    FILTERS.iter().find(|filter| filter.name == name).ok_or_else(|| {
        Cause::new(ParseCode::UnknownFilter, format!("there is no filter `{name}`"))
            .maybe_hint(near::hint(name, FILTERS.iter().map(|filter| filter.name)))
            .at(span)
    })
}

pub(super) fn test(name: &str, span: Span) -> Result<Test, ParseError> {
    Test::ALL.into_iter().find(|test| test.name() == name).ok_or_else(|| {
        Cause::new(ParseCode::UnknownTest, format!("there is no test `is {name}`"))
            .maybe_hint(near::hint(name, Test::ALL.into_iter().map(Test::name)))
            .at(span)
    })
}

/// The arguments in the order of the parameters; `None` for what was left out.
pub(super) fn bind(filter: &'static Filter, args: Vec<Argument>, span: Span) -> Result<Vec<Option<Expr>>, ParseError> {
    let mut bound: Vec<Option<Expr>> = filter.params.iter().map(|_| None).collect();
    for (position, arg) in args.into_iter().enumerate() {
        let place = place_of(filter, &arg, position)?;
        match bound.get_mut(place) {
            Some(slot @ None) => *slot = Some(arg.value),
            Some(Some(_)) => return Err(twice(filter, place, arg.value.span)),
            None => return Err(too_many(filter, arg.value.span)),
        }
    }
    match filter.params.iter().zip(&bound).find(|(param, arg)| param.required && arg.is_none()) {
        Some((param, _)) => Err(bad(filter, span, format!("`{}` needs `{}`", filter.name, param.name))),
        None => Ok(bound),
    }
}

fn place_of(filter: &Filter, arg: &Argument, position: usize) -> Result<usize, ParseError> {
    let Some(name) = &arg.name else { return Ok(position) };
    filter
        .params
        .iter()
        .position(|param| param.name == name)
        .ok_or_else(|| bad(filter, arg.value.span, format!("`{}` takes no `{name}`", filter.name)))
}

fn twice(filter: &Filter, place: usize, span: Span) -> ParseError {
    let name = filter.params.get(place).map_or("", |param| param.name);
    bad(filter, span, format!("`{}` is given `{name}` twice", filter.name))
}

fn too_many(filter: &Filter, span: Span) -> ParseError {
    bad(filter, span, format!("`{}` is given too much", filter.name))
}

fn bad(filter: &Filter, span: Span, message: String) -> ParseError {
    ParseError::new(ParseCode::BadArguments, span, message).hint(format!("write `| {}`", filter.usage()))
}

/// The name of the next field of a map.
pub(super) fn field_name(key: &Expr, before: &[(String, Expr)]) -> Result<String, ParseError> {
    let refused = |message: String| Err(ParseError::new(ParseCode::NotAllowed, key.span, message));
    match &key.kind {
        Kind::Literal(Value::String(name)) if name == SECRET_KEY => refused(format!(
            "`{SECRET_KEY}` cannot be written in an expression: a secret comes from a step or from `secrets`"
        )),
        Kind::Literal(Value::String(name)) if before.iter().any(|(known, _)| known == name) => {
            refused(format!("`{name}` stands twice"))
        }
        Kind::Literal(Value::String(name)) => Ok(name.clone()),
        _ => refused("the keys of an object are strings in quotes".to_owned()),
    }
}
