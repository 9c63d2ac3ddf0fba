//! A look at the whole cluster for those who are about to take a node away, or just did: what every node says, who of
//! them is believed, and what an authenticated connection says beside it.
//!
//! Collecting (`collect`, `doors`) is apart from what is made of it (`identity`, `peers`, `agree`, `leftover`), which is
//! pure. What a look means for an action is not known here.

mod agree;
mod collect;
mod doors;
mod identity;
mod leftover;
mod peers;

#[cfg(test)]
pub(crate) mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use agree::{Difference, differences};
pub(crate) use collect::Looking;
pub(crate) use doors::{Answer, Door, Listed};

use crate::health::sample::Sample;
use crate::health::view::Source;
use crate::monitor::model::Routez;
use crate::monitor::reach::Reach;

/// What was collected, before anything is made of it.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) sample: Sample,
    /// The node that is to go: it may be in any state.
    pub(crate) target: Option<usize>,
    /// Whom each node has routes to.
    pub(crate) routes: Vec<Reach<Routez>>,
    /// What stood behind each node's client port.
    pub(crate) doors: Vec<Door>,
    /// What the authenticated connection said in each round, or why nothing. Empty without credentials.
    pub(crate) answers: Vec<Result<Answer, String>>,
}

/// A look, with only those answers that are believed.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// A node that is not believed is silent here.
    pub(crate) sample: Sample,
    pub(crate) nodes: Vec<Seen>,
    pub(crate) target: Option<usize>,
    pub(crate) second: Second,
}

/// One configured node, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seen {
    pub(crate) name: String,
    /// It answers, it is who it should be, and it is well. Of the node that is to go, the last is not asked.
    pub(crate) up: bool,
    /// `up`, or why not.
    pub(crate) state: String,
    /// None while it is not believed.
    pub(crate) server_id: Option<String>,
}

/// The authenticated connection, as the second source.
#[derive(Clone, Debug)]
pub(crate) enum Second {
    NotGiven,
    Mute(String),
    Told(Box<Told>),
}

#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) source: Source,
    /// What it said last, as if the nodes had said it.
    pub(crate) sample: Sample,
    pub(crate) listed: Option<Listed>,
}

impl Raw {
    pub(crate) fn believed(mut self) -> Look {
        peers::name(&mut self.sample);
        let nodes = identity::judge(&self);
        let second = self.second();
        for (at, node) in nodes.iter().enumerate() {
            if node.server_id.is_none() {
                self.disbelieve(at, &node.state);
            }
        }
        Look { sample: self.sample, nodes, target: self.target, second }
    }

    fn second(&self) -> Second {
        match self.answers.last() {
            None => Second::NotGiven,
            Some(Err(why)) => Second::Mute(why.clone()),
            Some(Ok(answer)) => {
                let mut sample = Sample { rounds: vec![answer.round()], ..self.sample.clone() };
                peers::name(&mut sample);
                Second::Told(Box::new(Told { source: answer.source, sample, listed: answer.listed.clone() }))
            }
        }
    }

    /// What it says itself counts no more. Of the node that is to go, what the authenticated connection says of it does:
    /// it may lead groups all the same.
    fn disbelieve(&mut self, node: usize, why: &str) {
        for (round, at) in self.sample.rounds.iter_mut().zip(0..) {
            let Some(read) = round.reads.get_mut(node) else { continue };
            *read = identity::silence(why);
            let told = self.answers.get(at).and_then(|answer| answer.as_ref().ok()?.reads.get(node));
            if let Some(told) = told.filter(|told| self.target == Some(node) && told.jsz.is_ok()) {
                *read = told.clone();
            }
        }
    }
}

impl Look {
    pub(crate) fn target_name(&self) -> &str {
        self.target.and_then(|at| self.sample.nodes.get(at)).map_or("", |node| node.name.as_str())
    }

    /// Every node but the one that is to go.
    pub(crate) fn others(&self) -> impl Iterator<Item = &Seen> {
        self.nodes.iter().enumerate().filter(|(at, _)| self.target != Some(*at)).map(|(_, node)| node)
    }

    /// Whether the node that is to go tells of all that it holds.
    pub(crate) fn target_tells_all(&self) -> bool {
        let last = self.sample.rounds.len().saturating_sub(1);
        self.target.is_some_and(|target| self.sample.told_all(last, target))
    }

    /// The streams of the one account that the credentials are of.
    pub(crate) fn listed(&self) -> Option<&Listed> {
        match &self.second {
            Second::Told(told) => told.listed.as_ref(),
            Second::NotGiven | Second::Mute(_) => None,
        }
    }

    pub(crate) fn up(&self, name: &str) -> bool {
        self.nodes.iter().any(|node| node.up && node.name == name)
    }

    /// Which sources were asked.
    pub(crate) fn sources(&self) -> Vec<Source> {
        let second = match &self.second {
            Second::Told(told) => Some(told.source),
            Second::NotGiven | Second::Mute(_) => None,
        };
        std::iter::once(Source::Monitoring).chain(second).collect()
    }

    /// The same for a person.
    pub(crate) fn source(&self) -> String {
        match &self.second {
            Second::NotGiven => "the nodes' endpoints alone: no credentials were given".to_owned(),
            Second::Mute(why) => format!("the nodes' endpoints alone: {why}"),
            Second::Told(told) => match (&told.source, &told.listed) {
                (Source::System, _) => "the nodes' endpoints and the system service".to_owned(),
                (_, Some(listed)) => {
                    format!("the nodes' endpoints and, of account {}, the JetStream API", listed.name())
                }
                (_, None) => "the nodes' endpoints and the JetStream API".to_owned(),
            },
        }
    }
}
