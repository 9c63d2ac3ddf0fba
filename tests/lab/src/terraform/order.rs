//! What the stand-in is told to do, as the library and the control API name it.

use serde::{Deserialize, Serialize};

/// What happens in Terraform Cloud beside what it is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum TerraformOrder {
    /// Somebody pushes: a run is there, and pending
    Push {
        /// The whole SHA-1
        commit: String,
        /// For a pull request: it only plans
        #[serde(default)]
        pull_request: bool,
        /// What it will find to change
        changes: Vec<Planned>,
    },
    /// A run goes on to a status, through those before it; never past a yes that nobody gave
    Go {
        /// Its id
        run: String,
        /// Where it then is
        to: String,
    },
    /// From now on runs say yes by themselves, or no longer do
    AutoApply {
        /// Which of both
        on: bool,
    },
    /// The next requests that do something are done, and the connection ends before the answer
    LoseAnswers {
        /// How many
        times: u32,
    },
    /// The minute of every link to a plan is over
    EndLinks,
}

/// A resource that a plan changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Planned {
    /// `module.messenger.aws_ecs_service.this`
    pub address: String,
    /// As a plan has them: `["delete", "create"]`
    pub actions: Vec<String>,
}

/// A request as it came.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TerraformRequest {
    /// When, RFC 3339
    pub at: String,
    /// `POST /api/v2/runs/run-1/actions/apply`
    pub line: String,
    /// `user`, `reader`, `organization`, or nobody
    pub by: Option<String>,
    /// The HTTP status it was answered with
    pub status: u16,
}
