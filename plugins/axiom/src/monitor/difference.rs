//! What has to be done so that the owned monitors are the wanted ones. Pure; monitors of other names do not come up.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::model::{Monitor, MonitorId, Prefix, Wanted};

/// One monitor and what becomes of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) name: String,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Create { body: Value },
    Update { id: String, body: Value, fields: Vec<FieldChange> },
    Delete { id: String, why: &'static str },
    Same { id: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct FieldChange {
    /// Under Axiom's name.
    pub(crate) field: String,
    pub(crate) from: Value,
    pub(crate) to: Value,
}

const NOT_WANTED: &str = "it is not wanted any more";

/// A lost answer can leave two of them.
const TWICE: &str = "there is another one of this name";

/// By name, with what is deleted last.
pub(crate) fn between(prefix: &Prefix, there: &[Monitor], wanted: &BTreeMap<MonitorId, Wanted>) -> Vec<Change> {
    let mut owned: BTreeMap<MonitorId, Vec<&Monitor>> = BTreeMap::new();
    for monitor in there {
        if let Some(id) = prefix.id_in(monitor.name()) {
            owned.entry(id).or_default().push(monitor);
        }
    }
    let mut changes = Vec::new();
    let mut deleted = Vec::new();
    for (id, wanted) in wanted {
        let mut found = owned.remove(id).unwrap_or_default();
        // The oldest has the history.
        found.sort_by_key(|monitor| (monitor.created_at(), monitor.id()));
        let mut found = found.into_iter();
        changes.push(one(prefix.name(id), found.next(), wanted));
        deleted.extend(found.map(|monitor| delete(monitor, TWICE)));
    }
    deleted.extend(owned.into_values().flatten().map(|monitor| delete(monitor, NOT_WANTED)));
    changes.into_iter().chain(deleted).collect()
}

fn one(name: String, there: Option<&Monitor>, wanted: &Wanted) -> Change {
    let fields = wanted.fields(&name);
    let Some(monitor) = there else {
        let body = fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
        return Change { name, what: What::Create { body: Value::Object(body) } };
    };
    let id = monitor.id().to_owned();
    let changed = differs(monitor, &fields);
    let what = match changed.is_empty() {
        true => What::Same { id },
        false => What::Update { id, body: monitor.with(&fields), fields: changed },
    };
    Change { name, what }
}

/// What it says otherwise.
fn differs(monitor: &Monitor, fields: &[(&'static str, Value)]) -> Vec<FieldChange> {
    let all = fields.iter().map(|(field, to)| (*field, monitor.said(field), to.clone()));
    let changed = all.filter(|(_, from, to)| from != to);
    changed.map(|(field, from, to)| FieldChange { field: field.to_owned(), from, to }).collect()
}

fn delete(monitor: &Monitor, why: &'static str) -> Change {
    let (name, id) = (monitor.name().to_owned(), monitor.id().to_owned());
    Change { name, what: What::Delete { id, why } }
}

impl Change {
    pub(crate) fn is_same(&self) -> bool {
        matches!(self.what, What::Same { .. })
    }

    /// What a plan binds to and shows.
    pub(crate) fn told(&self) -> Value {
        match &self.what {
            What::Create { body } => json!({ "monitor": self.name, "change": "create", "as": body }),
            What::Update { id, fields, .. } => {
                json!({ "monitor": self.name, "change": "update", "id": id, "fields": fields })
            }
            What::Delete { id, why } => json!({ "monitor": self.name, "change": "delete", "id": id, "why": why }),
            What::Same { id } => json!({ "monitor": self.name, "change": "same", "id": id }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(id: &str, threshold: f64) -> (MonitorId, Wanted) {
        let wanted = json!({
            "id": id, "apl": "d | count", "operator": "above", "threshold": threshold, "interval_minutes": 5,
            "range_minutes": 10, "notifiers": ["n1"],
        });
        (MonitorId::parse(id).unwrap(), serde_json::from_value(wanted).unwrap())
    }

    fn there(id: &str, name: &str, threshold: u32) -> Value {
        json!({
            "id": id, "name": name, "type": "Threshold", "aplQuery": "d | count", "operator": "Above",
            "threshold": threshold, "intervalMinutes": 5, "rangeMinutes": 10, "notifierIds": ["n1"],
        })
    }

    fn check(have: &[Value], want: &[(&str, f64)], expect: &[(&str, &str)]) {
        let have: Vec<Monitor> = have.iter().map(|value| Monitor::read(value.clone()).unwrap()).collect();
        let want = want.iter().map(|(id, threshold)| wanted(id, *threshold)).collect();
        let changes = between(&Prefix::parse("p").unwrap(), &have, &want);
        let told: Vec<Value> = changes.iter().map(Change::told).collect();
        let text = |value: &Value, key: &str| value[key].as_str().unwrap_or("-").to_owned();
        let found: Vec<(String, String)> = told
            .iter()
            .map(|change| (text(change, "change"), format!("{} {}", text(change, "monitor"), text(change, "id"))))
            .collect();
        let expect: Vec<(String, String)> =
            expect.iter().map(|(change, what)| ((*change).to_owned(), (*what).to_owned())).collect();
        assert_eq!(found, expect, "{told:?}");
    }

    #[test]
    fn what_has_to_be_done() {
        check(&[], &[("a", 1.0)], &[("create", "p: a -")]);
        check(&[there("m1", "p: a", 1)], &[("a", 1.0)], &[("same", "p: a m1")]);
        check(&[there("m1", "p: a", 1)], &[("a", 2.0)], &[("update", "p: a m1")]);
        check(&[there("m1", "p: a", 1)], &[], &[("delete", "p: a m1")]);
        // Others' stay, whatever they are called.
        check(&[there("m1", "a", 1), there("m2", "pp: a", 1), there("m3", "p: my own", 1)], &[], &[]);
        // What is deleted is so at the end.
        let have = [there("m1", "p: z", 1), there("m2", "p: b", 1)];
        let expect = [("create", "p: a -"), ("same", "p: b m2"), ("delete", "p: z m1")];
        check(&have, &[("b", 1.0), ("a", 1.0)], &expect);
        // The older one of two stays.
        let (mut old, mut young) = (there("m9", "p: a", 1), there("m1", "p: a", 1));
        old["createdAt"] = json!("2026-01-01T00:00:00Z");
        young["createdAt"] = json!("2026-01-02T00:00:00Z");
        check(&[young, old], &[("a", 1.0)], &[("same", "p: a m9"), ("delete", "p: a m1")]);
    }

    #[test]
    fn an_update_says_field_by_field_what_changes() {
        let mut have = there("m1", "p: a", 1);
        have["operator"] = json!("Below");
        have["mplQuery"] = json!("m");
        have["notifierIds"] = json!(["n2", "n1"]);
        have["secondDelay"] = json!(30);
        let (id, want) = wanted("a", 0.5);
        let have = [Monitor::read(have).unwrap()];
        let changes = between(&Prefix::parse("p").unwrap(), &have, &BTreeMap::from([(id, want)]));
        let [Change { what: What::Update { fields, body, .. }, .. }] = changes.as_slice() else {
            panic!("{changes:?}")
        };
        let expect = json!([
            { "field": "operator", "from": "Below", "to": "Above" },
            { "field": "threshold", "from": 1, "to": 0.5 },
            { "field": "notifierIds", "from": ["n1", "n2"], "to": ["n1"] },
        ]);
        assert_eq!(json!(fields), expect);
        // It may not ask in two languages.
        assert_eq!((&body["secondDelay"], &body["threshold"], body.get("mplQuery")), (&json!(30), &json!(0.5), None));
    }
}
