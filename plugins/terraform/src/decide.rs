//! `terraform.apply` and `terraform.discard`: a person's answer to a run that waits for one. Each sends one request, once.
//!
//! An answer that got lost is looked for in the run: it shows whether it was confirmed, whoever did it.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Preview, Problem, Reconciled};

use crate::cloud::{NAME, Run, Segment, Service, Stage, address, bad_address, path, unless_known};
use crate::describe::{change, input, output};

/// Which answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decide {
    Apply,
    Discard,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The origin of Terraform Cloud, or of a Terraform Enterprise of one's own.
    #[serde(default = "address")]
    address: String,
    /// The token of a user or a team that may apply runs of the workspace; one of an organization never may.
    #[schemars(schema_with = "sluice_plugin::schema::secret")]
    token: Value,
    /// The run's id.
    #[schemars(regex(pattern = NAME))]
    run: String,
    /// What stands beside the answer in Terraform Cloud: who, and why.
    #[serde(default)]
    #[schemars(length(max = 500))]
    comment: String,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    run: String,
    /// Afterwards, in the words of Terraform Cloud. It takes a while to be carried out: wait for it.
    status: String,
    /// False: it was so before, and nothing was sent.
    sent: bool,
}

/// How a run stands to an answer.
enum Standing {
    Done,
    Open,
    /// It can no longer be given, or not yet.
    Closed(String),
}

#[async_trait]
impl Action for Decide {
    fn spec(&self) -> ActionSpec {
        let mut spec = match self {
            Self::Apply => change::<Input, Output>("apply", "Apply a run of Terraform Cloud that waits for a yes"),
            Self::Discard => {
                change::<Input, Output>("discard", "Discard a run of Terraform Cloud that waits for a yes")
            }
        };
        spec.examples = vec![self.example()];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        unless_known(with, "address").and_then(bad_address).into_iter().collect()
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input(&call.with)?;
        let run = input.look(host).await?;
        match self.standing(&run) {
            Standing::Done => return output(&Output::of(&run, false)).map(Outcome::plain),
            Standing::Closed(why) => return Err(Problem::not_applied("not_open", why)),
            Standing::Open => {}
        }
        input.service().act(host, &self.path(input.id()?), &input.comment, &self.to(&run.id)).await?;
        // It was taken. What it is by now is good to know, and no reason to fail.
        let run = input.look(host).await.unwrap_or(run);
        output(&Output::of(&run, true)).map(Outcome::plain)
    }

    async fn preview(&self, host: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        let input: Input = input(&call.with)?;
        let run = input.look(host).await?;
        Ok(match self.standing(&run) {
            Standing::Done => Preview::Already { output: output(&Output::of(&run, false))? },
            Standing::Closed(why) => Preview::Refused { why },
            Standing::Open => self.ready(&input, &run)?,
        })
    }

    async fn reconcile(&self, host: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        let run = input::<Input>(&call.with)?.look(host).await?;
        let evidence =
            json!({ "status": run.status, "confirmable": run.confirmable, "was_confirmed": run.was_confirmed });
        // Whatever came of it afterwards.
        let confirmed = *self == Self::Apply && run.was_confirmed;
        Ok(match self.standing(&run) {
            Standing::Done => Reconciled::Done { output: output(&Output::of(&run, true))?, evidence },
            _ if confirmed => Reconciled::Done { output: output(&Output::of(&run, true))?, evidence },
            _ if run.stage == Stage::Unknown => Reconciled::CannotTell { evidence },
            Standing::Open | Standing::Closed(_) => Reconciled::NotDone { evidence },
        })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input::<Input>(&call.with) else { return Vec::new() };
        let Ok(id) = input.id() else { return Vec::new() };
        let (look, open) = match self {
            Self::Apply => ("202 at the end; then `status` goes on to `applied`", "is-confirmable"),
            Self::Discard => ("202 at the end; then `status` is `discarded`", "is-discardable"),
        };
        let before = format!("200 at the end; `{open}` is true, and the plan is the one that was looked at");
        let service = input.service();
        vec![service.by_hand(&path(id), None, &before), service.by_hand(&self.path(id), Some(&input.comment), look)]
    }
}

