//! One lab, running: starts and watches its servers and its AWS, holds what the parts share, and ends everything.
//! It does not know whether it lives in a process of its own (`cargo lab up`) or in a test's thread.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::Progress;
use crate::axiom::Axiom;
use crate::cloud::{self, Adapter, Replacement};
use crate::control;
use crate::error::{Context, Error, Result};
use crate::inventory;
use crate::jsz::Monitors;
use crate::load::Ledger;
use crate::mint::Keys;
use crate::plan::{AdminSys, NODES, Options, PORTS, Plan, SERVICES, STREAM};
use crate::programs::Programs;
use crate::ready;
use crate::referee::Verdict;
use crate::registry::{self, Claim};
use crate::server::{Doing, Node, wait_for};
use crate::ship;
use crate::terraform::{self, Terraform};

const VERDICTS_KEPT: usize = 1000;

/// What the parts of a running lab share.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) keys: Keys,
    pub(crate) programs: Programs,
    nodes: [Mutex<Node>; 3],
    pub(crate) ledger: Ledger,
    pub(crate) axiom: Arc<Axiom>,
    pub(crate) terraform: Arc<Terraform>,
    /// Instead of the lab's own, until it is cleared.
    boot_delay: StdMutex<Option<Duration>>,
    /// Streams that were made to make trouble.
    made: StdMutex<Vec<String>>,
    verdicts: StdMutex<VecDeque<Verdict>>,
    /// The stream was deleted, and by the lab.
    deleted: AtomicBool,
    stop: watch::Sender<Option<Ending>>,
}

/// How a lab ends.
#[derive(Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) keep: bool,
}

impl World {
    pub(crate) fn node(&self, n: u8) -> Result<&Mutex<Node>> {
        let index = usize::from(n).checked_sub(1);
        index.and_then(|index| self.nodes.get(index)).context(format!("no node {n}"))
    }

    pub(crate) fn boot_delay(&self) -> Duration {
        let own = || Duration::try_from_secs_f64(self.plan.options.boot_delay).unwrap_or_default();
        self.boot_delay.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(own)
    }

    pub(crate) fn set_boot_delay(&self, delay: Option<Duration>) {
        *self.boot_delay.lock().unwrap_or_else(PoisonError::into_inner) = delay;
    }

    /// Where each node's monitoring port really is.
    pub(crate) async fn monitors(&self) -> Monitors {
        let mut all = [None; 3];
        for (place, node) in all.iter_mut().zip(&self.nodes) {
            *place = node.lock().await.monitor(&self.plan);
        }
        all
    }

    /// Where the servers that run at their full pace take clients; all addresses when none does.
    pub(crate) async fn swift(&self) -> Vec<SocketAddr> {
        let mut swift = Vec::new();
        for node in &self.nodes {
            let node = node.lock().await;
            let [client, ..] = PORTS;
            swift.extend((node.doing == Doing::Running).then(|| self.plan.address(node.octet, client)));
        }
        if swift.is_empty() { NODES.map(|n| self.plan.client(n)).to_vec() } else { swift }
    }

    /// A line in the lab's own log, `lab.log` in its folder.
    pub(crate) fn log(&self, text: &str) {
        let file = File::options().create(true).append(true).open(self.plan.folder.join("lab.log"));
        // A full disk must not end a lab; the log is for people.
        let _ = file.and_then(|mut file| writeln!(file, "{} {text}", jiff::Timestamp::now()));
    }

    pub(crate) fn record(&self, verdict: Verdict) {
        let word = if verdict.safe { "safe" } else { "UNSAFE" };
        self.log(&format!("{} {} by {}: {word}", verdict.node, verdict.instance, verdict.cause));
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() == VERDICTS_KEPT {
            verdicts.pop_front();
        }
        verdicts.push_back(verdict);
    }

    /// The streams that the cluster was given and that nobody took away.
    pub(crate) fn streams(&self) -> Vec<String> {
        let own = (!self.deleted.load(Ordering::Relaxed)).then(|| STREAM.to_owned());
        own.into_iter().chain(self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()).collect()
    }

    pub(crate) fn made(&self, stream: &str) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(stream.to_owned());
    }

    /// Streams made to make trouble, forgotten here.
    pub(crate) fn take_made(&self) -> Vec<String> {
        std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn deleted(&self, stream: &str) {
        self.deleted.fetch_or(stream == STREAM, Ordering::Relaxed);
        self.made.lock().unwrap_or_else(PoisonError::into_inner).retain(|made| made != stream);
    }

    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Plays the rest of a replacement in the background; a failure is noted at the node, where `status` shows it.
    pub(crate) fn spawn_replacement(self: &Arc<Self>, n: u8, instance: String, how: Replacement) {
        let world = self.clone();
        tokio::spawn(async move {
            if let Err(error) = cloud::replace(world.clone(), n, instance, how).await
                && let Ok(node) = world.node(n)
            {
                let mut node = node.lock().await;
                node.doing = Doing::Stopped;
                node.note = format!("replacement failed: {error}");
                world.log(&format!("{}: {}", node.server_name, node.note));
            }
        });
    }

    pub(crate) fn stop(&self, ending: Ending) {
        self.stop.send_replace(Some(ending));
    }
}

