//! What people say from outside of a run: yes or no to its question, and that a gate that stopped it may count as passed.
//!
//! Written by any process at any time, and judged by the core like everything else. The run goes on when it is resumed, or
//! at once where a process still has it.

use super::log::{Appended, Log};
use super::open::Opened;
use super::{Engine, OpenError, Recheck, Reply, RunError};
use crate::confirm::{Identity, Policy};
use crate::ids::{RunId, Sha256};
use crate::journal::{AskId, Durability, Event, Key};
use crate::machine::State;
use crate::machine::asks::{judge_answer, observation};
use crate::machine::overrides::judge_override;
use crate::machine::path::locate;

impl Engine {
    /// Answers a question of a run: exactly the one that was shown, where one was.
    pub async fn answer(
        &self,
        run: &RunId,
        shown: Option<(AskId, Sha256)>,
        reply: Reply,
        recheck: Recheck<'_>,
    ) -> Result<State, OpenError> {
        let Opened { mut log, .. } = self.open(run, recheck).await?;
        loop {
            if reply.yes {
                self.policy_holds(&log, Policy::may_confirm)?;
            }
            let open = log.state.unanswered().next().map(|(_, ask)| (ask.id, ask.digest));
            let (ask, asked) = shown.or(open).ok_or_else(|| OpenError::NothingAsked { run: run.clone() })?;
            let Reply { yes, typed, because } = reply.clone();
            let by = self.confirming.me.clone();
            let event = Event::Answered { ask, asked, yes, by, typed, because, receipt: None };
            judge_answer(&log.state, &event, self.clock.now())
                .map_err(|why| OpenError::NotCounted { run: run.clone(), why })?;
            if let Some(state) = self.say(&mut log, event).await? {
                return Ok(state);
            }
        }
    }

    /// Lets a gate that stopped the run count as passed, once.
    pub async fn override_gate(
        &self,
        run: &RunId,
        key: &Key,
        shown: Option<Sha256>,
        why: &str,
        recheck: Recheck<'_>,
    ) -> Result<State, OpenError> {
        let Opened { mut log, .. } = self.open(run, recheck).await?;
        let mut why = why.to_owned();
        self.hosts.redact_text(&mut why);
        loop {
            self.policy_holds(&log, Policy::may_override)?;
            let path = locate(key, &log.runbook, &log.state);
            let slot = path.as_ref().and_then(|path| path.find(&log.runbook, &log.state)).map(|(_, slot)| slot);
            let slot = slot.ok_or_else(|| OpenError::NoStep { run: run.clone(), key: key.clone() })?;
            let seen = observation(slot).ok_or_else(|| OpenError::NotCounted {
                run: run.clone(),
                why: format!("`{key}` did not stop the run; it is {}", slot.status.name()),
            })?;
            let (seen, by) = (shown.unwrap_or(seen), self.confirming.me.clone());
            let event = Event::Overridden { key: key.clone(), observation: seen, by, why: why.clone() };
            judge_override(&log.runbook, &log.state, &event)
                .map_err(|why| OpenError::NotCounted { run: run.clone(), why })?;
            if let Some(state) = self.say(&mut log, event).await? {
                return Ok(state);
            }
        }
    }

    /// A policy that was tightened since the run was begun counts for whoever answers now, and so does what this machine
    /// cannot prove.
    fn policy_holds(
        &self,
        log: &Log,
        may: fn(&Policy, &Identity, Option<&Identity>) -> Result<(), String>,
    ) -> Result<(), OpenError> {
        let not_counted = |why: String| OpenError::NotCounted { run: log.run.clone(), why };
        let mine = self.policy().map_err(|error| match error {
            RunError::Policy(why) => not_counted(why),
            other => other.into(),
        })?;
        let known = log.state.asking.policy.clone().unwrap_or_default();
        if known.stricter(&mine) != known.stricter(&known) {
            let why = "the policy was tightened since the run was begun; `sluice resume` asks anew under it".to_owned();
            return Err(not_counted(why));
        }
        may(&mine, &self.confirming.me, log.state.asking.requester.as_ref()).map_err(not_counted)
    }

    /// `None`: the journal has moved on, and it has to be looked at again.
    async fn say(&self, log: &mut Log, event: Event) -> Result<Option<State>, OpenError> {
        let now = self.clock.now();
        match log.append(vec![event], None, &self.actor, now, Durability::Sync).await? {
            Appended::Yes(_) => {
                self.index(&log.run, &log.state, log.ordinal()).await?;
                Ok(Some(log.state.clone()))
            }
            Appended::Moved(_) => Ok(None),
            Appended::Refused(illegal, _) => {
                let (run, ordinal) = (log.run.clone(), log.ordinal() + 1);
                Err(RunError::Journal { run, ordinal, why: illegal.to_string() }.into())
            }
        }
    }
}
