//! The truth about a simulated cluster at one moment, and how it goes on by itself.
//!
//! Time comes in from outside, in milliseconds since the world began. What servers *say* of all this is in `serve`.

mod begin;
pub(crate) mod events;
mod happen;
pub(crate) mod node;
pub(crate) mod raft;
mod refresh;
pub(crate) mod scaling;
pub(crate) mod step_down;
pub(crate) mod stream;

use std::collections::{BTreeMap, BTreeSet};

use sluice_plugin::Call;

use crate::fault::AwsFault;
use crate::random::Random;
use crate::setup::{Setup, millis};
use crate::truth::Termination;

use self::events::Shipper;
use self::node::{Server, Slot};
use self::raft::Raft;
use self::refresh::Rollout;
use self::scaling::{Group, LogLine};
use self::stream::{Pace, Stream};

/// A group tries to elect again after so long without a majority.
const AGAIN: u64 = 1_000;

/// A fetched message was under way for so many milliseconds.
const UNDER_WAY: u64 = 5;

#[derive(Clone)]
pub(crate) struct State {
    pub(crate) now: u64,
    pub(crate) setup: Setup,
    pub(crate) random: Random,
    pub(crate) slots: Vec<Slot>,
    pub(crate) meta: Raft,
    pub(crate) streams: Vec<Stream>,
    pub(crate) groups: Vec<Group>,
    /// The public key of the account that the streams are in.
    pub(crate) account: String,
    /// By server name: since when nobody hears from it.
    pub(crate) silent: BTreeMap<String, u64>,
    pub(crate) aws: Vec<AwsFault>,
    /// What sends the events of nodes to Axiom.
    pub(crate) shippers: Vec<Shipper>,
    pub(crate) axiom_down: bool,
    /// Servers to which every leadership comes back.
    pub(crate) sticky: BTreeSet<String>,
    pub(crate) deeds: Vec<Deed>,
    /// What starts of nodes left in the log, oldest first.
    pub(crate) log: Vec<LogLine>,
    /// Instances that `aws.terminate_instance` ended, in order.
    pub(crate) terminations: Vec<Termination>,
    pub(crate) things: BTreeSet<String>,
    /// Somebody refreshes all groups, one after another.
    rollout: Option<Rollout>,
    timers: BTreeMap<(u64, u64), Timer>,
    next_timer: u64,
}

/// What a toy act does, and when. Run, step and attempt tell it from all others, also to whoever looks for it later.
#[derive(Clone)]
pub(crate) struct Deed {
    pub(crate) run: String,
    pub(crate) step: String,
    pub(crate) attempt: u32,
    pub(crate) at: u64,
}

impl Deed {
    pub(crate) fn of(call: &Call, at: u64) -> Self {
        Self { run: call.run.clone(), step: call.step.clone(), attempt: call.attempt.0, at }
    }
}

/// What happens by itself, later.
#[derive(Clone, Debug)]
enum Timer {
    /// The group of this name chooses a leader, if it still has none.
    Election(String),
    Terminated {
        group: String,
        instance: String,
    },
    Launch {
        group: String,
    },
    InService {
        group: String,
        instance: String,
    },
    Boot {
        node: String,
        instance: String,
    },
    /// The node's name leads to its new address.
    NameFollows(String),
    /// A refresh that was not cancelled meanwhile ends its instance.
    RefreshActs {
        group: String,
        refresh: String,
    },
    /// It is the turn of the next group of a rollout.
    NextRefresh,
}

impl State {
    /// Goes on to this moment, step by step.
    pub(crate) fn settle(&mut self, until: u64) {
        loop {
            let timer = self.timers.keys().next().copied().filter(|(due, _)| *due <= until);
            let change = self.setup.traffic.changes_after(self.now).filter(|change| *change <= until);
            let next = timer.map(|(due, _)| due).into_iter().chain(change).min().unwrap_or(until);
            self.flow(next.max(self.now));
            match timer.filter(|(due, _)| *due <= next).and_then(|key| self.timers.remove(&key)) {
                Some(timer) => self.ring(timer),
                None if next >= until => return,
                None => {}
            }
        }
    }

