//! Confirmations as the engine needs them of the process around it: who acts, under which policy, who can be asked, and
//! a yes that was given beforehand.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use sluice_plugin::Timestamp;

use super::plan::Sources;
use super::{Engine, RunError};
use crate::confirm::{Identity, Policy, Proof, Receipt};
use crate::ids::{RunId, Sha256};
use crate::journal::{AskId, Event, Key};
use crate::runbook::checked::Checked;

/// What runs that destroy need of the process they are in.
#[derive(Clone)]
pub struct Confirming {
    /// Of the run: what it is bound to beside its inputs, the policy among it.
    pub sources: Sources,
    /// Who is at this process.
    pub me: Identity,
    /// A person who can be asked now. Without one a run that asks is parked.
    pub asker: Option<Arc<dyn Asker>>,
    pub receipt: Option<Receipt>,
    /// What the receipt does not say yes to is asked of the person; else it is a no.
    pub asks_beside: bool,
}

impl Default for Confirming {
    fn default() -> Self {
        Self {
            sources: Sources::from(""),
            me: Identity::nobody_known(""),
            asker: None,
            receipt: None,
            asks_beside: false,
        }
    }
}

impl Confirming {
    fn stated(&self) -> Result<Policy, RunError> {
        Policy::of_sources(&self.sources.policy).map_err(RunError::Policy)
    }

    /// What the policy wants that whoever is at this process cannot prove.
    pub(super) fn beyond_me(&self, policy: &Policy) -> Option<String> {
        policy.beyond_presence().filter(|_| self.me.proof == Proof::Presence)
    }
}

/// A person at a terminal. A question that counts no more is dropped while it is put.
#[async_trait]
pub trait Asker: Send + Sync {
    async fn ask(&self, question: Question) -> Reply;
}

/// What is put to a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub run: RunId,
    pub ask: AskId,
    pub digest: Sha256,
    pub key: Key,
    pub typed: String,
    pub answer_by: Timestamp,
    pub shown: Arc<Value>,
}

/// What a person said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub yes: bool,
    /// As it was typed.
    pub typed: String,
    pub because: Option<String>,
}

impl Engine {
    /// Who must say yes to what this runbook destroys, as this process knows it; nothing for one that destroys nothing.
    pub(super) fn ruled(&self, runbook: &Checked, starts: bool) -> Result<Option<Event>, RunError> {
        if !runbook.destroys() {
            return Ok(None);
        }
        if starts {
            let (policy, requester) = (self.policy()?, Some(self.confirming.me.clone()));
            return Ok(Some(Event::Ruled { policy, requester }));
        }
        // A run that has begun goes on to its end also under a policy that nobody here can satisfy: nobody is asked here then.
        Ok(Some(Event::Ruled { policy: self.confirming.stated()?, requester: None }))
    }

    /// What one machine cannot prove is refused at once.
    pub(super) fn policy(&self) -> Result<Policy, RunError> {
        let policy = self.confirming.stated()?;
        if let Some(wants) = self.confirming.beyond_me(&policy) {
            return Err(RunError::Policy(format!(
                "the policy wants {wants}, and at a terminal nobody's identity is proved: whoever has this machine can \
                 have any name on it. It takes a server that verifies who answers, and this version has none; until then \
                 only a change of `policy` in the inventory lets this machine go on"
            )));
        }
        Ok(policy)
    }
}
