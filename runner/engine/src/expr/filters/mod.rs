//! The filters: one table, one entry each. A filter is a pure function of its input and arguments, with a type. What it
//! takes is checked here by kinds, for values and for types alike; the functions stand beside by subject.

mod attribute;
mod collection;
mod numeric;
mod textual;

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use super::fault::{Cause, EvalCode};
use super::kinds::Kinds;
use super::look::Look;
use super::text;
use super::ty::Ty;

/// One filter, described for the checker, for documentation and for evaluation.
pub struct Filter {
    pub name: &'static str,
    /// One sentence, without a full stop.
    pub doc: &'static str,
    /// What may stand before the `|`.
    pub takes: Kinds,
    pub params: &'static [Param],
    /// The input may be undefined; it is then none.
    pub(super) lenient: bool,
    pub(super) call: fn(&Value, Args<'_>) -> Result<Value, Cause<EvalCode>>,
    /// The type of the result, for input and arguments that fit `takes`.
    pub(super) gives: fn(&Ty, &[Option<Ty>]) -> Look,
}

pub struct Param {
    pub name: &'static str,
    pub takes: Kinds,
    pub required: bool,
}

/// Arguments in the order of the parameters.
#[derive(Clone, Copy)]
pub(super) struct Args<'a>(pub(super) &'a [Option<Cow<'a, Value>>]);

const COLLECTION: Kinds = Kinds::STRING.or(Kinds::LIST).or(Kinds::OBJECT);

/// All of them, by subject.
pub static FILTERS: &[Filter] = &[
    filter(
        "default",
        "The value, or the argument where the value is undefined or none",
        Kinds::ANY,
        collection::default,
        collection::default_ty,
    )
    .lenient()
    .params(&[required("value", Kinds::ANY)]),
    filter("length", "The number of characters, items or fields", COLLECTION, collection::length, |_, _| {
        Ty::Int.into()
    }),
    filter(
        "contains",
        "Whether a string has the part, a list the item, an object the field",
        COLLECTION,
        collection::contains,
        collection::contains_ty,
    )
    .params(&[required("part", Kinds::ANY)]),
    filter(
        "first",
        "The first item; undefined where there is none",
        Kinds::LIST,
        collection::first,
        collection::item_ty,
    ),
    filter("last", "The last item; undefined where there is none", Kinds::LIST, collection::last, collection::item_ty),
    filter(
        "sort",
        "The items, least first; all numbers or all strings",
        Kinds::LIST,
        collection::sort,
        collection::sort_ty,
    )
    .params(&[optional("reverse", Kinds::BOOL), optional("attribute", Kinds::STRING)]),
    filter("unique", "The items without those that came before", Kinds::LIST, collection::unique, |input, _| {
        input.clone().into()
    }),
    filter("min", "The least item; undefined where there is none", Kinds::LIST, collection::min, collection::min_ty),
    filter("max", "The greatest item; undefined where there is none", Kinds::LIST, collection::max, collection::max_ty),
    filter("sum", "The sum of the items", Kinds::LIST, collection::sum, collection::sum_ty),
    filter("keys", "The names of the fields, sorted", Kinds::OBJECT, collection::keys, |_, _| Ty::list(Ty::Str).into()),
    filter(
        "values",
        "The values of the fields, in the order of their names",
        Kinds::OBJECT,
        collection::values,
        collection::values_ty,
    ),
    filter("map", "One attribute of each item", Kinds::LIST, attribute::map, attribute::map_ty)
        .params(&[required("attribute", Kinds::STRING)]),
    filter(
        "selectattr",
        "The items whose attribute passes: `selectattr(\"state\", \"==\", \"up\")`",
        Kinds::LIST,
        attribute::select,
        attribute::select_ty,
    )
    .params(ATTRIBUTE_TEST),
    filter(
        "rejectattr",
        "The items whose attribute does not pass",
        Kinds::LIST,
        attribute::reject,
        attribute::select_ty,
    )
    .params(ATTRIBUTE_TEST),
    filter(
        "join",
        "The items as one text, with the separator between them",
        Kinds::LIST,
        textual::join,
        textual::join_ty,
    )
    .params(&[optional("separator", Kinds::STRING)]),
    filter("split", "The parts between separators, or between white space", Kinds::STRING, textual::split, |_, _| {
        Ty::list(Ty::Str).into()
    })
    .params(&[optional("separator", Kinds::STRING)]),
    filter("replace", "The text with each `from` replaced by `to`", Kinds::STRING, textual::replace, |_, _| {
        Ty::Str.into()
    })
    .params(&[required("from", Kinds::STRING), required("to", Kinds::STRING)]),
    filter("lower", "In small letters", Kinds::STRING, textual::lower, |_, _| Ty::Str.into()),
    filter("upper", "In capital letters", Kinds::STRING, textual::upper, |_, _| Ty::Str.into()),
    filter("trim", "Without white space at both ends", Kinds::STRING, textual::trim, |_, _| Ty::Str.into()),
    filter("startswith", "Whether the text starts with the part", Kinds::STRING, textual::starts_with, |_, _| {
        Ty::Bool.into()
    })
    .params(&[required("part", Kinds::STRING)]),
    filter("endswith", "Whether the text ends with the part", Kinds::STRING, textual::ends_with, |_, _| {
        Ty::Bool.into()
    })
    .params(&[required("part", Kinds::STRING)]),
    filter("string", "The value as it stands in text", Kinds::TEXT, textual::string, |_, _| Ty::Str.into()),
    filter("tojson", "The value as JSON on one line, keys sorted", Kinds::ANY, textual::to_json, |_, _| Ty::Str.into()),
    filter(
        "int",
        "The integer a text writes, or a number without its fraction",
        Kinds::NUMBER.or(Kinds::STRING),
        numeric::int,
        |_, _| Ty::Int.into(),
    ),
    filter(
        "float",
        "The number a text writes, or an integer as a float",
        Kinds::NUMBER.or(Kinds::STRING),
        numeric::float,
        |_, _| Ty::Float.into(),
    ),
    filter("abs", "The number without its sign", Kinds::NUMBER, numeric::abs, |input, _| input.clone().into()),
    filter(
        "round",
        "The nearest integer, or the nearest number with so many digits",
        Kinds::NUMBER,
        numeric::round,
        numeric::round_ty,
    )
    .params(&[optional("digits", Kinds::INT)]),
    filter(
        "duration",
        "The seconds of a duration: `500ms`, `90s`, `10m`, `2d`",
        Kinds::STRING,
        numeric::duration,
        |_, _| Ty::number().into(),
    ),
];

const ATTRIBUTE_TEST: &[Param] =
    &[required("attribute", Kinds::STRING), optional("test", Kinds::STRING), optional("value", Kinds::ANY)];

const fn filter(
    name: &'static str,
    doc: &'static str,
    takes: Kinds,
    call: fn(&Value, Args<'_>) -> Result<Value, Cause<EvalCode>>,
    gives: fn(&Ty, &[Option<Ty>]) -> Look,
) -> Filter {
    Filter { name, doc, takes, params: &[], lenient: false, call, gives }
}

const fn required(name: &'static str, takes: Kinds) -> Param {
    Param { name, takes, required: true }
}

const fn optional(name: &'static str, takes: Kinds) -> Param {
    Param { name, takes, required: false }
}

impl Filter {
    const fn params(mut self, params: &'static [Param]) -> Self {
        self.params = params;
        self
    }

    const fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// The filter on a value. Neither the value nor an argument holds a secret: the caller has looked.
    pub(super) fn apply(&self, input: &Value, args: Args<'_>) -> Result<Value, Cause<EvalCode>> {
        self.check(input, self.takes, || format!("`{}`", self.name))?;
        for (param, arg) in self.params.iter().zip(args.0) {
            if let Some(arg) = arg {
                self.check(arg, param.takes, || format!("`{}` of `{}`", param.name, self.name))?;
            }
        }
        (self.call)(input, args)
    }

    fn check(&self, value: &Value, takes: Kinds, what: impl Fn() -> String) -> Result<(), Cause<EvalCode>> {
        let kinds = Kinds::of(value);
        if kinds.within(takes) {
            return Ok(());
        }
        let cause = Cause::new(EvalCode::WrongType, format!("{} takes {takes}, and this is {kinds}", what()));
        Err(if kinds == Kinds::NULL { cause.hint(text::NOT_NONE) } else { cause })
    }

    /// `replace(from, to)`, `join([separator])`.
    pub fn usage(&self) -> String {
        let params: Vec<String> = self.params.iter().map(Param::usage).collect();
        match params.is_empty() {
            true => self.name.to_owned(),
            false => format!("{}({})", self.name, params.join(", ")),
        }
    }

    /// What it makes of what: `a list -> a string`.
    pub fn signature(&self) -> String {
        let given: Vec<Option<Ty>> = self.params.iter().map(|param| Some(Ty::of_kinds(param.takes))).collect();
        format!("{} -> {}", self.takes, (self.gives)(&Ty::of_kinds(self.takes), &given).ty)
    }
}

impl Param {
    fn usage(&self) -> String {
        if self.required { self.name.to_owned() } else { format!("[{}]", self.name) }
    }
}

impl<'a> Args<'a> {
    fn get(self, place: usize) -> Option<&'a Value> {
        self.0.get(place)?.as_deref()
    }

    fn text(self, place: usize) -> Option<&'a str> {
        self.get(place)?.as_str()
    }
}

/// A filter is known by its name.
impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Filter({})", self.name)
    }
}
