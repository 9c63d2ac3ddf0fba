//! What a lock of runs is: who holds it, under which generation, and until when the holder must have been heard of.
//!
//! The types know no store and no rule of who may take what; that is `machine/lock.rs`.

use serde::{Deserialize, Serialize};
use sluice_plugin::Timestamp;

use super::event::{Epoch, Owner};
use super::store::Version;
use crate::ids::RunId;

/// A lock as somebody saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    pub name: String,
    /// Raised by each take; the fencing token.
    pub generation: u64,
    pub standing: Standing,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Standing {
    Free,
    Held {
        holder: Holder,
    },
    /// A person took it away from its holder. Whoever takes it next says so in its journal.
    Broken {
        holder: Holder,
        #[serde(flatten)]
        breach: Breach,
    },
}

/// The run that has a lock, and the process that has the run. Never a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub run: RunId,
    /// The claim of the run under which it was taken: a journal that knows fewer claims is an older copy.
    pub epoch: Epoch,
    pub runbook: String,
    /// Who runs it: `ana@laptop`.
    pub person: String,
    pub owner: Owner,
    pub since: Timestamp,
    /// A process that is not heard of until then is taken for gone.
    pub lease_until: Timestamp,
    /// Set before its first act, and never taken back.
    pub effect: bool,
    /// The end of its journal when it began its last act. A journal without that event is an older copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acted: Option<Version>,
    /// The run whose lock this is, and to which it goes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repairs: Option<Box<Holder>>,
}

/// Who broke a lock, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    pub by: String,
    pub why: String,
    pub at: Timestamp,
}

/// What a holder writes when it is heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    pub lease_until: Timestamp,
    /// It begins to act: durable before the call returns. False leaves the mark as it is.
    pub effect: bool,
    /// The end of its journal, in which the act is intended. `None` leaves what was written.
    pub acted: Option<Version>,
}

/// Where a lock is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum LockedAt {
    /// The store of the runs.
    Store,
    /// The store of the runs, which the inventory says is enough: this machine only.
    Local,
    /// The parameter store of an AWS account, below this path.
    Ssm { account: Option<String>, region: String, path: String },
}

/// Why a run has its lock no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Loss {
    Broken {
        why: String,
    },
    /// Another run took it: this one had begun nothing, and was not heard of.
    Taken {
        by: RunId,
    },
    /// To repair what this run left; it comes back.
    Lent {
        to: RunId,
    },
    /// Found out by the run itself.
    MovedOn,
}

/// What came before, when a run took the lock from another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum After {
    Broken {
        run: RunId,
        #[serde(flatten)]
        breach: Breach,
    },
    /// It had begun nothing, and its process was gone or not heard of.
    Lapsed { run: RunId },
    /// It had ended and not given the lock back.
    Ended { run: RunId },
    /// For as long as this run repairs it.
    Repairs { run: RunId },
}

impl Lock {
    pub fn holder(&self) -> Option<&Holder> {
        match &self.standing {
            Standing::Held { holder } => Some(holder),
            Standing::Free | Standing::Broken { .. } => None,
        }
    }

    /// Has exactly this process it, under this claim?
    pub fn is_held_by(&self, generation: u64, run: &RunId, epoch: Epoch) -> bool {
        self.generation == generation && self.holder().is_some_and(|holder| holder.run == *run && holder.epoch == epoch)
    }
}

impl Holder {
    /// The same one, heard of again.
    #[must_use]
    pub fn heard(self, keep: Keep) -> Self {
        let (effect, acted) = (self.effect || keep.effect, keep.acted.or(self.acted));
        Self { lease_until: keep.lease_until, effect, acted, ..self }
    }
}

impl Standing {
    /// What is left when a person takes it away: broken, or the lock of the run that its holder repaired, which that one
    /// still needs.
    pub fn broken(holder: Holder, breach: &Breach) -> Self {
        match holder.repairs {
            Some(_) => Self::after(holder),
            None => Self::Broken { holder, breach: breach.clone() },
        }
    }

    /// What a holder leaves: nothing, or the lock of the run it repaired, which nobody runs now.
    pub fn after(holder: Holder) -> Self {
        match holder.repairs {
            Some(repaired) => Self::Held { holder: Holder { lease_until: Timestamp(0), ..*repaired } },
            None => Self::Free,
        }
    }
}

impl LockedAt {
    /// Can others than the processes of this store see it?
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Ssm { .. })
    }
}

impl std::fmt::Display for LockedAt {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store | Self::Local => out.write_str("this machine only"),
            Self::Ssm { account, region, path } => {
                write!(out, "parameter store of {} in {region}, {path}", account.as_deref().unwrap_or("the account"))
            }
        }
    }
}