impl Decide {
    fn standing(self, run: &Run) -> Standing {
        match self {
            Self::Apply => to_apply(run),
            Self::Discard => to_discard(run),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Discard => "discard",
        }
    }

    fn to(self, run: &str) -> String {
        format!("{} the run {run}", self.word())
    }

    fn path(self, run: Segment<'_>) -> String {
        format!("/runs/{run}/actions/{}", self.word())
    }

    fn ready(self, input: &Input, run: &Run) -> Result<Preview, Problem> {
        let sha = run.commit.as_ref().map(|commit| &commit.sha);
        let binding = json!({
            "address": input.address, "run": run.id, "workspace": run.workspace, "commit": sha,
            "plan": output(&run.plan)?, "status": run.status,
        });
        let branch = run.commit.as_ref().map(|commit| &commit.branch);
        let facts = json!({
            "message": run.message, "branch": branch, "created_at": run.created_at, "destroys_everything": run.is_destroy,
        });
        Ok(Preview::Ready { binding, facts })
    }

    fn example(self) -> Example {
        let (summary, status, comment) = match self {
            Self::Apply => ("with who said yes", "confirmed", "ana, by Sluice: the messenger moves to NATS of our own"),
            Self::Discard => ("with why not", "discarded", "ana, by Sluice: it would replace the cluster, too"),
        };
        Example {
            summary: summary.to_owned(),
            with: json!({
                "token": { "$secret": "secrets.terraform_token" }, "run": "run-CZcmD7eagjhyX0vN", "comment": comment,
            }),
            output: json!({ "run": "run-CZcmD7eagjhyX0vN", "status": status, "sent": true }),
        }
    }
}

impl Input {
    fn service(&self) -> Service<'_> {
        Service { address: &self.address, token: &self.token }
    }

    fn id(&self) -> Result<Segment<'_>, Problem> {
        Segment::of(&self.run, "/run")
    }

    async fn look(&self, host: &dyn Host) -> Result<Run, Problem> {
        if let Some(problem) = bad_address(&self.address) {
            return Err(problem);
        }
        Run::read(self.service(), host, self.id()?).await
    }
}

impl Output {
    fn of(run: &Run, sent: bool) -> Self {
        Self { run: run.id.clone(), status: run.status.clone(), sent }
    }
}

fn to_apply(run: &Run) -> Standing {
    let (id, status) = (&run.id, &run.status);
    let closed = |why: &str| Standing::Closed(format!("the run {id} {why} ({status})"));
    match run.stage {
        Stage::Applying | Stage::Applied => Standing::Done,
        _ if run.plan_only => closed("only plans, as for a pull request, and is never applied"),
        Stage::Waiting if run.can_apply == Some(false) => closed(
            "waits for a yes that this token may not give: use one of a user or a team with the right to apply; one of an \
             organization never may",
        ),
        Stage::Waiting => Standing::Open,
        Stage::Planning if run.auto_apply => closed("says yes by itself: wait until it is applied"),
        Stage::Planning | Stage::Unknown => closed("does not wait for a yes yet: wait for its plan"),
        Stage::Unchanged => closed("found nothing to change, so there is nothing to apply"),
        Stage::Discarded => closed("is discarded: start another one"),
        Stage::Canceled => closed("is canceled: look at what it has done, and start another one"),
        Stage::Errored => closed("failed: read its log"),
    }
}

fn to_discard(run: &Run) -> Standing {
    let closed = |why: &str| Standing::Closed(format!("the run {} {why} ({})", run.id, run.status));
    match run.stage {
        Stage::Discarded => Standing::Done,
        Stage::Applying => closed("has its yes, and is being applied: cancel it in its web page if it has to end"),
        Stage::Applied | Stage::Unchanged | Stage::Canceled | Stage::Errored => closed("has ended"),
        _ if run.discardable && run.can_discard == Some(false) => closed(
            "waits, and this token may not discard it: use one of a user or a team with the right to apply; one of an \
             organization never may",
        ),
        _ if run.discardable => Standing::Open,
        Stage::Planning | Stage::Waiting | Stage::Unknown => {
            closed("cannot be discarded at this place: wait for its plan")
        }
    }
}

#[cfg(test)]
mod tests;
