//! Instance refreshes of groups of one: begun by somebody, after a while they end the instance, and they are over when
//! another one is in service. And the rollout of a whole cluster, as Terraform makes one of them.

use std::time::Duration;

use crate::truth::{Termination, Truth};

use super::scaling::{Group, Refresh};
use super::{State, Timer};

/// One refresh after another, each when the one before was successful, and a pause in between.
#[derive(Clone, Debug)]
pub(crate) struct Rollout {
    /// Groups whose turn is to come, the next one last.
    rest: Vec<String>,
    /// The group whose refresh is waited for.
    waits_for: Option<String>,
    pause: Duration,
}

impl State {
    /// As `StartInstanceRefresh` does; nothing is begun beside one that goes on.
    pub(crate) fn start_refresh(&mut self, group: &str) -> Option<String> {
        let (id, now, acts) = (self.random.hex(32), self.signed(), self.later(self.setup.times.refresh_pending));
        let known = self.groups.iter_mut().find(|known| known.name == group)?;
        if known.refreshes.iter().any(Refresh::goes_on) {
            return None;
        }
        known.refreshes.push(Refresh { id: id.clone(), status: "Pending", started: now });
        self.set_timer(acts, Timer::RefreshActs { group: group.to_owned(), refresh: id.clone() });
        Some(id)
    }

    /// As `CancelInstanceRefresh` does: what has begun goes on.
    pub(crate) fn cancel_refresh(&mut self, group: &str) -> Option<String> {
        let known = self.groups.iter_mut().find(|known| known.name == group)?;
        let open = known.refreshes.iter_mut().find(|one| one.goes_on() && one.status != "Cancelling")?;
        open.status = if open.status == "Pending" { "Cancelled" } else { "Cancelling" };
        let id = open.id.clone();
        if self.rollout.as_ref().is_some_and(|rollout| rollout.waits_for.as_deref() == Some(group)) {
            self.rollout = None;
        }
        Some(id)
    }

    pub(super) fn refresh_acts(&mut self, group: &str, refresh: &str) {
        let Some(known) = self.groups.iter_mut().find(|known| known.name == group) else { return };
        let Some(open) = known.refreshes.iter_mut().find(|one| one.id == refresh && one.status == "Pending") else {
            return;
        };
        open.status = "InProgress";
        let (node, instance) = (known.node.clone(), known.instances.first().map(|one| one.id.clone()));
        let Some(instance) = instance else { return };
        let mut truth = Truth::of(self);
        // It moves because of this very refresh.
        truth.moving.retain(|moving| *moving != node);
        let harm = truth.needs(&node, self.on_the_way());
        self.terminations.push(Termination { instance: instance.clone(), node, harm });
        self.terminate(group, &instance);
    }

    /// Its group has an instance in service again.
    pub(super) fn refreshed(&mut self, group: &str) {
        let Some(known) = self.groups.iter_mut().find(|known| known.name == group) else { return };
        for refresh in &mut known.refreshes {
            match refresh.status {
                "InProgress" => refresh.status = "Successful",
                "Cancelling" => refresh.status = "Cancelled",
                _ => {}
            }
        }
        if let Some(rollout) = self.rollout.as_mut().filter(|rollout| rollout.waits_for.as_deref() == Some(group)) {
            rollout.waits_for = None;
            let next = rollout.pause;
            self.set_timer(self.later(next), Timer::NextRefresh);
        }
    }

    pub(super) fn roll_out(&mut self, pause: Duration) {
        let rest = self.groups.iter().rev().map(|group| group.name.clone()).collect();
        self.rollout = Some(Rollout { rest, waits_for: None, pause });
        self.next_refresh();
    }

    pub(super) fn next_refresh(&mut self) {
        let next = self.rollout.as_mut().and_then(|rollout| {
            rollout.waits_for = rollout.rest.pop();
            rollout.waits_for.clone()
        });
        // Whoever waits for a refresh that cannot begin gives up.
        if next.and_then(|group| self.start_refresh(&group)).is_none() {
            self.rollout = None;
        }
    }

    /// Somebody refreshes the node's group, and AWS does not hesitate.
    pub(super) fn refresh_at_once(&mut self, node: &str) {
        let (id, now) = (self.random.hex(32), self.signed());
        if let Some(group) = self.groups.iter_mut().find(|group| group.node == node) {
            group.refreshes.push(Refresh { id, status: "InProgress", started: now });
        }
        self.terminate_instance_of(node);
    }
}

impl Refresh {
    pub(crate) fn goes_on(&self) -> bool {
        !matches!(self.status, "Successful" | "Failed" | "Cancelled")
    }
}

impl Group {
    /// The refresh that goes on, or the last one.
    pub(crate) fn newest_refresh(&self) -> Option<&Refresh> {
        self.refreshes.last()
    }
}
