//! One run as an operator needs it: how far it is, what it would change, and which commit it is of.

use schemars::JsonSchema;
use serde::Serialize;
use sluice_plugin::{Host, Problem};

use super::{Document, Resource, Segment, Service, Stage};

/// What comes along with a run.
const WITH: &str = "plan,configuration_version,configuration_version.ingress_attributes";

/// Of a message that somebody wrote.
const LONGEST: usize = 200;

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Run {
    pub(crate) id: String,
    /// In the words of Terraform Cloud.
    pub(crate) status: String,
    pub(crate) stage: Stage,
    /// Nothing follows.
    #[serde(rename = "final")]
    pub(crate) is_final: bool,
    /// It waits for a yes.
    pub(crate) confirmable: bool,
    pub(crate) discardable: bool,
    /// Whether this token may say yes; null where nobody says.
    pub(crate) can_apply: Option<bool>,
    pub(crate) can_discard: Option<bool>,
    /// It says yes by itself.
    pub(crate) auto_apply: bool,
    pub(crate) plan_only: bool,
    /// It removes everything.
    pub(crate) is_destroy: bool,
    /// Whether the plan found something to change; null before there is one.
    pub(crate) has_changes: Option<bool>,
    /// Null before there is one.
    pub(crate) plan: Option<Counts>,
    pub(crate) message: String,
    /// RFC 3339.
    pub(crate) created_at: Option<String>,
    /// Its id.
    pub(crate) workspace: Option<String>,
    /// Null of a run that no push made.
    pub(crate) commit: Option<Commit>,
    /// Somebody or something has said yes, whatever came of it.
    #[serde(skip)]
    pub(crate) was_confirmed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Counts {
    pub(crate) status: String,
    pub(crate) additions: u64,
    pub(crate) changes: u64,
    pub(crate) destructions: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Commit {
    pub(crate) sha: String,
    pub(crate) branch: String,
    pub(crate) pull_request: bool,
}

impl Run {
    pub(crate) async fn read(service: Service<'_>, host: &dyn Host, id: Segment<'_>) -> Result<Self, Problem> {
        let document: Document<Resource> = service.read(host, &path(id), &format!("read the run {id}")).await?;
        Ok(Self::of(&document, &document.data))
    }

    pub(crate) fn of<T>(document: &Document<T>, run: &Resource) -> Self {
        let status = run.text("/status").unwrap_or_default();
        let confirmable = run.flag("/actions/is-confirmable").unwrap_or(false);
        let stage = Stage::of(status, confirmable);
        let plan = document.related(run, "plan").map(Counts::of);
        let after = ["confirmed-at", "apply-queued-at", "applying-at", "applied-at"];
        Self {
            id: run.id.clone(),
            status: status.to_owned(),
            stage,
            is_final: stage.is_final(),
            confirmable,
            discardable: run.flag("/actions/is-discardable").unwrap_or(false),
            can_apply: run.flag("/permissions/can-apply"),
            can_discard: run.flag("/permissions/can-discard"),
            auto_apply: run.flag("/auto-apply").unwrap_or(false),
            plan_only: run.flag("/plan-only").unwrap_or(false),
            is_destroy: run.flag("/is-destroy").unwrap_or(false),
            has_changes: run.flag("/has-changes").filter(|_| plan.as_ref().is_none_or(Counts::is_finished)),
            plan,
            message: run.text("/message").unwrap_or_default().chars().take(LONGEST).collect(),
            created_at: run.text("/created-at").map(str::to_owned),
            workspace: run.relation("workspace").map(|(_, id)| id.to_owned()),
            commit: Commit::of(document, run),
            was_confirmed: after.iter().any(|at| run.text(&format!("/status-timestamps/{at}")).is_some()),
        }
    }

    /// `2 to add, 1 to change, 0 to destroy`, or nothing.
    pub(crate) fn counts(&self) -> String {
        let counts = self.plan.as_ref().filter(|plan| plan.is_finished());
        counts.map_or_else(String::new, |plan| {
            format!("{} to add, {} to change, {} to destroy", plan.additions, plan.changes, plan.destructions)
        })
    }
}

/// Where a run stands.
pub(crate) fn path(id: Segment<'_>) -> String {
    format!("/runs/{id}?include={WITH}")
}

impl Counts {
    fn of(plan: &Resource) -> Self {
        let number = |pointer: &str| plan.number(pointer).unwrap_or_default();
        Self {
            status: plan.text("/status").unwrap_or_default().to_owned(),
            additions: number("/resource-additions"),
            changes: number("/resource-changes"),
            destructions: number("/resource-destructions"),
        }
    }

    fn is_finished(&self) -> bool {
        self.status == "finished"
    }
}

impl Commit {
    /// Along the way from the run: its configuration, and where that came from.
    fn of<T>(document: &Document<T>, run: &Resource) -> Option<Self> {
        let configuration = document.related(run, "configuration-version")?;
        let ingress = document.related(configuration, "ingress-attributes")?;
        Some(Self {
            sha: ingress.text("/commit-sha")?.to_owned(),
            branch: ingress.text("/branch").unwrap_or_default().to_owned(),
            // One that does not say is no push.
            pull_request: ingress.flag("/is-pull-request").unwrap_or(true),
        })
    }
}
