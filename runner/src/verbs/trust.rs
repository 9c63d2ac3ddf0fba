//! `sluice trust`

use sluice_engine::diagnostic::visible;
use sluice_engine::ids::Sha256;
use sluice_engine::inventory::{
    Axiom, Confirm, Entry, Inventory, LocksAt, Person, PluginEntry, Rule, SecretAt, SecretEntry, SecretName, StoreAt,
    Terraform,
};
use sluice_plugin::inventory::{Cluster, Creds, CredsAt, Logs, Ports};

use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::inventory::Found;
use crate::screen::{Stream, Tone};
use crate::trust::{self, Trust};
use crate::views::ask;
use crate::views::diff::{self, Change};
use crate::views::text;
use crate::{paths, views};

const AFTER: &str = "\
An inventory says where secrets are fetched, what plugins may reach and which account is acted in. It is \
used only once somebody has looked at it; when it changes, it has to be looked at again. What is trusted \
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
    let mut shown =
        format!("{}\nSHA-256 {}\n", out.paint(Tone::Strong, &visible(&found.path.to_string_lossy())), found.digest);
    for (title, lines) in asks(found) {
        if !lines.is_empty() {
            shown.push_str(&format!("\n{}\n", out.paint(Tone::Strong, title)));
            lines.iter().for_each(|line| shown.push_str(&format!("  {}\n", visible(line))));
        }
    }
    if let Trust::Changed { before } = state {
        shown.push_str(&format!("\n{}\n", out.paint(Tone::Warn, "changed since it was trusted")));
        for (change, line) in diff::lines(before, found.source.text()) {
            let line = visible(line);
            shown.push_str(&match change {
                Change::Same => format!("    {line}\n"),
                Change::Gone => out.paint(Tone::Bad, &format!("  - {line}")) + "\n",
                Change::New => out.paint(Tone::Good, &format!("  + {line}")) + "\n",
                Change::Cut => out.paint(Tone::Dim, "    ...") + "\n",
            });
        }
    }
    shown + "\n"
}

/// All that is in it. A section that comes to the inventory does not compile here until it is shown too.
fn asks(found: &Found) -> Vec<(&'static str, Vec<String>)> {
    let Inventory { clusters, policy, people, plugins, secrets, axiom, terraform, store } = &found.inventory;
    vec![
        ("clusters it acts on", clusters.values().flat_map(cluster).collect()),
        ("secrets it fetches", secrets.iter().map(|(name, entry)| secret(name, entry)).collect()),
        ("what plugins may do", plugins.iter().flat_map(|(name, entry)| grants(name.as_str(), entry)).collect()),
        ("services it talks to", self::axiom(axiom).into_iter().chain(self::terraform(terraform)).collect()),
        ("who may confirm, and override", policy.iter().map(rule).collect()),
        ("who is who", people.iter().map(|(name, known)| person(name, known)).collect()),
        ("where runs are kept", vec![self::store(found, store)]),
    ]
}

fn cluster(entry: &Entry) -> Vec<String> {
    let Entry { cluster, soak, locks, units, ecs, assumptions: _ } = entry;
    let mut lines = vec![head(cluster)];
    let mut say = |line: String| lines.push(format!("  {line}"));
    for node in &cluster.nodes {
        let Ports { client, cluster, monitor } = node.ports;
        say(format!("{} at {} (ports {client}, {cluster}, {monitor})", node.name, node.host));
    }
    credentials(cluster).into_iter().for_each(&mut say);
    for (service, names) in ecs {
        say(format!("the service {service} is {names} in ECS"));
    }
    if let Some(Logs { cloudwatch, axiom }) = &cluster.logs {
        say(format!("its logs are in {} of Axiom", axiom.dataset));
        say(format!("its logs are in {} of CloudWatch", cloudwatch.group));
    }
    if !units.is_empty() {
        say(format!("units on its nodes: {}", units.join(", ")));
    }
    say(format!("between two nodes it waits {}", text::duration(*soak)));
    say(match locks {
        LocksAt::Ssm => format!("its lock is a parameter below {}/sluice/lock", cluster.ssm_prefix),
        LocksAt::Store => "its lock is in the store of the runs".to_owned(),
        LocksAt::Local => "its lock is seen on this machine only".to_owned(),
    });
    lines
}

