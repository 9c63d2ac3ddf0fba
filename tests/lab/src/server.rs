//! One node: its nats-server process, configuration, store, and what was done to it (killed, frozen, slowed) or is to
//! be done to its next instances. It knows neither AWS nor the other nodes.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde::Serialize;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::error::{Context, Result};
use crate::machine::Machine;
use crate::mint::Keys;
use crate::orders::Orders;
use crate::plan::{NODES, PORTS, Plan};
use crate::process::Proc;
use crate::programs::Programs;

/// What the node's process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Doing {
    Running,
    Frozen,
    Slowed,
    Stopped,
    Terminating,
    Booting,
    /// The group has no instance.
    Empty,
}

/// How a server is configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Setup {
    #[default]
    Whole,
    NoJetStream,
    /// Its store is on a disk that is not there, so it ends at once.
    Broken,
}

/// A node and its process.
pub(crate) struct Node {
    pub(crate) n: u8,
    /// The name in the server's configuration; differs from the node's after a replacement under a new name.
    pub(crate) server_name: String,
    pub(crate) instance: String,
    pub(crate) doing: Doing,
    pub(crate) duty: Option<f64>,
    pub(crate) note: String,
    pub(crate) orders: Orders,
    pub(crate) setup: Setup,
    /// The last byte of the address it lives at.
    pub(crate) octet: u8,
    /// Passes connections to its home on to where it has moved.
    pub(crate) forward: Option<JoinHandle<()>>,
    /// Answers on its monitoring port in its place.
    pub(crate) impostor: Option<JoinHandle<()>>,
    pub(crate) machine: Machine,
    child: Option<Child>,
    proc: Option<Proc>,
    slower: Option<JoinHandle<()>>,
}

impl Node {
    pub(crate) fn new(plan: &Plan, n: u8) -> Self {
        Node {
            n,
            server_name: plan.node_name(n),
            instance: String::new(),
            doing: Doing::Stopped,
            duty: None,
            note: String::new(),
            orders: Orders::default(),
            setup: Setup::default(),
            octet: Plan::home(n),
            forward: None,
            impostor: None,
            machine: Machine::default(),
            child: None,
            proc: None,
            slower: None,
        }
    }

    /// Starts the server on whatever is in its store.
    pub(crate) async fn start(&mut self, plan: &Plan, keys: &Keys, programs: &Programs) -> Result<()> {
        self.leave_ports().await;
        let folder = plan.node_folder(self.n);
        fs::create_dir_all(folder.join("store")).context(folder.display())?;
        let (conf, log) = (folder.join("nats.conf"), folder.join("nats.log"));
        fs::write(&conf, self.config(plan, keys)).context(conf.display())?;
        let log = File::options().create(true).append(true).open(&log).context(log.display())?;
        let child = Command::new(&programs.nats_server)
            .arg("-c")
            .arg(&conf)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("log")?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context(programs.nats_server.display())?;
        self.proc = child.id().and_then(Proc::of);
        if let Some(proc) = self.proc {
            proc.write(&folder.join("server.pid"))?;
        }
        self.child = Some(child);
        self.note.clear();
        self.doing = Doing::Running;
        self.machine.server_started();
        if let Some(duty) = self.duty {
            self.slow(duty);
        }
        Ok(())
    }

    /// Its monitoring port, unless another answers there.
    pub(crate) fn monitor(&self, plan: &Plan) -> Option<SocketAddr> {
        let [_, _, port] = PORTS;
        self.impostor.is_none().then(|| plan.address(self.octet, port))
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().and(self.proc).map(|proc| proc.pid)
    }

    /// Nobody but its own server listens on its ports any more.
    async fn leave_ports(&mut self) {
        for task in self.forward.take().into_iter().chain(self.impostor.take()) {
            task.abort();
            // An aborted task ends with an error; its sockets are closed then.
            let _ = task.await;
        }
    }

    /// SIGKILL, and waits until the process is gone.
    pub(crate) async fn kill(&mut self, plan: &Plan) -> Result<()> {
        self.stop_slowing();
        self.leave_ports().await;
        if let Some(mut child) = self.child.take() {
            child.kill().await.context(format!("ending {}", self.server_name))?;
            self.machine.server_killed();
        }
        self.proc = None;
        self.doing = Doing::Stopped;
        // Missing when the server never started.
        let _ = fs::remove_file(plan.node_folder(self.n).join("server.pid"));
        Ok(())
    }

