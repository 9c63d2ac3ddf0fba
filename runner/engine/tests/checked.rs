//! Good runbooks, and what the machine gets of them.

use std::time::Duration;

use sluice_engine::diagnostic::{Paint, render};
use sluice_engine::runbook::checked::{Backoff, Hold, Kind, OnError, Order, Tree, Trigger};
use sluice_engine::runbook::{Checked, load};
use sluice_engine::source::Source;
use sluice_plugin::{Effect, GateClass};

use crate::actions::fake;

pub(crate) fn good(text: &str) -> Checked {
    let source = Source::new("good.yaml", text);
    match load(&source, &fake()) {
        Ok(loaded) => {
            let others = loaded.warnings.iter().filter(|one| one.code != sluice_engine::diagnostic::Code::NotYet);
            assert_eq!(others.count(), 0);
            loaded.runbook
        }
        Err(errors) => panic!("{}", errors.iter().map(|one| render(one, Paint::Plain)).collect::<String>()),
    }
}

#[test]
fn every_part_of_the_language_is_read() {
    let runbook = good(include_str!("cases/good.txt"));
    assert_eq!(runbook.name.as_str(), "health-check");
    assert_eq!(runbook.triggers, [Trigger::Cli, Trigger::Schedule]);
    let ids: Vec<&str> = runbook.walk().map(|step| step.id.as_str()).collect();
    let expect = [
        "healthy", "logs", "nodes", "varz", "say", "both", "left", "right", "words", "creds", "connect", "one", "rest",
        "clean",
    ];
    assert_eq!(ids, expect);
    assert_eq!(runbook.actions.len(), 7);
}

#[test]
fn a_gate_keeps_what_it_needs_to_pass() {
    let runbook = good(include_str!("cases/good.txt"));
    let Kind::Gate(gate) = &runbook.steps[0].kind else { panic!() };
    assert!(gate.judges);
    assert_eq!(gate.class, GateClass::Data);
    assert_eq!(gate.expect.len(), 1);
    assert_eq!(gate.passes.hold, Hold::Consecutive(3));
    assert_eq!(gate.passes.within, Duration::from_secs(120));
    assert_eq!(gate.passes.progress.as_ref().unwrap().stalled, Some(Duration::from_secs(60)));
    let Kind::Gate(gate) = &runbook.steps[1].kind else { panic!() };
    assert_eq!(gate.class, GateClass::Evidence);
    assert_eq!(gate.passes.within, Duration::ZERO);
}

#[test]
fn loops_groups_and_needs() {
    let runbook = good(include_str!("cases/good.txt"));
    let nodes = &runbook.steps[2];
    assert_eq!(nodes.for_each.as_ref().unwrap().at_most, 3);
    assert_eq!(nodes.on_error, OnError::Continue);
    let needs: Vec<&str> = nodes.children()[0].needs.iter().map(|id| id.as_str()).collect();
    assert_eq!(needs, ["healthy"], "the needs of a group are those of its steps");
    let Kind::Use(varz) = &nodes.children()[0].kind else { panic!() };
    assert_eq!((varz.retry.attempts, varz.retry.backoff), (3, Backoff::Double));
    assert_eq!(varz.timeout, Some(Duration::from_secs(10)));
    let next_by = runbook.steps[4].for_each.as_ref().unwrap().next_by.as_ref().unwrap();
    let read = next_by.read.as_ref().unwrap();
    assert_eq!((read.action.as_str(), read.retry.attempts), ("nats.health", 2));
    let Kind::Group(both) = &runbook.steps[3].kind else { panic!() };
    assert_eq!(both.order, Order::Parallel { at_most: u32::MAX });
}

#[test]
fn defaults_stand_behind_the_steps_own_fields() {
    let text = "runbook: a\ndefaults: { base.write: { file: /a, text: x } }\nsteps:\n  \
                - { id: one, uses: base.write }\n  - { id: two, uses: base.write, with: { file: /b } }\n";
    let with = |at: usize| {
        let runbook = good(text);
        let Kind::Use(used) = &runbook.steps[at].kind else { panic!() };
        used.with.constant().cloned().unwrap()
    };
    assert_eq!(with(0), serde_json::json!({ "file": "/a", "text": "x" }));
    assert_eq!(with(1), serde_json::json!({ "file": "/b", "text": "x" }));
}

#[test]
fn an_effect_may_be_raised() {
    let check = |effect: &str, expect: Effect| {
        let text = format!("runbook: a\nsteps: [{{ id: one, uses: base.echo, with: {{ value: 1 }}{effect} }}]\n");
        assert_eq!(good(&text).steps[0].effect(), expect);
    };
    check("", Effect::Read);
    check(", effect: read", Effect::Read);
    check(", effect: change", Effect::Change);
}

#[test]
fn leaves_without_templates_are_constants() {
    let text =
        "runbook: a\nsteps:\n  - { id: one, uses: base.echo, with: { value: [1, { a: \"{{ 1 + 1 }}\" }, x] } }\n";
    let runbook = good(text);
    let Kind::Use(used) = &runbook.steps[0].kind else { panic!() };
    let Tree::Map(fields) = &used.with else { panic!() };
    let Tree::Seq(items) = &fields["value"] else { panic!() };
    assert!(matches!(items[0], Tree::Constant(_)));
    assert!(matches!(&items[1], Tree::Map(inner) if matches!(inner["a"], Tree::Leaf(_))));
    assert!(matches!(items[2], Tree::Constant(_)));
}

#[test]
fn steps_in_branches_that_cannot_see_each_other_may_share_an_id() {
    let inner = "[{ id: same, uses: base.echo, with: { value: 1 } }]";
    let text = format!(
        "runbook: a\nsteps:\n  - {{ id: a, steps: {inner} }}\n  - {{ id: b, steps: {inner} }}\n  - {{ id: same, uses: base.echo, with: {{ value: \"{{{{ steps.a.same }}}}\" }} }}\n"
    );
    assert_eq!(good(&text).walk().count(), 5);
}
