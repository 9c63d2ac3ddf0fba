//! What the action files share: their description, their input, and the inventory's `aws` when it must be there.
//!
//! It knows the plugin contract and no AWS service.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sluice_plugin::inventory::Aws;
use sluice_plugin::{
    Abilities, ActionName, ActionSpec, BadName, Call, Effect, Example, GateClass, Outcome, Permission, Problem,
    Verdict, typed,
};

/// The service of rights that an act needs. Where the inventory has an `act_role`, they are the role's and not the
/// caller's; otherwise they are the caller's like all others.
pub(crate) const OF_THE_ACT: &str = "aws_act";

/// What differs between the descriptions of two actions.
pub(crate) struct About {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    /// Rights beside `sts:GetCallerIdentity`, which all need: the right and what it is needed on.
    pub(crate) rights: &'static [(&'static str, &'static str)],
    pub(crate) examples: Vec<Example>,
}

/// The description of an action that only reads and that takes `I` and gives `O`.
pub(crate) fn read_spec<I: JsonSchema, O: JsonSchema>(about: About) -> ActionSpec {
    let rights = std::iter::once(&("sts:GetCallerIdentity", "*")).chain(about.rights);
    ActionSpec {
        permissions: rights.map(|(right, on)| permission(right, on)).collect(),
        examples: about.examples,
        ..ActionSpec::reading::<I, O>(constant(ActionName::parse(about.name)), about.summary)
    }
}

/// The description of a gate: it reads, and says what it thinks of it.
pub(crate) fn gate_spec<I: JsonSchema, O: JsonSchema>(class: GateClass, about: About) -> ActionSpec {
    ActionSpec { gate: Some(class), ..read_spec::<I, O>(about) }
}

/// The description of an act that ends something, or may. `act`: the right of the act itself on all that it is needed on,
/// beside those to look.
pub(crate) fn destroy_spec<I: JsonSchema, O: JsonSchema>(about: About, (right, on): (&str, &[&str])) -> ActionSpec {
    let spec = read_spec::<I, O>(about);
    let mut permissions = spec.permissions;
    let of_the_act = |on: &&str| Permission { service: OF_THE_ACT.to_owned(), ..permission(right, on) };
    permissions.extend(on.iter().map(of_the_act));
    ActionSpec {
        effect: Effect::Destroy,
        idempotent: false,
        abilities: Abilities { check: false, preview: true, reconcile: true },
        permissions,
        ..spec
    }
}

fn permission(right: &str, on: &str) -> Permission {
    Permission { service: "aws".to_owned(), right: right.to_owned(), on: on.to_owned() }
}

/// A name that stands in the source.
#[expect(clippy::expect_used, reason = "the text is a constant, and a test describes every action")]
pub(crate) fn constant<T>(parsed: Result<T, BadName>) -> T {
    parsed.expect("a name in the source is well formed")
}

pub(crate) fn input<I: DeserializeOwned>(call: &Call) -> Result<I, Problem> {
    typed::input(&call.with)
}

pub(crate) fn output(output: impl Serialize) -> Result<Outcome, Problem> {
    value(output).map(Outcome::plain)
}

pub(crate) fn judged(output: impl Serialize, (verdict, why): (Verdict, impl Into<String>)) -> Result<Outcome, Problem> {
    Ok(Outcome::judged(value(output)?, verdict, why))
}

pub(crate) fn value(value: impl Serialize) -> Result<Value, Problem> {
    typed::output(&value)
}

/// The `aws` of a cluster or node, at `pointer` in the input.
pub(crate) fn required<'a>(aws: Option<&'a Aws>, pointer: &str, cluster: &str) -> Result<&'a Aws, Problem> {
    aws.ok_or_else(|| {
        let message = format!(
            "the inventory has no `aws` for cluster {cluster}; add `aws: {{ account: \"<12 digits>\", region: <region> }}` to it"
        );
        Problem::bad_input(pointer, message)
    })
}

/// The `aws` of a cluster that was passed on whole, at `/aws`.
pub(crate) fn given(aws: Option<&Aws>) -> Result<&Aws, Problem> {
    aws.ok_or_else(|| {
        let message = "the cluster has no `aws` in the inventory; add `aws: { account: \"<12 digits>\", region: <region> }` to it";
        Problem::bad_input("/aws", message)
    })
}

/// A node as the examples of acts on its group have it.
pub(crate) fn example_node() -> Value {
    json!({
        "number": 1, "name": "nats-staging-node-1", "cluster": "nats-staging",
        "host": "nats-staging-node-1.nats-staging.internal", "group": "nats-staging-node-1-asg",
        "ports": { "client": 4222, "cluster": 6222, "monitor": 8222 },
        "aws": {
            "account": "123456789012", "region": "us-east-2", "profile": "staging",
            "act_role": "arn:aws:iam::123456789012:role/sluice-act",
        },
    })
}

/// Milliseconds since 1970, or nothing for a time too far away to count.
pub(crate) fn millis(time: Option<&aws_sdk_ssm::primitives::DateTime>) -> Option<i64> {
    time.and_then(|time| time.to_millis().ok())
}

/// The SDK fills in an empty text where the service left a required field out.
pub(crate) fn text(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}
