//! `terraform.workspace`: what a workspace does when somebody pushes.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Problem};

use crate::cloud::{Document, NAME, Resource, Segment, Service, address, bad_address, unless_known};
use crate::describe::{input, output, read};

pub(crate) struct Workspace;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The origin of Terraform Cloud, or of a Terraform Enterprise of one's own.
    #[serde(default = "address")]
    address: String,
    /// A token that may see the workspace.
    #[schemars(schema_with = "sluice_plugin::schema::secret")]
    token: Value,
    #[schemars(regex(pattern = NAME))]
    organization: String,
    /// Its name.
    #[schemars(regex(pattern = NAME))]
    workspace: String,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    id: String,
    name: String,
    /// No run begins before it is unlocked.
    locked: bool,
    /// A push is applied without anybody's yes: approve before it is pushed.
    auto_apply: bool,
    /// `owner/name`; null where no push makes runs.
    repository: Option<String>,
    /// Empty: the repository's default branch.
    branch: Option<String>,
    /// Where in the repository its files are; empty at the top.
    working_directory: String,
    /// Whether only pushes make runs that touch the working directory or what the triggers name.
    file_triggers: bool,
    /// Folders whose files make a run, too.
    trigger_prefixes: Vec<String>,
    /// Patterns of files that make a run, in the place of folders.
    trigger_patterns: Vec<String>,
    /// `remote`, `local` or `agent`.
    execution_mode: String,
    terraform_version: String,
    /// The id of the run that has the workspace, if there is one.
    current_run: Option<String>,
}

#[async_trait]
impl Action for Workspace {
    fn spec(&self) -> ActionSpec {
        let mut spec = read::<Input, Output>("workspace", "Read how a workspace of Terraform Cloud is set up");
        spec.examples = vec![example()];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        unless_known(with, "address").and_then(bad_address).into_iter().collect()
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input(&call.with)?;
        let path = input.path()?;
        let to = format!("read the workspace {} of {}", input.workspace, input.organization);
        let document: Document<Resource> = input.service().read(host, &path, &to).await?;
        output(&Output::of(&document.data)).map(Outcome::plain)
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input::<Input>(&call.with) else { return Vec::new() };
        let Ok(path) = input.path() else { return Vec::new() };
        let look_for = "200 at the end; `locked`, `auto-apply`, `vcs-repo` and what triggers runs";
        vec![input.service().by_hand(&path, None, look_for)]
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
        let organization = Segment::of(&self.organization, "/organization")?;
        let workspace = Segment::of(&self.workspace, "/workspace")?;
        Ok(format!("/organizations/{organization}/workspaces/{workspace}"))
    }
}

impl Output {
    fn of(workspace: &Resource) -> Self {
        let text = |pointer: &str| workspace.text(pointer).unwrap_or_default().to_owned();
        let flag = |pointer: &str| workspace.flag(pointer).unwrap_or(false);
        Self {
            id: workspace.id.clone(),
            name: text("/name"),
            locked: flag("/locked"),
            auto_apply: flag("/auto-apply"),
            repository: workspace.text("/vcs-repo/identifier").map(str::to_owned),
            branch: workspace.at("/vcs-repo").map(|_| text("/vcs-repo/branch")),
            working_directory: text("/working-directory"),
            file_triggers: flag("/file-triggers-enabled"),
            trigger_prefixes: workspace.texts("/trigger-prefixes"),
            trigger_patterns: workspace.texts("/trigger-patterns"),
            execution_mode: text("/execution-mode"),
            terraform_version: text("/terraform-version"),
            current_run: workspace.relation("current-run").map(|(_, id)| id.to_owned()),
        }
    }
}

fn example() -> Example {
    Example {
        summary: "the workspace of a backend".to_owned(),
        with: json!({
            "token": { "$secret": "secrets.terraform_token" }, "organization": "acme", "workspace": "backend-staging",
        }),
        output: json!({
            "id": "ws-8xk2", "name": "backend-staging", "locked": false, "auto_apply": true,
            "repository": "acme/infrastructure", "branch": "", "working_directory": "apps/backend-staging",
            "file_triggers": true, "trigger_prefixes": ["modules"], "trigger_patterns": [], "execution_mode": "remote",
            "terraform_version": "1.11.4", "current_run": "run-CZcmD7eagjhyX0vN",
        }),
    }
}
