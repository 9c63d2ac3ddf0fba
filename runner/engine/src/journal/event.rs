//! The events of a run: the words its journal is written in.
//!
//! An event says what happened, never what to do. Owner events come from the process that holds the run's epoch; outside
//! events (`cancel_asked`, `settled`) come from any process at any time. What an event may follow is told in `machine/apply.rs`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_plugin::{ActionName, Attempt, Problem, Timestamp, Verdict};

use crate::ids::{RunId, Sha256};

/// Ownership of a run, raised by each claim. An owner event with an older epoch is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u32);

/// An event and its circumstances.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// Counts from 1 within a run.
    pub ordinal: u64,
    pub at: Timestamp,
    /// `None` marks an outside event.
    pub epoch: Option<Epoch>,
    /// Who: `ana@laptop`. A name the machine gives, no proof of identity.
    pub actor: String,
    pub event: Event,
}

/// The address of a step in a run: `roll[node-2]/terminate`. Loops put the item's key in brackets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub String);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum Event {
    /// The run exists. Everything it will read again on resume is in the snapshot.
    Started {
        /// Binds the journal to its run; journals of the first release have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
        runbook: String,
        snapshot: Sha256,
        inputs: Value,
        trigger: Trigger,
        semantics: u16,
    },
    /// A process owns the run from here on.
    Claimed {
        epoch: Epoch,
        owner: Owner,
    },
    Entered {
        phase: Phase,
    },
    /// A loop begins: its items and their keys are frozen.
    Opened {
        key: Key,
        items: Vec<Item>,
    },
    /// A loop's next item, with what was read to choose it.
    Picked {
        key: Key,
        /// Its key.
        item: String,
        #[serde(default, skip_serializing_if = "Value::is_null")]
        seen: Value,
    },
    /// Its `when` said no.
    Skipped {
        key: Key,
    },
    /// A gate did not pass at once; its deadline is fixed here and survives a resume.
    Waiting {
        key: Key,
        until: Timestamp,
    },
    Done {
        key: Key,
        attempt: Attempt,
        output: Value,
    },
    /// An ephemeral step's output was fetched again after a resume.
    Renewed {
        key: Key,
        output: Value,
    },
    Failed {
        key: Key,
        attempt: Attempt,
        problem: Problem,
    },
    /// An act begins: the call follows this event and never comes before it.
    Intended {
        key: Key,
        attempt: Attempt,
        /// Of what exactly is done: the digest of the preview's binding or, without a preview, of action and input.
        binding: Sha256,
        /// The call starts until then or not at all.
        act_by: Timestamp,
    },
    /// Two looks at whether an act happened whose outcome nobody saw.
    Reconciled {
        key: Key,
        attempt: Attempt,
        verdict: Found,
        evidence: Value,
    },
    /// Outside: a person says whether it happened.
    Settled {
        key: Key,
        attempt: Attempt,
        verdict: Ruling,
        why: String,
    },
    /// Nothing goes on by itself: acts of unknown outcome wait for a person. Nobody owns the run until it is claimed.
    Parked,
    /// The final word of a gate, with what it saw last.
    Judged {
        key: Key,
        verdict: Verdict,
        why: String,
        samples: Samples,
        seen: Value,
    },
    /// Outside: somebody wants the run to end.
    CancelAsked {
        how: CancelHow,
        why: String,
    },
    /// The owner was interrupted (Ctrl-C): the run goes on when it is resumed.
    Interrupted,
    Ended {
        outcome: Outcome,
    },
}

/// What looking at the world says about an act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Found {
    Done { output: Value },
    NotDone,
    CannotTell,
}

/// What a person says about an act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Ruling {
    Done {
        #[serde(default)]
        output: Value,
    },
    NotDone,
}

/// One round of a loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    pub key: String,
    pub value: Value,
}

/// A gate's samples, counted: the journal keeps no event for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Samples {
    pub count: u32,
    /// How often the verdict changed from one sample to the next.
    pub flips: u32,
    pub first: Timestamp,
    pub last: Timestamp,
}

/// What started a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    Cli,
    Api,
    Slack,
    Schedule,
    Webhook,
}

/// A process, told apart from a later one with the same pid by its start time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub host: String,
    pub pid: u32,
    /// Clock ticks since boot at which the process started, with the boot's id: `<boot id>/<ticks>`.
    pub started: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    #[default]
    Steps,
    Session,
    Finally,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelHow {
    /// What runs now may finish; nothing new starts; `finally` runs.
    AfterStep,
    /// Reads and waits are cut; `finally` runs.
    Now,
    /// Nothing more happens, not even `finally`.
    Abandon,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Outcome {
    Done,
    Failed {
        key: Key,
    },
    /// A gate did not pass.
    Stopped {
        key: Key,
    },
    Cancelled,
    Abandoned {
        /// Acts that may have happened; nobody will look any more.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unknown: Vec<Key>,
    },
    /// Ended for now; `resume` opens it again.
    Interrupted,
}

impl Outcome {
    /// The exit code of `run`.
    pub fn exit(&self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed { .. } => 1,
            Self::Stopped { .. } => 3,
            Self::Abandoned { unknown } if !unknown.is_empty() => 6,
            Self::Cancelled | Self::Abandoned { .. } => 5,
            Self::Interrupted => 130,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed { .. } => "failed",
            Self::Stopped { .. } => "stopped",
            Self::Cancelled => "cancelled",
            Self::Abandoned { .. } => "abandoned",
            Self::Interrupted => "interrupted",
        }
    }
}

impl Event {
    /// The word for it in the journal.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Claimed { .. } => "claimed",
            Self::Entered { .. } => "entered",
            Self::Opened { .. } => "opened",
            Self::Picked { .. } => "picked",
            Self::Skipped { .. } => "skipped",
            Self::Waiting { .. } => "waiting",
            Self::Done { .. } => "done",
            Self::Renewed { .. } => "renewed",
            Self::Failed { .. } => "failed",
            Self::Intended { .. } => "intended",
            Self::Reconciled { .. } => "reconciled",
            Self::Settled { .. } => "settled",
            Self::Parked => "parked",
            Self::Judged { .. } => "judged",
            Self::CancelAsked { .. } => "cancel_asked",
            Self::Interrupted => "interrupted",
            Self::Ended { .. } => "ended",
        }
    }

    /// May any process append it, whoever owns the run?
    pub fn is_outside(&self) -> bool {
        matches!(self, Self::CancelAsked { .. } | Self::Settled { .. })
    }

    /// The step it is about.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Opened { key, .. }
            | Self::Picked { key, .. }
            | Self::Skipped { key }
            | Self::Waiting { key, .. }
            | Self::Done { key, .. }
            | Self::Renewed { key, .. }
            | Self::Failed { key, .. }
            | Self::Intended { key, .. }
            | Self::Reconciled { key, .. }
            | Self::Settled { key, .. }
            | Self::Judged { key, .. } => Some(key),
            Self::Started { .. }
            | Self::Claimed { .. }
            | Self::Entered { .. }
            | Self::CancelAsked { .. }
            | Self::Parked
            | Self::Interrupted
            | Self::Ended { .. } => None,
        }
    }
}

impl Key {
    /// The session's address: no step can have it, ids have no dot.
    pub fn session() -> Self {
        Self("session.".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

/// What a run was started from, as one blob: resume reads this and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Where the runbook came from, for people.
    pub origin: String,
    pub runbook: String,
    /// Digest of each action's contract (name, effect, schemas, revision) the runbook names.
    pub contracts: std::collections::BTreeMap<ActionName, Sha256>,
}
