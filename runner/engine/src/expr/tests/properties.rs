//! What holds for any text and any expression: no panic, spans inside the text, and types that keep their promise.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::{
    Arithmetic, Comparison, EvalCode, FILTERS, Kinds, ParseCode, Rest, Scope, Ty, TypeScope, eval, expect_bool, infer,
    infer_template, parse, parse_template, render, roots, truth,
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
        let expr = match parse(&text) {
            Ok(expr) => expr,
            // A literal of the wrong kind in `[ ]`.
            Err(error) if error.code == ParseCode::NotAllowed => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(format!("{text}: {error}"))),
        };
        let found = infer(&expr, types());
        let value = eval(&expr, values());
        if found.errors.is_empty() {
            match &value {
                Ok(value) => prop_assert!(admits(&found.ty, value), "{text}: {value} is not {:?}", found.ty),
                Err(error) => {
                    let promised = found.notes.is_empty();
                    let broken = promised && !matches!(error.code, EvalCode::Arithmetic | EvalCode::BadValue | EvalCode::Undefined);
                    prop_assert!(!broken, "{text}: {error:?}");
                }
            }
        }
        let condition = expect_bool(&expr, types());
        if let (true, true, Err(error)) = (condition.errors.is_empty(), condition.notes.is_empty(), truth(&expr, values())) {
            prop_assert!(matches!(error.code, EvalCode::Arithmetic | EvalCode::BadValue | EvalCode::Undefined), "{text}: {error:?}");
        }
        prop_assert!(roots(&expr).iter().all(|path| VALUES.contains_key(&path.root)));
    }
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
