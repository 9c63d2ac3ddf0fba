//! What holds for any text and any expression: no panic, spans inside the text, and types that keep their promise.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::{
    Arithmetic, Comparison, EvalCode, EvalError, FILTERS, Inferred, Kinds, ParseCode, Rest, Scope, Ty, TypeScope, eval,
    expect_bool, infer, infer_template, parse, parse_template, render, roots, truth,
};

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn any_text_parses_or_says_where_it_does_not(text in "\\PC{0,60}") {
        parses(&text)?;
    }

    #[test]
    fn any_tokens_parse_or_say_where_they_do_not(text in tokens()) {
        parses(&text)?;
    }

    #[test]
    fn any_template_parses_or_says_where_it_does_not(text in templates()) {
        match parse_template(&text) {
            Ok(template) => {
                let _ = render(&template, values());
                infer_template(&template, types());
            }
            Err(error) => prop_assert!(text.get(error.span.start..error.span.end).is_some(), "{error:?}"),
        }
    }
}

proptest! {
    #![proptest_config(config(8))]

    #[test]
    fn what_is_evaluated_is_of_the_type_that_was_inferred(text in expressions()) {
        keeps_its_promise(&text)?;
    }

    #[test]
    fn what_is_well_typed_has_no_errors_and_a_value(text in prop_oneof![ints(3), texts(3), flags(3)]) {
        let found = infer(&parse(&text).unwrap(), types());
        prop_assert!(found.errors.is_empty(), "{text}: {:?}", found.errors);
        keeps_its_promise(&text)?;
        if let Err(error) = eval(&parse(&text).unwrap(), values()) {
            prop_assert!(matches!(error.code, EvalCode::Arithmetic), "{text}: {error:?}");
        }
    }
}

/// An expression without errors has a value of its type; one without notes fails only for what types cannot know.
fn keeps_its_promise(text: &str) -> Result<(), TestCaseError> {
    let expr = match parse(text) {
        Ok(expr) => expr,
        // A literal of the wrong kind in `[ ]`.
        Err(error) if error.code == ParseCode::NotAllowed => return Ok(()),
        Err(error) => return Err(TestCaseError::fail(format!("{text}: {error}"))),
    };
    prop_assert!(roots(&expr).iter().all(|path| VALUES.contains_key(&path.root)));
    let found = infer(&expr, types());
    let value = eval(&expr, values());
    if let (true, Ok(value)) = (found.errors.is_empty(), &value) {
        prop_assert!(admits(&found.ty, value), "{text}: {value} is not {:?}", found.ty);
    }
    promised(text, &found, value.err())?;
    promised(text, &expect_bool(&expr, types()), truth(&expr, values()).err())
}

fn promised(text: &str, found: &Inferred, error: Option<EvalError>) -> Result<(), TestCaseError> {
    let unknowable = [EvalCode::Arithmetic, EvalCode::BadValue, EvalCode::Undefined];
    let kept = error.as_ref().is_none_or(|error| unknowable.contains(&error.code));
    prop_assert!(kept || !found.errors.is_empty() || !found.notes.is_empty(), "{text}: {error:?}");
    Ok(())
}

/// `PROPTEST_CASES` sets how many; some properties take more.
fn config(times: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases * times, failure_persistence: None, ..config }
}

fn parses(text: &str) -> Result<(), TestCaseError> {
    match parse(text) {
        Ok(expr) => {
            prop_assert!(text.get(expr.span.start..expr.span.end).is_some());
            let _ = eval(&expr, values());
            infer(&expr, types());
        }
        Err(error) => prop_assert!(text.get(error.span.start..error.span.end).is_some(), "{error:?}"),
    }
    Ok(())
}

/// One value of each kind, small and large, and the type of each, some of them wider than the value.
fn world() -> Vec<(&'static str, Value, Value)> {
    let item = json!({ "type": "object", "required": ["n", "s"], "additionalProperties": false, "properties": {
        "n": { "type": "integer" }, "s": { "enum": ["up", "down"] }, "o": { "type": ["integer", "null"] } } });
    vec![
        ("i", json!(7), json!({ "type": "integer" })),
        ("big", json!(u64::MAX), json!({ "type": "integer" })),
        ("f", json!(-2.5), json!({ "type": "number" })),
        ("s", json!("up"), json!({ "type": "string" })),
        ("e", json!("up"), json!({ "enum": ["up", "down"] })),
        ("b", json!(true), json!({ "type": "boolean" })),
        ("nul", json!(null), json!({ "type": ["string", "null"] })),
        ("some", json!("x"), json!({ "type": ["string", "null"] })),
        ("mix", json!(3), json!({ "type": ["string", "integer"] })),
        ("li", json!([3, 1, 2]), json!({ "type": "array", "items": { "type": "integer" } })),
        ("ls", json!(["b", "a"]), json!({ "type": "array", "items": { "type": "string" } })),
        ("le", json!([]), json!({ "type": "array", "items": { "type": "string" } })),
        (
            "lo",
            json!([{ "n": 1, "s": "up" }, { "n": 2, "s": "down", "o": null }]),
            json!({ "type": "array", "items": item }),
        ),
        ("o", json!({ "n": 1, "s": "up", "o": 5 }), item),
        ("m", json!({ "k": 1 }), json!({ "type": "object", "additionalProperties": { "type": "integer" } })),
        ("sec", json!({ "$secret": "a" }), json!({ "type": "string", "x-secret": true })),
    ]
}

