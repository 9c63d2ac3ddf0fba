//! What faults do to a cluster, and what its Auto Scaling groups then do by themselves.
//!
//! Acts of plugins do their deeds here too: an instance that is ended ends the same way, whoever asked.

use std::time::Duration;

use crate::fault::{BootLine, Fault};

use super::begin::ip;
use super::node::{Power, Server};
use super::scaling::{Activity, Group, Instance, LogLine};
use super::{State, Timer};

/// A group whose launch failed tries again after so long.
const LAUNCH_AGAIN: Duration = Duration::from_secs(60);

const DIFFERENCE: &str = "an instance was started in response to a difference between desired and actual capacity";
const NO_CAPACITY: &str =
    "We currently do not have sufficient m8gd.medium capacity in the Availability Zone you requested";

impl State {
    pub(crate) fn happen(&mut self, fault: Fault) {
        match fault {
            Fault::Kill { node } => drop(self.stop(&node)),
            Fault::Start { node } => self.start(&node),
            Fault::Freeze { node } => self.set_power(&node, Power::Frozen),
            Fault::Slow { node, percent } => self.set_power(&node, Power::Runs(percent.clamp(1, 100))),
            Fault::Thaw { node } => self.set_power(&node, Power::Runs(100)),
            Fault::CutOff { node } => self.change(&node, |slot| slot.cut_off = true),
            Fault::Reconnect { node } => self.change(&node, |slot| slot.cut_off = false),
            Fault::Terminate { node } => self.terminate_instance_of(&node),
            Fault::TerminateRenamed { node, server } => {
                self.change(&node, |slot| slot.server_name = server);
                self.terminate_instance_of(&node);
            }
            Fault::GhostPeer { server } => self.meta.peers.push(server),
            Fault::DeleteStream { stream } => self.streams.retain(|known| known.name != stream),
            Fault::ApiErrors { node, count } => self.change_server(&node, |server| server.api_errors += count),
            Fault::SlowConsumers { node, count } => self.change_server(&node, |server| server.slow_consumers += count),
            Fault::SuspendProcess { node, process } => self.suspend_process(&node, process),
            Fault::ResumeProcess { node, process } => self.resume_process(&node, &process),
            Fault::InstanceRefresh { node } => self.refresh_at_once(&node),
            Fault::Rollout { pause } => self.roll_out(pause),
            Fault::NoCapacity { node, times } => self.change_group(&node, |group| group.refuses = times),
            Fault::NeverBoots { node } => self.change(&node, |slot| slot.boots = false),
            Fault::BootTakes(time) => self.setup.times.boot = time,
            Fault::Boots { node } => self.boot_again(&node),
            Fault::BootsAs { node, server } => self.change(&node, |slot| slot.server_name = server),
            Fault::StaleName { node, time } => self.change(&node, |slot| slot.name_lags = time),
            Fault::NoDisk { node } => self.change(&node, |slot| slot.disk = false),
            Fault::LoseDisk { node } => self.lose_disk(&node),
            Fault::NoEvents { node } => self.fall_silent(&node),
            Fault::AxiomDown => self.axiom_down = true,
            Fault::LeadsMeta { node } if self.meta.leader.as_ref() == Some(&node) => {}
            Fault::LeadsMeta { node } => drop(self.step_down("_meta_", Some(&node))),
            Fault::KeepsLeading { node } => drop(self.sticky.insert(node)),
            Fault::OneReplica { stream, node } => self.one_replica(&stream, &node),
            Fault::Impostor { node } => self.replace_by_impostor(&node),
            Fault::BootSays { node, says } => self.change(&node, |slot| slot.says = says),
            Fault::Aws(fault) => self.aws.push(fault),
            Fault::AwsWell => self.aws.clear(),
            // These happen to the clock, and the world does not notice.
            Fault::Suspend(_) | Fault::SetClock(_) => {}
        }
        self.look_at_groups();
    }

