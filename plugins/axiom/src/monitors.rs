//! `axiom.monitors`: the monitors whose names begin with a prefix, as Axiom has them. It judges nothing.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Problem};

use crate::describe::{input, output, read};
use crate::monitor::{Monitor, Monitors, api};
use crate::service::{Service, bad_url};

pub(crate) struct ListMonitors;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Where Axiom is: `https://api.axiom.co`, whatever edge deployment the events go to.
    url: String,
    /// An API token that may read monitors.
    #[schemars(schema_with = "sluice_plugin::schema::secret")]
    token: Value,
    /// How the names begin; empty for all.
    #[serde(default)]
    prefix: String,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// By name.
    monitors: Vec<Listed>,
    /// How many monitors there are of other names.
    others: usize,
}

#[derive(Serialize, JsonSchema)]
struct Listed {
    /// Axiom's own.
    id: String,
    name: String,
    /// `Threshold`, `MatchEvent` or `AnomalyDetection`.
    kind: String,
    description: String,
    apl: String,
    /// In Axiom's words: `Above`.
    operator: String,
    threshold: f64,
    interval_minutes: u64,
    range_minutes: u64,
    alert_on_no_data: bool,
    /// Ids.
    notifiers: Vec<String>,
    /// Somebody switched it off, or let it sleep.
    disabled: bool,
}

#[async_trait]
impl Action for ListMonitors {
    fn spec(&self) -> ActionSpec {
        let mut spec = read::<Input, Output>("monitors", "Read the monitors in Axiom");
        spec.examples = vec![example()];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        let url = with.get("url").and_then(Value::as_str).filter(|url| !url.contains("{{"));
        url.and_then(bad_url).into_iter().collect()
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input(&call.with)?;
        if let Some(problem) = bad_url(&input.url) {
            return Err(problem);
        }
        let monitors = Monitors { service: input.service() }.all(host).await?;
        let all = monitors.len();
        let mut found: Vec<Listed> =
            monitors.iter().filter(|monitor| monitor.name().starts_with(&input.prefix)).map(Listed::of).collect();
        found.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        let others = all - found.len();
        output(&Output { monitors: found, others }).map(Outcome::plain)
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input::<Input>(&call.with) else { return Vec::new() };
        let look_for = format!("200 at the end; those whose `name` begins with `{}`", input.prefix);
        vec![input.service().by_hand(None, api::PATH, None, &look_for)]
    }
}

impl Input {
    fn service(&self) -> Service<'_> {
        Service { url: &self.url, token: &self.token }
    }
}

impl Listed {
    fn of(monitor: &Monitor) -> Self {
        let text = |field: &str| monitor.said(field).as_str().unwrap_or_default().to_owned();
        let minutes = |field: &str| monitor.said(field).as_u64().unwrap_or_default();
        let notifiers = monitor.said("notifierIds");
        let notifiers = notifiers.as_array().into_iter().flatten().filter_map(Value::as_str);
        Self {
            id: monitor.id().to_owned(),
            name: monitor.name().to_owned(),
            kind: text("type"),
            description: text("description"),
            apl: text("aplQuery"),
            operator: text("operator"),
            threshold: monitor.said("threshold").as_f64().unwrap_or_default(),
            interval_minutes: minutes("intervalMinutes"),
            range_minutes: minutes("rangeMinutes"),
            alert_on_no_data: monitor.said("alertOnNoData") == json!(true),
            notifiers: notifiers.map(str::to_owned).collect(),
            disabled: monitor.is_disabled(),
        }
    }
}

fn example() -> Example {
    Example {
        summary: "those of one cluster".to_owned(),
        with: json!({
            "url": "https://api.axiom.co", "token": { "$secret": "secrets.axiom_monitors_token" },
            "prefix": "sluice nats-staging: ",
        }),
        output: json!({
            "monitors": [{
                "id": "mon_xyz789", "name": "sluice nats-staging: disk_used", "kind": "Threshold",
                "description": "a node's NVMe disk fills up", "apl": "['nats-logs'] | where ... | summarize ...",
                "operator": "AboveOrEqual", "threshold": 80.0, "interval_minutes": 1, "range_minutes": 5,
                "alert_on_no_data": false, "notifiers": ["notify_slack"], "disabled": false,
            }],
            "others": 2,
        }),
    }
}
