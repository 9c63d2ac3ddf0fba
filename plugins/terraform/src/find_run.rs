//! `terraform.find_run`: the run that a push made. A gate, since it takes up to a minute until there is one.
//!
//! What Terraform Cloud finds for a commit is looked at once more: only a run counts whose configuration came from exactly
//! that commit, and not for a pull request. It lets a workspace's runs be listed thirty times a minute, so this is asked
//! every few seconds at most, and the run it finds is watched with `terraform.run_finished`.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Problem, Verdict};

use crate::cloud::{
    COMMIT, Document, NAME, Resource, Run, Segment, Service, address, bad_address, full_commit, unless_known,
};
use crate::describe::{gate, input, output};
use crate::run::example_run;

pub(crate) struct FindRun;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The origin of Terraform Cloud, or of a Terraform Enterprise of one's own.
    #[serde(default = "address")]
    address: String,
    /// A token that may see the workspace's runs.
    #[schemars(schema_with = "sluice_plugin::schema::secret")]
    token: Value,
    /// The workspace's id, as `terraform.workspace` gives it.
    #[schemars(regex(pattern = NAME))]
    workspace: String,
    /// What was pushed: the whole SHA-1. After a merge it is the merge's own.
    #[schemars(regex(pattern = COMMIT))]
    commit: String,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// The run's id; empty as long as there is none, or more than one.
    id: String,
    /// All that the commit made, as Terraform Cloud lists them: the newest first.
    runs: Vec<Run>,
}

#[async_trait]
impl Action for FindRun {
    fn spec(&self) -> ActionSpec {
        let mut spec = gate::<Input, Output>("find_run", "Find the run of Terraform Cloud that a pushed commit made");
        spec.examples = vec![example()];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        let address = unless_known(with, "address").and_then(bad_address);
        let commit = unless_known(with, "commit").and_then(|commit| full_commit(commit).err());
        address.into_iter().chain(commit).collect()
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input(&call.with)?;
        let to = format!("list the runs of the workspace {}", input.workspace);
        let document: Document<Vec<Resource>> = input.service().read(host, &input.path()?, &to).await?;
        let runs = document.data.iter().map(|run| Run::of(&document, run));
        let runs: Vec<Run> = runs.filter(|run| is_of(run, &input.commit)).collect();
        judged(runs, &input)
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input::<Input>(&call.with) else { return Vec::new() };
        let Ok(path) = input.path() else { return Vec::new() };
        let look_for = format!("200 at the end; the run whose `commit-sha` among `included` is {}", input.commit);
        vec![input.service().by_hand(&path, None, &look_for)]
    }
}

impl Input {
    fn service(&self) -> Service<'_> {
        Service { address: &self.address, token: &self.token }
    }

    fn path(&self) -> Result<String, Problem> {
        if let Some(problem) = bad_address(&self.address) {
            return Err(problem);
        }
        let (workspace, commit) = (Segment::of(&self.workspace, "/workspace")?, full_commit(&self.commit)?);
        // It takes brackets only when they are quoted.
        Ok(format!(
            "/workspaces/{workspace}/runs?search%5Bcommit%5D={commit}\
             &include=plan,configuration_version,configuration_version.ingress_attributes&page%5Bsize%5D=20"
        ))
    }
}

fn is_of(run: &Run, commit: &str) -> bool {
    !run.plan_only && run.commit.as_ref().is_some_and(|of| of.sha == commit && !of.pull_request)
}

fn judged(runs: Vec<Run>, input: &Input) -> Result<Outcome, Problem> {
    let short: String = input.commit.chars().take(10).collect();
    let (id, verdict, why) = match runs.as_slice() {
        [run] => (run.id.clone(), Verdict::Pass, format!("the run {} is of {short} ({})", run.id, run.status)),
        [] => {
            let why = format!(
                "there is no run of {short} in {} yet; none comes when what was pushed touches nothing that triggers runs \
                 there, or when a later push took its place",
                input.workspace
            );
            (String::new(), Verdict::Inconclusive, why)
        }
        several => {
            let ids: Vec<&str> = several.iter().map(|run| run.id.as_str()).collect();
            let why = format!(
                "there are {} runs of {short}, as somebody started it again: {}; look at which one counts and give its id \
                 to the next step",
                several.len(),
                ids.join(", ")
            );
            (String::new(), Verdict::Fail, why)
        }
    };
    Ok(Outcome::judged(output(&Output { id, runs })?, verdict, why))
}

fn example() -> Example {
    Example {
        summary: "the run of a push".to_owned(),
        with: json!({
            "token": { "$secret": "secrets.terraform_token" }, "workspace": "ws-8xk2",
            "commit": "4f0d2a8c1b3e5f60718293a4b5c6d7e8f9012345",
        }),
        output: json!({ "id": "run-CZcmD7eagjhyX0vN", "runs": [example_run()] }),
    }
}
