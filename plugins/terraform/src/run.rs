//! `terraform.run`: how far one run is.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Problem};

use crate::cloud::{NAME, Run, Segment, Service, address, bad_address, path, unless_known};
use crate::describe::{input, output, read};

pub(crate) struct ReadRun;

/// Of every action on one run that only looks at it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The origin of Terraform Cloud, or of a Terraform Enterprise of one's own.
    #[serde(default = "address")]
    address: String,
    /// A token that may see the run.
    #[schemars(schema_with = "sluice_plugin::schema::secret")]
    token: Value,
    /// The run's id.
    #[schemars(regex(pattern = NAME))]
    run: String,
}

#[async_trait]
impl Action for ReadRun {
    fn spec(&self) -> ActionSpec {
        let mut spec = read::<Input, Run>("run", "Read how far a run of Terraform Cloud is");
        spec.examples = vec![Example {
            summary: "one that waits for a yes".to_owned(),
            with: example_with(),
            output: example_run(),
        }];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        unless_known(with, "address").and_then(bad_address).into_iter().collect()
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input(&call.with)?;
        output(&input.look(host).await?).map(Outcome::plain)
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        input::<Input>(&call.with).map(|input| input.by_hand("200 at the end; `status`")).unwrap_or_default()
    }
}

impl Input {
    pub(crate) async fn look(&self, host: &dyn Host) -> Result<Run, Problem> {
        if let Some(problem) = bad_address(&self.address) {
            return Err(problem);
        }
        Run::read(self.service(), host, Segment::of(&self.run, "/run")?).await
    }

    pub(crate) fn by_hand(&self, look_for: &str) -> Vec<ByHand> {
        let Ok(run) = Segment::of(&self.run, "/run") else { return Vec::new() };
        vec![self.service().by_hand(&path(run), None, look_for)]
    }

    fn service(&self) -> Service<'_> {
        Service { address: &self.address, token: &self.token }
    }
}

pub(crate) fn example_with() -> Value {
    json!({ "token": { "$secret": "secrets.terraform_token" }, "run": "run-CZcmD7eagjhyX0vN" })
}

pub(crate) fn example_run() -> Value {
    json!({
        "id": "run-CZcmD7eagjhyX0vN", "status": "planned", "stage": "waiting", "final": false, "confirmable": true,
        "discardable": true, "can_apply": true, "can_discard": true, "auto_apply": false, "plan_only": false,
        "is_destroy": false, "has_changes": true,
        "plan": { "status": "finished", "additions": 1, "changes": 1, "destructions": 1 },
        "message": "messenger: NATS of our own", "created_at": "2026-11-22T17:54:46Z", "workspace": "ws-8xk2",
        "commit": { "sha": "4f0d2a8c1b3e5f60718293a4b5c6d7e8f9012345", "branch": "main", "pull_request": false },
    })
}
