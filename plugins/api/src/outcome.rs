//! What the calls of an action return when they return at all.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `run` gives back: an output, and a verdict when the action is usable as a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    pub output: Value,
    pub judgement: Option<Judgement>,
}

/// A verdict and the one sentence that says why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    pub verdict: Verdict,
    pub why: String,
}

/// Pass means pass. Unknown is never a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Pass,
    Fail,
    Inconclusive,
}

/// What an act would do, asked before anything is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preview {
    /// It would act: `binding` is what a person confirms (ids, account, region, arguments), `facts` is what is shown.
    Ready { binding: Value, facts: Value },
    /// The world is there already; the act would do nothing and this is its output.
    Already { output: Value },
    /// It would not act, and this is why.
    Refused { why: String },
}

/// What the world shows about an act whose outcome nobody saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reconciled {
    Done { output: Value, evidence: Value },
    NotDone { evidence: Value },
    CannotTell { evidence: Value },
}

impl Outcome {
    /// An output without a verdict.
    pub fn plain(output: Value) -> Self {
        Self { output, judgement: None }
    }

    pub fn judged(output: Value, verdict: Verdict, why: impl Into<String>) -> Self {
        Self { output, judgement: Some(Judgement { verdict, why: why.into() }) }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
        })
    }
}
