//! `nats.context`: a creds file and a context for the `nats` command, in the run's private folder.
//!
//! The context is private to the run: the one a person has selected is shared by all their shells and is not touched.

use std::path::Path;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Host, Outcome, Problem, Secret, schema};

use super::common;
use crate::by_hand::Nats;
use crate::link::address::{Address, Urls};
use crate::link::creds::CredsInput;

pub(super) struct Context;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The user's JWT.
    #[schemars(schema_with = "schema::secret")]
    jwt: Value,
    /// The user's NKey seed.
    #[schemars(schema_with = "schema::secret")]
    seed: Value,
    /// `host`, `host:port`, a `nats://` URL, a comma list, or a list.
    url: Urls,
    /// What the context is called.
    #[serde(default = "pivot")]
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$"))]
    name: String,
}

fn pivot() -> String {
    "pivot".to_owned()
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    /// Path of the creds file, for `--creds`.
    creds: String,
    /// Folder to set as `XDG_CONFIG_HOME`; the context in it is selected.
    config_home: String,
    /// The context's name, for `--context`.
    context: String,
    /// For `--server`: one URL or a comma list.
    url: String,
    /// One line for a person.
    summary: String,
}

#[async_trait]
impl Action for Context {
    fn spec(&self) -> ActionSpec {
        let with = json!({
            "jwt": { "$secret": "steps.creds#/jwt" }, "seed": { "$secret": "steps.creds#/seed" },
            "url": "nats-staging-node-1.nats-staging.internal", "name": "pivot"
        });
        let output = r#"{
            "creds": "/run/user/1000/sluice/0192/nats-pivot/user.creds", "config_home": "/run/user/1000/sluice/0192/nats-pivot",
            "context": "pivot", "url": "nats://nats-staging-node-1.nats-staging.internal:4222",
            "summary": "creds file and context `pivot`, private to this run"
        }"#;
        let summary = "Write a creds file and a private context for the nats command";
        let spec = common::reads::<Input, Output>(
            "nats.context",
            summary,
            vec![common::example("the admin user", with, output)],
        );
        ActionSpec { ephemeral: true, ..spec }
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { jwt, seed, url, name } = common::input(call)?;
        let name = context_name(&name)?;
        let addresses = url.parse("/url")?;
        let url = addresses.iter().map(Address::url).collect::<Vec<_>>().join(",");
        let creds = CredsInput { jwt, seed }.reveal(host, "")?;
        let folder = format!("nats-{name}");
        let creds_path = host.private_file(&format!("{folder}/user.creds"), &creds.file())?;
        let Some(creds_text) = creds_path.to_str() else {
            let message = format!(
                "the private folder {} has a name that is no text, and the nats command could not read it",
                creds_path.display()
            );
            return Err(Problem::not_applied("private_file", message));
        };
        let context = Secret::new(context_file(&url, creds_text));
        host.private_file(&format!("{folder}/nats/context/{name}.json"), &context)?;
        let selected = host.private_file(&format!("{folder}/nats/context.txt"), &Secret::new(name))?;
        let config_home =
            selected.parent().and_then(Path::parent).map(|path| path.display().to_string()).unwrap_or_default();
        let summary = format!("creds file and context `{name}`, private to this run");
        let (creds, context) = (creds_path.display().to_string(), name.to_owned());
        common::plain(&Output { creds, config_home, context, url, summary })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { jwt, seed, url, .. }) = common::input::<Input>(call) else { return Vec::new() };
        let look_for = "a round trip to each server; give nats these two options in all that follows";
        let ask = |nats: Nats| nats.commands(&[(&["rtt"], look_for)]);
        Nats::new(&url, &CredsInput { jwt, seed }).map(ask).unwrap_or_default()
    }
}

/// The name becomes a file's name.
fn context_name(name: &str) -> Result<&str, Problem> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(fits) {
        return Ok(name);
    }
    Err(Problem::bad_input("/name", "a context's name is letters, digits, `-` and `_`"))
}

/// Every key the `nats` command writes itself, so that no version of it misses one.
fn context_file(url: &str, creds: &str) -> String {
    let mut context =
        json!({ "description": "made by sluice for one run", "url": url, "creds": creds, "tls_first": false });
    let empty = [
        "token",
        "user",
        "password",
        "nkey",
        "cert",
        "key",
        "ca",
        "nsc",
        "jetstream_domain",
        "jetstream_api_prefix",
        "jetstream_event_prefix",
        "inbox_prefix",
        "user_jwt",
        "color_scheme",
    ];
    if let Some(object) = context.as_object_mut() {
        object.extend(empty.map(|key| (key.to_owned(), json!(""))));
    }
    format!("{context}\n")
}
