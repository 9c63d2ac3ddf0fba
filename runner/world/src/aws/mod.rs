//! The plugin `aws` of a simulated world: the same actions, described word for word as the real ones are, over groups,
//! instances and parameters that do not exist.
//!
//! Its description is generated from the real plugin, whose tests compare the two. How the real one reads the cloud's
//! answers is its own business: here the answers are right, and only what they are about is simulated.

mod activities;
mod bootstrap;
mod choose;
mod groups;
mod identity;
mod idle;
mod instance;
mod new_instance;
mod parameters;
mod refreshes;
mod terminate;
mod trouble;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sluice_plugin::inventory::{Aws, Node};
use sluice_plugin::{Call, Host, Outcome, Plugin, PluginSpec, Preview, Problem, Reconciled, Verdict};

use crate::state::State;
use crate::state::scaling::Group;
use crate::world::World;

/// The real plugin's description, without its version.
pub const SPEC: &str = include_str!("../../specs/aws.json");

/// Actions that this world answers. A new one is a file here and a line below.
pub struct SimAws {
    spec: PluginSpec,
    world: World,
}

impl SimAws {
    /// An error says that the description in this crate is no description.
    pub fn new(world: World) -> Result<Self, serde_json::Error> {
        Ok(Self { spec: serde_json::from_str(SPEC)?, world })
    }
}

#[async_trait]
impl Plugin for SimAws {
    fn describe(&self) -> &PluginSpec {
        &self.spec
    }

    /// The schemas are checked by the engine; what the real plugin finds beyond them it finds itself.
    fn check(&self, _: &str, _: &Value) -> Vec<Problem> {
        Vec::new()
    }

    async fn run(&self, action: &str, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        match action {
            "activities" => activities::run(&self.world, call).await,
            "bootstrap_line" => bootstrap::run(&self.world, call).await,
            "caller_identity" => identity::run(&self.world, call).await,
            "choose_nodes" => choose::run(&self.world, call).await,
            "cluster_idle" => idle::run(&self.world, call).await,
            "groups" => groups::run(&self.world, call).await,
            "new_instance" => new_instance::run(&self.world, call).await,
            "newest_refresh" => refreshes::newest(&self.world, call).await,
            "start_refresh" => refreshes::start(&self.world, call).await,
            "cancel_refresh" => refreshes::cancel(&self.world, call).await,
            "node_instance" => instance::run(&self.world, call).await,
            "parameters" => parameters::run(&self.world, host, call).await,
            "terminate_instance" => terminate::run(&self.world, call).await,
            other => Err(unknown(other)),
        }
    }

    async fn preview(&self, action: &str, _: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        match action {
            "terminate_instance" => terminate::preview(&self.world, call).await,
            "start_refresh" => refreshes::preview_start(&self.world, call).await,
            "cancel_refresh" => refreshes::preview_cancel(&self.world, call).await,
            other => Err(unknown(other)),
        }
    }

    async fn reconcile(&self, action: &str, _: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        match action {
            "terminate_instance" => terminate::reconcile(&self.world, call).await,
            "start_refresh" => refreshes::reconcile_start(&self.world, call).await,
            "cancel_refresh" => refreshes::reconcile_cancel(&self.world, call).await,
            other => Err(unknown(other)),
        }
    }
}

fn unknown(action: &str) -> Problem {
    let message = format!("the simulated world does not answer aws.{action}");
    Problem::not_applied("not_simulated", message)
}

/// Asks one operation of AWS about something, after the account was compared with the inventory's.
async fn ask<T>(world: &World, aws: &Aws, operation: &str, answer: impl FnOnce(&mut State) -> T) -> Result<T, Problem> {
    world
        .call(operation.to_owned(), |state| {
            trouble::meet(state, operation, &aws.region)?;
            identity::compare(aws, &state.setup.caller)?;
            Ok(answer(state))
        })
        .await
}

/// Does one operation of AWS that changes something.
async fn act<T>(
    world: &World,
    aws: &Aws,
    operation: &str,
    deed: impl FnOnce(&mut State) -> Result<T, Problem>,
) -> Result<T, Problem> {
    world
        .call(operation.to_owned(), |state| {
            identity::compare(aws, &state.setup.caller)?;
            trouble::meet_act(state, operation, &aws.region, deed)
        })
        .await
}

/// One group, as the first of the questions about it.
async fn group(world: &World, aws: &Aws, name: &str) -> Result<Group, Problem> {
    let find = |state: &mut State| state.groups.iter().find(|group| group.name == name).cloned();
    let group = ask(world, aws, "autoscaling:DescribeAutoScalingGroups", find).await?;
    group.ok_or_else(|| instance::no_such_group(name, &aws.region))
}

fn input<T: DeserializeOwned>(call: &Call) -> Result<T, Problem> {
    T::deserialize(&call.with).map_err(|error| Problem::bad_input("", format!("the input does not fit: {error}")))
}

fn output(output: impl Serialize) -> Result<Outcome, Problem> {
    let value = serde_json::to_value(output);
    value.map(Outcome::plain).map_err(|error| Problem::not_applied("internal", error.to_string()))
}

fn judged(output: Value, verdict: Verdict, why: impl Into<String>) -> Result<Outcome, Problem> {
    Ok(Outcome::judged(output, verdict, why))
}

/// What ends something is bound to an account.
fn account(aws: &Aws) -> Result<&str, Problem> {
    let missing = || Problem::bad_input("/node/aws/account", "the inventory names no AWS account");
    aws.account.as_deref().ok_or_else(missing)
}

/// What a person confirms: where, as whom, and `what`.
fn binding(aws: &Aws, account: &str, node: &Node, what: Value) -> Value {
    let mut binding = what;
    if let Some(fields) = binding.as_object_mut() {
        let place = json!({ "account": account, "region": aws.region, "group": node.group, "node": node.name });
        fields.extend(place.as_object().cloned().unwrap_or_default());
        fields.extend(aws.act_role.iter().map(|role| ("act_role".to_owned(), json!(role))));
    }
    binding
}

fn required<'a>(aws: Option<&'a Aws>, pointer: &str, cluster: &str) -> Result<&'a Aws, Problem> {
    aws.ok_or_else(|| Problem::bad_input(pointer, format!("the inventory has no `aws` for cluster {cluster}")))
}