/// A lab that is up.
pub(crate) struct Daemon {
    pub(crate) world: Arc<World>,
    adapter: Adapter,
    stopped: watch::Receiver<Option<Ending>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Daemon {
    /// Brings a lab up. When that fails, nothing runs any more, and its folder is kept for a look.
    pub(crate) async fn start(name: &str, options: Options, programs: Programs, progress: &Progress) -> Result<Self> {
        let claim = registry::claim(name, options)?;
        let plan = claim.plan.clone();
        progress(&format!("lab '{name}' takes {}.0/24, folder {}", plan.net_text(), plan.folder.display()));
        match start_claimed(claim, programs, progress).await {
            Ok(daemon) => Ok(daemon),
            Err(error) => {
                registry::end_left(&plan.folder)?;
                let kept = put_away(&plan, true)?;
                Err(Error::new(format!("{error}; logs are in {kept}")))
            }
        }
    }

    /// Returns when somebody asked the lab to end.
    pub(crate) async fn until_stopped(&mut self) -> Ending {
        let asked = self.stopped.wait_for(Option::is_some).await.ok().and_then(|ending| *ending);
        asked.unwrap_or(Ending { keep: self.world.plan.options.keep })
    }

    /// Ends every process and removes the folder.
    pub(crate) async fn end(mut self, ending: Ending) -> Result<()> {
        self.world.ledger.stop();
        for task in self.tasks.drain(..) {
            task.abort();
        }
        for n in NODES {
            self.world.node(n)?.lock().await.kill(&self.world.plan).await?;
        }
        self.adapter.end().await?;
        registry::end_left(&self.world.plan.folder)?;
        put_away(&self.world.plan, ending.keep || self.world.plan.options.keep).map(drop)
    }
}

async fn start_claimed(claim: Claim, programs: Programs, progress: &Progress) -> Result<Daemon> {
    let plan = claim.plan;
    let keys = Keys::mint(&SERVICES, plan.options.admin_sys == AdminSys::Import)?;
    inventory::write(&plan)?;
    let (stop, stopped) = watch::channel(None);
    let nodes = NODES.map(|n| Mutex::new(Node::new(&plan, n)));
    let axiom = Axiom::new(&plan, ship::DATASET);
    let terraform = Terraform::new(&plan);
    let world = Arc::new(World {
        plan,
        keys,
        programs,
        nodes,
        ledger: Ledger::default(),
        axiom,
        terraform,
        boot_delay: StdMutex::default(),
        made: StdMutex::default(),
        verdicts: StdMutex::default(),
        deleted: AtomicBool::new(false),
        stop,
    });
    claim.control.set_nonblocking(true).context("control API")?;
    let control = tokio::net::TcpListener::from_std(claim.control).context("control API")?;
    let logs = tokio::net::TcpListener::bind(world.plan.axiom()).await.context("Axiom")?;
    let [cloud, plans] = terraform::listen(&world.plan).await?;
    let mut tasks = vec![
        tokio::spawn(control::serve(control, world.clone())),
        tokio::spawn(world.axiom.clone().serve(logs)),
        tokio::spawn(world.terraform.clone().serve(cloud, plans)),
    ];
    progress("starting three nats-servers and AWS (moto)");
    for n in NODES {
        world.node(n)?.lock().await.start(&world.plan, &world.keys, &world.programs).await?;
    }
    let cluster = async {
        tokio::select! {
            ready = make_cluster(&world, progress) => ready,
            fallen = first_fallen(&world) => Err(fallen),
        }
    };
    let (adapter, ()) = tokio::try_join!(Adapter::start(&world.plan, &world.keys, &world.programs), cluster)?;
    first_instances(&world).await?;
    tasks.push(tokio::spawn(watch_nodes(world.clone())));
    tasks.push(tokio::spawn(ship::forever(world.clone())));
    Ok(Daemon { world, adapter, stopped, tasks })
}

/// The cluster with its stream, and with what is to be in it.
async fn make_cluster(world: &World, progress: &Progress) -> Result<()> {
    let at = world.monitors().await;
    ready::make_ready(&world.plan, &at, world.keys.user("admin")?, progress).await?;
    let (count, size) = (world.plan.options.preload, world.plan.options.preload_size);
    if count > 0 {
        progress(&format!("publishing {count} messages that stay in the stream"));
        world.ledger.preload(world, count, size).await?;
        wait_for(Duration::from_secs(60), || ready::whole(&world.plan, &at)).await?;
    }
    Ok(())
}

/// The groups made their instances; each gets its node and a boot log.
async fn first_instances(world: &World) -> Result<()> {
    let groups = cloud::tell(&world.plan, "/groups", json!({})).await?;
    for n in NODES {
        let pointer = format!("/{}/instances/0/id", world.plan.group(n));
        let id =
            groups.pointer(&pointer).and_then(Value::as_str).context(format!("AWS has no instance for node {n}"))?;
        world.node(n)?.lock().await.instance = id.to_owned();
        cloud::log_boot(world, n, id).await?;
    }
    Ok(())
}

/// Why the first server that ends while the lab starts did so: waiting on would tell nothing more.
async fn first_fallen(world: &World) -> Error {
    loop {
        for node in &world.nodes {
            let mut node = node.lock().await;
            node.look();
            if node.doing == Doing::Stopped {
                let log = fs::read_to_string(world.plan.node_folder(node.n).join("nats.log")).unwrap_or_default();
                let last = log.lines().last().unwrap_or("no word");
                return Error::new(format!("{} {}: {last}", node.server_name, node.note));
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn watch_nodes(world: Arc<World>) {
    loop {
        for node in &world.nodes {
            node.lock().await.look();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Removes the lab's folder, or moves it to where no sweep takes it. Answers where it is.
fn put_away(plan: &Plan, keep: bool) -> Result<String> {
    if !keep {
        fs::remove_dir_all(&plan.folder).context(plan.folder.display())?;
        return Ok(String::new());
    }
    let kept = registry::cache()?.join("kept");
    fs::create_dir_all(&kept).context(kept.display())?;
    let target = kept.join(format!("{}-{}", plan.name, jiff::Timestamp::now().as_millisecond()));
    fs::rename(&plan.folder, &target).context(target.display())?;
    Ok(target.display().to_string())
}