static VALUES: LazyLock<Map<String, Value>> =
    LazyLock::new(|| world().into_iter().map(|(name, value, _)| (name.to_owned(), value)).collect());
static TYPES: LazyLock<BTreeMap<String, Ty>> = LazyLock::new(|| {
    world().into_iter().map(|(name, _, schema)| (name.to_owned(), Ty::from_schema(&schema))).collect()
});

fn values() -> &'static dyn Scope {
    &*VALUES
}

fn types() -> &'static dyn TypeScope {
    &*TYPES
}

fn admits(ty: &Ty, value: &Value) -> bool {
    match (ty, value) {
        (Ty::Union(parts), value) => parts.iter().any(|part| admits(part, value)),
        (Ty::OneOf(texts), Value::String(text)) => texts.contains(text),
        (Ty::OneOf(_), _) => false,
        (Ty::Secret, value) => value.get("$secret").is_some(),
        (Ty::List(items), Value::Array(values)) => values.iter().all(|value| admits(items, value)),
        (Ty::Object(object), Value::Object(fields)) => {
            object.fields.iter().all(|(name, field)| !field.required || fields.contains_key(name))
                && fields.iter().all(|(name, value)| match (object.fields.get(name), &object.rest) {
                    (Some(field), _) => admits(&field.ty, value),
                    (None, Rest::Open(rest)) => admits(rest, value),
                    (None, Rest::Closed | Rest::Unsaid) => false,
                })
        }
        (ty, value) => Kinds::of(value).within(ty.kinds()),
    }
}

fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => proptest::sample::select(world().into_iter().map(|(name, ..)| name.to_owned()).collect::<Vec<_>>()),
        1 => proptest::sample::select(
            ["o.n", "o.s", "o.o", "lo[0].s", "lo[1].o", "li[5]", "m.k", "m.z", "li[i]", "m[s]", "lo[0][e]", "o.zz", "nul.x"].map(str::to_owned).to_vec()
        ),
        2 => proptest::sample::select(
            ["0", "1", "-3", "2.5", "\"up\"", "\"\"", "\"12\"", "true", "none", "[]", "{}", "[1, 2.5]", "[\"a\", 1]", "{\"a\": 1}"].map(str::to_owned).to_vec()
        ),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let filter = (inner.clone(), filter_call(inner.clone())).prop_map(|(input, call)| format!("({input}) | {call}"));
        let arithmetic = (inner.clone(), operators(), inner.clone()).prop_map(|(a, op, b)| format!("({a}) {op} ({b})"));
        prop_oneof![
            3 => filter,
            3 => arithmetic,
            1 => inner.clone().prop_map(|a| format!("not ({a})")),
            1 => inner.clone().prop_map(|a| format!("-({a})")),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a}) if ({b}) else ({c})")),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a}) < ({b}) != ({c})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{\"n\": {a}, \"s\": {b}}}")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            1 => inner.clone().prop_map(|a| format!("({a}).n")),
            1 => (inner, tests()).prop_map(|(a, test)| format!("({a}) is {test}")),
        ]
    })
}

/// Expressions that are integers.
fn ints(depth: u32) -> BoxedStrategy<String> {
    let leaf = one_of(&["i", "7", "-3", "li[0]", "o.n", "lo[-1].n", "m.k | default(2)", "\"12\" | int", "big"]);
    if depth == 0 {
        return leaf;
    }
    let (int, text, flag) = (ints(depth - 1), texts(depth - 1), flags(depth - 1));
    prop_oneof![
        leaf,
        (int.clone(), one_of(&["+", "-", "*", "//", "%"]), int.clone())
            .prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
        (int.clone(), flag, int.clone()).prop_map(|(a, f, b)| format!("({a}) if ({f}) else ({b})")),
        (int.clone(), int.clone(), one_of(&["sum", "length", "max", "min", "first", "sort | last"]))
            .prop_map(|(a, b, filter)| format!("[({a}), {b}] | {filter}")),
        (int.clone(), one_of(&["abs", "round", "int", "default(0)"]))
            .prop_map(|(a, filter)| format!("({a}) | {filter}")),
        text.prop_map(|t| format!("({t}) | length")),
        int.prop_map(|a| format!("(o.o | default({a})) + {{\"k\": {a}}}.k")),
    ]
    .boxed()
}

