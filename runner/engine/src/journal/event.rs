//! The events of a run: the words its journal is written in.
//!
//! An event says what happened, never what to do. Owner events come from the process that holds the run's epoch; outside
//! events (`cancel_asked`, `answered`, `settled`) come from any process at any time. What an event may follow is told in `machine/apply.rs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_plugin::{ActionName, Attempt, PluginName, Problem, Timestamp, Verdict};

use super::lock::{After, LockedAt, Loss};
use crate::confirm::{Identity, Policy};
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
    /// The run has its lock from here on, under this claim of it.
    Locked {
        name: String,
        generation: u64,
        at: LockedAt,
        /// From whom it was taken, where it was not free.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<After>,
        /// Whom AWS takes the process for, where the lock is kept there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caller: Option<String>,
    },
    /// Outside, since nothing follows an end: the lock was given back.
    Unlocked {
        generation: u64,
    },
    /// Outside: the run has its lock no more, and acts only after it has it again.
    LockLost {
        generation: u64,
        how: Loss,
    },
    Entered {
        phase: Phase,
    },
    /// A loop begins: its items and their keys are frozen.
    Opened {
        key: Key,
        items: Vec<Item>,
    },
    /// A called runbook begins: its inputs are frozen.
    Called {
        key: Key,
        inputs: Value,
    },
    /// The steps of a called runbook are over, or are to end; its `finally` begins.
    EnteredFinally {
        key: Key,
    },
    /// A called runbook is done. The outputs are made once, here.
    Returned {
        key: Key,
        outputs: Value,
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
    /// Who must say yes to acts that destroy, as it is for the process that owns the run. The stricter of all holds.
    Ruled {
        policy: Policy,
        /// Who started the run, as far as this process knows them. Told once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requester: Option<Identity>,
    },
    /// People are asked for a yes to exactly these acts.
    Asked {
        ask: AskId,
        /// The step that says `confirm`.
        key: Key,
        acts: Vec<Bound>,
        /// The name a person has to type.
        typed: String,
        answer_by: Timestamp,
        /// `15m`: from the last yes to the last act.
        valid_for: String,
        /// What a person is shown: bindings, facts, what the gates saw.
        shown: Value,
    },
    /// Outside: a person's answer.
    Answered {
        ask: AskId,
        /// The digest of the question that was answered.
        asked: Sha256,
        yes: bool,
        by: Identity,
        #[serde(default)]
        typed: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<String>,
        /// It was given beforehand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        receipt: Option<Sha256>,
    },
    /// The question counts no more, whatever was answered.
    Voided {
        ask: AskId,
        key: Key,
        why: Void,
    },
    /// Right before an act that was confirmed: what it would do is still what was confirmed.
    Rebound {
        ask: AskId,
        key: Key,
        binding: Sha256,
        /// What is known beside it, as it was shown and as it is, where that is not the same any more.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        facts: Value,
    },
    /// A gate that this act needs has passed once more, as a whole, since the yes.
    Rejudged {
        ask: AskId,
        /// The act.
        key: Key,
        gate: Key,
        why: String,
        samples: Samples,
        seen: Value,
    },
    /// One sample of every gate that this act needs, taken together. The intent follows at once.
    LookedLast {
        ask: AskId,
        key: Key,
        looks: Vec<Glance>,
    },
    /// Outside: a person lets a gate count as passed, once.
    Overridden {
        /// The gate.
        key: Key,
        /// The digest of what it saw when it did not pass.
        observation: Sha256,
        by: Identity,
        why: String,
    },
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

/// One question of a run; they count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AskId(pub u32);

/// An act and what exactly it would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    pub key: Key,
    pub attempt: Attempt,
    pub binding: Sha256,
}

/// One look at one gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Glance {
    pub gate: Key,
    pub verdict: Verdict,
    pub why: String,
    /// When it began.
    pub at: Timestamp,
}