    /// Ends an instance, as `TerminateInstanceInAutoScalingGroup` does: at once for the server, later for AWS.
    pub(crate) fn terminate(&mut self, group: &str, instance: &str) {
        let (now, gone) = (self.signed(), self.later(self.setup.times.shutdown));
        let id = self.random.hex(32);
        let Some(group) = self.groups.iter_mut().find(|known| known.name == group) else { return };
        let Some(ended) = group.instance(instance) else { return };
        (ended.lifecycle, ended.state) = ("Terminating", "shutting-down");
        group.activities.push(Activity {
            id,
            instance: instance.to_owned(),
            description: format!("Terminating EC2 instance: {instance}"),
            cause: "an instance was taken out of service in response to a user request".to_owned(),
            status: "InProgress",
            message: None,
            started: now,
            ended: None,
        });
        let (group, node) = (group.name.clone(), group.node.clone());
        self.stop_shipping(|shipper| shipper.instance == instance);
        self.set_timer(gone, Timer::Terminated { group: group.clone(), instance: instance.to_owned() });
        if self.slots.iter().any(|slot| slot.name == node && slot.instance.as_deref() == Some(instance)) {
            let server = self.stop(&node);
            self.change(&node, |slot| slot.instance = None);
            self.wipe(server.as_deref().unwrap_or(&node));
        }
        let launch = self.later(self.setup.times.launch);
        self.set_timer(launch, Timer::Launch { group });
        self.look_at_groups();
    }

    pub(super) fn terminate_instance_of(&mut self, node: &str) {
        let group = self.groups.iter().find(|group| group.node == node);
        let found = group.and_then(|group| Some((group.name.clone(), group.instances.first()?.id.clone())));
        if let Some((group, instance)) = found {
            self.terminate(&group, &instance);
        }
    }

    pub(super) fn terminated(&mut self, group: &str, instance: &str) {
        let now = self.signed();
        if let Some(group) = self.groups.iter_mut().find(|known| known.name == group) {
            group.succeed(instance, now);
            group.instances.retain(|known| known.id != instance);
        }
    }

    pub(super) fn launch(&mut self, group: &str) {
        let now = self.signed();
        let (id, activity, ip) = (format!("i-{}", self.random.hex(17)), self.random.hex(32), ip(&mut self.random));
        let Some(group) = self.groups.iter_mut().find(|known| known.name == group) else { return };
        let here = group.instances.iter().filter(|instance| instance.lifecycle != "Terminating").count();
        if !group.may("Launch") || i32::try_from(here).is_ok_and(|here| here >= group.desired) {
            return;
        }
        if group.refuses > 0 {
            group.refuses -= 1;
            group.activities.push(Activity {
                id: activity,
                instance: String::new(),
                description: "Launching a new EC2 instance".to_owned(),
                cause: DIFFERENCE.to_owned(),
                status: "Failed",
                message: Some(NO_CAPACITY),
                started: now,
                ended: Some(now),
            });
            let group = group.name.clone();
            return self.set_timer(self.later(LAUNCH_AGAIN), Timer::Launch { group });
        }
        let template = group.template.clone();
        let instance = Instance { id: id.clone(), lifecycle: "Pending", state: "pending", ip, launched: now, template };
        group.instances.push(instance);
        group.activities.push(Activity {
            id: activity,
            instance: id.clone(),
            description: format!("Launching a new EC2 instance: {id}"),
            cause: DIFFERENCE.to_owned(),
            status: "InProgress",
            message: None,
            started: now,
            ended: None,
        });
        let (group, node) = (group.name.clone(), group.node.clone());
        let (in_service, boot) = (self.later(self.setup.times.in_service), self.later(self.setup.times.boot));
        self.set_timer(in_service, Timer::InService { group, instance: id.clone() });
        self.set_timer(boot, Timer::Boot { node, instance: id });
    }

    pub(super) fn in_service(&mut self, group_name: &str, instance: &str) {
        let now = self.signed();
        let Some(group) = self.groups.iter_mut().find(|known| known.name == group_name) else { return };
        if let Some(launched) = group.instance(instance).filter(|instance| instance.lifecycle == "Pending") {
            (launched.lifecycle, launched.state) = ("InService", "running");
            group.succeed(instance, now);
            self.refreshed(group_name);
        }
    }

    pub(super) fn boot(&mut self, node: &str, instance: &str) {
        let there = self.groups.iter().flat_map(|group| &group.instances);
        let lives = there.filter(|known| known.lifecycle != "Terminating").any(|known| known.id == instance);
        if !lives {
            return;
        }
        let mut found = None;
        self.change(node, |slot| {
            (slot.instance, slot.impostor) = (Some(instance.to_owned()), None);
            slot.stale = !slot.name_lags.is_zero();
            found = Some((slot.boots, slot.says, slot.ships, slot.name_lags));
        });
        let Some((boots, says, ships, lags)) = found else { return };
        if !lags.is_zero() {
            self.set_timer(self.later(lags), Timer::NameFollows(node.to_owned()));
        }
        if boots {
            self.start(node);
            if ships {
                self.ship(node, instance);
            }
            if says != BootLine::Missing {
                let (node, instance, at) = (node.to_owned(), instance.to_owned(), self.signed());
                self.log.push(LogLine { node, instance, at, says });
            }
        }
    }

