//! `aws.parameters`: several parameters of the parameter store in one call, plain ones as text, secret ones sealed.
//!
//! A value is looked at before it is handed on: ciphertext, a cut-off token or an empty parameter would otherwise be
//! found out much later, as a refused login. No message ever holds a value.

mod fetch;
mod request;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use sluice_plugin::by_hand::{self, ByHand};
use sluice_plugin::{Abilities, Action, ActionSpec, Call, Example, Host, Outcome, Problem, SecretRef};

use self::fetch::{Found, GET_PARAMETERS, fetch};
use self::request::{Input, ParameterName};
use self::value::judge;
use crate::action::{About, given, input, output, read_spec};
use crate::clients::{ClientSet, Clients};

pub(crate) struct Parameters(pub(crate) Arc<Clients>);

#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    /// By key, those not listed under `secret`: the text; null for an optional one that is not there.
    #[schemars(extend("x-keys" = json!({ "of": "names", "not": "secret", "maybe": "optional" })))]
    values: BTreeMap<String, Option<String>>,
    /// By key, those listed under `secret`: the sealed secret; null for an optional one that is not there.
    #[schemars(schema_with = "sealed")]
    secrets: BTreeMap<String, Value>,
    /// By key: the parameter's version, for those that are there.
    versions: BTreeMap<String, i64>,
}

/// Apart from the plain values, so that those may be used like any text.
fn sealed(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-keys": { "of": "secret", "maybe": "optional" }, "additionalProperties": { "anyOf": [
        { "type": "null" },
        {
            "type": "object", "x-secret": true, "required": ["$secret"], "additionalProperties": false,
            "properties": { "$secret": { "type": "string" } },
        },
    ] } })
}

#[async_trait]
impl Action for Parameters {
    fn spec(&self) -> ActionSpec {
        let spec = read_spec::<Input, Output>(About {
            name: "aws.parameters",
            summary: "Read parameters from the parameter store, decrypted, secret ones sealed",
            rights: &[
                (GET_PARAMETERS, "arn:aws:ssm:{aws.region}:{aws.account}:parameter{names}"),
                ("kms:Decrypt", "arn:aws:kms:{aws.region}:{aws.account}:key/*"),
            ],
            examples: vec![example()],
        });
        ActionSpec { ephemeral: true, abilities: Abilities { check: true, ..Abilities::default() }, ..spec }
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        request::check(with)
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        if let Some(problem) = request::check(&call.with).into_iter().next() {
            return Err(problem);
        }
        let input: Input = input(call)?;
        let names = input.parameter_names()?;
        let aws = self.0.open(given(input.aws.as_ref())?, call.purpose).await?;
        let found = fetch(&aws, names.values(), input.decrypt).await?;
        refuse_missing(&aws, &input, &names, &found)?;
        refuse_bad(&input, &names, &found)?;
        output(Output::of(host, &input, &names, found))
    }

    /// A secret goes into the variable by which later steps know it, and not to the screen.
    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input::<Input>(call) else { return Vec::new() };
        let (Ok(names), Some(aws)) = (input.parameter_names(), &input.aws) else { return Vec::new() };
        let one = |(key, name): (&&str, &ParameterName)| {
            let decrypt = if input.decrypt { "--with-decryption" } else { "--no-with-decryption" };
            let words = ["ssm", "get-parameter", decrypt, "--name", name.as_str()];
            let words = words.into_iter().chain(["--query", "Parameter.Value", "--output", "text"]);
            if input.is_secret(key) {
                let variable = by_hand::name(&SecretRef(format!("steps.{}#{}", call.step, pointer(key))));
                let look_for = "no error; the value is not shown";
                return crate::by_hand::aws(aws, words, look_for).into_variable(&variable).once();
            }
            let absent = if input.is_optional(key) { "; ParameterNotFound is no harm" } else { "" };
            crate::by_hand::aws(aws, words, &format!("the value of `{key}`{absent}"))
        };
        std::iter::once(crate::by_hand::account(aws)).chain(names.iter().map(one)).collect()
    }
}

