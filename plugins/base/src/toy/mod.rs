//! Toys to practise with, before anything real is touched: they succeed, fail, take their time or lie as they are told.
//!
//! A toy is told what to do in a [`Script`], and counts its calls in a file when it is to do something else each time.

pub(crate) mod change;
pub(crate) mod read;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use sluice_plugin::{Applied, Call, Host, Problem, Verdict, duration, parse_duration};

use crate::files::{Target, read};
use crate::wait;

/// What a toy is to do.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Script {
    outcome: End,
    /// What to fail with.
    problem: Failure,
    /// The first calls fail, whatever `outcome` says. Calls are counted in `memory`; without one, the step's attempts.
    fail_first: u32,
    /// How long `sleep` sleeps before it succeeds.
    #[serde(rename = "for")]
    #[schemars(schema_with = "duration::schema")]
    time: Option<String>,
    lie: Lie,
    /// A file in which the toy counts its calls.
    memory: Option<String>,
}

/// How a call of a toy ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum End {
    #[default]
    Succeed,
    Fail,
    Sleep,
    Lie,
}

/// How a toy lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Lie {
    /// It returns an output that does not fit its own schema.
    #[default]
    Schema,
    /// It claims what is not so: a pass, or a change it did not make.
    Claim,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Failure {
    code: String,
    message: String,
    retryable: bool,
    applied: MaybeApplied,
    /// JSON pointer inside `with`.
    path: Option<String>,
    details: Option<Value>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum MaybeApplied {
    #[default]
    No,
    Maybe,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Told {
    Pass,
    Fail,
    Inconclusive,
}

/// What a script comes to for one call, when it does not end in a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    Truth,
    Lie(Lie),
}

impl Script {
    /// Counts the call, takes its time, and says how it ends. Counts from 1.
    async fn play(&self, host: &dyn Host, call: &Call) -> (u32, Result<Scene, Problem>) {
        let calls = match self.count(call) {
            Ok(calls) => calls,
            Err(problem) => return (0, Err(problem)),
        };
        if calls <= self.fail_first {
            return (calls, Err(self.problem.problem()));
        }
        let scene = match self.outcome {
            End::Succeed => Ok(Scene::Truth),
            End::Fail => Err(self.problem.problem()),
            End::Sleep => self.sleep(host).await.map(|()| Scene::Truth),
            End::Lie => Ok(Scene::Lie(self.lie)),
        };
        (calls, scene)
    }

    async fn sleep(&self, host: &dyn Host) -> Result<(), Problem> {
        let time = parse_duration(self.time.as_deref().unwrap_or("1s"));
        wait::sleep(host, time.map_err(|why| Problem::bad_input("/script/for", why))?).await;
        Ok(())
    }

    fn count(&self, call: &Call) -> Result<u32, Problem> {
        let Some(memory) = &self.memory else { return Ok(call.attempt.0) };
        let elsewhere = |problem| Problem { path: Some("/script/memory".to_owned()), ..problem };
        let target = Target::at(memory).map_err(elsewhere)?;
        let before = if target.found.is_some() { counted(memory)? } else { 0 };
        let calls = before.saturating_add(1);
        target.write(format!("{calls}\n").as_bytes(), 0o644)?;
        Ok(calls)
    }
}

fn counted(memory: &str) -> Result<u32, Problem> {
    let (path, content) = read(memory, 100)?;
    let count = std::str::from_utf8(&content).ok().and_then(|text| text.trim().parse().ok());
    count.ok_or_else(|| Problem::bad_input("/script/memory", format!("{} does not hold a toy's count", path.display())))
}

impl Failure {
    fn problem(&self) -> Problem {
        Problem {
            code: self.code.clone(),
            message: self.message.clone(),
            retryable: self.retryable,
            applied: match self.applied {
                MaybeApplied::No => Applied::No,
                MaybeApplied::Maybe => Applied::Maybe,
            },
            path: self.path.clone(),
            details: self.details.clone(),
        }
    }
}

impl Default for Failure {
    fn default() -> Self {
        Self {
            code: "toy_failed".to_owned(),
            message: "the toy failed, as it was told to".to_owned(),
            retryable: false,
            applied: MaybeApplied::No,
            path: None,
            details: None,
        }
    }
}

impl From<Told> for Verdict {
    fn from(told: Told) -> Self {
        match told {
            Told::Pass => Self::Pass,
            Told::Fail => Self::Fail,
            Told::Inconclusive => Self::Inconclusive,
        }
    }
}
