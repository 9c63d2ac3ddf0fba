//! What the caller may do, tried by doing it: read the credentials of the cluster's users, and connect with them.
//!
//! By the actions that runbooks use for it, so what works here works there. What was read stays sealed.

use serde_json::{Value, json};
use sluice_engine::run::Engine;
use sluice_plugin::inventory::{Aws, Cluster, CredsAt};
use tokio::time::timeout;

use super::Tried;
use super::cluster::{AWS_PATIENCE, NETWORK, ask};
use crate::plugins;
use crate::views::text;

pub(super) async fn examine(engine: &Engine, cluster: &Cluster, aws: &Aws) -> Vec<Tried> {
    let users = [("admin", Some(&cluster.creds.admin)), ("system user", cluster.creds.system.as_ref())];
    let mut tried = Vec::new();
    for (who, at) in users.into_iter().filter_map(|(who, at)| Some((who, at?))) {
        match read(engine, aws, at).await {
            Ok(creds) => {
                tried.push(Tried::well(parameters(who), format!("{} and {} can be read", at.jwt, at.seed)));
                tried.push(connect(engine, cluster, who, at, &creds).await);
            }
            Err((seen, mend)) => tried.push(Tried::wrong(parameters(who), seen, mend)),
        }
    }
    tried
}

fn parameters(who: &str) -> String {
    format!("{who}'s parameters")
}

/// References to the two secrets, or what was seen and what mends it.
async fn read(engine: &Engine, aws: &Aws, at: &CredsAt) -> Result<Value, (String, String)> {
    let with = json!({
        "aws": aws,
        "names": { "jwt": at.jwt, "seed": at.seed },
        "secret": ["jwt", "seed"],
        "kinds": { "jwt": "jwt", "seed": "seed" },
    });
    match timeout(AWS_PATIENCE, ask(engine, plugins::PARAMETERS, with)).await {
        Ok(Ok(output)) => Ok(output.get("secrets").cloned().unwrap_or_default()),
        Ok(Err(error)) => {
            let mend = "`creds` in the inventory says where they are; reading them takes ssm:GetParameters, and \
                        kms:Decrypt for the key they are encrypted with";
            Err((error.message, mend.to_owned()))
        }
        Err(_) => Err((format!("no answer within {}", text::duration(AWS_PATIENCE)), NETWORK.to_owned())),
    }
}

async fn connect(engine: &Engine, cluster: &Cluster, who: &str, at: &CredsAt, creds: &Value) -> Tried {
    let what = format!("{who}'s credentials");
    let urls: Vec<String> = cluster.nodes.iter().map(|node| format!("{}:{}", node.host, node.ports.client)).collect();
    let with = json!({ "urls": urls, "creds": creds });
    let mend = || format!("put the credentials of a user that the cluster knows into {} and {}", at.jwt, at.seed);
    match timeout(AWS_PATIENCE, ask(engine, plugins::WHOAMI, with)).await {
        Ok(Ok(output)) => {
            let summary = output.get("summary").and_then(Value::as_str).unwrap_or("?").to_owned();
            let unreached = output.get("unreached").is_some_and(|unreached| !unreached.is_null());
            match output.get("accepted") {
                Some(Value::Bool(true)) => Tried::well(what, summary),
                _ if unreached => Tried::wrong(what, summary, NETWORK),
                _ => Tried::wrong(what, summary, mend()),
            }
        }
        Ok(Err(error)) => Tried::wrong(what, error.message, mend()),
        Err(_) => Tried::wrong(what, format!("no answer within {}", text::duration(AWS_PATIENCE)), NETWORK),
    }
}
