//! `sluice trust`

use sluice_engine::diagnostic::visible;
use sluice_engine::ids::Sha256;
use sluice_engine::inventory::{Inventory, PluginEntry, SecretAt, SecretEntry, SecretName};
use sluice_plugin::inventory::Cluster;

use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::inventory::Found;
use crate::screen::{Stream, Tone};
use crate::trust::{self, Trust};
use crate::views::ask;
use crate::views::diff::{self, Change};
use crate::{paths, views};

const AFTER: &str = "\
An inventory says where secrets are fetched, what plugins may reach and which account is acted in. It is
used only once somebody has looked at it; when it changes, it has to be looked at again. What is trusted
is this file's exact content, for this user on this machine.

Examples:
  sluice trust                              show what it asks, and ask
  sluice trust --print-digest               for a script or another machine
  sluice trust --digest 4c5f...             without a terminal, after reading the file";

/// Look at the inventory and trust it
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Trust it without asking if this is its SHA-256
    #[arg(long, value_name = "SHA256", conflicts_with = "print_digest")]
    digest: Option<String>,

    /// Print its SHA-256 and do nothing
    #[arg(long)]
    print_digest: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let found = context.inventory()?.ok_or_else(|| {
        CommandError::usage("there is no inventory from here upwards")
            .hint("name one with --inventory or SLUICE_INVENTORY")
    })?;
    if args.print_digest {
        views::out(&format!("{}\n", found.digest))?;
        return Ok(Exit::DONE);
    }
    trust::safe(found)?;
    let state = trust::state(found)?;
    views::out(&shown(found, &state, &context.screen.out))?;
    if state == Trust::Trusted {
        context.note("it is trusted already");
        return Ok(Exit::DONE);
    }
    match args.digest {
        Some(digest) => by_digest(found, &digest)?,
        None => by_person(context, found)?,
    }
    context.note(&format!("{} is trusted from now on, as it is", found.shown()));
    Ok(Exit::DONE)
}

fn by_digest(found: &Found, digest: &str) -> Result<()> {
    if Sha256::from_hex(digest) != Some(found.digest) {
        return Err(CommandError::refused(format!(
            "the inventory's SHA-256 is {}, not {}",
            found.digest,
            visible(digest)
        ))
        .hint("it is another file than the one that was looked at, or it has changed"));
    }
    trust::pin(found)
}

fn by_person(context: &Context, found: &Found) -> Result<()> {
    if !(context.screen.input && context.screen.err.terminal) {
        return Err(CommandError::refused("there is no terminal to ask on").hint(format!(
            "after reading the file: {} --digest {}",
            trust::command(found),
            found.digest
        )));
    }
    let yes = ask::yes("Trust this inventory?").map_err(|error| CommandError::failed(format!("no answer: {error}")))?;
    if !yes {
        return Err(CommandError::refused("it is not trusted"));
    }
    trust::pin(found)
}

/// What the inventory asks, and what changed since somebody looked.
fn shown(found: &Found, state: &Trust, out: &Stream) -> String {
    let mut text =
        format!("{}\nSHA-256 {}\n", out.paint(Tone::Strong, &found.path.display().to_string()), found.digest);
    for (title, lines) in asks(found) {
        if !lines.is_empty() {
            text.push_str(&format!("\n{}\n", out.paint(Tone::Strong, title)));
            lines.iter().for_each(|line| text.push_str(&format!("  {}\n", visible(line))));
        }
    }
    if let Trust::Changed { before } = state {
        text.push_str(&format!("\n{}\n", out.paint(Tone::Warn, "changed since it was trusted")));
        for (change, line) in diff::lines(before, found.source.text()) {
            let line = visible(line);
            text.push_str(&match change {
                Change::Same => format!("    {line}\n"),
                Change::Gone => out.paint(Tone::Bad, &format!("  - {line}")) + "\n",
                Change::New => out.paint(Tone::Good, &format!("  + {line}")) + "\n",
                Change::Cut => out.paint(Tone::Dim, "    ...") + "\n",
            });
        }
    }
    text + "\n"
}

