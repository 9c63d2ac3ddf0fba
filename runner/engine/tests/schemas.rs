//! The JSON Schemas: as they lie in the repository, and in agreement with the parsers. `BLESS=1` writes them anew.

use std::path::Path;

use serde_json::Value;
use sluice_engine::inventory::inventory_schema;
use sluice_engine::runbook::runbook_schema;
use sluice_engine::source::Source;
use sluice_engine::{diagnostic, yaml};

#[test]
fn the_files_are_what_the_code_generates() {
    for (name, schema) in [("runbook", runbook_schema()), ("inventory", inventory_schema())] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../schemas/{name}.schema.json"));
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{name}: run the tests with BLESS=1");
    }
}

#[test]
fn no_key_is_left_without_a_schema() {
    fn look(schema: &Value, path: &str) {
        for (key, inner) in schema.as_object().into_iter().flatten() {
            let inside = format!("{path}/{key}");
            let free = ["/properties/value", "/properties/const", "/properties/default"];
            assert!(*inner != Value::Bool(true) || free.iter().any(|end| inside.ends_with(end)), "{inside}");
            look(inner, &inside);
        }
        schema.as_array().into_iter().flatten().for_each(|inner| look(inner, path));
    }
    look(&runbook_schema(), "runbook");
    look(&inventory_schema(), "inventory");
}

fn is_valid(schema: &Value, text: &str) -> bool {
    let source = Source::new("a.yaml", text);
    let node = yaml::parse(&source, &mut diagnostic::Findings::new(&source)).unwrap();
    jsonschema::draft202012::new(schema).unwrap().is_valid(&node.to_json())
}

#[test]
fn good_files_fit_and_misspelt_ones_do_not() {
    let good = include_str!("cases/good.txt");
    assert!(is_valid(&runbook_schema(), good));
    for (from, to) in [
        ("summary:", "sumary:"),
        ("gate: nats.health", "gate: nats"),
        ("within: 2m", "within: 2"),
        ("type: cluster,", "type: clustre,"),
    ] {
        assert!(!is_valid(&runbook_schema(), &good.replacen(from, to, 1)), "{from}");
    }
    let inventory = "clusters: { a: { nodes: 3, aws: { account: '123456789012', region: us-east-2 } } }\n";
    assert!(is_valid(&inventory_schema(), inventory));
    for (from, to) in [("nodes", "node"), ("'123456789012'", "123456789012"), ("a:", "A:"), ("us-east-2", "useast")] {
        assert!(!is_valid(&inventory_schema(), &inventory.replacen(from, to, 1)), "{from}");
    }
}
