//! Collecting a look: rounds over the nodes' endpoints, and beside each what the authenticated connection says.
//!
//! The leaders' word comes from the first round, each replica's own store from a later one. What may settle by itself
//! (an election, a follower a moment behind) is looked at some times more.

use std::time::Duration;

use futures::future::join;
use sluice_plugin::inventory::Cluster;
use sluice_plugin::{Host, Timestamp};

use super::doors::{Door, Doors};
use super::{Answer, Look, Raw};
use crate::health::sample::{Configured, Own, Sample};
use crate::link::creds::UserCreds;
use crate::link::wire::Wire;
use crate::monitor::model::Routez;
use crate::monitor::reach::{Kind, Reach, Unreached};
use crate::monitor::read::{self, PATIENCE, Round};

/// Long enough for what the leader had to be in every healthy replica's store.
const BETWEEN: Duration = Duration::from_millis(500);

/// For the node that is to go, and for one that was silent before: a gate's sample has to stay fresh.
const SHORT_PATIENCE: Duration = Duration::from_secs(1);

/// Rounds in all, while something may settle, and how long ago the first may be: what is acted on has to be fresh.
const ROUNDS: usize = 4;
const STILL_FRESH: Duration = Duration::from_millis(2_500);

pub(crate) struct Looking<'a> {
    host: &'a dyn Host,
    cluster: &'a Cluster,
    target: Option<usize>,
    start: Timestamp,
    rounds: Vec<Round>,
    routes: Vec<Reach<Routez>>,
    doors: Option<Doors>,
    answers: Vec<Result<Answer, String>>,
}

impl<'a> Looking<'a> {
    /// Connects, and looks for the first time.
    pub(crate) async fn begin(
        host: &'a dyn Host,
        wire: &dyn Wire,
        cluster: &'a Cluster,
        creds: Option<&UserCreds>,
        target: Option<usize>,
    ) -> Self {
        let start = host.now();
        let mut looking =
            Self { host, cluster, target, start, rounds: vec![], routes: vec![], doors: None, answers: vec![] };
        let asking = async {
            let mut doors = Doors::open(wire, cluster, creds?, target).await;
            let answer = doors.ask(host, cluster).await;
            Some((doors, answer))
        };
        let (read, asked) = join(looking.read(), asking).await;
        looking.keep(read);
        if let Some((doors, answer)) = asked {
            looking.doors = Some(doors);
            looking.answers.push(answer);
        }
        looking
    }

    /// Looks once more, or until `content`, and gives what was last judged.
    pub(crate) async fn judged<T>(mut self, judge: impl Fn(&Look) -> T, content: impl Fn(&T) -> bool) -> T {
        loop {
            self.host.sleep(BETWEEN).await;
            self.again().await;
            let judged = judge(&self.raw().believed());
            let over = self.rounds.len() >= ROUNDS || self.host.now().since(self.start) >= STILL_FRESH;
            if over || content(&judged) {
                return judged;
            }
        }
    }

    /// Both sources at one time, so that what they say is of one time.
    async fn again(&mut self) {
        let mut doors = self.doors.take();
        let asking = async {
            match &mut doors {
                Some(doors) => Some(doors.ask(self.host, self.cluster).await),
                None => None,
            }
        };
        let (read, answer) = join(self.read(), asking).await;
        self.keep(read);
        self.doors = doors;
        self.answers.extend(answer);
    }

    async fn read(&self) -> (Round, Vec<Reach<Routez>>) {
        let at = u64::try_from(self.host.now().since(self.start).as_millis()).unwrap_or(u64::MAX);
        let was_silent = |node: usize| {
            let read = self.rounds.last().and_then(|round| round.reads.get(node));
            read.and_then(|read| read.silent()).is_some_and(|why| why.kind == Kind::Timeout)
        };
        let short = |node: usize| self.target == Some(node) || was_silent(node);
        let patience = |node: usize| if short(node) { SHORT_PATIENCE } else { PATIENCE };
        let nodes = &self.cluster.nodes;
        let (reads, routes) =
            join(read::round(self.host, nodes, patience), read::routes(self.host, nodes, patience)).await;
        (Round { at, reads }, routes)
    }

    fn keep(&mut self, (round, routes): (Round, Vec<Reach<Routez>>)) {
        self.rounds.push(round);
        self.routes = routes;
    }

    fn raw(&self) -> Raw {
        let nodes = &self.cluster.nodes;
        let configured = nodes.iter().map(|node| Configured { name: node.name.clone(), host: node.host.clone() });
        let sample = Sample {
            cluster: self.cluster.name.clone(),
            nodes: configured.collect(),
            streams: self.cluster.streams.clone(),
            rounds: self.rounds.clone(),
            api: None,
            own: Own::default(),
        };
        let doors = self.doors.as_ref().map_or_else(|| vec![Door::NotTried; nodes.len()], |doors| doors.seen.clone());
        Raw { sample, target: self.target, routes: self.routes.clone(), doors, answers: self.answers.clone() }
    }
}

/// What a node that is not believed says.
pub(super) fn unheard(why: &str) -> Unreached {
    Unreached { kind: Kind::BadAnswer, why: why.to_owned() }
}
