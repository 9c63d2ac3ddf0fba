//! Reads the endpoints of all nodes at one time, through the host, within a bounded time.
//!
//! A round is what all nodes said at about one moment. What it means is not decided here.

use std::time::Duration;

use futures::future::{join, join_all, join4};
use serde::de::DeserializeOwned;
use sluice_plugin::inventory::Node;
use sluice_plugin::{Host, HttpRequest, HttpResponse};

use super::figures::{ConnzFigures, JszFigures, VarzFigures};
use super::model::{Connz, Health, HealthBody, Jsz, Routez, Varz};
use super::reach::{Kind, Reach, Unreached};

/// How long one endpoint may take. A frozen server accepts the connection and never answers.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) const JSZ: &str = "/jsz?accounts=1&streams=1&consumers=1&config=1&raft=1&limit=100000";

/// Everything one node said in one round.
#[derive(Clone, Debug)]
pub(crate) struct NodeRead {
    pub(crate) health: Reach<Health>,
    pub(crate) varz: Reach<Varz>,
    pub(crate) jsz: Reach<Jsz>,
    pub(crate) connz: Reach<Connz>,
}

/// The figures of one server that are kept every few seconds.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) health: Reach<Health>,
    pub(crate) varz: Reach<VarzFigures>,
    pub(crate) connz: Reach<ConnzFigures>,
    pub(crate) jsz: Reach<JszFigures>,
}

/// What all nodes said, in the order of the configured nodes.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    /// Milliseconds since the first round began.
    pub(crate) at: u64,
    pub(crate) reads: Vec<NodeRead>,
}

impl NodeRead {
    /// The reason when not one endpoint answered.
    pub(crate) fn silent(&self) -> Option<&Unreached> {
        let health = self.health.as_ref().err()?;
        let all = self.varz.is_err() && self.jsz.is_err() && self.connz.is_err();
        all.then_some(health)
    }

    pub(crate) fn never(why: &Unreached) -> Self {
        Self { health: Err(why.clone()), varz: Err(why.clone()), jsz: Err(why.clone()), connz: Err(why.clone()) }
    }
}

impl Figures {
    fn never(why: &Unreached) -> Self {
        Self { health: Err(why.clone()), varz: Err(why.clone()), connz: Err(why.clone()), jsz: Err(why.clone()) }
    }
}

/// Reads every node. `patience` gives the time allowed per node, by its place in the list.
pub(crate) async fn round(host: &dyn Host, nodes: &[Node], patience: impl Fn(usize) -> Duration) -> Vec<NodeRead> {
    join_all(nodes.iter().enumerate().map(|(at, node)| read_node(host, node, patience(at)))).await
}

/// Its four endpoints at one time, so that one which hangs takes no time from the others. Figures of another server are
/// worse than none.
pub(crate) async fn figures(host: &dyn Host, node: &Node) -> Figures {
    let (health, varz, connz, jsz) = join4(
        health(host, node, PATIENCE),
        get(host, node, "/varz", PATIENCE),
        get::<Connz>(host, node, "/connz?limit=1", PATIENCE),
        get(host, node, "/jsz", PATIENCE),
    )
    .await;
    let figures = Figures { health, varz, connz: connz.map(ConnzFigures::from), jsz: jsz.map(JszFigures::named) };
    match &figures.varz {
        Ok(VarzFigures { server_name, .. }) if *server_name != node.name => Figures::never(&Unreached::new(
            Kind::AnotherServer,
            &format!("{} calls itself `{server_name}`", node.monitor_url()),
        )),
        _ => figures,
    }
}

/// `/healthz` and `/varz` of every node.
pub(crate) async fn servers(host: &dyn Host, nodes: &[Node]) -> Vec<(Reach<Health>, Reach<Varz>, Reach<Jsz>)> {
    join_all(nodes.iter().map(|node| async {
        let ((health, varz), jsz) = join(
            join(health(host, node, PATIENCE), get(host, node, "/varz", PATIENCE)),
            get(host, node, "/jsz", PATIENCE),
        )
        .await;
        (health, varz, jsz)
    }))
    .await
}

/// The Raft view of every node and nothing else: streams, consumers, the meta group.
pub(crate) async fn jetstream(host: &dyn Host, nodes: &[Node]) -> Vec<Reach<Jsz>> {
    join_all(nodes.iter().map(|node| get(host, node, JSZ, PATIENCE))).await
}

/// Which servers each node has routes to.
pub(crate) async fn routes(
    host: &dyn Host,
    nodes: &[Node],
    patience: impl Fn(usize) -> Duration,
) -> Vec<Reach<Routez>> {
    join_all(nodes.iter().enumerate().map(|(at, node)| get(host, node, "/routez", patience(at)))).await
}

/// The clients of one node, page by page.
pub(crate) async fn connections(host: &dyn Host, node: &Node) -> Reach<Connz> {
    const PAGE: usize = 1024;
    let mut all: Connz = get(host, node, &connz_page(PAGE, 0), PATIENCE).await?;
    while (all.connections.len() as u64) < all.total {
        let page: Connz = get(host, node, &connz_page(PAGE, all.connections.len()), PATIENCE).await?;
        if page.connections.is_empty() {
            break;
        }
        all.total = page.total;
        all.connections.extend(page.connections);
    }
    Ok(all)
}

fn connz_page(limit: usize, offset: usize) -> String {
    format!("/connz?auth=1&limit={limit}&offset={offset}")
}

async fn read_node(host: &dyn Host, node: &Node, patience: Duration) -> NodeRead {
    let (health, varz, jsz, connz) = join4(
        health(host, node, patience),
        get(host, node, "/varz", patience),
        get(host, node, JSZ, patience),
        get(host, node, "/connz?limit=1", patience),
    )
    .await;
    NodeRead { health, varz, jsz, connz }
}

/// Plain `/healthz`: its narrower variants say 200 long before the data is there.
async fn health(host: &dyn Host, node: &Node, patience: Duration) -> Reach<Health> {
    let answer = send(host, node, "/healthz", patience).await?;
    let body: HealthBody = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = || String::from_utf8_lossy(&answer.body).trim().to_owned();
    let error = (answer.status != 200).then(|| body.error.clone().unwrap_or_else(text));
    Ok(Health { code: answer.status, error })
}

async fn get<T: DeserializeOwned>(host: &dyn Host, node: &Node, path: &str, patience: Duration) -> Reach<T> {
    let answer = send(host, node, path, patience).await?;
    let short = path.split('?').next().unwrap_or(path);
    if answer.status != 200 {
        return Err(Unreached::new(Kind::BadAnswer, &format!("{short}: HTTP {}", answer.status)));
    }
    serde_json::from_slice(&answer.body).map_err(|error| Unreached::new(Kind::BadAnswer, &format!("{short}: {error}")))
}

async fn send(host: &dyn Host, node: &Node, path: &str, patience: Duration) -> Reach<HttpResponse> {
    let mut request = HttpRequest::get(format!("{}{path}", node.monitor_url()));
    request.timeout = patience;
    // A cluster with thousands of consumers writes tens of megabytes of `/jsz`.
    request.max_body = 64 << 20;
    host.http(request).await.map_err(|problem| Unreached::from_problem(&problem))
}
