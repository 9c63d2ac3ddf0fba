//! `sluice actions`

use serde_json::Value;
use sluice_engine::diagnostic::did_you_mean;
use sluice_plugin::{ActionName, ActionSpec, Effect, PluginSpec};

use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::screen::{Stream, Tone};
use crate::views::table::Table;
use crate::views::{self, schema, text};

const AFTER: &str = "\
Effects: ? read looks only; = change writes, and twice is as good as once; ~ change writes once; ! destroy ends
something for good.
Gate: data looked at the thing itself and refuses; evidence looked at what others say of it.

Examples:
  sluice actions
  sluice actions nats
  sluice actions nats.cluster_health
  sluice actions --json | jq '.[].name'";

/// List what steps can do, or show one action
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// An action (`plugin.operation`) or a plugin
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// Print JSON: the full descriptions, schemas included
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let registry = context.registry()?;
    let plugins: Vec<&PluginSpec> = registry.plugins().map(|plugin| plugin.describe()).collect();
    let all: Vec<&ActionSpec> = plugins.iter().flat_map(|plugin| &plugin.actions).collect();
    let chosen: Vec<&ActionSpec> = match &args.name {
        None => all.clone(),
        Some(name) => {
            let fits = |spec: &&&ActionSpec| spec.name.as_str() == name || spec.name.plugin() == name;
            all.iter().filter(fits).copied().collect()
        }
    };
    if let Some(name) = args.name.as_ref().filter(|_| chosen.is_empty()) {
        return Err(unknown(name, &all));
    }
    if args.json {
        views::json(&chosen)?;
        return Ok(Exit::DONE);
    }
    let out = &context.screen.out;
    let shown = match (chosen.as_slice(), &args.name) {
        ([one], Some(name)) if one.name.as_str() == name => page(one, &plugins, out),
        _ => table(&chosen, out),
    };
    views::out(&shown)?;
    Ok(Exit::DONE)
}

fn unknown(name: &str, all: &[&ActionSpec]) -> CommandError {
    let error = CommandError::usage(format!("there is no action `{name}`"));
    let error = match did_you_mean(name, all.iter().map(|spec| spec.name.as_str())) {
        Some(meant) => error.hint(meant),
        None => error,
    };
    error.hint("`sluice actions` lists them all")
}

fn table(specs: &[&ActionSpec], out: &Stream) -> String {
    let cells = |spec: &&ActionSpec| {
        vec![
            spec.name.to_string(),
            effect(spec),
            spec.gate.map_or_else(String::new, |class| class.to_string()),
            spec.summary.clone(),
        ]
    };
    let head = ["action", "effect", "gate", "what it does"].map(str::to_owned).to_vec();
    let tone = |row: usize, column: usize| match (column, specs.get(row).map(|spec| spec.effect)) {
        (0, _) => Some(Tone::Strong),
        (1, Some(Effect::Destroy)) => Some(Tone::Bad),
        (1, Some(Effect::Change)) => Some(Tone::Warn),
        _ => None,
    };
    Table { head, rows: specs.iter().map(cells).collect(), tone: &tone }.show(out, 0)
}

/// One sign for each effect: `?` looks, `~` changes, `!` destroys; `=` may be repeated.
fn effect(spec: &ActionSpec) -> String {
    let sign = match spec.effect {
        Effect::Read => '?',
        Effect::Change if spec.idempotent => '=',
        Effect::Change => '~',
        Effect::Destroy => '!',
    };
    format!("{sign} {}", spec.effect)
}

/// Everything about one action, as an author of a runbook needs it.
fn page(spec: &ActionSpec, plugins: &[&PluginSpec], out: &Stream) -> String {
    let title = |text: &str| format!("\n{}\n", out.paint(Tone::Strong, text));
    let mut shown = format!("{}\n{}\n\n", out.paint(Tone::Strong, spec.name.as_str()), spec.summary);
    for line in facts(spec) {
        shown.push_str(&format!("  {line}\n"));
    }
    shown.push_str(&title("with"));
    shown.push_str(&schema::show(&spec.input, out, 2));
    shown.push_str(&title("output"));
    shown.push_str(&schema::show(&spec.output, out, 2));
    for example in &spec.examples {
        shown.push_str(&title(&format!("example: {}", example.summary)));
        let with = of_inventory(&spec.input, &example.with);
        shown.push_str(&example_step(&spec.name, spec.gate.is_some(), &with));
    }
    if !spec.permissions.is_empty() {
        shown.push_str(&title("needs"));
        for permission in &spec.permissions {
            shown.push_str(&format!("  {} {} on {}\n", permission.service, permission.right, permission.on));
        }
    }
    let own = plugins.iter().find(|plugin| plugin.name.as_str() == spec.name.plugin());
    for power in own.into_iter().flat_map(|plugin| &plugin.powers) {
        let line = format!("{}: {}", power.kind, power.why);
        shown.push_str(&if power == own.and_then(|plugin| plugin.powers.first()).unwrap_or(power) {
            title(&format!("the plugin {} reaches by itself", spec.name.plugin())) + &format!("  {line}\n")
        } else {
            format!("  {line}\n")
        });
    }
    shown
}

