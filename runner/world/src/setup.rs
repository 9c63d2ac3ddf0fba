//! What a world is made of before anything happens in it: the cluster of the inventory, its streams, how fast things go
//! and how far the servers' own word runs ahead of the truth. Defaults are what was measured on real parts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sluice_plugin::inventory::Cluster;

use crate::axiom::TOKEN;

/// The same setup and the same faults give the same world, to the millisecond and the last id.
#[derive(Clone, Debug)]
pub struct Setup {
    pub seed: u64,
    /// Its nodes run, each in a group of one instance, and its `streams` exist, with a replica on every node.
    pub cluster: Cluster,
    /// In every stream at the start, in every replica.
    pub messages: u64,
    pub traffic: Traffic,
    /// Names of services that are connected.
    pub clients: Vec<String>,
    pub users: Vec<User>,
    /// Whom AWS takes the caller for.
    pub caller: Caller,
    /// What the parameter store holds.
    pub parameters: Vec<Parameter>,
    /// What the inventory's secrets are, by name; Axiom knows its own.
    pub secrets: BTreeMap<String, String>,
    /// Numbers of nodes whose groups have a newer launch template than their instances.
    pub outdated: BTreeSet<u32>,
    pub times: Times,
    pub lies: Lies,
}

/// Messages a second into every stream as a function of time: from each moment on, so many.
#[derive(Clone, Debug, Default)]
pub struct Traffic(pub Vec<(Duration, u64)>);

/// A user of the cluster. Whoever comes with its JWT is taken for it.
#[derive(Clone, Debug)]
pub struct User {
    pub jwt: String,
    /// The public key that the JWT names.
    pub key: String,
    pub name: String,
    pub account: String,
    /// May ask the JetStream API of its account.
    pub jetstream: bool,
    /// May ask the servers' system services.
    pub system: bool,
}

#[derive(Clone, Debug)]
pub struct Caller {
    pub account: String,
    pub arn: String,
    pub user_id: String,
}

#[derive(Clone, Debug)]
pub struct Parameter {
    pub name: String,
    pub value: String,
    /// A `SecureString`.
    pub encrypted: bool,
    pub version: i64,
}

/// How long things take.
#[derive(Clone, Debug)]
pub struct Times {
    /// A request over the network and back: at least the first, below the second.
    pub answer: (Duration, Duration),
    /// From the death of a leader to the next one.
    pub election: (Duration, Duration),
    /// How long the others go on naming a dead leader.
    pub named: Duration,
    /// From a server's start until it takes part in its groups.
    pub join: Duration,
    /// From the end of an instance until its group starts the next.
    pub launch: Duration,
    /// From then until the group calls it `InService`, which is before its server runs.
    pub in_service: Duration,
    /// From then until its server starts.
    pub boot: Duration,
    /// From the request to end an instance until it is `terminated`.
    pub shutdown: Duration,
    /// From the beginning of an instance refresh until it ends the instance: a guess.
    pub refresh_pending: Duration,
    /// Messages a second that a replica can fetch.
    pub catch_up: u64,
}

/// What servers say of a replica before it is true, as parts of a hundred of the data it has.
#[derive(Clone, Copy, Debug)]
pub struct Lies {
    /// From here on the leader says `current: true` and lag 0.
    pub current_at: u64,
    /// From here on its own `/healthz` says 200.
    pub healthy_at: u64,
}

impl Setup {
    /// A quiet, healthy cluster with one service connected and nothing in the parameter store.
    pub fn new(seed: u64, cluster: Cluster) -> Self {
        let named = cluster.aws.as_ref().and_then(|aws| aws.account.clone());
        let caller = Caller::operator(named.unwrap_or_else(|| "123456789012".to_owned()));
        Self {
            seed,
            cluster,
            messages: 12_000,
            traffic: Traffic::default(),
            clients: vec!["messenger".to_owned()],
            users: Vec::new(),
            caller,
            parameters: Vec::new(),
            secrets: BTreeMap::from([(TOKEN.to_owned(), "xaat-simulated-0123456789".to_owned())]),
            outdated: BTreeSet::new(),
            times: Times::default(),
            lies: Lies::default(),
        }
    }
}

impl Caller {
    fn operator(account: String) -> Self {
        let arn = format!("arn:aws:sts::{account}:assumed-role/operator/ana");
        Self { account, arn, user_id: "AROAEXAMPLE:ana".to_owned() }
    }
}

impl Traffic {
    /// So many messages a second, always.
    pub fn steady(rate: u64) -> Self {
        Self(vec![(Duration::ZERO, rate)])
    }

    pub(crate) fn rate_at(&self, moment: u64) -> u64 {
        let begun = self.0.iter().filter(|(from, _)| millis(*from) <= moment);
        begun.max_by_key(|(from, _)| *from).map_or(0, |(_, rate)| *rate)
    }

    /// The next moment after this one at which it changes.
    pub(crate) fn changes_after(&self, moment: u64) -> Option<u64> {
        self.0.iter().map(|(from, _)| millis(*from)).filter(|from| *from > moment).min()
    }
}

impl Default for Times {
    fn default() -> Self {
        let (ms, s) = (Duration::from_millis, Duration::from_secs);
        Self {
            answer: (ms(1), ms(6)),
            election: (ms(4_000), ms(8_000)),
            named: s(2),
            join: ms(1_500),
            launch: s(12),
            in_service: s(20),
            boot: s(15),
            shutdown: s(40),
            refresh_pending: s(15),
            catch_up: 1_500,
        }
    }
}

impl Default for Lies {
    fn default() -> Self {
        Self { current_at: 37, healthy_at: 53 }
    }
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
