//! What faults do to a cluster, and what its Auto Scaling groups then do by themselves.
//!
//! Acts of plugins will do their deeds here too: an instance that is ended ends the same way, whoever asked.

use crate::fault::Fault;

use super::begin::ip;
use super::node::{Power, Server};
use super::scaling::{Activity, Instance, Refresh};
use super::{State, Timer};

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
            Fault::InstanceRefresh { node } => self.refresh(&node),
            Fault::Aws(fault) => self.aws.push(fault),
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
            started: now,
            ended: None,
        });
        let (group, node) = (group.name.clone(), group.node.clone());
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

    fn terminate_instance_of(&mut self, node: &str) {
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
        let instance = Instance { id: id.clone(), lifecycle: "Pending", state: "pending", ip, launched: now };
        group.instances.push(instance);
        group.activities.push(Activity {
            id: activity,
            instance: id.clone(),
            description: format!("Launching a new EC2 instance: {id}"),
            cause: "an instance was started in response to a difference between desired and actual capacity".to_owned(),
            status: "InProgress",
            started: now,
            ended: None,
        });
        let (group, node) = (group.name.clone(), group.node.clone());
        let (in_service, boot) = (self.later(self.setup.times.in_service), self.later(self.setup.times.boot));
        self.set_timer(in_service, Timer::InService { group, instance: id.clone() });
        self.set_timer(boot, Timer::Boot { node, instance: id });
    }

    pub(super) fn in_service(&mut self, group: &str, instance: &str) {
        let now = self.signed();
        let Some(group) = self.groups.iter_mut().find(|known| known.name == group) else { return };
        if let Some(launched) = group.instance(instance).filter(|instance| instance.lifecycle == "Pending") {
            (launched.lifecycle, launched.state) = ("InService", "running");
            group.succeed(instance, now);
            group.refreshes.iter_mut().for_each(|refresh| refresh.status = "Successful");
        }
    }

    pub(super) fn boot(&mut self, node: &str, instance: &str) {
        let there = self.groups.iter().flat_map(|group| &group.instances);
        let lives = there.filter(|known| known.lifecycle != "Terminating").any(|known| known.id == instance);
        if lives {
            self.change(node, |slot| slot.instance = Some(instance.to_owned()));
            self.start(node);
        }
    }

    fn start(&mut self, node: &str) {
        let (now, mut random) = (self.signed(), self.random.clone());
        let mut started = None;
        self.change(node, |slot| {
            if slot.server.is_none() && slot.instance.is_some() {
                slot.server = Some(Server::started(&slot.server_name, now, &mut random));
                started = Some(slot.server_name.clone());
            }
        });
        self.random = random;
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
        if let Some(group) = self.groups.iter_mut().find(|group| group.node == node) {
            group.suspended.push(process);
        }
    }

    fn refresh(&mut self, node: &str) {
        let (id, now) = (self.random.hex(32), self.signed());
        if let Some(group) = self.groups.iter_mut().find(|group| group.node == node) {
            group.refreshes.push(Refresh { id, status: "InProgress", started: now });
        }
        self.terminate_instance_of(node);
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
