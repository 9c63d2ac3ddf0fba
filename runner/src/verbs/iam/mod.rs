//! `sluice iam`: the rights that a runbook needs, as policies to hand to whoever grants them.
//!
//! It reads descriptions and the inventory, and asks nobody: no account is reached for it. What becomes of the rights of
//! the actions stands in `policy`.

mod policy;

use std::collections::BTreeSet;

use serde_json::Value;
use sluice_engine::diagnostic::visible;
use sluice_engine::inventory::{Entry, LocksAt};
use sluice_engine::runbook::checked::InputKind;
use sluice_engine::runbook::{Checked, Known};
use sluice_plugin::inventory::Node;

use self::policy::{OF_THE_ACT, Place, Policy, Right};
use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::prepare::{Pair, checked};
use crate::screen::Tone;
use crate::views;

const AFTER: &str = "\
One policy on standard output, ready to use; who needs which, and what NATS must allow, on standard error. Nothing \
is asked and nothing outside is reached.

Examples:
  sluice iam replace-node -i cluster=nats-staging > caller.json
  sluice iam replace-node -i cluster=nats-staging -i node=node-1 --of act-role
  sluice iam replace-node -i cluster=nats-staging --of trust";

/// Print the least rights a runbook needs
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// A name (beside the inventory, then built in) or a path
    #[arg(value_name = "RUNBOOK")]
    runbook: String,

    /// The cluster it is for, and the node if it is for one; what another input, or its default, leaves out needs no rights
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    input: Vec<Pair>,

    /// Whose policy to print
    #[arg(long, value_enum, default_value_t, value_name = "WHOSE")]
    of: Whose,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Whose {
    /// Of whoever runs the runbook
    #[default]
    Caller,
    /// Of the inventory's `act_role`
    ActRole,
    /// Who may assume the `act_role`
    Trust,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let runbook = checked(context, &args.runbook)?;
    let entry = cluster(context, &runbook, &args.input)?;
    let nodes = nodes(&runbook, entry, &args.input)?;
    let place = Place::new(entry.map(|entry| &entry.cluster), &nodes);
    let rights = rights(&runbook, &known(&runbook, &args.input), entry);
    let role = place.act_role();
    let document = match (args.of, role) {
        (Whose::Caller, role) => Policy::of_caller(&rights, &place, role).document(),
        (Whose::ActRole, Some(_)) => Policy::of_role(&rights, &place).document(),
        (Whose::Trust, Some(_)) => policy::trust(&place),
        (Whose::ActRole | Whose::Trust, None) => return Err(no_role(entry)),
    };
    explain(context, &runbook, &rights, role);
    views::json(&document)?;
    Ok(Exit::DONE)
}

fn no_role(entry: Option<&Entry>) -> CommandError {
    let cluster = entry.map_or("the cluster", |entry| &entry.cluster.name);
    CommandError::usage(format!("{cluster} has no `act_role` in the inventory: the caller needs all the rights"))
        .hint("add `act_role: arn:aws:iam::<account>:role/<name>` to its `aws`, or print the caller's policy")
}

/// The cluster that is named, or the only one there is. None for a runbook that takes none.
fn cluster<'a>(context: &'a Context, runbook: &Checked, pairs: &[Pair]) -> Result<Option<&'a Entry>> {
    let takes = |name: &str, kind: fn(&InputKind) -> bool| runbook.inputs.get(name).is_some_and(|one| kind(&one.kind));
    if let Some(stranger) = pairs.iter().find(|pair| !runbook.inputs.contains_key(pair.name())) {
        return Err(CommandError::usage(format!("{} has no input `{}`", runbook.name, stranger.name())));
    }
    let is_cluster = |kind: &InputKind| matches!(kind, InputKind::Cluster);
    if !runbook.inputs.values().any(|input| is_cluster(&input.kind)) {
        return Ok(None);
    }
    let found = context.inventory()?.ok_or_else(|| {
        CommandError::usage(format!("{} is for a cluster, and there is no inventory from here upwards", runbook.name))
            .hint("name one with --inventory")
    })?;
    let known = &found.inventory.clusters;
    let names: Vec<&str> = known.keys().map(|name| name.as_str()).collect();
    match pairs.iter().find(|pair| takes(pair.name(), is_cluster)) {
        Some(pair) => found.inventory.entry(pair.value()).map(Some).ok_or_else(|| {
            CommandError::usage(format!("the inventory has no cluster `{}`", pair.value()))
                .hint(format!("it has {}", names.join(", ")))
        }),
        None => match known.values().next().filter(|_| known.len() == 1) {
            Some(only) => Ok(Some(only)),
            None => Err(CommandError::usage(format!("{} is for a cluster, and none is named", runbook.name))
                .hint(format!("give one with `-i cluster=...`: {}", names.join(", ")))),
        },
    }
}

