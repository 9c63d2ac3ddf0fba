//! `nats.step_down`: moves what one node leads to others, as far as the credentials allow.
//!
//! It may be repeated: a node that leads nothing is left alone.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use sluice_plugin::inventory::{Cluster, Node};
use sluice_plugin::{Abilities, Action, ActionSpec, ByHand, Call, Effect, Host, Outcome, Preview, Problem};

use super::{common, gate_input};
use crate::by_hand::{self, Nats};
use crate::link::creds::{CredsInput, UserCreds};
use crate::link::wire::Wire;
use crate::look::Looking;
use crate::names::StreamName;
use crate::quorum::{self, Target};
use crate::step_down::{self, Place, Rights};

pub(super) struct StepDown(pub(super) Arc<dyn Wire>);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    cluster: Cluster,
    /// The node that is to lead nothing any more.
    node: Node,
    /// Of the account whose streams and consumers are to move; without, they stay.
    #[serde(default)]
    creds: Option<CredsInput>,
    /// A user of the system account; without, the meta leader stays.
    #[serde(default)]
    system: Option<CredsInput>,
}

/// The input, with the credentials as they are.
struct Ready {
    account: Option<UserCreds>,
    system: Option<UserCreds>,
}

impl Ready {
    fn of(host: &dyn Host, input: &Input) -> Result<Self, Problem> {
        let account = gate_input::reveal(host, input.creds.as_ref(), "/creds")?;
        let system = gate_input::reveal(host, input.system.as_ref(), "/system")?;
        Ok(Self { account, system })
    }

    fn rights(&self) -> Rights<'_> {
        Rights { account: self.account.as_ref(), system: self.system.as_ref() }
    }
}

#[async_trait]
impl Action for StepDown {
    fn spec(&self) -> ActionSpec {
        let with = json!({
            "cluster": common::example_cluster(), "node": gate_input::example_node(1),
            "creds": gate_input::example_creds()
        });
        let output = include_str!("../../examples/step_down.json");
        let example = common::example("the admin user, without system rights", with, output);
        let summary = "Move the leaders of streams and consumers off a node, and with system rights the meta leader";
        let spec = common::reads::<Input, step_down::StepDown>("nats.step_down", summary, vec![example]);
        let spec = gate_input::with_permissions(spec);
        let acts = [
            "$JS.API.STREAM.LEADER.STEPDOWN.*",
            "$JS.API.CONSUMER.LEADER.STEPDOWN.*.*",
            "$JS.API.META.LEADER.STEPDOWN",
        ];
        let acts = acts.map(|subject| common::needs(subject, "{cluster.name}"));
        ActionSpec {
            effect: Effect::Change,
            abilities: Abilities { preview: true, ..Abilities::default() },
            permissions: spec.permissions.iter().cloned().chain(acts).collect(),
            ..spec
        }
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = common::input(call)?;
        let ready = Ready::of(host, &input)?;
        let led = led(host, &*self.0, &input).await?;
        let place = Place { host, wire: &*self.0, cluster: &input.cluster, node: &input.node };
        common::plain(&step_down::run(&place, ready.rights(), &led).await)
    }

    async fn preview(&self, host: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        let input: Input = common::input(call)?;
        let ready = Ready::of(host, &input)?;
        let led = led(host, &*self.0, &input).await?;
        if led.up && led.leads.is_empty() && !led.leads_meta {
            return Ok(Preview::Already { output: common::output(&step_down::nothing(&input.node.name))? });
        }
        let binding = json!({ "cluster": input.cluster.name, "node": input.node.name });
        let facts = json!({
            "leads_meta": led.leads_meta, "leads": led.leads, "expect": step_down::expected(ready.rights(), &led)
        });
        Ok(Preview::Ready { binding, facts })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { cluster, node, creds, system }) = common::input(call) else { return Vec::new() };
        let mut commands =
            by_hand::raft(&cluster, &format!("which streams, consumers and meta group {} leads", node.name));
        let urls = by_hand::urls_of(&cluster);
        let streams = cluster.streams.iter().filter(|name| StreamName::parse(name, "").is_ok());
        let streams: Vec<[[&str; 4]; 2]> =
            streams.map(|name| ["stream", "consumer"].map(|thing| [thing, "cluster", "step-down", name])).collect();
        let off = format!("a leader that is not {}; where it leads nothing, leave this out", node.name);
        let asked: Vec<(&[&str], &str)> =
            streams.iter().flatten().map(|words| (words.as_slice(), off.as_str())).collect();
        commands.extend(
            creds.and_then(|creds| Nats::new(&urls, &creds)).into_iter().flat_map(|nats| nats.commands(&asked)),
        );
        let meta: [(&[&str], &str); 1] = [(&["server", "raft", "step-down"], "a meta leader that is another node")];
        let nats = system.and_then(|creds| Nats::new(&urls, &creds));
        commands.extend(nats.into_iter().flat_map(|nats| nats.commands(&meta)));
        commands
    }
}

/// What the node leads, as the nodes' endpoints say it: of every account.
async fn led(host: &dyn Host, wire: &dyn Wire, input: &Input) -> Result<Target, Problem> {
    let node = gate_input::place(&input.cluster, &input.node, "/node")?;
    common::progress(host, format!("asking what {} leads", input.node.name), 0, None);
    let looking = Looking::begin(host, wire, &input.cluster, None, Some(node)).await;
    Ok(looking.judged(|look| quorum::judge(look).quorum.target, |_| true).await)
}