/// Expressions that are strings.
fn texts(depth: u32) -> BoxedStrategy<String> {
    let leaf = one_of(&["s", "e", "\"up\"", "\"\"", "some | default(\"x\")", "ls[0]", "lo | map(\"s\") | join(\",\")"]);
    if depth == 0 {
        return leaf;
    }
    let (int, text, flag) = (ints(depth - 1), texts(depth - 1), flags(depth - 1));
    prop_oneof![
        leaf,
        (text.clone(), int).prop_map(|(t, a)| format!("({t}) ~ ({a})")),
        (text.clone(), text.clone()).prop_map(|(t, u)| format!("({t}) + ({u})")),
        (text.clone(), flag, text.clone()).prop_map(|(t, f, u)| format!("({t}) if ({f}) else ({u})")),
        (text.clone(), one_of(&["lower", "upper", "trim", "string", "replace(\"u\", \"v\")", "tojson"]))
            .prop_map(|(t, filter)| format!("({t}) | {filter}")),
        (text.clone(), text.clone()).prop_map(|(t, u)| format!("[{t}, {u}] | unique | sort | join({t})")),
        text.prop_map(|t| format!("({t}) | split(\",\") | first | default(\"\")")),
    ]
    .boxed()
}

/// Expressions that are booleans.
fn flags(depth: u32) -> BoxedStrategy<String> {
    let leaf = one_of(&["b", "true", "nul is none", "o.n is defined", "2.5 > f", "\"n\" in o"]);
    if depth == 0 {
        return leaf;
    }
    let (int, text, flag) = (ints(depth - 1), texts(depth - 1), flags(depth - 1));
    prop_oneof![
        leaf,
        (int.clone(), one_of(&["<", "<=", ">", ">=", "==", "!="]), int.clone())
            .prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
        (int.clone(), int).prop_map(|(a, b)| format!("({a}) in [{b}, 1]")),
        (text.clone(), one_of(&["<", "in", "not in"]), text.clone()).prop_map(|(t, op, u)| format!("({t}) {op} ({u})")),
        text.clone().prop_map(|t| format!("s != ({t})")),
        (text.clone(), text).prop_map(|(t, u)| format!("({t}) | startswith({u})")),
        (flag.clone(), one_of(&["and", "or"]), flag.clone()).prop_map(|(f, op, g)| format!("({f}) {op} ({g})")),
        flag.prop_map(|f| format!("not ({f})")),
    ]
    .boxed()
}

fn one_of(texts: &'static [&'static str]) -> BoxedStrategy<String> {
    proptest::sample::select(texts).prop_map(str::to_owned).boxed()
}

fn filter_call(inner: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = String> {
    let attributes = [
        "map(\"n\")",
        "map(\"s\")",
        "map(\"o\")",
        "map(\"zz\")",
        "selectattr(\"s\", \"==\", \"up\")",
        "selectattr(\"n\", \"<\", i)",
        "rejectattr(\"o\", \"in\", li)",
        "selectattr(\"o\")",
        "sort(attribute=\"n\")",
        "sort(attribute=\"o\")",
        "sort(b)",
        "join(\", \")",
        "round(1)",
        "split(\",\")",
    ];
    let names: Vec<&str> = FILTERS
        .iter()
        .filter(|filter| filter.params.iter().all(|param| !param.required))
        .map(|filter| filter.name)
        .collect();
    let one = ["default", "contains", "startswith", "endswith", "map", "round", "join", "sort"];
    prop_oneof![
        proptest::sample::select(attributes.to_vec()).prop_map(str::to_owned),
        proptest::sample::select(names).prop_map(str::to_owned),
        (proptest::sample::select(one.to_vec()), inner).prop_map(|(name, arg)| format!("{name}({arg})")),
    ]
}

fn operators() -> impl Strategy<Value = &'static str> {
    use {Arithmetic as A, Comparison as C};
    let arithmetic =
        [A::Add, A::Subtract, A::Multiply, A::Divide, A::FloorDivide, A::Remainder, A::Power].map(A::symbol);
    let comparisons =
        [C::Equal, C::NotEqual, C::Less, C::LessOrEqual, C::Greater, C::GreaterOrEqual, C::In, C::NotIn].map(C::symbol);
    proptest::sample::select([&arithmetic[..], &comparisons[..], &["and", "or", "~"]].concat())
}

fn tests() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(super::super::Test::ALL.map(super::super::Test::name).to_vec())
}

fn tokens() -> impl Strategy<Value = String> {
    let token = proptest::sample::select(vec![
        "a",
        "i",
        "li",
        "o",
        "not",
        "in",
        "is",
        "if",
        "else",
        "and",
        "or",
        "defined",
        "none",
        "lower",
        "map",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "{{",
        "}}",
        "{%",
        "%}",
        "|",
        ".",
        ",",
        ":",
        "~",
        "+",
        "-",
        "*",
        "**",
        "/",
        "//",
        "%",
        "==",
        "=",
        "<",
        ">=",
        "!",
        "'",
        "\"",
        "'x'",
        "0",
        "1.5",
        "1e9",
        "0x",
        "0b",
        "99999999999999999999",
        "é",
        "\\",
        "\n",
        " ",
        "_",
    ]);
    proptest::collection::vec((token, prop::bool::ANY), 0..24).prop_map(|tokens| {
        tokens.into_iter().map(|(token, space)| if space { format!("{token} ") } else { token.to_owned() }).collect()
    })
}

fn templates() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,6}",
        tokens(),
        expressions().prop_map(|text| format!("{{{{ {text} }}}}")),
        tokens().prop_map(|text| format!("{{{{{text}}}}}")),
    ];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}