/// All that are missing are told at once: at night nobody wants to find them one by one.
fn refuse_missing(
    aws: &ClientSet,
    input: &Input,
    names: &BTreeMap<&str, ParameterName>,
    found: &BTreeMap<ParameterName, Found>,
) -> Result<(), Problem> {
    let wanted = names.iter().filter(|(key, name)| !input.is_optional(key) && !found.contains_key(*name));
    let missing: BTreeMap<_, _> = wanted.map(|(key, name)| (*key, name.as_str())).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let listed: Vec<_> = missing.iter().map(|(key, name)| format!("{name} (`{key}`)")).collect();
    let message = format!(
        "not in the parameter store of {}: {}; look at `ssm_prefix`, `creds`, `services` and `region` of the cluster in \
         the inventory, create them, or list under `optional` what may be absent",
        aws.place(),
        listed.join(", ")
    );
    let problem = Problem { path: Some("/names".to_owned()), ..Problem::not_applied("not_found", message) };
    Err(problem.with_details(json!({ "missing": missing, "region": aws.region() })))
}

fn refuse_bad(
    input: &Input,
    names: &BTreeMap<&str, ParameterName>,
    found: &BTreeMap<ParameterName, Found>,
) -> Result<(), Problem> {
    let mut bad = names.iter().filter_map(|(key, name)| {
        let fault = judge(found.get(name)?, input.kind(key), input.is_secret(key), input.decrypt).err()?;
        Some((fault.code(), fault.pointer(), format!("{name} (`{key}`) {fault}")))
    });
    let Some((code, pointer, first)) = bad.next() else { return Ok(()) };
    let message = bad.fold(first, |message, (_, _, next)| format!("{message}; {next}"));
    Err(Problem { path: Some(pointer.to_owned()), ..Problem::not_applied(code, message) })
}

impl Output {
    fn of(
        host: &dyn Host,
        input: &Input,
        names: &BTreeMap<&str, ParameterName>,
        found: BTreeMap<ParameterName, Found>,
    ) -> Self {
        let mut output = Self::default();
        for (key, name) in names {
            let (key, found) = ((*key).to_owned(), found.get(name));
            if input.is_secret(&key) {
                let seal = |found: &Found| host.seal(&pointer(&key), found.value.clone());
                output.secrets.insert(key.clone(), found.map_or(Value::Null, seal));
            } else {
                output.values.insert(key.clone(), found.map(|found| found.value.expose().to_owned()));
            }
            output.versions.extend(found.map(|found| (key, found.version)));
        }
        output
    }
}

/// Where the leaf of `key` stands in the output, as a JSON pointer.
fn pointer(key: &str) -> String {
    format!("/secrets/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn example() -> Example {
    Example {
        summary: "The address and the admin credentials of a cluster".to_owned(),
        with: json!({
            "aws": { "account": "123456789012", "region": "us-east-2", "profile": "staging", "act_role": null },
            "names": {
                "nats_host": "/nats-cluster/nats-staging/services/facebox/nats_host",
                "jwt": "/nats-cluster/nats-staging/admin/nats_admin_jwt",
                "seed": "/nats-cluster/nats-staging/admin/nats_admin_nkey_seed",
                "system_jwt": "/nats-cluster/nats-staging/system/nats_jwt",
            },
            "secret": ["jwt", "seed", "system_jwt"],
            "optional": ["system_jwt"],
            "kinds": { "nats_host": "text", "jwt": "jwt", "seed": "seed", "system_jwt": "jwt" },
        }),
        output: json!({
            "values": { "nats_host": "nats://nats-staging-node-1.nats-staging.internal:4222" },
            "secrets": {
                "jwt": { "$secret": "steps.creds#/secrets/jwt" },
                "seed": { "$secret": "steps.creds#/secrets/seed" },
                "system_jwt": null,
            },
            "versions": { "nats_host": 1, "jwt": 3, "seed": 3 },
        }),
    }
}

#[cfg(test)]
mod tests;