/// Why a question counts no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Void {
    /// Somebody said no.
    Denied,
    /// Nobody said yes in time, or the yes is too old by now.
    Expired,
    /// What the act would do is not what was confirmed.
    Moved { act: Key, was: Sha256, now: Option<Sha256>, changes: Value },
    /// A gate that had passed did not pass again.
    GateFailed { act: Key, gate: Key, verdict: Verdict, why: String, seen: Value },
    /// The run, or what the question stood in, is to end.
    Cancelled,
    /// Something is to be asked that this question does not cover.
    Superseded,
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
    /// Clock ticks since boot at which the process started, with the boot's id, and the pid namespace it lives in:
    /// `<boot id>/<ticks>/<namespace>`.
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
    /// Nobody said yes to an act that destroys, or somebody said no.
    Unconfirmed {
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
            Self::Unconfirmed { .. } => 4,
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
            Self::Unconfirmed { .. } => "not confirmed",
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
            Self::Locked { .. } => "locked",
            Self::Unlocked { .. } => "unlocked",
            Self::LockLost { .. } => "lock_lost",
            Self::Entered { .. } => "entered",
            Self::Opened { .. } => "opened",
            Self::Called { .. } => "called",
            Self::EnteredFinally { .. } => "entered_finally",
            Self::Returned { .. } => "returned",
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
            Self::Ruled { .. } => "ruled",
            Self::Asked { .. } => "asked",
            Self::Answered { .. } => "answered",
            Self::Voided { .. } => "voided",
            Self::Rebound { .. } => "rebound",
            Self::Rejudged { .. } => "rejudged",
            Self::LookedLast { .. } => "looked_last",
            Self::Overridden { .. } => "overridden",
            Self::Judged { .. } => "judged",
            Self::CancelAsked { .. } => "cancel_asked",
            Self::Interrupted => "interrupted",
            Self::Ended { .. } => "ended",
        }
    }

    /// May any process append it, whoever owns the run?
    pub fn is_outside(&self) -> bool {
        matches!(
            self,
            Self::CancelAsked { .. }
                | Self::Settled { .. }
                | Self::Answered { .. }
                | Self::Overridden { .. }
                | Self::Unlocked { .. }
                | Self::LockLost { .. }
        )
    }

    /// The step it is about.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Opened { key, .. }
            | Self::Called { key, .. }
            | Self::EnteredFinally { key }
            | Self::Returned { key, .. }
            | Self::Picked { key, .. }
            | Self::Skipped { key }
            | Self::Waiting { key, .. }
            | Self::Done { key, .. }
            | Self::Renewed { key, .. }
            | Self::Failed { key, .. }
            | Self::Intended { key, .. }
            | Self::Reconciled { key, .. }
            | Self::Settled { key, .. }
            | Self::Asked { key, .. }
            | Self::Voided { key, .. }
            | Self::Rebound { key, .. }
            | Self::Rejudged { key, .. }
            | Self::LookedLast { key, .. }
            | Self::Overridden { key, .. }
            | Self::Judged { key, .. } => Some(key),
            Self::Started { .. }
            | Self::Claimed { .. }
            | Self::Locked { .. }
            | Self::Unlocked { .. }
            | Self::LockLost { .. }
            | Self::Entered { .. }
            | Self::CancelAsked { .. }
            | Self::Ruled { .. }
            | Self::Answered { .. }
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
    /// Digest of each action's contract (name, effect, schemas, revision) that the runbook and those it calls name.
    pub contracts: BTreeMap<ActionName, Sha256>,
    /// What the runbook's calls mean: a key of `called` for each name that it uses.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub calls: BTreeMap<String, String>,
    /// Every runbook that is called, directly or through another one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub called: BTreeMap<String, CalledBook>,
    /// What the run was started with. Missing in snapshots of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Value>,
    /// The components that its actions live in: blobs of the store, by their hash.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<PluginName, Sha256>,
}

/// A called runbook as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalledBook {
    pub origin: String,
    pub runbook: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub calls: BTreeMap<String, String>,
    /// Rows for the inputs of type `thresholds` that a call leaves out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub thresholds: BTreeMap<String, Value>,
}
