//! What of an inventory one runbook uses beside its inputs: the policy over its clusters, where its secrets are, and what
//! its plugins are granted. A plan is bound to these values and to nothing else of the file.

use serde_json::{Map, Value, json};
use sluice_plugin::format_duration;

use super::{Inventory, PluginEntry, Rule, SecretAt};
use crate::runbook::Checked;
use crate::runbook::checked::InputKind;

impl Inventory {
    /// By cluster among the inputs: who must confirm and who may override. The first rule that fits counts.
    pub fn policy_for(&self, runbook: &Checked, inputs: &Value) -> Value {
        let clusters = runbook.inputs.iter().filter(|(_, input)| matches!(input.kind, InputKind::Cluster));
        let policy = clusters.filter_map(|(name, _)| {
            let cluster = inputs.get(name)?.get("name")?.as_str()?;
            let labels = &self.cluster(cluster)?.labels;
            let fits = |rule: &&Rule| rule.when.iter().all(|(label, value)| labels.get(label) == Some(value));
            Some((cluster.to_owned(), stated(&self.policy.iter().find(fits).cloned().unwrap_or_default())))
        });
        Value::Object(policy.collect())
    }

    /// Places of the secrets that the steps name, and grants of the plugins that the steps use.
    pub fn used_by(&self, runbook: &Checked) -> Value {
        let secrets = runbook.secrets();
        let secrets = secrets.iter().filter_map(|used| {
            let entry = self.secrets.get(&used.name)?;
            Some((used.name.to_string(), json!({ "from": place(&entry.at), "to": entry.to })))
        });
        let used = |plugin: &str| runbook.actions.keys().any(|action| action.plugin() == plugin);
        let plugins = self.plugins.iter().filter(|(name, _)| used(name.as_str()));
        let plugins = plugins.map(|(name, entry)| (name.to_string(), granted(entry)));
        json!({ "secrets": Value::Object(secrets.collect()), "plugins": Value::Object(plugins.collect()) })
    }
}

fn stated(rule: &Rule) -> Value {
    let confirm = &rule.confirm;
    json!({
        "confirm": {
            "people": confirm.people,
            "requester": confirm.requester,
            "groups": confirm.groups,
            "answer_within": confirm.answer_within.map(format_duration),
        },
        "override": rule.overriders,
    })
}

fn place(at: &SecretAt) -> Value {
    match at {
        SecretAt::Env(name) => json!({ "env": name }),
        SecretAt::Ssm(path) => json!({ "ssm": path }),
        SecretAt::File(path) => json!({ "file": path }),
    }
}

fn granted(entry: &PluginEntry) -> Value {
    let http = entry.http.iter().map(|grant| {
        let read: Vec<String> = grant.read.iter().map(|(method, path)| format!("{method} {path}")).collect();
        let mut granted = json!({ "origin": grant.origin, "private": grant.private, "read": read });
        if let (Some(write), Some(fields)) = (&grant.write, granted.as_object_mut()) {
            fields.insert("write".to_owned(), json!(write));
        }
        granted
    });
    let mut fields = Map::from_iter([
        ("http".to_owned(), Value::Array(http.collect())),
        ("secrets".to_owned(), json!(entry.secrets.iter().map(ToString::to_string).collect::<Vec<_>>())),
    ]);
    if let Some(component) = &entry.component {
        fields.insert("sha256".to_owned(), json!(component.sha256));
        fields.insert("effects".to_owned(), json!(entry.effects));
    }
    Value::Object(fields)
}
