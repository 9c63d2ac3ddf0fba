//! A lab for tests: up in the test's own process, and ended, whatever happens, when it is dropped.
//! It talks to the lab through the control API, as the command line does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::axiom::{Ingest, Query};
use crate::daemon::{Daemon, Ending};
use crate::error::{Context, Error, Result};
use crate::faults::Fault;
use crate::http;
use crate::inventory;
use crate::ledger::{Audit, Counts};
use crate::load::Load;
use crate::plan::{Options, Plan};
use crate::programs;
use crate::referee::Verdict;
use crate::registry;
use crate::server::wait_for;
use crate::terraform::{TerraformOrder, TerraformRequest};

/// One AWS call of the record.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    /// Counts from 1.
    pub n: u64,
    /// When, RFC 3339.
    pub at: String,
    /// As in `autoscaling`.
    pub service: String,
    /// As in `TerminateInstanceInAutoScalingGroup`.
    pub operation: String,
    /// The access key.
    pub identity: String,
    /// The caller's ARN.
    pub caller: String,
    /// The assumed role and the session's name, where there is one.
    pub role: Option<String>,
    pub session: Option<String>,
    /// As the answer's headers say it.
    pub request_id: String,
    /// What was asked; a parameter's value is only counted.
    pub params: Value,
    /// The HTTP status; none as long as there is no answer.
    pub status: Option<u16>,
    /// The error code.
    pub error: Option<String>,
    /// False when it was done and the answer kept back.
    #[serde(default = "yes")]
    pub answered: bool,
}

fn yes() -> bool {
    true
}

/// A termination that AWS accepted: who asked for it, and what the referee said.
#[derive(Clone, Debug)]
pub struct Termination {
    /// The call, as in the record.
    pub call: Call,
    /// The verdict, found just before the instance was lost.
    pub verdict: Verdict,
}

/// A running lab.
pub struct Lab {
    plan: Plan,
    host: Option<Host>,
}

/// The thread that runs a lab started by this process.
struct Host {
    end: oneshot::Sender<()>,
    thread: JoinHandle<Result<()>>,
}

