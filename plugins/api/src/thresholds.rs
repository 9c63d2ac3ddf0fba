//! A row of the team's alert table, as actions get it that judge figures or hand the table on. Knows no file, and what a field
//! means only by its name.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::duration::{self, parse_duration};

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Becomes the code of its findings.
    pub id: String,
    /// `jsz.storage`, `varz.slow_consumers`, `system.cpu_percent`, ...
    pub field: String,
    pub op: Op,
    /// A whole number. For `approaching`: percent of the field named in `of`. Not given for `reference`.
    #[serde(default)]
    pub value: Option<u64>,
    /// For `approaching`: the field that is the whole.
    #[serde(default)]
    pub of: Option<String>,
    /// `cluster` judges the sum over all nodes. Growth is always judged over the cluster by whoever looks at all nodes at once.
    #[serde(default)]
    pub scope: Scope,
    #[serde(default)]
    pub severity: Level,
    /// It has to be so for this long, where several samples are looked at. A counter has to grow in both halves of it.
    #[serde(default)]
    #[schemars(regex(pattern = duration::DURATION_PATTERN))]
    pub sustained: Option<String>,
    /// What is otherwise for clusters with these labels; of several that fit the last one counts.
    #[serde(default)]
    pub overrides: Vec<Otherwise>,
    /// The team's own words.
    #[serde(default)]
    pub wording: Option<String>,
    /// What it means.
    #[serde(default)]
    pub say: Option<String>,
    /// What to do about it.
    #[serde(default)]
    pub todo: Option<String>,
}

/// What is otherwise for some clusters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Otherwise {
    /// Labels the cluster must have, all of them.
    pub when: BTreeMap<String, String>,
    #[serde(default)]
    pub value: Option<u64>,
    #[serde(default)]
    pub severity: Option<Level>,
    #[serde(default)]
    #[schemars(regex(pattern = duration::DURATION_PATTERN))]
    pub sustained: Option<String>,
    /// The row is not judged at all.
    #[serde(default)]
    pub off: bool,
}

/// What makes a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    AtLeast,
    Above,
    AtMost,
    Below,
    Equal,
    NotEqual,
    /// At least `value` percent of the field named in `of`.
    Approaching,
    /// A counter grew by more than `value` while we looked.
    Grows,
    /// Shown and never judged.
    Reference,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    #[default]
    Node,
    Cluster,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    #[default]
    Warning,
    Critical,
}

/// The rows under `thresholds` that are rows already, each with the place it stands at. For `check`: what is filled in later
/// cannot be judged yet.
pub fn given(with: &Value) -> impl Iterator<Item = (String, Threshold)> {
    let rows = with.get("thresholds").and_then(Value::as_array).into_iter().flatten().enumerate();
    rows.filter_map(|(at, row)| Some((format!("/thresholds/{at}"), Threshold::deserialize(row).ok()?)))
}

impl Threshold {
    /// The row as it is for a cluster with these labels; nothing where it is not judged there.
    pub fn for_labels(&self, labels: &BTreeMap<String, String>) -> Option<Self> {
        let fits = |one: &&Otherwise| one.when.iter().all(|(name, value)| labels.get(name) == Some(value));
        let mut row = Self { overrides: Vec::new(), ..self.clone() };
        let mut off = false;
        for one in self.overrides.iter().filter(fits) {
            off = one.off;
            row.value = one.value.or(row.value);
            row.severity = one.severity.unwrap_or(row.severity);
            row.sustained = one.sustained.clone().or(row.sustained);
        }
        (!off).then_some(row)
    }

    /// How long it has to be so.
    pub fn sustained(&self) -> Result<Option<Duration>, String> {
        self.sustained.as_deref().map(parse_duration).transpose()
    }

    /// What is wrong with the times of the row, those included that nobody asks for unless their labels fit.
    pub fn bad_time(&self) -> Option<String> {
        let others = self.overrides.iter().filter_map(|one| one.sustained.as_deref());
        self.sustained.as_deref().into_iter().chain(others).find_map(|time| parse_duration(time).err())
    }
}

impl Op {
    /// Whether the figure is one that an alarm is for. What is no comparison of two numbers never is.
    pub fn crossed<T: PartialOrd>(self, seen: &T, limit: &T) -> bool {
        match self {
            Self::AtLeast => seen >= limit,
            Self::Above => seen > limit,
            Self::AtMost => seen <= limit,
            Self::Below => seen < limit,
            Self::Equal => seen == limit,
            Self::NotEqual => seen != limit,
            Self::Approaching | Self::Grows | Self::Reference => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_make_a_row_another_one() {
        let row = |overrides: Value| -> Threshold {
            let row = json!({ "id": "cpu", "field": "system.cpu_percent", "op": "at_least", "value": 80, "overrides": overrides });
            serde_json::from_value(row).unwrap()
        };
        let labels = BTreeMap::from([("tier".into(), "production".into()), ("size".into(), "small".into())]);
        let check = |overrides: Value, expect: Option<(u64, Level)>| {
            let found = row(overrides.clone()).for_labels(&labels).map(|row| (row.value.unwrap(), row.severity));
            assert_eq!(found, expect, "{overrides}");
        };
        let (warning, critical) = (Level::Warning, Level::Critical);
        check(json!([]), Some((80, warning)));
        check(json!([{ "when": { "tier": "staging" }, "value": 95 }]), Some((80, warning)));
        check(json!([{ "when": { "tier": "production" }, "value": 70 }]), Some((70, warning)));
        check(json!([{ "when": { "tier": "production", "size": "large" }, "value": 70 }]), Some((80, warning)));
        check(
            json!([{ "when": {}, "value": 60 }, { "when": { "size": "small" }, "severity": "critical" }]),
            Some((60, critical)),
        );
        check(json!([{ "when": { "tier": "production" }, "off": true }]), None);
        check(json!([{ "when": {}, "off": true }, { "when": { "size": "small" }, "value": 90 }]), Some((90, warning)));
    }
}
