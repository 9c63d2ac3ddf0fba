//! What a plugin may touch. The runner implements it; a WASM plugin reaches nothing else.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::{HttpRequest, HttpResponse};
use crate::problem::Problem;
use crate::secret::Secret;

/// One host is made for one call: it knows the plugin's grants, the call's purpose and its secrets.
#[async_trait]
pub trait Host: Send + Sync {
    fn now(&self) -> Timestamp;

    /// Who acts, `ana@laptop`; empty where nobody said.
    fn actor(&self) -> &str {
        ""
    }

    /// Counts time in which the machine was suspended.
    async fn sleep(&self, time: Duration);

    fn log(&self, level: Level, message: &str);

    /// What the call waits for, for the person who watches: "pivot_main 4,468 of 12,000".
    fn progress(&self, progress: Progress);

    /// Sends one request, if the plugin was granted its origin and the purpose allows its method.
    async fn http(&self, request: HttpRequest) -> Result<HttpResponse, Problem>;

    /// The value behind a `with` leaf that holds a reference; a plain string leaf is taken as it is.
    fn reveal(&self, leaf: &Value) -> Result<Secret, Problem>;

    /// Puts a secret into the run's keeping and gives the leaf that stands for it in the output.
    /// `pointer` is where the leaf will stand in the output, `/jwt`.
    fn seal(&self, pointer: &str, secret: Secret) -> Value;

    /// Writes a file only this user can read, in the run's private folder; removed when the run ends.
    /// `name` is one path component or several joined by `/`, without `..`.
    fn private_file(&self, name: &str, content: &Secret) -> Result<PathBuf, Problem>;
}

/// A file of this name stands in the folder under which all runs keep their private files. A plugin that reads or
/// writes files by itself keeps out of every folder that has one above it.
pub const PRIVATE_MARK: &str = ".sluice-private";

/// The code with which a host refuses what only a run may do: a plan writes no private file. The plan then says that an
/// ephemeral step is made in the run.
pub const ONLY_IN_A_RUN: &str = "only_in_a_run";

/// Milliseconds since 1970 in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// How far a call is. `total` is `None` where nobody can know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub note: String,
    pub done: u64,
    pub total: Option<u64>,
}

impl Timestamp {
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}
