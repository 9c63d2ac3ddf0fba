//! From the tree to the model: keys, words and shapes. It knows no action and evaluates nothing.

mod inputs;
mod next_by;
mod parts;
mod step;

use indexmap::IndexMap;
use sluice_plugin::ActionName;

use super::checked::Trigger;
use super::keys;
use super::model::{DefaultModel, Model, OutputModel, SessionModel};
use super::names::RunbookName;
use crate::diagnostic::{Code, Findings};
use crate::yaml::fields::{self, Fields, Spanned};
use crate::yaml::{Key, Kind, Node};

/// Reads as much as can be read; what cannot is among the findings.
pub fn parse(root: &Node, findings: &mut Findings) -> Model {
    let Some(top) = Fields::open(root, "a runbook", keys::RUNBOOK, findings) else { return Model::default() };
    let name = top.require("runbook", findings).and_then(|node| runbook_name(node, findings));
    let steps = top.require("steps", findings);
    Model {
        name,
        summary: optional_text(&top, "summary", findings),
        inputs: top.get("inputs").map_or_else(IndexMap::new, |node| inputs::parse(node, findings)),
        lock: top.get("lock").cloned(),
        confirm_once: top.get("confirm_once").cloned(),
        steps: steps.map_or_else(Vec::new, |node| step::list(node, "`steps`", findings)),
        finally: top.get("finally").map_or_else(Vec::new, |node| step::list(node, "`finally`", findings)),
        outputs: top.get("outputs").map_or_else(Vec::new, |node| outputs(node, findings)),
        session: top.get("session").and_then(|node| session(node, findings)),
        defaults: top.get("defaults").map_or_else(Vec::new, |node| defaults(node, findings)),
        triggers: top.get("triggers").map_or_else(Vec::new, |node| triggers(node, findings)),
    }
}

fn runbook_name(node: &Node, findings: &mut Findings) -> Option<Spanned<RunbookName>> {
    let text = fields::text(node, "`runbook`", findings)?;
    match RunbookName::parse(text) {
        Ok(value) => Some(Spanned { value, span: node.span }),
        Err(error) => {
            findings.error(Code::BadName, node.span, error.to_string(), "");
            None
        }
    }
}

fn optional_text(top: &Fields<'_>, name: &str, findings: &mut Findings) -> Option<String> {
    let node = top.get(name)?;
    fields::text(node, &format!("`{name}`"), findings).map(str::to_owned)
}

fn outputs(node: &Node, findings: &mut Findings) -> Vec<OutputModel> {
    let Some(map) = fields::map(node, "`outputs`", findings) else { return Vec::new() };
    map.iter().filter_map(|entry| output(&entry.key, &entry.value, findings)).collect()
}

/// `name: "{{ .. }}"`, or `name: { value: .., type: .. }`.
fn output(key: &Key, node: &Node, findings: &mut Findings) -> Option<OutputModel> {
    let key = variable(key, "an output", findings)?;
    if !matches!(node.kind, Kind::Map(_)) {
        return Some(OutputModel { key, value: node.clone(), declared: None });
    }
    let fields = Fields::open(node, "an output", keys::OUTPUT, findings)?;
    optional_text(&fields, "description", findings);
    let declared = fields.get("type").and_then(|node| json_type(node, "`type`", findings));
    let value = fields.require("value", findings)?.clone();
    Some(OutputModel { key, value, declared })
}

fn json_type(node: &Node, what: &str, findings: &mut Findings) -> Option<Spanned<String>> {
    let words: Vec<(&str, &str)> = keys::JSON_TYPES.iter().map(|word| (*word, *word)).collect();
    fields::word(node, what, &words, findings).map(|word| word.map(str::to_owned))
}

/// A key that expressions reach with a dot.
fn variable(key: &Key, what: &str, findings: &mut Findings) -> Option<Key> {
    if super::names::is_word(&key.name, '_') {
        return Some(key.clone());
    }
    let message = format!("`{}` cannot name {what}", key.name);
    findings.helped(Code::BadName, key.span, message, "small letters, digits and `_`, a letter first");
    None
}

fn session(node: &Node, findings: &mut Findings) -> Option<SessionModel> {
    let fields = Fields::open(node, "a session", keys::SESSION, findings)?;
    let command = fields.get("command").and_then(|node| fields::seq(node, "`command`", findings));
    if let Some([]) = command {
        let span = fields.head(findings);
        findings.helped(Code::BadValue, span, "`command` is empty", "leave it out for the person's own shell");
    }
    let env = fields.get("env").and_then(|node| fields::map(node, "`env`", findings));
    let env = env.map_or_else(Vec::new, |map| {
        map.iter().filter_map(|entry| Some((env_name(&entry.key, findings)?, entry.value.clone()))).collect()
    });
    Some(SessionModel {
        summary: optional_text(&fields, "summary", findings),
        command: command.unwrap_or_default().to_vec(),
        env,
        banner: fields.get("banner").cloned(),
    })
}

fn env_name(key: &Key, findings: &mut Findings) -> Option<Key> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let name = key.name.as_bytes();
    if name.iter().copied().all(fits) && name.first().is_some_and(|first| !first.is_ascii_digit()) {
        return Some(key.clone());
    }
    let message = format!("`{}` cannot name an environment variable", key.name);
    findings.helped(Code::BadName, key.span, message, "letters, digits and `_`, no digit first");
    None
}

fn defaults(node: &Node, findings: &mut Findings) -> Vec<DefaultModel> {
    let Some(map) = fields::map(node, "`defaults`", findings) else { return Vec::new() };
    map.iter()
        .filter_map(|entry| {
            let action = action_name(&entry.key.name, entry.key.span, findings);
            let with = parts::with(&entry.value, findings);
            Some(DefaultModel { action: action?, with: with? })
        })
        .collect()
}

fn action_name(text: &str, span: crate::source::Span, findings: &mut Findings) -> Option<Spanned<ActionName>> {
    match ActionName::parse(text) {
        Ok(value) => Some(Spanned { value, span }),
        Err(error) => {
            findings.error(Code::BadName, span, error.to_string(), "");
            None
        }
    }
}

fn triggers(node: &Node, findings: &mut Findings) -> Vec<Spanned<Trigger>> {
    const WORDS: &[(&str, Trigger)] = &[
        ("cli", Trigger::Cli),
        ("api", Trigger::Api),
        ("slack", Trigger::Slack),
        ("schedule", Trigger::Schedule),
        ("webhook", Trigger::Webhook),
    ];
    let Some(items) = fields::seq(node, "`triggers`", findings) else { return Vec::new() };
    items.iter().filter_map(|item| fields::word(item, "a trigger", WORDS, findings)).collect()
}
