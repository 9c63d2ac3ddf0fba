//! Something that answers on a dead node's monitoring port as a healthy server would. What it says is a living node's
//! answer, under the dead one's name and an invented id, or unchanged.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::error::{Context, Result};
use crate::http::{self, Reply};
use crate::plan::Plan;
use crate::server::wait_for;

const WITHIN: Duration = Duration::from_secs(1);

/// Answers for node `n` until it is aborted. With `as_other` the living node's names are left as they are.
pub(crate) async fn stand_in(plan: &Plan, n: u8, living: Vec<SocketAddr>, as_other: bool) -> Result<JoinHandle<()>> {
    let (address, name) = (plan.monitor(n), plan.node_name(n));
    // The dead server's socket may be held for a moment longer.
    wait_for(Duration::from_secs(5), || async { TcpListener::bind(address).await.map(drop).context(address) }).await?;
    let listener = TcpListener::bind(address).await.context(address)?;
    Ok(tokio::spawn(http::serve(listener, move |request| {
        let (living, name) = (living.clone(), name.clone());
        async move { answer(&living, &request.path, (!as_other).then_some(name.as_str())).await }
    })))
}

async fn answer(living: &[SocketAddr], path: &str, name: Option<&str>) -> Reply {
    for address in living {
        if let Ok(answer) = http::get(*address, path, WITHIN).await {
            let body = match name {
                Some(name) => renamed(*address, answer.body, name).await,
                None => answer.body,
            };
            return Reply { status: answer.status, headers: Vec::new(), body, cut: false };
        }
    }
    Reply::json(200, &json!({ "status": "ok" }))
}

async fn renamed(address: SocketAddr, body: String, name: &str) -> String {
    let Ok(varz) = http::get(address, "/varz", WITHIN).await else { return body };
    let varz: Value = serde_json::from_str(&varz.body).unwrap_or_default();
    let text = |key: &str| varz.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let invented = format!("N{:A<55}", "IMPOSTOR");
    let body = text("server_name").map_or(body.clone(), |other| body.replace(other, name));
    text("server_id").map_or(body.clone(), |other| body.replace(other, &invented))
}