fn asks(found: &Found) -> Vec<(&'static str, Vec<String>)> {
    let inventory = &found.inventory;
    vec![
        ("clusters it acts on", inventory.clusters.values().flat_map(|entry| cluster(&entry.cluster)).collect()),
        ("secrets it fetches", inventory.secrets.iter().map(|(name, entry)| secret(name, entry)).collect()),
        (
            "what plugins may do",
            inventory.plugins.iter().flat_map(|(name, entry)| grants(name.as_str(), entry)).collect(),
        ),
        ("services it talks to", endpoints(inventory)),
        ("who may confirm", policy(inventory)),
        ("where runs are kept", vec![store(found)]),
    ]
}

fn cluster(cluster: &Cluster) -> Vec<String> {
    let account = match &cluster.aws {
        None => "no AWS account".to_owned(),
        Some(aws) => {
            let profile = aws.profile.as_ref().map(|name| format!(" as profile {name}")).unwrap_or_default();
            let role = aws.act_role.as_ref().map(|role| format!("; acts assume {role}")).unwrap_or_default();
            let account = aws.account.as_deref().unwrap_or("not named");
            format!("account {account} in {}{profile}{role}", aws.region)
        }
    };
    let hosts = cluster
        .nodes
        .iter()
        .map(|node| format!("  {} at {} (ports {}, {})", node.name, node.host, node.ports.client, node.ports.monitor));
    std::iter::once(format!("{}: {}, {account}", cluster.name, views::text::many(cluster.nodes.len(), "node")))
        .chain(hosts)
        .collect()
}

fn secret(name: &SecretName, entry: &SecretEntry) -> String {
    let to = if entry.to.is_empty() { String::new() } else { format!(", only for {}", entry.to.join(", ")) };
    format!("{name} from {}{to}", place(&entry.at))
}

fn place(at: &SecretAt) -> String {
    match at {
        SecretAt::Env(name) => format!("the environment variable {name}"),
        SecretAt::Ssm(path) => format!("the parameter {path}"),
        SecretAt::File(path) => format!("the file {path}"),
    }
}

fn grants(plugin: &str, entry: &PluginEntry) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(component) = &entry.component {
        lines.push(format!("{plugin} is the file {} with SHA-256 {}", component.file, component.sha256));
    }
    for grant in &entry.http {
        let private = if grant.private { ", also where that is a private address" } else { "" };
        lines.push(format!("{plugin} may reach {}{private}", grant.origin));
        for (method, path) in &grant.read {
            lines.push(format!("  and {method} {path} there counts as reading"));
        }
    }
    lines.extend(entry.secrets.iter().map(|secret| format!("{plugin} may use the secret {secret}")));
    lines
}

fn endpoints(inventory: &Inventory) -> Vec<String> {
    let axiom = inventory.axiom.url.iter().map(|url| format!("Axiom at {url}"));
    let terraform = inventory.terraform.address.iter().map(|url| format!("Terraform at {url}"));
    axiom.chain(terraform).collect()
}

fn policy(inventory: &Inventory) -> Vec<String> {
    let rule = |rule: &sluice_engine::inventory::Rule| {
        let labels: Vec<String> = rule.when.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        let people = views::text::many(rule.confirm.people as usize, "person").replace("persons", "people");
        let who = if rule.confirm.requester { "the requester included" } else { "not the requester" };
        let groups = if rule.confirm.groups.is_empty() {
            String::new()
        } else {
            format!(", of {}", rule.confirm.groups.join(", "))
        };
        format!(
            "where {}: {people}, {who}{groups}",
            if labels.is_empty() { "nothing else fits".to_owned() } else { labels.join(", ") }
        )
    };
    inventory.policy.iter().map(rule).collect()
}

fn store(found: &Found) -> String {
    let written = found.inventory.store.path.as_deref();
    let path = written.map_or_else(paths::state, |path| paths::expand(path, found.folder()));
    path.map_or_else(|error| error.message, |path| path.display().to_string())
}
