//! `sluice plugin add`

use std::io::Write as _;
use std::path::{Path, PathBuf};

use sluice_engine::diagnostic::visible;
use sluice_engine::inventory::{PluginEntry, SecretName};
use sluice_plugin::{PluginName, PluginSpec};
use sluice_wasm::{Asks, Component, HttpAsk};

use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::inventory::Found;
use crate::screen::{Stream, Tone};
use crate::views::ask;
use crate::{components, inventory, inventory_edit, paths, plugins, trust, views};

const AFTER: &str = "\
Shows what the plugin is and what it asks: origins it wants to reach, the actions that would write there, secrets it \
wants to use. What is granted goes into the inventory together with the SHA-256 of the file; a file with another one is \
not used until it is added again. Nothing is ever asked while a runbook runs.

Examples:
  sluice plugin add acme.wasm
  sluice plugin add acme.wasm --digest 4c5f...     without a terminal, after looking at it
  sluice plugin add acme.wasm --grant-nothing      pin it, and write the grants by hand";

/// Put a plugin into the inventory, with what it is granted
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// A component: what `sluice plugin build` makes
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Add it without asking if this is its SHA-256
    #[arg(long, value_name = "SHA256")]
    digest: Option<String>,

    /// Pin the file, and grant nothing of what it asks
    #[arg(long)]
    grant_nothing: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let (bytes, component) = components::look(&args.file)?;
    let new;
    let found = match context.inventory()? {
        Some(found) => found,
        None => {
            new = inventory::none_yet()?;
            &new
        }
    };
    let spec = &component.described.spec;
    if plugins::is_shipped(&spec.name) && !plugins::ships_as_component(&spec.name, &component.sha256) {
        return Err(CommandError::refused(format!(
            "it calls itself `{}`, the name of a plugin that ships with Sluice",
            spec.name
        ))
        .hint("give it another name"));
    }
    let before = found.inventory.plugins.get(&spec.name);
    if args.grant_nothing && before.is_some_and(|entry| !entry.http.is_empty() || !entry.secrets.is_empty()) {
        return Err(CommandError::refused(format!("{} grants {} something already", found.shown(), spec.name))
            .hint(format!("to keep that, write the new digest there by hand: sha256: \"{}\"", component.sha256)));
    }
    let asks = if args.grant_nothing { Asks::default() } else { component.described.asks.clone() };
    missing_secrets(found, &asks)?;
    views::out(&shown(&component, before, &context.screen.out))?;
    agreed(context, &args, &component, found)?;
    let place = beside(found, &args.file, &spec.name)?;
    let lines = lines(&spec.name, &place.named, &component.sha256, &asks, before);
    let text = inventory_edit::with(found, &spec.name, &lines)?;
    place.fill(&bytes)?;
    inventory_edit::write(found, &text)?;
    context.note(&format!("{} names {} now; trust it as it is: {}", found.shown(), spec.name, trust::command(found)));
    Ok(Exit::DONE)
}

/// An inventory that grants a secret it does not know is not valid.
fn missing_secrets(found: &Found, asks: &Asks) -> Result<()> {
    let known = |name: &str| SecretName::parse(name).is_some_and(|name| found.inventory.secrets.contains_key(&name));
    let Some(ask) = asks.secrets.iter().find(|ask| !known(&ask.name)) else { return Ok(()) };
    let variable = ask.name.to_uppercase();
    let error = CommandError::refused(format!(
        "it asks for the secret `{}` ({}), which {} does not know",
        ask.name,
        ask.why,
        found.shown()
    ));
    Err(error
        .hint(format!(
            "say there where it is, and add the plugin again: secrets: {{ {}: {{ env: {variable} }} }}",
            ask.name
        ))
        .hint("or pin it and grant nothing: --grant-nothing"))
}

fn agreed(context: &Context, args: &Args, component: &Component, found: &Found) -> Result<()> {
    if let Some(digest) = &args.digest {
        if digest.eq_ignore_ascii_case(&component.sha256) {
            return Ok(());
        }
        let message = format!("the file's SHA-256 is {}, not {}", component.sha256, visible(digest));
        return Err(CommandError::refused(message).hint("it is another file than the one that was looked at"));
    }
    if !(context.screen.input && context.screen.err.terminal) {
        return Err(CommandError::refused("there is no terminal to ask on").hint(format!(
            "after looking at what it asks: sluice plugin add {} --digest {}",
            trust::quoted(&paths::shown(&args.file)),
            component.sha256
        )));
    }
    let question = if args.grant_nothing {
        format!("Put it into {}, and grant nothing?", found.shown())
    } else {
        format!("Grant this, and put it into {}?", found.shown())
    };
    match ask::yes(&question).map_err(|error| CommandError::failed(format!("no answer: {error}")))? {
        true => Ok(()),
        false => Err(CommandError::refused("nothing was added")),
    }
}