/// The nodes that are named, or all of the cluster.
fn nodes(runbook: &Checked, entry: Option<&Entry>, pairs: &[Pair]) -> Result<Vec<Node>> {
    let Some(cluster) = entry.map(|entry| &entry.cluster) else { return Ok(Vec::new()) };
    let of_nodes = |pair: &&Pair| {
        let kind = runbook.inputs.get(pair.name()).map(|input| &input.kind);
        matches!(kind, Some(InputKind::Node { .. } | InputKind::Nodes { .. }))
    };
    let named: Vec<&str> = pairs.iter().filter(of_nodes).flat_map(|pair| pair.value().split(',')).collect();
    if named.is_empty() {
        return Ok(cluster.nodes.clone());
    }
    let find = |name: &&str| {
        let is = |node: &&Node| {
            node.name == *name || node.number.to_string() == *name || node.name.ends_with(&format!("-{name}"))
        };
        cluster.nodes.iter().find(is).cloned().ok_or_else(|| {
            let names: Vec<&str> = cluster.nodes.iter().map(|node| node.name.as_str()).collect();
            CommandError::usage(format!("{} has no node `{name}`", cluster.name))
                .hint(format!("it has {}", names.join(", ")))
        })
    };
    named.iter().map(find).collect()
}

/// The inputs that are text, or yes and no, as they are given. Of the others nothing is said that a `when` could ask for.
fn known(runbook: &Checked, pairs: &[Pair]) -> Known {
    let value = |pair: &Pair| match runbook.inputs.get(pair.name()).map(|input| &input.kind) {
        Some(InputKind::Plain(schema)) => match schema.get("type").and_then(Value::as_str) {
            Some("string") => Some(Value::String(pair.value().to_owned())),
            Some("boolean") => pair.value().parse().ok().map(Value::Bool),
            _ => None,
        },
        _ => None,
    };
    pairs.iter().map(|pair| (pair.name().to_owned(), value(pair))).collect()
}

/// What the actions that a run with these inputs comes to need, in called runbooks too, and its lock.
fn rights(runbook: &Checked, inputs: &Known, entry: Option<&Entry>) -> Vec<Right> {
    let reached = runbook.reaches(inputs);
    let called = runbook.actions.iter().filter(|(name, _)| reached.contains(*name));
    let of_actions = called.flat_map(|(name, spec)| {
        spec.permissions.iter().map(move |permission| Right { needed_by: name.to_string(), is: permission.clone() })
    });
    let mut rights: Vec<Right> = of_actions.collect();
    let locked = runbook.lock.is_some() || runbook.called().iter().any(|call| call.runbook.lock.is_some());
    if locked && entry.is_some_and(|entry| entry.locks == LocksAt::Ssm) {
        rights.extend(policy::of_the_lock());
    }
    rights
}

/// Who needs what, in words.
fn explain(context: &Context, runbook: &Checked, rights: &[Right], role: Option<&str>) {
    let paint = |text: &str| context.screen.err.paint(Tone::Strong, text);
    let lines = |service: &[&str]| {
        let of = rights.iter().filter(|right| service.contains(&right.is.service.as_str()));
        let lines: BTreeSet<String> =
            of.map(|right| format!("  {}  ({})\n", visible(&right.is.right), visible(&right.needed_by))).collect();
        lines.into_iter().collect::<String>()
    };
    let caller: &[&str] = if role.is_some() { &["aws"] } else { &["aws", OF_THE_ACT] };
    let mut text = format!("{}\n{}", paint(&format!("whoever runs {} needs in AWS:", runbook.name)), lines(caller));
    if let Some(role) = role {
        text.push_str(&format!("  sts:AssumeRole  (on {})\n", visible(role)));
        text.push_str(&format!("{}\n{}", paint(&format!("{} needs:", visible(role))), lines(&[OF_THE_ACT])));
        text.push_str("  print it with `--of act-role`, and who may assume it with `--of trust`\n");
    }
    let nats = lines(&["nats"]);
    if !nats.is_empty() {
        let title = "the NATS user of the runbook must be allowed to publish, and to subscribe to _INBOX.>:";
        text.push_str(&format!("{}\n{nats}", paint(title)));
    }
    if rights.iter().any(|right| right.is.right == "kms:Decrypt") {
        text.push_str("kms:Decrypt is needed only for parameters under a key of your own; name that key there\n");
    }
    views::err(&text);
}