    pub(crate) fn slot(&mut self, node: &str) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.name == node)
    }

    /// The server of this name that runs, wherever that is.
    pub(crate) fn running(&self, server: &str) -> Option<&Server> {
        self.slots.iter().filter_map(Slot::running).find(|running| running.name == server)
    }

    /// It runs and has found its groups again.
    pub(crate) fn takes_part(&self, server: &str) -> bool {
        let joined =
            |server: &Server| server.disk && self.signed() >= server.started + signed(millis(self.setup.times.join));
        self.running(server).is_some_and(joined)
    }

    /// Messages that may be on their way to the other replicas: those of half a second.
    pub(crate) fn on_the_way(&self) -> u64 {
        self.setup.traffic.rate_at(self.now) / 2
    }

    /// Now, as starts and launches are kept.
    pub(crate) fn signed(&self) -> i64 {
        signed(self.now)
    }

    pub(crate) fn later(&self, time: std::time::Duration) -> u64 {
        self.now.saturating_add(millis(time))
    }

    fn set_timer(&mut self, at: u64, timer: Timer) {
        self.next_timer += 1;
        self.timers.insert((at, self.next_timer), timer);
    }

    /// Messages come in and replicas fetch until this moment, while nothing else changes.
    fn flow(&mut self, until: u64) {
        let time = until - self.now;
        let rate = self.setup.traffic.rate_at(self.now);
        let fetches = self.setup.times.catch_up.max(rate * 2);
        let running = self.slots.iter().filter_map(Slot::running);
        let paces: Vec<Pace> = running
            .filter(|server| self.takes_part(&server.name))
            .map(|server| Pace { server: server.name.clone(), fetches: fetches * time * server.speed() / 100 })
            .collect();
        for stream in &mut self.streams {
            stream.flow(rate * time, rate * UNDER_WAY, &paces);
        }
        self.now = until;
    }

    fn rafts(&mut self) -> impl Iterator<Item = &mut Raft> {
        std::iter::once(&mut self.meta).chain(self.streams.iter_mut().flat_map(Stream::rafts))
    }

    /// Looks which groups have lost their leader or their majority. To be called whenever a server comes or goes.
    fn look_at_groups(&mut self) {
        let alive = self.slots.iter().filter_map(Slot::running).filter(|server| server.disk);
        let alive: Vec<String> = alive.map(|server| server.name.clone()).collect();
        let now = self.now;
        let mut lost = Vec::new();
        for raft in self.rafts() {
            let led = raft.leader.as_ref().is_some_and(|leader| alive.contains(leader));
            let enough = raft.peers.iter().filter(|peer| alive.contains(peer)).count() >= raft.majority();
            match (led && enough, raft.lost_at) {
                (true, Some(_)) => raft.lost_at = None,
                (false, None) => {
                    raft.lost_at = Some(now);
                    lost.push(raft.name.clone());
                }
                (true, None) | (false, Some(_)) => {}
            }
        }
        for name in lost {
            let (from, to) = self.setup.times.election;
            let at = self.now + self.random.between(millis(from), millis(to));
            self.set_timer(at, Timer::Election(name));
        }
    }

    /// The peer whose store goes furthest leads: an empty one does not outvote it.
    fn elect(&mut self, name: &str) {
        let parts: Vec<String> =
            self.slots.iter().filter_map(Slot::running).map(|server| server.name.clone()).collect();
        let parts: Vec<String> = parts.into_iter().filter(|server| self.takes_part(server)).collect();
        let turn = usize::try_from(self.random.between(0, 1 << 16)).unwrap_or(0);
        let stores = self.streams.iter().find(|stream| stream.raft.name == name).map(|stream| stream.stores.clone());
        let Some(raft) = self.rafts().find(|raft| raft.name == name && raft.lost_at.is_some()) else { return };
        let voters: Vec<&String> = raft.peers.iter().filter(|peer| parts.contains(peer)).collect();
        let chosen = match &stores {
            Some(stores) => voters.iter().max_by_key(|peer| stores.get(**peer).copied().unwrap_or(0)).copied(),
            None => voters.get(turn.checked_rem(voters.len()).unwrap_or(0)).copied(),
        };
        if voters.len() >= raft.majority() {
            raft.leader = chosen.cloned();
            raft.lost_at = None;
        } else {
            raft.leader = None;
            let at = self.now + AGAIN;
            self.set_timer(at, Timer::Election(name.to_owned()));
        }
    }

    fn ring(&mut self, timer: Timer) {
        match timer {
            Timer::Election(name) => self.elect(&name),
            Timer::Terminated { group, instance } => self.terminated(&group, &instance),
            Timer::Launch { group } => self.launch(&group),
            Timer::InService { group, instance } => self.in_service(&group, &instance),
            Timer::Boot { node, instance } => self.boot(&node, &instance),
            Timer::NameFollows(node) => self.name_follows(&node),
            Timer::RefreshActs { group, refresh } => self.refresh_acts(&group, &refresh),
            Timer::NextRefresh => self.next_refresh(),
        }
    }
}

pub(crate) fn signed(moment: u64) -> i64 {
    i64::try_from(moment).unwrap_or(i64::MAX)
}