impl Lab {
    /// Brings a lab up under a name of its own; returns when it is ready.
    pub async fn up(options: Options) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self::up_named(&name, options, Arc::new(|_| ())).await
    }

    /// The same under a given name, telling what it waits for.
    pub async fn up_named(name: &str, options: Options, progress: Arc<crate::Progress>) -> Result<Self> {
        let (end, ended) = oneshot::channel();
        let (up, is_up) = oneshot::channel();
        let name = name.to_owned();
        // A runtime of its own: the lab must go on when the test blocks, and end when the test panics.
        let thread = std::thread::Builder::new()
            .name("lab".into())
            .spawn(move || host(&name, options, &*progress, up, ended))
            .context("thread")?;
        let plan = is_up.await.map_err(|_| Error::new("the lab's thread ended"))??;
        Ok(Lab { plan, host: Some(Host { end, thread }) })
    }

    /// A lab that runs already, started by `cargo lab up`; dropping this does not end it.
    pub fn attach(name: Option<&str>) -> Result<Self> {
        Ok(Lab { plan: registry::pick(name)?.plan, host: None })
    }

    /// Addresses, names, folder.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The path of `sluice.yaml`.
    pub fn inventory(&self) -> std::path::PathBuf {
        self.plan.folder.join("sluice.yaml")
    }

    /// All the environment the product needs here.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        inventory::environment(&self.plan)
    }

    /// A request to the control API.
    pub async fn ask(&self, path: &str, body: Value) -> Result<Value> {
        http::post(self.plan.control(), path, &body, Duration::from_secs(300)).await
    }

    async fn ask_for<T: DeserializeOwned>(&self, path: &str, body: Value, key: &str) -> Result<T> {
        let mut answer = self.ask(path, body).await?;
        let part = answer.get_mut(key).map(Value::take).context(format!("{path}: no {key}"))?;
        serde_json::from_value(part).context(path)
    }

    /// Gives the lab a fault.
    pub async fn fault(&self, fault: Fault) -> Result<Value> {
        self.ask("/fault", serde_json::to_value(&fault).context("fault")?).await
    }

    /// What `cargo lab status --json` shows.
    pub async fn status(&self) -> Result<Value> {
        self.ask("/status", json!({})).await
    }

    /// The referee's verdicts so far, oldest first.
    pub async fn verdicts(&self) -> Result<Vec<Verdict>> {
        self.ask_for("/verdicts", json!({}), "verdicts").await
    }

    /// The AWS calls after number `since`: `n`, `at`, `service`, `operation`, `identity`, `params`.
    pub async fn calls(&self, since: u64) -> Result<Vec<Value>> {
        self.ask_for("/calls", json!({ "since": since }), "calls").await
    }

    /// The calls of one AWS operation, oldest first, refused ones too.
    pub async fn calls_of(&self, operation: &str) -> Result<Vec<Call>> {
        let all: Vec<Call> = self.ask_for("/calls", json!({ "since": 0 }), "calls").await?;
        Ok(all.into_iter().filter(|call| call.operation == operation).collect())
    }

    /// The terminations that AWS was asked for and accepted, whoever asked, refreshes included; oldest first.
    pub async fn terminations(&self) -> Result<Vec<Termination>> {
        let calls: Vec<Call> = self.ask_for("/calls", json!({ "since": 0 }), "calls").await?;
        let found = self.verdicts().await?.into_iter().filter_map(|verdict| {
            let number = verdict.request.as_ref()?.call;
            let call = calls.iter().find(|call| call.n == number)?.clone();
            Some(Termination { call, verdict })
        });
        Ok(found.collect())
    }

    /// The instance of each node that has one, by the node's name.
    pub async fn instances(&self) -> Result<BTreeMap<String, String>> {
        self.ask_for("/instances", json!({}), "instances").await
    }

    /// The queries that Axiom was asked, oldest first, refused ones too.
    pub async fn queries(&self) -> Result<Vec<Query>> {
        self.ask_for("/queries", json!({}), "queries").await
    }

    /// What was sent to Axiom by others than the nodes' own shippers, oldest first, refused ones too.
    pub async fn ingests(&self) -> Result<Vec<Ingest>> {
        self.ask_for("/ingests", json!({}), "ingests").await
    }

    /// Lets something happen in Terraform Cloud; the answer says what came of it.
    pub async fn terraform(&self, order: TerraformOrder) -> Result<Value> {
        self.ask("/terraform", serde_json::to_value(&order).context("order")?).await
    }

    /// What Terraform Cloud was asked, oldest first, refused requests too.
    pub async fn terraform_requests(&self) -> Result<Vec<TerraformRequest>> {
        self.ask_for("/terraform/requests", json!({}), "requests").await
    }

    /// Starts the publisher and the consumers, instead of what ran before; with a `count` waits for the last
    /// acknowledgement.
    pub async fn load(&self, load: Load) -> Result<Counts> {
        self.ask("/load", serde_json::to_value(load).context("load")?).await?;
        while load.count.is_some() && self.counts().await?.sending {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.counts().await
    }

    /// What was sent, acknowledged and delivered so far.
    pub async fn counts(&self) -> Result<Counts> {
        serde_json::from_value(self.ask("/counts", json!({})).await?).context("counts")
    }

    /// Looks for every acknowledged message among the delivered ones and in the stream.
    pub async fn audit(&self) -> Result<Audit> {
        serde_json::from_value(self.ask("/audit", json!({})).await?).context("audit")
    }

    /// The text of a creds file of `admin`, `sys`, `facebox` or `messenger`.
    pub async fn creds(&self, user: &str) -> Result<String> {
        self.ask_for("/creds", json!({ "user": user }), "creds").await
    }

    /// Waits until three nodes are healthy, the meta group has three peers, every store holds the leader's data, and
    /// every group has a leader.
    pub async fn wait_healthy(&self, within: Duration) -> Result<()> {
        wait_for(within, || async { self.ask("/healthy", json!({})).await.map(drop) }).await
    }

    /// Ends the lab and waits until nothing of it is left.
    pub fn down(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        let Some(host) = self.host.take() else { return Ok(()) };
        // The thread may have ended already, asked through the control API.
        let _ = host.end.send(());
        host.thread.join().map_err(|_| Error::new("the lab's thread panicked"))?
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            say!("lab {}: {error}", self.plan.name);
        }
    }
}

fn host(
    name: &str,
    options: Options,
    progress: &crate::Progress,
    up: oneshot::Sender<Result<Plan>>,
    ended: oneshot::Receiver<()>,
) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().context("runtime")?;
    let started = programs::ensure(progress)
        .and_then(|programs| runtime.block_on(Daemon::start(name, options, programs, progress)));
    let mut daemon = match started {
        Ok(daemon) => daemon,
        Err(error) => {
            // Nobody listens when the test was dropped meanwhile; nothing runs either.
            let _ = up.send(Err(error));
            return Ok(());
        }
    };
    let listening = up.send(Ok(daemon.world.plan.clone())).is_ok();
    runtime.block_on(async move {
        let mut ending = Ending { keep: false };
        if listening {
            tokio::select! {
                _ = ended => {}
                asked = daemon.until_stopped() => ending = asked,
            }
        }
        daemon.end(ending).await
    })
}
