//! What became of each monitor, as it is told. It sends nothing.

use schemars::JsonSchema;
use serde::Serialize;
use sluice_plugin::Problem;

use crate::monitor::Monitor;
use crate::monitor::difference::{Change, FieldChange, What};

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(super) struct Output {
    /// Every wanted monitor is there and as wanted, as read afterwards, and no other one of the prefix.
    complete: bool,
    created: usize,
    updated: usize,
    deleted: usize,
    /// How many were as wanted already.
    same: usize,
    monitors: Vec<Told>,
    summary: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
struct Told {
    name: String,
    change: Kind,
    outcome: Ended,
    /// Axiom's own, where it has one.
    id: Option<String>,
    /// What was to change of it.
    fields: Vec<FieldChange>,
    /// Somebody switched it off, or let it sleep, and that was left as it is.
    disabled: bool,
    why: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Create,
    Update,
    Delete,
    Same,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Ended {
    /// It is as it should be; one that was to go is gone.
    AsWanted,
    /// Axiom said yes, and it is not so.
    Differs,
    /// Axiom said no.
    Refused,
    /// The one before it ended everything.
    NotTried,
}

/// What there is to say so far.
pub(super) struct Report {
    monitors: Vec<Told>,
    /// Ids of those that somebody switched off.
    off: Vec<String>,
    /// The first one that stood in the way.
    problem: Option<Problem>,
    stopped: bool,
    unread: Option<String>,
}

impl Report {
    pub(super) fn of(there: &[Monitor]) -> Self {
        let off = there.iter().filter(|monitor| monitor.is_disabled()).map(|monitor| monitor.id().to_owned());
        Self { monitors: Vec::new(), off: off.collect(), problem: None, stopped: false, unread: None }
    }

    /// Nothing is tried of it: it is as wanted, or nothing more is tried at all.
    pub(super) fn left(&mut self, change: &Change) {
        let ended = if change.is_same() { Ended::AsWanted } else { Ended::NotTried };
        let told = self.told(change, ended, None);
        self.monitors.push(told);
    }

    /// Axiom said yes.
    pub(super) fn done(&mut self, change: &Change, monitor: Option<&Monitor>) {
        let mut told = self.told(change, Ended::AsWanted, None);
        told.id = told.id.or_else(|| monitor.map(|monitor| monitor.id().to_owned()));
        self.monitors.push(told);
    }

    pub(super) fn refused(&mut self, change: &Change, problem: Problem) {
        let told = self.told(change, Ended::Refused, Some(problem.message.clone()));
        self.monitors.push(told);
        self.problem.get_or_insert(problem);
    }

    pub(super) fn stopped(&mut self, change: &Change, problem: Problem) {
        let told = self.told(change, Ended::NotTried, Some(problem.message.clone()));
        self.monitors.push(told);
        self.problem.get_or_insert(problem);
        self.stopped = true;
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    pub(super) fn changed(&self) -> bool {
        self.monitors.iter().any(|told| told.change != Kind::Same && told.outcome == Ended::AsWanted)
    }

    /// What stood in the way, if nothing at all was changed.
    pub(super) fn in_vain(&self) -> Option<Problem> {
        self.problem.clone().filter(|_| !self.changed())
    }

    /// What would still have to be done, as the monitors were read afterwards.
    pub(super) fn read_back(&mut self, changes: Result<Vec<Change>, Problem>) {
        let changes = match changes {
            Ok(changes) => changes,
            Err(problem) => {
                self.unread = Some(problem.message);
                return;
            }
        };
        for change in changes.iter().filter(|change| !change.is_same()) {
            let (id, why) = match &change.what {
                What::Update { id, fields, .. } => (Some(id), format!("read again, it has another {}", names(fields))),
                What::Delete { id, .. } => (Some(id), "read again, it is still there".to_owned()),
                What::Create { .. } => (None, "read again, it is not there".to_owned()),
                What::Same { .. } => continue,
            };
            let this = |told: &&mut Told| {
                told.name == change.name && (id.is_none() || told.id.is_none() || told.id.as_ref() == id)
            };
            if let Some(told) = self.monitors.iter_mut().find(this).filter(|told| told.outcome == Ended::AsWanted) {
                told.outcome = Ended::Differs;
                told.why = Some(why);
            }
        }
    }

    pub(super) fn output(&self) -> Output {
        let count = |kind: Kind| {
            let of_kind = self.monitors.iter().filter(|told| told.change == kind);
            of_kind.filter(|told| matches!(told.outcome, Ended::AsWanted | Ended::Differs)).count()
        };
        let (created, updated, deleted, same) =
            (count(Kind::Create), count(Kind::Update), count(Kind::Delete), count(Kind::Same));
        let mut summary = format!("{created} created, {updated} updated, {deleted} deleted, {same} as they were");
        for (ended, words) in [
            (Ended::Refused, "refused by Axiom"),
            (Ended::NotTried, "not tried"),
            (Ended::Differs, "not as wanted although Axiom said yes"),
        ] {
            let all: Vec<&str> =
                self.monitors.iter().filter(|told| told.outcome == ended).map(|told| told.name.as_str()).collect();
            if !all.is_empty() {
                summary.push_str(&format!("; {words}: {}", all.join(", ")));
            }
        }
        if let Some(why) = &self.unread {
            summary.push_str(&format!("; they could not be read again: {why}"));
        }
        let complete = self.unread.is_none() && self.monitors.iter().all(|told| told.outcome == Ended::AsWanted);
        Output { complete, created, updated, deleted, same, monitors: self.monitors.clone(), summary }
    }

    fn told(&self, change: &Change, outcome: Ended, why: Option<String>) -> Told {
        let (kind, id, fields) = match &change.what {
            What::Create { .. } => (Kind::Create, None, Vec::new()),
            What::Update { id, fields, .. } => (Kind::Update, Some(id.clone()), fields.clone()),
            What::Delete { id, .. } => (Kind::Delete, Some(id.clone()), Vec::new()),
            What::Same { id } => (Kind::Same, Some(id.clone()), Vec::new()),
        };
        let disabled = id.as_ref().is_some_and(|id| self.off.contains(id));
        Told { name: change.name.clone(), change: kind, outcome, id, fields, disabled, why }
    }
}

fn names(fields: &[FieldChange]) -> String {
    fields.iter().map(|field| field.field.as_str()).collect::<Vec<_>>().join(", ")
}
