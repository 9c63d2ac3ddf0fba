//! Values given for inputs, from text and from JSON, with the inventory behind them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluice_engine::diagnostic::Diagnostic;
use sluice_engine::runbook::{Given, resolve_inputs};

use crate::checked::good as runbook;
use crate::inventory::good as inventory;

const INVENTORY: &str = "clusters:\n  nats-staging: { nodes: 3 }\n  nats-prod: { nodes: 3 }\n";

fn resolve(declared: &str, given: &[(&str, Given)]) -> Result<Value, Vec<Diagnostic>> {
    let text = format!(
        "runbook: a\ninputs: {declared}\nsteps: [{{ id: one, uses: base.echo, with: {{ value: [\"{{{{ inputs }}}}\"] }} }}]\n"
    );
    let given: BTreeMap<String, Given> =
        given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    resolve_inputs(&runbook(&text), &given, &inventory(INVENTORY))
}

fn text(text: &str) -> Given {
    Given::Text(text.to_owned())
}

#[test]
fn text_is_read_by_the_declared_type() {
    let check = |declared: &str, given: Given, expect: Value| {
        let inputs = resolve(&format!("{{ x: {declared} }}"), &[("x", given)]);
        assert_eq!(inputs, Ok(json!({ "x": expect })), "{declared}");
    };
    check("{ type: string }", text("7"), json!("7"));
    check("{ type: integer }", text("-7"), json!(-7));
    check("{ type: number }", text("1.5"), json!(1.5));
    check("{ type: boolean }", text("true"), json!(true));
    check("{ type: duration }", text("90s"), json!("90s"));
    check("{ type: array }", text("[1, \"a\"]"), json!([1, "a"]));
    check("{ type: array, items: { type: integer } }", text("1, 2,3"), json!([1, 2, 3]));
    check("{ type: array, items: { type: string } }", text("a"), json!(["a"]));
    check("{ type: object }", text("{\"a\": 1}"), json!({ "a": 1 }));
    check("{ type: integer }", Given::Value(json!(7)), json!(7));
    check("{ type: array }", Given::Value(json!([1])), json!([1]));
}

#[test]
fn names_become_the_things_of_the_inventory() {
    let declared = "{ c: { type: cluster }, n: { type: node, of: c }, all: { type: nodes, of: c } }";
    for node in ["node-2", "2", "nats-prod-node-2"] {
        let given = [("c", text("nats-prod")), ("n", text(node)), ("all", text("node-1, 3"))];
        let inputs = resolve(declared, &given).unwrap();
        assert_eq!(inputs["c"]["name"], "nats-prod");
        assert_eq!(inputs["c"]["nodes"].as_array().unwrap().len(), 3);
        assert_eq!(inputs["n"]["host"], "nats-prod-node-2.nats-prod.internal", "{node}");
        assert_eq!(inputs["all"][1]["number"], 3);
    }
    let given = [("c", text("nats-prod")), ("n", Given::Value(json!(2))), ("all", Given::Value(json!(["node-1"])))];
    assert_eq!(resolve(declared, &given).unwrap()["n"]["number"], 2);
}

#[test]
fn defaults_are_read_the_same_way() {
    let declared = "{ c: { type: cluster, default: nats-staging }, n: { type: node, of: c, default: node-3 }, t: { type: duration, default: 5s }, l: { type: array, default: [1] } }";
    let inputs = resolve(declared, &[]).unwrap();
    assert_eq!(inputs["n"]["name"], "nats-staging-node-3");
    assert_eq!((inputs["t"].as_str(), &inputs["l"]), (Some("5s"), &json!([1])));
    let keys: Vec<&String> = inputs.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 4);
}

#[test]
fn everything_wrong_is_said_at_once() {
    let check = |declared: &str, given: &[(&str, Given)], expect: &[(&str, &str)]| {
        let errors = resolve(declared, given).unwrap_err();
        let shown: Vec<(String, String)> =
            errors.iter().map(|one| (one.message.clone(), one.help.clone().unwrap_or_default())).collect();
        assert_eq!(shown.len(), expect.len(), "{shown:?}");
        for ((message, help), (wanted, advice)) in shown.iter().zip(expect) {
            assert!(
                message.contains(wanted) && help.contains(advice),
                "{message} / {help}\nwanted {wanted} / {advice}"
            );
        }
    };
    check(
        "{ c: { type: cluster } }",
        &[],
        &[("no value was given for the input `c`", "`nats-staging` and `nats-prod`")],
    );
    check(
        "{ c: { type: cluster } }",
        &[("c", text("nats-stagin"))],
        &[("no cluster `nats-stagin`", "did you mean `nats-staging`?")],
    );
    check(
        "{ c: { type: string } }",
        &[("c", text("x")), ("cc", text("y"))],
        &[("has no input `cc`", "did you mean `c`?")],
    );
    check(
        "{ c: { type: cluster }, n: { type: node, of: c } }",
        &[("c", text("nats-prod")), ("n", text("node-4"))],
        &[("`nats-prod` has no node `node-4`", "`nats-prod-node-1`")],
    );
    // The node is not blamed for its cluster.
    check(
        "{ c: { type: cluster }, n: { type: node, of: c } }",
        &[("c", text("x")), ("n", text("1"))],
        &[("no cluster `x`", "")],
    );
    check(
        "{ c: { type: cluster }, n: { type: nodes, of: c } }",
        &[("c", text("nats-prod")), ("n", text("1,2,node-1"))],
        &[("`nats-prod-node-1` is there twice", "")],
    );
    check(
        "{ a: { type: integer }, b: { type: boolean }, d: { type: duration }, e: { type: string, enum: [x, y] } }",
        &[("a", text("1.5")), ("b", text("yes")), ("d", text("5")), ("e", text("z"))],
        &[("a whole number is wanted", ""), ("`true` or `false`", ""), ("has no unit", ""), ("not one of", "")],
    );
    check(
        "{ a: { type: string, pattern: \"^x\" } }",
        &[("a", Given::Value(json!(5)))],
        &[("5 is not of type \"string\"", "")],
    );
}
