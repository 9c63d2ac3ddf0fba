//! `schemas/plugin.wit` says what the Rust types say: every field and every case, under the same name, in the same
//! order. The lists below cannot go stale, because each is also a pattern or a `match` that has to be exhaustive.

use serde::Serialize;
use serde_json::{Value, json};
use sluice_plugin::{
    Abilities, ActionSpec, Applied, Call, Effect, Example, GateClass, Header, HttpRequest, HttpResponse, Judgement,
    Level, Method, Outcome, Permission, PluginSpec, Power, Preview, Problem, Progress, Purpose, Reconciled, Verdict,
};
use wit_parser::{Resolve, Type, TypeDefKind};

/// The names of a struct's fields; does not compile when one is missing or too many.
macro_rules! fields {
    ($type:ident { $($field:ident),* }) => {{
        #[allow(dead_code)]
        fn exhaustive($type { $($field: _),* }: $type) {}
        vec![$(stringify!($field).to_owned()),*]
    }};
}

/// The serde names of an enum's cases; does not compile when one is missing or too many.
macro_rules! cases {
    ($type:ident { $($case:ident),* }) => {{
        #[allow(dead_code)]
        fn exhaustive(value: &$type) {
            match value { $($type::$case => {}),* }
        }
        vec![$(name_of(&$type::$case)),*]
    }};
}

fn name_of(value: &impl Serialize) -> String {
    match serde_json::to_value(value).unwrap() {
        Value::String(name) => name.to_lowercase(),
        Value::Object(fields) => fields.keys().next().unwrap().clone(),
        other => panic!("not a case: {other}"),
    }
}

/// Name and WIT type of every field or case of a type of the interface `types`.
fn wit(resolve: &Resolve, name: &str) -> Vec<(String, Option<String>)> {
    let types = resolve.interfaces.iter().find(|(_, interface)| interface.name.as_deref() == Some("types")).unwrap().1;
    let id = types.types.get(name).unwrap_or_else(|| panic!("plugin.wit has no type `{name}`"));
    match &resolve.types[*id].kind {
        TypeDefKind::Record(record) => {
            record.fields.iter().map(|field| (field.name.clone(), Some(shown(resolve, &field.ty)))).collect()
        }
        TypeDefKind::Enum(cases) => cases.cases.iter().map(|case| (case.name.clone(), None)).collect(),
        TypeDefKind::Variant(cases) => {
            let payload = |ty: &Option<Type>| ty.as_ref().map(|ty| shown(resolve, ty));
            cases.cases.iter().map(|case| (case.name.clone(), payload(&case.ty))).collect()
        }
        other => panic!("`{name}` is neither record, enum nor variant: {other:?}"),
    }
}

fn shown(resolve: &Resolve, ty: &Type) -> String {
    let Type::Id(id) = ty else { return format!("{ty:?}").to_lowercase() };
    let found = &resolve.types[*id];
    match (&found.name, &found.kind) {
        (Some(name), _) => name.clone(),
        (None, TypeDefKind::Option(inner)) => format!("option<{}>", shown(resolve, inner)),
        (None, TypeDefKind::List(inner)) => format!("list<{}>", shown(resolve, inner)),
        (None, other) => format!("{other:?}"),
    }
}

fn parsed() -> Resolve {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/plugin.wit");
    let mut resolve = Resolve::default();
    resolve.push_str(path, &std::fs::read_to_string(path).unwrap()).unwrap();
    resolve
}

#[test]
fn every_type_has_the_same_names_on_both_sides() {
    let resolve = parsed();
    let check = |name: &str, rust: Vec<String>| {
        let kebab: Vec<String> = rust.iter().map(|name| name.replace('_', "-")).collect();
        let found: Vec<String> = wit(&resolve, name).into_iter().map(|(name, _)| name).collect();
        assert_eq!(found, kebab, "{name}");
    };
    check("effect", cases!(Effect { Read, Change, Destroy }));
    check("gate-class", cases!(GateClass { Data, Evidence }));
    check("abilities", fields!(Abilities { check, preview, reconcile }));
    check("permission", fields!(Permission { service, right, on }));
    check("example", fields!(Example { summary, with, output }));
    let action = fields!(ActionSpec {
        name,
        summary,
        effect,
        idempotent,
        gate,
        ephemeral,
        input,
        output,
        abilities,
        permissions,
        examples,
        revision
    });
    check("action-spec", action);
    check("power", fields!(Power { kind, why }));
    check("plugin-spec", fields!(PluginSpec { name, version, summary, powers, actions }));
    check("purpose", cases!(Purpose { Read, Preview, Act, Reconcile }));
    check("call", fields!(Call { run, step, attempt, purpose, deadline, with }));
    check("verdict", cases!(Verdict { Pass, Fail, Inconclusive }));
    check("judgement", fields!(Judgement { verdict, why }));
    check("outcome", fields!(Outcome { output, judgement }));
    check("applied", cases!(Applied { No, Maybe }));
    check("problem", fields!(Problem { code, message, retryable, applied, path, details }));
    check("level", cases!(Level { Trace, Debug, Info, Warn, Error }));
    check("progress", fields!(Progress { note, done, total }));
    check("method", cases!(Method { Get, Head, Post, Put, Patch, Delete }));
    check("header", fields!(Header { name, value, secret }));
    check("http-request", fields!(HttpRequest { method, url, headers, body, timeout, max_body }));
    check("http-response", fields!(HttpResponse { status, headers, body }));
}

