//! `aws.parameters` over the parameters of the world. Whether a value looks as it should is judged by the real plugin
//! only: here values are what the setup says.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sluice_plugin::inventory::Aws;
use sluice_plugin::{Call, Host, Outcome, Problem, Secret};

use crate::setup::Parameter;
use crate::world::World;

#[derive(Deserialize)]
struct Input {
    aws: Aws,
    names: BTreeMap<String, String>,
    #[serde(default)]
    secret: BTreeSet<String>,
    #[serde(default)]
    optional: BTreeSet<String>,
}

pub(super) async fn run(world: &World, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
    let input: Input = super::input(call)?;
    let store = super::ask(world, &input.aws, "ssm:GetParameters", |state| state.setup.parameters.clone()).await?;
    let find = |name: &String| store.iter().find(|known| known.name == *name);
    let missing: BTreeMap<&String, &String> =
        input.names.iter().filter(|(key, name)| !input.optional.contains(*key) && find(name).is_none()).collect();
    if !missing.is_empty() {
        let listed: Vec<String> = missing.iter().map(|(key, name)| format!("{name} (`{key}`)")).collect();
        let message = format!("not in the parameter store of {}: {}", input.aws.region, listed.join(", "));
        let problem = Problem { path: Some("/names".to_owned()), ..Problem::not_applied("not_found", message) };
        return Err(problem.with_details(json!({ "missing": missing, "region": input.aws.region })));
    }
    let (mut values, mut secrets, mut versions) = (Map::new(), Map::new(), Map::new());
    for (key, name) in &input.names {
        let found = find(name);
        versions.extend(found.map(|found| (key.clone(), json!(found.version))));
        if input.secret.contains(key) {
            secrets.insert(key.clone(), found.map_or(Value::Null, |found| seal(host, key, found)));
        } else {
            values.insert(key.clone(), found.map_or(Value::Null, |found| json!(found.value.trim())));
        }
    }
    super::output(json!({ "values": values, "secrets": secrets, "versions": versions }))
}

fn seal(host: &dyn Host, key: &str, found: &Parameter) -> Value {
    host.seal(&format!("/secrets/{}", key.replace('~', "~0").replace('/', "~1")), Secret::new(found.value.trim()))
}