/// Every parameter that a runbook fetches and decrypts by the inventory's word.
fn credentials(cluster: &Cluster) -> Vec<String> {
    let Creds { admin, system } = &cluster.creds;
    let of = |who: &str, at: &CredsAt| format!("the {who}'s credentials from {} and {}", at.jwt, at.seed);
    let mut lines = vec![format!("its parameters are below {}", cluster.ssm_prefix), of("admin", admin)];
    lines.extend(system.iter().map(|at| of("system user", at)));
    let services = cluster.services.iter();
    lines.extend(
        services
            .map(|(name, service)| format!("the service {name}'s address and credentials below {}", service.ssm_path)),
    );
    lines
}

fn head(cluster: &Cluster) -> String {
    let account = match &cluster.aws {
        None => "no AWS account".to_owned(),
        Some(aws) => {
            let profile = aws.profile.as_ref().map(|name| format!(" as profile {name}")).unwrap_or_default();
            let role = aws.act_role.as_ref().map(|role| format!("; acts assume {role}")).unwrap_or_default();
            let account = aws.account.as_deref().unwrap_or("not named");
            format!("account {account} in {}{profile}{role}", aws.region)
        }
    };
    format!("{}: {}, {account}", cluster.name, text::many(cluster.nodes.len(), "node"))
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

pub(crate) fn grants(plugin: &str, entry: &PluginEntry) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(component) = &entry.component {
        lines.push(format!("{plugin} is the file {} with SHA-256 {}", component.file, component.sha256));
        for (operation, effect) in &entry.effects {
            lines.push(format!("{plugin}.{operation} counts as {effect}, whatever it says of itself"));
        }
    }
    for grant in &entry.http {
        let private = if grant.private { ", also where that is a private address" } else { "" };
        lines.push(format!("{plugin} may reach {}{private}", grant.origin));
        for (method, path) in &grant.read {
            lines.push(format!("  and {method} {path} there counts as reading"));
        }
        match grant.write.as_deref() {
            Some([]) => lines.push("  and changes nothing there".to_owned()),
            Some(write) => lines.push(format!("  and changes something there only in {}", write.join(", "))),
            None => {}
        }
    }
    lines.extend(entry.secrets.iter().map(|secret| format!("{plugin} may use the secret {secret}")));
    lines
}

fn axiom(Axiom { url }: &Axiom) -> Option<String> {
    url.as_ref().map(|url| format!("Axiom at {url}"))
}

fn terraform(terraform: &Terraform) -> Option<String> {
    let Terraform { address, organization, workspace, repo, file, block } = terraform;
    let parts = [
        ("at", address),
        ("organization", organization),
        ("workspace", workspace),
        ("repository", repo),
        ("file", file),
        ("block", block),
    ];
    let said: Vec<String> =
        parts.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?))).collect();
    (!said.is_empty()).then(|| format!("Terraform: {}", said.join(", ")))
}

fn rule(rule: &Rule) -> String {
    let Rule { when, confirm, overriders } = rule;
    let Confirm { people, requester, groups, answer_within } = confirm;
    let labels: Vec<String> = when.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    let labels = if labels.is_empty() { "nothing else fits".to_owned() } else { labels.join(", ") };
    let people = text::many(*people as usize, "person").replace("persons", "people");
    let who = if *requester { "the requester included" } else { "not the requester" };
    let of = |groups: &[String]| if groups.is_empty() { String::new() } else { format!(", of {}", groups.join(", ")) };
    let within = answer_within.map(|within| format!(", within {}", text::duration(within))).unwrap_or_default();
    let overrides = if overriders.is_empty() { "the same".to_owned() } else { overriders.join(", ") };
    format!("where {labels}: {people}, {who}{}{within}; {overrides} may override", of(groups))
}

fn person(name: &str, person: &Person) -> String {
    let Person { os, slack, oidc, groups } = person;
    let known = [("the user", os), ("in Slack", slack), ("signed in as", oidc)];
    let known = known.into_iter().filter_map(|(how, name)| Some(format!("{how} {}", name.as_ref()?)));
    let known = known.collect::<Vec<_>>().join(", ");
    let known = if known.is_empty() { "known by no identity".to_owned() } else { known };
    let groups = if groups.is_empty() { String::new() } else { format!("; in {}", groups.join(", ")) };
    format!("{name}: {known}{groups}")
}

fn store(found: &Found, StoreAt { path }: &StoreAt) -> String {
    let path = path.as_deref().map_or_else(paths::state, |path| paths::expand(path, found.folder()));
    path.map_or_else(|error| error.message, |path| path.display().to_string())
}