#[test]
fn the_answers_that_carry_something_have_the_same_cases_and_fields() {
    let resolve = parsed();
    let preview = [
        Preview::Ready { binding: json!(1), facts: json!(1) },
        Preview::Already { output: json!(1) },
        Preview::Refused { why: String::new() },
    ];
    for case in &preview {
        match case {
            Preview::Ready { binding: _, facts: _ } | Preview::Already { output: _ } | Preview::Refused { why: _ } => {}
        }
    }
    compare(&resolve, "preview", &preview);
    let reconciled = [
        Reconciled::Done { output: json!(1), evidence: json!(1) },
        Reconciled::NotDone { evidence: json!(1) },
        Reconciled::CannotTell { evidence: json!(1) },
    ];
    for case in &reconciled {
        match case {
            Reconciled::Done { output: _, evidence: _ }
            | Reconciled::NotDone { evidence: _ }
            | Reconciled::CannotTell { evidence: _ } => {}
        }
    }
    compare(&resolve, "reconciled", &reconciled);
}

fn compare(resolve: &Resolve, name: &str, samples: &[impl Serialize]) {
    let cases = wit(resolve, name);
    assert_eq!(cases.len(), samples.len(), "{name}");
    for ((case, payload), sample) in cases.into_iter().zip(samples) {
        let rust = serde_json::to_value(sample).unwrap();
        let (rust_case, content) = rust.as_object().unwrap().iter().next().unwrap();
        assert_eq!(case, rust_case.replace('_', "-"), "{name}");
        let mut found: Vec<String> = wit(resolve, &payload.unwrap()).into_iter().map(|(name, _)| name).collect();
        let mut expect: Vec<String> = content.as_object().unwrap().keys().map(|key| key.replace('_', "-")).collect();
        found.sort();
        expect.sort();
        assert_eq!(found, expect, "{name} {case}");
    }
}

/// What may be absent in Rust may be absent in WIT, and nothing else.
#[test]
fn the_same_fields_are_optional() {
    let resolve = parsed();
    let expect = [
        ("action-spec", "gate"),
        ("call", "deadline"),
        ("header", "secret"),
        ("outcome", "judgement"),
        ("problem", "details"),
        ("problem", "path"),
        ("progress", "total"),
    ];
    let mut found: Vec<(String, String)> = Vec::new();
    let types = resolve.interfaces.iter().find(|(_, interface)| interface.name.as_deref() == Some("types")).unwrap().1;
    for (name, id) in &types.types {
        if matches!(resolve.types[*id].kind, TypeDefKind::Record(_)) {
            let optional = wit(&resolve, name).into_iter().filter(|(_, ty)| ty.as_ref().unwrap().starts_with("option"));
            found.extend(optional.map(|(field, _)| (name.clone(), field)));
        }
    }
    found.sort();
    let found: Vec<(&str, &str)> = found.iter().map(|(name, field)| (name.as_str(), field.as_str())).collect();
    assert_eq!(found, expect);
}

#[test]
fn the_interfaces_and_worlds_are_those_the_design_names() {
    let resolve = parsed();
    let (_, package) = resolve.packages.iter().next().unwrap();
    assert_eq!(package.name.to_string(), "sluice:plugin@0.1.0");
    let functions = |interface: &str| -> Vec<String> {
        let id = package.interfaces.get(interface).unwrap_or_else(|| panic!("no interface `{interface}`"));
        resolve.interfaces[*id].functions.keys().cloned().collect()
    };
    let host = ["now-ms", "sleep-ms", "log", "http", "reveal", "seal", "private-file"];
    assert_eq!(functions("host"), host);
    assert_eq!(functions("host-progress"), ["progress"]);
    assert_eq!(functions("plugin"), ["describe", "run"]);
    assert_eq!(functions("plugin-check"), ["check"]);
    assert_eq!(functions("plugin-preview"), ["preview"]);
    assert_eq!(functions("plugin-reconcile"), ["reconcile"]);
    assert_eq!(functions("host-actor"), ["actor"]);
    assert_eq!(functions("plugin-by-hand"), ["by-hand"]);
    assert_eq!(functions("plugin-foresee"), ["foresee"]);
    assert_eq!(functions("plugin-asks"), ["asks"]);
    let worlds: Vec<&String> = package.worlds.keys().collect();
    assert_eq!(worlds, ["reading-plugin", "acting-plugin", "whole-plugin"]);
}