fn facts(spec: &ActionSpec) -> Vec<String> {
    let mut facts = vec![match spec.effect {
        Effect::Read => "effect: read, it changes nothing".to_owned(),
        Effect::Change if spec.idempotent => "effect: change; doing it twice is as good as once".to_owned(),
        Effect::Change => "effect: change".to_owned(),
        Effect::Destroy => "effect: destroy; needs a confirmation".to_owned(),
    }];
    if let Some(class) = spec.gate {
        facts.push(format!("may stand behind `gate:`; its verdict rests on {class}"));
    }
    if spec.ephemeral {
        facts.push("what it gives lives as long as the process; a resumed run calls it again".to_owned());
    }
    if spec.abilities.preview {
        facts.push("says beforehand what it would do (`sluice plan`)".to_owned());
    }
    facts
}

/// The step as it would stand in a runbook.
fn example_step(name: &ActionName, gate: bool, with: &Value) -> String {
    let key = if gate { "gate" } else { "uses" };
    let mut shown = format!("  - id: {}\n    {key}: {name}\n", name.operation());
    if with.as_object().is_none_or(|with| !with.is_empty()) {
        shown.push_str(&format!("    with:\n{}", yaml(with, 6)));
    }
    shown
}

/// What the inventory says, and every secret, stands in a runbook as an expression, never written out.
fn of_inventory(schema: &Value, value: &Value) -> Value {
    let schema = schema::without_null(schema);
    if let Some(name) = value.get("$secret").and_then(Value::as_str) {
        return Value::from(format!("{{{{ {} }}}}", name.replace("#/", ".").replace('/', ".")));
    }
    match (schema.get("x-inventory").and_then(Value::as_str), value) {
        (_, Value::Null) => Value::Null,
        (Some("aws"), _) => Value::from("{{ inputs.cluster.aws }}"),
        (Some(thing), _) => Value::from(format!("{{{{ inputs.{thing} }}}}")),
        (None, Value::Object(fields)) => {
            let inner = |name: &str| schema.get("properties").and_then(|all| all.get(name)).unwrap_or(&Value::Null);
            fields.iter().map(|(name, field)| (name.clone(), of_inventory(inner(name), field))).collect()
        }
        (None, Value::Array(items)) => {
            let item = schema.get("items").unwrap_or(&Value::Null);
            match item.get("x-inventory") {
                Some(_) => Value::from("{{ inputs.cluster.nodes }}"),
                None => items.iter().map(|value| of_inventory(item, value)).collect(),
            }
        }
        (None, other) => other.clone(),
    }
}

/// Block style for mappings, JSON (which is YAML) for what is inside lists and for text.
fn yaml(value: &Value, indent: usize) -> String {
    let Value::Object(fields) = value else { return format!("{:indent$}{value}\n", "") };
    let mut shown = String::new();
    for (name, field) in fields {
        match field {
            Value::Object(inner) if !inner.is_empty() && text::width(&field.to_string()) > 60 => {
                shown.push_str(&format!("{:indent$}{name}:\n{}", "", yaml(field, indent + 2)));
            }
            _ => shown.push_str(&format!("{:indent$}{name}: {}\n", "", scalar(field))),
        }
    }
    shown
}

/// Plain where YAML reads it back as the same text.
fn scalar(value: &Value) -> String {
    let plain = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
            && text.chars().all(|char| char.is_ascii_alphanumeric() || "-_./ ".contains(char))
            && !text.ends_with(' ')
            && !["true", "false", "null", "yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str())
    };
    match value {
        Value::String(text) if plain(text) => text.clone(),
        other => other.to_string(),
    }
}
