//! `terraform.plan`: what a run would change, and a verdict whether that is only what may change.
//!
//! A plan holds secrets in clear. Of all it says only addresses, types and actions are read here; values are passed over
//! when the answer is parsed, and are in no output and no message. Terraform Cloud answers with a redirect to a place that
//! needs no token: the host follows it where that origin is granted, too, and leaves the token behind.

mod guard;
mod summary;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, Host, Method, Outcome, Problem, Verdict};

use crate::cloud::{NAME, Segment, Service, address, bad_address, path, unless_known};
use crate::describe::{gate, input, output};
use guard::Allow;
use summary::{Change, Summary};

/// With every value before and after of a large workspace.
const LARGEST: usize = 64 << 20;

/// Of the host's words on what went wrong. The address of a plan is longer, and what makes it work stands at its end.
const LONGEST_WORD: usize = 80;

/// Of the changes that are not allowed, in a sentence.
const SHOWN: usize = 5;

pub(crate) struct ReadPlan;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The origin of Terraform Cloud, or of a Terraform Enterprise of one's own.
    #[serde(default = "address")]
    address: String,
    /// A token that may read the plan, which needs more than seeing the run: the right to the workspace's state.
    #[schemars(schema_with = "sluice_plugin::schema::secret")]
    token: Value,
    /// The run's id.
    #[schemars(regex(pattern = NAME))]
    run: String,
    /// What may change. Anything else that does is a no; an empty list allows nothing.
    allow: Vec<Allow>,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    run: String,
    /// Null while there is no plan.
    terraform_version: Option<String>,
    /// What the plan changes, in its order; what it leaves or only reads is not here.
    changes: Vec<Change>,
    /// How many of them may not.
    not_allowed: usize,
    /// Names of the outputs that change.
    outputs: Vec<String>,
}

#[async_trait]
impl Action for ReadPlan {
    fn spec(&self) -> ActionSpec {
        let mut spec = gate::<Input, Output>("plan", "Judge whether a run of Terraform Cloud changes only what it may");
        spec.examples = vec![example()];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        unless_known(with, "address").and_then(bad_address).into_iter().collect()
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input(&call.with)?;
        match input.read(host).await? {
            Some(summary) => judged(&input, summary),
            None => {
                let why = format!("the run {} has no plan yet", input.run);
                let seen = Output::of(&input, None, Vec::new(), Vec::new());
                Ok(Outcome::judged(output(&seen)?, Verdict::Inconclusive, why))
            }
        }
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input::<Input>(&call.with) else { return Vec::new() };
        let Ok(run) = Segment::of(&input.run, "/run") else { return Vec::new() };
        let look_for = "200 at the end, and how many `resource-additions`, `-changes` and `-destructions`; what they are stands \
                        in the web page of the run";
        vec![input.service().by_hand(&path(run), None, look_for)]
    }
}

impl Input {
    fn service(&self) -> Service<'_> {
        Service { address: &self.address, token: &self.token }
    }

    async fn read(&self, host: &dyn Host) -> Result<Option<Summary>, Problem> {
        if let Some(problem) = bad_address(&self.address) {
            return Err(problem);
        }
        let (run, service) = (Segment::of(&self.run, "/run")?, self.service());
        let mut request = service.request(host, Method::Get, &format!("/runs/{run}/plan/json-output"))?;
        request.max_body = LARGEST;
        let response = host.http(request).await.map_err(without_link)?;
        match response.status {
            204 => Ok(None),
            200 => Summary::read(&response.body)
                .map_err(|error| service.no_answer(&response, &error))?
                .understood()
                .map(Some),
            404 => {
                let problem = service.problem(&response, host.now(), &format!("give the plan of the run {run}"));
                let message = format!(
                    "{}; a plan is shown only to who may read the workspace's state, and there is none before the run has \
                     planned",
                    problem.message
                );
                Err(Problem { message, ..problem })
            }
            _ => Err(service.problem(&response, host.now(), &format!("give the plan of the run {run}"))),
        }
    }
}

impl Output {
    fn of(input: &Input, terraform_version: Option<String>, changes: Vec<Change>, outputs: Vec<String>) -> Self {
        let not_allowed = changes.iter().filter(|change| !change.allowed).count();
        Self { run: input.run.clone(), terraform_version, changes, not_allowed, outputs }
    }
}

/// The link to a plan is all that is needed to read it: no message holds one.
fn without_link(problem: Problem) -> Problem {
    let short = |word: &str| match word.char_indices().nth(LONGEST_WORD) {
        Some((at, _)) => format!("{}…", word.get(..at).unwrap_or_default()),
        None => word.to_owned(),
    };
    let message = problem.message.split(' ').map(short).collect::<Vec<_>>().join(" ");
    Problem { message, ..problem }
}

fn judged(input: &Input, summary: Summary) -> Result<Outcome, Problem> {
    let whole = summary.is_whole();
    let outputs = summary.outputs();
    let version = summary.terraform_version.clone();
    let changes = summary.changes(|change| guard::allows(&input.allow, change));
    let seen = Output::of(input, version, changes, outputs);
    let (verdict, why) = match whole {
        Err(why) => (Verdict::Fail, format!("the plan of the run {} {why}", input.run)),
        Ok(()) => verdict(input, &seen),
    };
    Ok(Outcome::judged(output(&seen)?, verdict, why))
}

fn verdict(input: &Input, seen: &Output) -> (Verdict, String) {
    let (run, all) = (&input.run, seen.changes.len());
    if seen.not_allowed > 0 {
        let shown = seen.changes.iter().filter(|change| !change.allowed).take(SHOWN);
        let shown: Vec<String> = shown.map(|change| format!("{} {}", change.action, change.address)).collect();
        let more = seen.not_allowed - shown.len();
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let why = format!(
            "{} of {all} changes of the run {run} are not among what may change: {}{more}; discard it, or look at why it \
             wants to",
            seen.not_allowed,
            shown.join(", ")
        );
        return (Verdict::Fail, why);
    }
    if all == 0 && !input.allow.is_empty() {
        let why = format!("the run {run} changes nothing: the edit has no effect in this workspace");
        return (Verdict::Fail, why);
    }
    (Verdict::Pass, format!("all {all} changes of the run {run} are among what may change"))
}

fn example() -> Example {
    Example {
        summary: "a service gets another task definition and nothing else happens".to_owned(),
        with: json!({
            "token": { "$secret": "secrets.terraform_token" }, "run": "run-CZcmD7eagjhyX0vN",
            "allow": [
                { "type": "aws_ecs_task_definition", "module": "module.messenger", "actions": ["replace"] },
                { "type": "aws_ecs_service", "module": "module.messenger", "actions": ["update"] },
            ],
        }),
        output: json!({
            "run": "run-CZcmD7eagjhyX0vN", "terraform_version": "1.11.4",
            "changes": [{
                "address": "module.messenger.aws_ecs_service.this", "module": "module.messenger", "type": "aws_ecs_service",
                "action": "update", "allowed": true,
            }],
            "not_allowed": 0, "outputs": [],
        }),
    }
}

#[cfg(test)]
mod tests;
