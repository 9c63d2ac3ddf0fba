//! `sluice plugin list`

use serde::Serialize;
use sluice_engine::diagnostic::visible;
use sluice_engine::inventory::{Inventory, PluginEntry};
use sluice_plugin::{Plugin, Power};

use crate::context::Context;
use crate::error::{Exit, Result};
use crate::screen::{Stream, Tone};
use crate::verbs::trust::grants;
use crate::views;
use crate::views::text;

/// List the plugins there are, where they live, and what they may do
#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One plugin, for programs.
#[derive(Serialize)]
struct Listed {
    name: String,
    home: Home,
    version: Option<String>,
    summary: Option<String>,
    actions: Vec<String>,
    /// What it reaches by itself. Enforced in the sandbox, where there is none; only shown of the others.
    powers: Vec<Power>,
    /// What the inventory grants it, in words.
    granted: Vec<String>,
    /// Why it cannot be used.
    problem: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Home {
    Native,
    Sandbox,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let registry = context.registry()?;
    let inventory = context.inventory()?.map(|found| &found.inventory);
    let mut all: Vec<Listed> = registry.plugins().map(|plugin| working(&**plugin, inventory)).collect();
    all.extend(registry.failed().map(|(name, why)| broken(name.as_str(), why, inventory)));
    all.sort_by(|one, other| one.name.cmp(&other.name));
    if args.json {
        views::json(&all)?;
    } else {
        views::out(&shown(&all, &context.screen.out))?;
    }
    Ok(if all.iter().any(|listed| listed.problem.is_some()) { Exit::FOUND } else { Exit::DONE })
}

fn working(plugin: &dyn Plugin, inventory: Option<&Inventory>) -> Listed {
    let spec = plugin.describe();
    let listed = named(spec.name.as_str(), inventory);
    Listed {
        version: Some(spec.version.clone()),
        summary: Some(spec.summary.clone()),
        actions: spec.actions.iter().map(|action| action.name.to_string()).collect(),
        powers: if listed.home == Home::Sandbox { Vec::new() } else { spec.powers.clone() },
        ..listed
    }
}

fn broken(name: &str, why: &str, inventory: Option<&Inventory>) -> Listed {
    Listed { problem: Some(why.to_owned()), ..named(name, inventory) }
}

fn named(name: &str, inventory: Option<&Inventory>) -> Listed {
    let entry = inventory.and_then(|inventory| inventory.plugins.iter().find(|(known, _)| known.as_str() == name));
    let entry: Option<&PluginEntry> = entry.map(|(_, entry)| entry);
    let home = if entry.is_some_and(|entry| entry.component.is_some()) { Home::Sandbox } else { Home::Native };
    Listed {
        name: name.to_owned(),
        home,
        version: None,
        summary: None,
        actions: Vec::new(),
        powers: Vec::new(),
        granted: entry.map_or_else(Vec::new, |entry| grants(name, entry)),
        problem: None,
    }
}

fn shown(all: &[Listed], out: &Stream) -> String {
    let mut shown = String::new();
    for plugin in all {
        let home = match plugin.home {
            Home::Native => "native: part of this program, its powers are shown and not enforced",
            Home::Sandbox => "sandbox: reaches what is granted and nothing else",
        };
        let version = plugin.version.as_deref().unwrap_or_default();
        shown.push_str(&format!("{} {version}\n", out.paint(Tone::Strong, &plugin.name)));
        if let Some(summary) = &plugin.summary {
            shown.push_str(&format!("  {summary} ({})\n", text::many(plugin.actions.len(), "action")));
        }
        shown.push_str(&format!("  {}\n", out.paint(Tone::Dim, home)));
        for power in &plugin.powers {
            shown.push_str(&format!("  {}: {}\n", power.kind, power.why));
        }
        for line in &plugin.granted {
            shown.push_str(&format!("  {line}\n"));
        }
        if let Some(problem) = &plugin.problem {
            shown.push_str(&format!("  {}\n", out.paint(Tone::Bad, &format!("cannot be used: {}", visible(problem)))));
        }
    }
    shown
}
