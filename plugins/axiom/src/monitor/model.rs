//! A monitor as Axiom has it, and one as it is wanted. It compares nothing and sends nothing.
//!
//! Axiom leaves out what is off or empty, and its own libraries write `notifierIDs` where its documents write
//! `notifierIds`: what is missing has its default, and names are read in any writing.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Behind this stands the id of a monitor that is owned.
const BETWEEN: &str = ": ";

/// What Axiom writes itself: it is not given back to it.
const OF_AXIOM: [&str; 4] = ["id", "createdAt", "createdBy", "updatedAt"];

/// The only kind that has a threshold.
const THRESHOLD: &str = "Threshold";

/// How the names of all monitors begin that are owned together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prefix(String);

/// The end of the name of a monitor that is owned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MonitorId(String);

/// A monitor as Axiom has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Monitor {
    /// As it came, so that what is not ours is given back as it is.
    whole: Map<String, Value>,
}

/// A monitor as it should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The end of its name, after the prefix: letters, digits, `.`, `-` and `_`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"))]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) description: String,
    /// What it asks, ending in `summarize`; each number that comes out is compared.
    #[schemars(length(min = 1))]
    pub(crate) apl: String,
    pub(crate) operator: Operator,
    pub(crate) threshold: f64,
    /// How often it asks.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) interval_minutes: u32,
    /// How far back each time.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) range_minutes: u32,
    /// Whether it also fires when there is nothing to compare.
    #[serde(default)]
    pub(crate) alert_on_no_data: bool,
    /// Ids of the notifiers that it tells. Without any it fires and tells nobody.
    #[serde(default)]
    pub(crate) notifiers: Vec<String>,
    /// Whether each group of the query fires by itself. Null: as it is there.
    #[serde(default)]
    pub(crate) notify_by_group: Option<bool>,
    /// It fires when so many of its last `of_runs` runs were over the threshold. Null: as it is there.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) positive_runs: Option<u32>,
    /// Null: as it is there.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) of_runs: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operator {
    Above,
    AboveOrEqual,
    Below,
    BelowOrEqual,
}

impl Prefix {
    /// `None` of what could not be told from another one's names.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fine = !text.trim().is_empty() && text.trim() == text && !text.contains(':') && text.len() <= 100;
        (fine && !text.chars().any(char::is_control)).then(|| Self(text.to_owned()))
    }

    pub(crate) fn name(&self, id: &MonitorId) -> String {
        format!("{}{BETWEEN}{}", self.0, id.0)
    }

    /// The id in the name of a monitor that is owned. What a person called by a name that only begins so is none of ours.
    pub(crate) fn id_in(&self, name: &str) -> Option<MonitorId> {
        MonitorId::parse(name.strip_prefix(&self.0)?.strip_prefix(BETWEEN)?)
    }
}

impl MonitorId {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let fine = text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.bytes().all(inside);
        (fine && text.len() <= 100).then(|| Self(text.to_owned()))
    }
}

impl Monitor {
    pub(crate) fn read(value: Value) -> Option<Self> {
        let Value::Object(whole) = value else { return None };
        let monitor = Self { whole };
        (!monitor.id().is_empty()).then_some(monitor)
    }

    /// Axiom's own.
    pub(crate) fn id(&self) -> &str {
        self.text("id")
    }

    pub(crate) fn name(&self) -> &str {
        self.text("name")
    }

    pub(crate) fn created_at(&self) -> &str {
        self.text("createdAt")
    }

    /// It does not ask for now: somebody switched it off, or let it sleep.
    pub(crate) fn is_disabled(&self) -> bool {
        let until = self.text("disabledUntil");
        self.get("disabled") == Some(&Value::Bool(true)) || !(until.is_empty() || until.starts_with("0001-"))
    }

    /// What it says of this field, in the one way in which it is compared.
    pub(crate) fn said(&self, field: &str) -> Value {
        let found = self.get(field).cloned().unwrap_or_default();
        match field {
            "notifierIds" => sorted(found.as_array().into_iter().flatten().filter_map(Value::as_str)),
            "aplQuery" | "description" => json!(found.as_str().unwrap_or_default().trim()),
            "alertOnNoData" | "notifyByGroup" => json!(found.as_bool().unwrap_or(false)),
            // 80 and 80.0 are one.
            "threshold" | "intervalMinutes" | "rangeMinutes" | "triggerAfterNPositiveResults" | "triggerFromNRuns" => {
                number(found.as_f64().unwrap_or(0.0))
            }
            _ => json!(found.as_str().unwrap_or_default()),
        }
    }

