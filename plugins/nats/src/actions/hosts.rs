//! `nats.hosts`: the addresses in a `nats_host` parameter, whatever its form.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::{Action, ActionSpec, Call, Host, Outcome, Problem};

use super::common;
use crate::link::address::{Address, Urls};

pub(super) struct Hosts;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The parameter's value: `host`, `host:port`, a `nats://` URL, or a comma list of those.
    value: Urls,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    hosts: Vec<Address>,
    /// The same as URLs.
    urls: Vec<String>,
    /// The same as one comma list, as the `nats` command takes it.
    list: String,
}

#[async_trait]
impl Action for Hosts {
    fn spec(&self) -> ActionSpec {
        let with = serde_json::json!({ "value": "n1.internal,n2.internal:4223" });
        let output = r#"{
            "hosts": [{ "host": "n1.internal", "port": 4222, "tls": false }, { "host": "n2.internal", "port": 4223, "tls": false }],
            "urls": ["nats://n1.internal:4222", "nats://n2.internal:4223"],
            "list": "nats://n1.internal:4222,nats://n2.internal:4223"
        }"#;
        let summary = "Read the addresses in a nats_host parameter";
        common::reads::<Input, Output>("nats.hosts", summary, vec![common::example("a comma list", with, output)])
    }

    async fn run(&self, _host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { value } = common::input(call)?;
        let hosts = value.parse("/value")?;
        let urls: Vec<String> = hosts.iter().map(Address::url).collect();
        let list = urls.join(",");
        common::plain(&Output { hosts, urls, list })
    }
}