/// What it is, and what it asks; what it did not have before stands out.
fn shown(component: &Component, before: Option<&PluginEntry>, out: &Stream) -> String {
    let PluginSpec { name, version, summary, actions, .. } = &component.described.spec;
    let mut shown =
        format!("{} {version}\n  {summary}\n  SHA-256 {}\n", out.paint(Tone::Strong, name.as_str()), component.sha256);
    shown.push_str(&format!("\n{}\n", out.paint(Tone::Strong, "actions")));
    for action in actions {
        shown.push_str(&format!("  {} ({}): {}\n", action.name, action.effect, action.summary));
    }
    let asks = &component.described.asks;
    shown.push_str(&format!("\n{}\n", out.paint(Tone::Strong, "what it asks")));
    if asks.http.is_empty() && asks.secrets.is_empty() {
        shown.push_str("  nothing\n");
    }
    for (line, granted) in asked(asks, before) {
        let new = if before.is_some() && !granted { out.paint(Tone::Warn, "  new") } else { String::new() };
        shown.push_str(&format!("  {}{new}\n", visible(&line)));
    }
    shown + "\n"
}

/// Each thing it asks, in words, and whether it has it already.
fn asked(asks: &Asks, before: Option<&PluginEntry>) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    for HttpAsk { origin, write, read, why } in &asks.http {
        let has = before.and_then(|entry| entry.http.iter().find(|grant| same_origin(&grant.origin, origin)));
        all.push((format!("to reach {origin}: {why}"), has.is_some()));
        for operation in write {
            let may = has.is_some_and(|grant| grant.write.as_ref().is_none_or(|write| write.contains(operation)));
            all.push((format!("  and to change something there in `{operation}`"), may));
        }
        for request in read {
            let may =
                has.is_some_and(|grant| grant.read.iter().any(|(method, path)| *request == format!("{method} {path}")));
            all.push((format!("  and to have `{request}` taken for reading"), may));
        }
    }
    for ask in &asks.secrets {
        let has = before.is_some_and(|entry| entry.secrets.iter().any(|secret| secret.as_str() == ask.name));
        all.push((format!("to use the secret {}: {}", ask.name, ask.why), has));
    }
    all
}

/// A port that the scheme implies may be left out.
fn same_origin(one: &str, other: &str) -> bool {
    let parse = sluice_host::Origin::parse;
    parse(one).ok().zip(parse(other).ok()).is_some_and(|(one, other)| one == other)
}

/// Where the component is to be.
struct Place {
    /// From the inventory.
    named: String,
    /// A file from elsewhere is copied beside the inventory, so that the two stay together.
    copy: Option<PathBuf>,
}

fn beside(found: &Found, file: &Path, name: &PluginName) -> Result<Place> {
    let whole = file.canonicalize();
    let whole = whole.map_err(|error| CommandError::failed(format!("cannot find {}: {error}", paths::shown(file))))?;
    if let Ok(inside) = whole.strip_prefix(found.folder()) {
        return Ok(Place { named: inside.to_string_lossy().into_owned(), copy: None });
    }
    let named = format!("plugins/{name}.wasm");
    Ok(Place { copy: Some(found.folder().join(&named)), named })
}

impl Place {
    /// What was looked at, and not what is in the file by now.
    fn fill(&self, bytes: &[u8]) -> Result<()> {
        let Some(file) = &self.copy else { return Ok(()) };
        let cannot =
            |error: std::io::Error| CommandError::failed(format!("cannot write {}: {error}", paths::shown(file)));
        let folder = file.parent().unwrap_or(file);
        std::fs::create_dir_all(folder).map_err(cannot)?;
        let mut new = tempfile::NamedTempFile::new_in(folder).map_err(cannot)?;
        new.write_all(bytes).map_err(cannot)?;
        new.persist(file).map_err(|error| cannot(error.error))?;
        Ok(())
    }
}

/// The entry as it stands in the inventory. Whether an address is private, only the operator knows.
fn lines(name: &PluginName, file: &str, sha256: &str, asks: &Asks, before: Option<&PluginEntry>) -> Vec<String> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let list = |texts: &[String]| texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ");
    let mut lines =
        vec![format!("{name}:"), format!("  component: {}", quoted(file)), format!("  sha256: \"{sha256}\"")];
    if !asks.http.is_empty() || !asks.secrets.is_empty() {
        lines.push("  grants:".to_owned());
    }
    if !asks.http.is_empty() {
        lines.push("    http:".to_owned());
    }
    for ask in &asks.http {
        let mut fields = vec![format!("origin: {}", quoted(&ask.origin)), format!("write: [{}]", list(&ask.write))];
        if !ask.read.is_empty() {
            fields.push(format!("read: [{}]", list(&ask.read)));
        }
        let grants = before.into_iter().flat_map(|entry| &entry.http);
        if grants.filter(|grant| same_origin(&grant.origin, &ask.origin)).any(|grant| grant.private) {
            fields.push("private: true".to_owned());
        }
        lines.push(format!("      - {{ {} }}", fields.join(", ")));
    }
    if !asks.secrets.is_empty() {
        let names: Vec<String> = asks.secrets.iter().map(|ask| ask.name.clone()).collect();
        lines.push(format!("    secrets: [{}]", list(&names)));
    }
    if let Some(entry) = before.filter(|entry| !entry.effects.is_empty()) {
        let raised: Vec<String> = entry.effects.iter().map(|(action, effect)| format!("{action}: {effect}")).collect();
        lines.push(format!("  effects: {{ {} }}", raised.join(", ")));
    }
    lines
}