    /// The same with these fields in the place of its own, and no query in another language beside that in APL.
    pub(crate) fn with(&self, fields: &[(&'static str, Value)]) -> Value {
        let ours = |name: &String| {
            let named = fields.iter().map(|(field, _)| *field).chain(OF_AXIOM).chain(["mplQuery"]);
            named.into_iter().any(|field| name.eq_ignore_ascii_case(field))
        };
        let rest = self.whole.iter().filter(|(name, _)| !ours(name)).map(|(name, value)| (name.clone(), value.clone()));
        Value::Object(rest.chain(fields.iter().map(|(field, value)| ((*field).to_owned(), value.clone()))).collect())
    }

    fn text(&self, field: &str) -> &str {
        self.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    fn get(&self, field: &str) -> Option<&Value> {
        let exact = self.whole.get(field);
        exact.or_else(|| self.whole.iter().find(|(name, _)| name.eq_ignore_ascii_case(field)).map(|(_, value)| value))
    }
}

impl Wanted {
    /// Every field that it decides, under Axiom's names, as [`Monitor::said`] says them.
    pub(crate) fn fields(&self, name: &str) -> Vec<(&'static str, Value)> {
        let notifiers = sorted(self.notifiers.iter().map(String::as_str));
        let always = [
            ("name", json!(name)),
            ("type", json!(THRESHOLD)),
            ("description", json!(self.description.trim())),
            ("aplQuery", json!(self.apl.trim())),
            ("operator", json!(self.operator.of_axiom())),
            ("threshold", number(self.threshold)),
            ("intervalMinutes", json!(self.interval_minutes)),
            ("rangeMinutes", json!(self.range_minutes)),
            ("alertOnNoData", json!(self.alert_on_no_data)),
            ("notifierIds", notifiers),
        ];
        let by_group = self.notify_by_group.map(|by_group| ("notifyByGroup", json!(by_group)));
        let positive = self.positive_runs.map(|runs| ("triggerAfterNPositiveResults", json!(runs)));
        let of_runs = self.of_runs.map(|runs| ("triggerFromNRuns", json!(runs)));
        always.into_iter().chain(by_group).chain(positive).chain(of_runs).collect()
    }
}

impl Operator {
    fn of_axiom(self) -> &'static str {
        match self {
            Self::Above => "Above",
            Self::AboveOrEqual => "AboveOrEqual",
            Self::Below => "Below",
            Self::BelowOrEqual => "BelowOrEqual",
        }
    }
}

/// Their order means nothing.
fn sorted<'a>(texts: impl Iterator<Item = &'a str>) -> Value {
    json!(texts.collect::<BTreeSet<_>>())
}

#[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_owned_is_told_by_its_name() {
        let prefix = Prefix::parse("sluice nats-staging").unwrap();
        let check = |name: &str, expect: Option<&str>| {
            assert_eq!(prefix.id_in(name).as_ref().map(|id| id.0.as_str()), expect, "{name}");
        };
        check("sluice nats-staging: disk_used", Some("disk_used"));
        check("sluice nats-staging: jsz.api-errors", Some("jsz.api-errors"));
        check("sluice nats-staging-2: disk_used", None);
        check("sluice nats-staging:disk_used", None);
        check("sluice nats-staging: my own", None);
        check("sluice nats-staging: a: b", None);
        check("sluice nats-staging: ", None);
        check("sluice nats-staging", None);
        check("Sluice nats-staging: disk_used", None);
        for bad in ["", " ", " a", "a ", "a: b", "a:", "a\nb", &"x".repeat(101)] {
            assert_eq!(Prefix::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn axiom_leaves_out_what_is_off() {
        let monitor = Monitor::read(json!({
            "id": "mon_1", "name": "a: b", "type": "Threshold", "aplQuery": " d | count\n", "NotifierIDs": ["b", "a", "a"],
            "IntervalMinutes": 5, "threshold": 80.0, "operator": "Above",
        }))
        .unwrap();
        let check = |field: &str, expect: Value| assert_eq!(monitor.said(field), expect, "{field}");
        check("notifierIds", json!(["a", "b"]));
        check("intervalMinutes", json!(5));
        check("threshold", json!(80));
        check("rangeMinutes", json!(0));
        check("alertOnNoData", json!(false));
        check("description", json!(""));
        check("aplQuery", json!("d | count"));
        assert!(!monitor.is_disabled());
        assert_eq!(Monitor::read(json!({ "name": "a" })), None);
        assert_eq!(Monitor::read(json!([])), None);
    }

    #[test]
    fn what_is_not_ours_is_given_back_as_it_is() {
        let monitor = Monitor::read(json!({
            "id": "mon_1", "createdAt": "x", "createdBy": "x", "updatedAt": "x", "notifierIDs": ["old"], "mplQuery": "m",
            "disabledUntil": "2099-01-01T00:00:00Z", "secondDelay": 10, "threshold": 1,
        }))
        .unwrap();
        let body = monitor.with(&[("threshold", json!(2)), ("notifierIds", json!(["new"]))]);
        let expect = json!({
            "disabledUntil": "2099-01-01T00:00:00Z", "secondDelay": 10, "threshold": 2, "notifierIds": ["new"],
        });
        assert_eq!(body, expect);
        assert!(monitor.is_disabled());
        let never = json!({ "id": "m", "disabledUntil": "0001-01-01T00:00:00Z" });
        assert!(!Monitor::read(never).unwrap().is_disabled());
    }
}