    /// The instance's disk is gone with it.
    pub(crate) fn wipe(&self, plan: &Plan) -> Result<()> {
        let store = plan.node_folder(self.n).join("store");
        match fs::remove_dir_all(&store) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context(store.display()),
            _ => Ok(()),
        }
    }

    pub(crate) fn freeze(&mut self) {
        self.stop_slowing();
        if let Some(proc) = self.proc {
            proc.stop();
        }
        self.doing = Doing::Frozen;
    }

    pub(crate) fn thaw(&mut self) {
        self.stop_slowing();
        self.duty = None;
        self.signal(Signal::SIGCONT);
        if self.child.is_some() {
            self.doing = Doing::Running;
        }
    }

    /// Lets the process run for `duty` of the time (0.03: 3 ms of each 100), also after a restart, until thawed.
    pub(crate) fn slow(&mut self, duty: f64) {
        const PERIOD: Duration = Duration::from_millis(100);
        self.stop_slowing();
        self.duty = Some(duty);
        let Some(proc) = self.proc else { return };
        self.doing = Doing::Slowed;
        self.slower = Some(tokio::spawn(async move {
            let run = PERIOD.mul_f64(duty);
            while proc.alive() {
                proc.signal(Signal::SIGCONT);
                tokio::time::sleep(run).await;
                proc.signal(Signal::SIGSTOP);
                tokio::time::sleep(PERIOD.saturating_sub(run)).await;
            }
        }));
    }

    fn stop_slowing(&mut self) {
        if let Some(task) = self.slower.take() {
            task.abort();
            self.signal(Signal::SIGCONT);
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(proc) = self.proc {
            proc.signal(signal);
        }
    }

    /// Notices that the process ended by itself. Nothing restarts it: an operator must see it dead.
    pub(crate) fn look(&mut self) {
        let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
        if let Some(status) = ended {
            self.stop_slowing();
            self.child = None;
            self.proc = None;
            self.doing = Doing::Stopped;
            self.note = format!("ended by itself: {status}; see nats.log");
            self.machine.server_ended(status);
        }
    }

    fn config(&self, plan: &Plan, keys: &Keys) -> String {
        let password = &plan.route_password;
        let routes: Vec<String> = NODES.iter().map(|n| format!("nats://lab:{password}@{}", plan.route(*n))).collect();
        let [client, route, monitor] = PORTS.map(|port| plan.address(self.octet, port));
        let store = match self.setup {
            // Nobody can make a folder there.
            Setup::Broken => "/proc/nats".into(),
            Setup::Whole | Setup::NoJetStream => plan.node_folder(self.n).join("store"),
        };
        let jetstream = match self.setup {
            Setup::NoJetStream => String::new(),
            Setup::Whole | Setup::Broken => {
                format!("jetstream {{ store_dir: {store:?}, max_mem: 64M, max_file: 4G }}\n")
            }
        };
        let name = &self.server_name;
        let cluster = &plan.options.cluster;
        let (system, system_jwt) = &keys.system;
        let (pivot, pivot_jwt) = &keys.pivot;
        // Without an advertised address a server on a loopback alias tells the others 127.0.0.1, and joins whoever
        // listens there. The route password keeps labs apart even so.
        format!(
            "server_name: {name:?}\nlisten: {client:?}\nhttp: {monitor:?}\n\
             operator: {operator}\nsystem_account: {system}\nresolver: MEMORY\n\
             resolver_preload: {{ {system}: {system_jwt}, {pivot}: {pivot_jwt} }}\n\
             server_tags: [{tag:?}]\n{jetstream}\
             cluster {{\n  name: {cluster:?}\n  listen: {route:?}\n  advertise: {route:?}\n\
             \x20 authorization {{ user: lab, password: {password:?}, timeout: 5 }}\n  routes: {routes:?}\n}}\n",
            client = client.to_string(),
            monitor = monitor.to_string(),
            route = route.to_string(),
            operator = keys.operator,
            // So that a stream can be put on this very node.
            tag = plan.node_name(self.n),
        )
    }
}

/// Waits until a condition holds, looking every 100 ms; the last reason when the time is over.
pub(crate) async fn wait_for<F, Fut>(within: Duration, mut look: F) -> Result<()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<()>>,
{
    let until = Instant::now() + within;
    loop {
        match look().await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > until => {
                return Err(error).context(format!("not within {} s", within.as_secs()));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
