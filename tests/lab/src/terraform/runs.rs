//! Runs, and which way they may go. It knows no requests and no JSON:API.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::order::Planned;
use crate::error::{Context, Error, Result};

#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) commit: String,
    pub(super) pull_request: bool,
    pub(super) auto_apply: bool,
    pub(super) created_at: String,
    pub(super) changes: Vec<Planned>,
    /// When it got to each status it was at.
    pub(super) times: BTreeMap<String, String>,
    /// What was said with a yes or a no.
    pub(super) comment: Option<String>,
}

/// Those of the one workspace, oldest first.
#[derive(Default)]
pub(super) struct Runs {
    all: Vec<Run>,
    pub(super) auto_apply: bool,
}

/// Why an answer to a run is not taken.
#[derive(Debug, PartialEq)]
pub(super) enum NotTaken {
    NoSuchRun,
    NotNow,
}

impl Runs {
    pub(super) fn push(&mut self, commit: String, pull_request: bool, changes: Vec<Planned>) -> String {
        let id = format!("run-Lab{:04}", self.all.len() + 1);
        let mut run = Run {
            id: id.clone(),
            status: String::new(),
            commit,
            pull_request,
            auto_apply: self.auto_apply && !pull_request,
            created_at: Timestamp::now().to_string(),
            changes,
            times: BTreeMap::new(),
            comment: None,
        };
        run.set("pending");
        self.all.push(run);
        id
    }

    pub(super) fn all(&self) -> &[Run] {
        &self.all
    }

    pub(super) fn get(&self, id: &str) -> Option<&Run> {
        self.all.iter().find(|run| run.id == id)
    }

    /// The run that has the workspace: the oldest that has not ended.
    pub(super) fn current(&self) -> Option<&Run> {
        self.all.iter().find(|run| !run.pull_request && !run.has_ended())
    }

    /// Through every status before it.
    pub(super) fn go(&mut self, id: &str, to: &str) -> Result<()> {
        let waits = self.current().filter(|current| current.id != id).map(|current| current.id.clone());
        let run = self.all.iter_mut().find(|run| run.id == id).context(format!("no run {id}"))?;
        if let Some(other) = waits.filter(|_| !run.pull_request && to != "canceled") {
            return Err(Error::new(format!("{id} waits: {other} has the workspace")));
        }
        while !run.may_go(to) {
            let next = run.next().context(format!("{id} is {} and does not get to {to}", run.status))?;
            run.set(next);
        }
        run.set(to);
        Ok(())
    }

    pub(super) fn confirm(&mut self, id: &str, comment: &str) -> std::result::Result<(), NotTaken> {
        self.answer(id, comment, Run::is_confirmable, "confirmed")
    }

    pub(super) fn discard(&mut self, id: &str, comment: &str) -> std::result::Result<(), NotTaken> {
        self.answer(id, comment, Run::is_discardable, "discarded")
    }

    fn answer(
        &mut self,
        id: &str,
        comment: &str,
        open: fn(&Run) -> bool,
        to: &str,
    ) -> std::result::Result<(), NotTaken> {
        let run = self.all.iter_mut().find(|run| run.id == id).ok_or(NotTaken::NoSuchRun)?;
        if !open(run) {
            return Err(NotTaken::NotNow);
        }
        run.comment = Some(comment.to_owned());
        run.set(to);
        Ok(())
    }
}

impl Run {
    pub(super) fn is_confirmable(&self) -> bool {
        self.status == "planned" && !self.auto_apply
    }

    pub(super) fn is_discardable(&self) -> bool {
        self.is_confirmable() || self.status == "pending"
    }

    pub(super) fn has_ended(&self) -> bool {
        ["applied", "planned_and_finished", "discarded", "errored", "canceled"].contains(&self.status.as_str())
    }

    /// Whether there is a plan to be shown.
    pub(super) fn is_planned(&self) -> bool {
        self.times.contains_key("planned") || self.times.contains_key("planned_and_finished")
    }

    pub(super) fn has_changes(&self) -> bool {
        self.changes.iter().any(|change| change.actions != ["no-op"] && change.actions != ["read"])
    }

    /// Whether it gets there without anything between.
    fn may_go(&self, to: &str) -> bool {
        let waits = self.has_changes() && !self.pull_request;
        match (self.status.as_str(), to) {
            ("planning", "planned") => waits,
            ("planning", "planned_and_finished") => !waits,
            ("planned", "confirmed") => self.auto_apply,
            ("pending", "planning" | "canceled")
            | ("planning" | "applying", "errored" | "canceled")
            | ("confirmed", "applying")
            | ("applying", "applied") => true,
            _ => false,
        }
    }

    /// Where it goes by itself.
    fn next(&self) -> Option<&'static str> {
        ["planning", "planned", "planned_and_finished", "confirmed", "applying"].into_iter().find(|to| self.may_go(to))
    }

    fn set(&mut self, status: &str) {
        self.times.insert(status.to_owned(), Timestamp::now().to_string());
        self.status = status.to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update() -> Vec<Planned> {
        vec![Planned { address: "aws_x.y".into(), actions: vec!["update".into()] }]
    }

    #[test]
    fn nothing_is_applied_without_a_yes() {
        let mut runs = Runs::default();
        let id = runs.push("a".into(), false, update());
        assert!(runs.go(&id, "applied").is_err());
        assert_eq!(runs.get(&id).unwrap().status, "planned");
        assert_eq!(runs.confirm("run-x", ""), Err(NotTaken::NoSuchRun));
        assert_eq!(runs.confirm(&id, "go"), Ok(()));
        assert_eq!(runs.confirm(&id, "go"), Err(NotTaken::NotNow));
        assert_eq!(runs.discard(&id, "no"), Err(NotTaken::NotNow));
        runs.go(&id, "applied").unwrap();
        assert!(runs.get(&id).unwrap().has_ended());
        assert!(runs.go(&id, "planning").is_err());
    }

    #[test]
    fn one_run_has_the_workspace_and_the_others_wait() {
        let mut runs = Runs::default();
        let [first, second] = ["a", "b"].map(|commit| runs.push(commit.into(), false, update()));
        let pull = runs.push("c".into(), true, update());
        assert!(runs.go(&second, "planned").is_err());
        runs.go(&pull, "planned_and_finished").unwrap();
        runs.go(&first, "planned").unwrap();
        runs.discard(&first, "no").unwrap();
        runs.go(&second, "planned").unwrap();
        assert_eq!(runs.current().unwrap().id, second);
    }

    #[test]
    fn what_finds_nothing_is_finished_and_what_applies_by_itself_goes_on() {
        let mut runs = Runs::default();
        let nothing = runs.push("a".into(), false, Vec::new());
        assert!(runs.go(&nothing, "planned").is_err());
        assert_eq!(runs.get(&nothing).unwrap().status, "planned_and_finished");
        runs.auto_apply = true;
        let by_itself = runs.push("b".into(), false, update());
        runs.go(&by_itself, "applied").unwrap();
        assert_eq!(runs.get(&by_itself).unwrap().status, "applied");
    }
}