    fn boot_again(&mut self, node: &str) {
        let mut instance = None;
        self.change(node, |slot| {
            slot.boots = true;
            instance = slot.instance.clone();
        });
        if let Some(instance) = instance {
            self.boot(node, &instance);
        }
    }

    fn start(&mut self, node: &str) {
        let (now, mut random) = (self.signed(), self.random.clone());
        let mut started = None;
        self.change(node, |slot| {
            if slot.server.is_none() && slot.instance.is_some() {
                let server = Server::started(&slot.server_name, now, &mut random);
                slot.server = Some(Server { disk: slot.disk, ..server });
                started = Some(slot.server_name.clone());
            }
        });
        self.random = random;
        let started = started.filter(|_| self.slot(node).is_some_and(|slot| slot.disk));
        if let Some(server) = started {
            self.silent.remove(&server);
            // The meta group takes in whoever comes under a name it does not know.
            if !self.meta.peers.contains(&server) {
                self.meta.peers.push(server);
            }
        }
        self.look_at_groups();
    }

    /// The name of the server that ran there.
    fn stop(&mut self, node: &str) -> Option<String> {
        let now = self.now;
        let server = self.slot(node)?.server.take()?;
        self.silent.entry(server.name.clone()).or_insert(now);
        Some(server.name)
    }

    pub(super) fn name_follows(&mut self, node: &str) {
        self.change(node, |slot| slot.stale = false);
    }

    /// The server goes on without JetStream, and the others hear nothing of it in any group.
    fn lose_disk(&mut self, node: &str) {
        let now = self.now;
        let Some(server) = self.slot(node).and_then(|slot| slot.server.as_mut()) else { return };
        server.disk = false;
        let name = server.name.clone();
        self.silent.entry(name.clone()).or_insert(now);
        self.wipe(&name);
    }

    fn fall_silent(&mut self, node: &str) {
        self.change(node, |slot| slot.ships = false);
        self.stop_shipping(|shipper| shipper.node == node);
    }

    fn one_replica(&mut self, stream: &str, node: &str) {
        let Some(stream) = self.streams.iter_mut().find(|known| known.name == stream) else { return };
        stream.replicas = 1;
        stream.stores.retain(|server, _| server == node);
        for raft in stream.rafts() {
            (raft.peers, raft.leader) = (vec![node.to_owned()], Some(node.to_owned()));
        }
    }

    fn replace_by_impostor(&mut self, node: &str) {
        let healthy = self.slot(node).and_then(|slot| slot.server.clone());
        drop(self.stop(node));
        self.change(node, |slot| slot.impostor = healthy);
    }

    /// Its disk is gone, and with it what the server of this name had in its stores.
    fn wipe(&mut self, server: &str) {
        for stream in &mut self.streams {
            stream.stores.remove(server);
        }
    }

    fn set_power(&mut self, node: &str, power: Power) {
        let now = self.now;
        let Some(server) = self.slot(node).and_then(|slot| slot.server.as_mut()) else { return };
        server.power = power;
        let name = server.name.clone();
        match power {
            Power::Frozen => {
                self.silent.entry(name).or_insert(now);
            }
            Power::Runs(_) => {
                self.silent.remove(&name);
            }
        }
    }

    fn suspend_process(&mut self, node: &str, process: String) {
        self.change_group(node, |group| group.suspended.push(process));
    }

    /// A group that may launch again does.
    fn resume_process(&mut self, node: &str, process: &str) {
        let mut resumed = None;
        self.change_group(node, |group| {
            group.suspended.retain(|suspended| suspended != process);
            resumed = Some(group.name.clone());
        });
        resumed.into_iter().for_each(|group| self.launch(&group));
    }

    fn change_group(&mut self, node: &str, change: impl FnOnce(&mut Group)) {
        if let Some(group) = self.groups.iter_mut().find(|group| group.node == node) {
            change(group);
        }
    }

    fn change(&mut self, node: &str, change: impl FnOnce(&mut super::node::Slot)) {
        if let Some(slot) = self.slot(node) {
            change(slot);
        }
    }

    fn change_server(&mut self, node: &str, change: impl FnOnce(&mut Server)) {
        if let Some(server) = self.slot(node).and_then(|slot| slot.server.as_mut()) {
            change(server);
        }
    }
}
