//! The same types on both sides of a component's boundary: what is generated from `schemas/plugin.wit`, into the types of
//! this crate and back.
//!
//! Host and guest each generate their own types from the one file, alike in every name. So the conversions are written once,
//! as a macro over the module of generated types; `tests/main/wit.rs` holds file and crate together. What crosses as JSON is
//! text there and a value here: text that is no JSON is an error, and never guessed at.

use std::time::Duration;

use serde_json::Value;

/// Why what came over the boundary cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {why}")]
pub struct Unreadable {
    what: &'static str,
    why: String,
}

impl Unreadable {
    pub fn new(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self { what, why: why.to_string() }
    }
}

/// A value out of the text that stands for it.
pub fn json(what: &'static str, text: &str) -> Result<Value, Unreadable> {
    serde_json::from_str(text).map_err(|error| Unreadable::new(what, format!("is no JSON: {error}")))
}

pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Conversions between the generated types of the module `$wit` and those of this crate.
#[macro_export]
macro_rules! convert_wit {
    ($wit:path) => {
        #[allow(clippy::wildcard_imports)]
        use $wit as wit_types;

        $crate::convert_wit!(cases Effect { Read, Change, Destroy });
        $crate::convert_wit!(cases GateClass { Data, Evidence });
        $crate::convert_wit!(cases Purpose { Read, Preview, Act, Reconcile });
        $crate::convert_wit!(cases Verdict { Pass, Fail, Inconclusive });
        $crate::convert_wit!(cases Applied { No, Maybe });
        $crate::convert_wit!(cases Level { Trace, Debug, Info, Warn, Error });
        $crate::convert_wit!(cases Method { Get, Head, Post, Put, Patch, Delete });
        $crate::convert_wit!(fields Abilities { check, preview, reconcile });
        $crate::convert_wit!(fields Permission { service, right, on });
        $crate::convert_wit!(fields Power { kind, why });
        $crate::convert_wit!(fields Progress { note, done, total });

        impl From<$crate::Judgement> for wit_types::Judgement {
            fn from(from: $crate::Judgement) -> Self {
                Self { verdict: from.verdict.into(), why: from.why }
            }
        }

        impl From<wit_types::Judgement> for $crate::Judgement {
            fn from(from: wit_types::Judgement) -> Self {
                Self { verdict: from.verdict.into(), why: from.why }
            }
        }

        impl From<$crate::Example> for wit_types::Example {
            fn from(from: $crate::Example) -> Self {
                Self { summary: from.summary, with: from.with.to_string(), output: from.output.to_string() }
            }
        }

        impl TryFrom<wit_types::Example> for $crate::Example {
            type Error = $crate::wit::Unreadable;

            fn try_from(from: wit_types::Example) -> Result<Self, Self::Error> {
                let with = $crate::wit::json("an example's `with`", &from.with)?;
                let output = $crate::wit::json("an example's output", &from.output)?;
                Ok(Self { summary: from.summary, with, output })
            }
        }

        impl From<$crate::ActionSpec> for wit_types::ActionSpec {
            fn from(from: $crate::ActionSpec) -> Self {
                Self {
                    name: from.name.into(),
                    summary: from.summary,
                    effect: from.effect.into(),
                    idempotent: from.idempotent,
                    gate: from.gate.map(Into::into),
                    ephemeral: from.ephemeral,
                    input: from.input.to_string(),
                    output: from.output.to_string(),
                    abilities: from.abilities.into(),
                    permissions: from.permissions.into_iter().map(Into::into).collect(),
                    examples: from.examples.into_iter().map(Into::into).collect(),
                    revision: from.revision,
                }
            }
        }

        impl TryFrom<wit_types::ActionSpec> for $crate::ActionSpec {
            type Error = $crate::wit::Unreadable;

            fn try_from(from: wit_types::ActionSpec) -> Result<Self, Self::Error> {
                let name = $crate::ActionName::parse(&from.name);
                Ok(Self {
                    name: name.map_err(|error| $crate::wit::Unreadable::new("an action's name:", error))?,
                    summary: from.summary,
                    effect: from.effect.into(),
                    idempotent: from.idempotent,
                    gate: from.gate.map(Into::into),
                    ephemeral: from.ephemeral,
                    input: $crate::wit::json("an action's input schema", &from.input)?,
                    output: $crate::wit::json("an action's output schema", &from.output)?,
                    abilities: from.abilities.into(),
                    permissions: from.permissions.into_iter().map(Into::into).collect(),
                    examples: from.examples.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
                    revision: from.revision,
                })
            }
        }

        impl From<$crate::PluginSpec> for wit_types::PluginSpec {
            fn from(from: $crate::PluginSpec) -> Self {
                Self {
                    name: from.name.into(),
                    version: from.version,
                    summary: from.summary,
                    powers: from.powers.into_iter().map(Into::into).collect(),
                    actions: from.actions.into_iter().map(Into::into).collect(),
                }
            }
        }

        impl TryFrom<wit_types::PluginSpec> for $crate::PluginSpec {
            type Error = $crate::wit::Unreadable;

            fn try_from(from: wit_types::PluginSpec) -> Result<Self, Self::Error> {
                let name = $crate::PluginName::parse(&from.name);
                Ok(Self {
                    name: name.map_err(|error| $crate::wit::Unreadable::new("the plugin's name:", error))?,
                    version: from.version,
                    summary: from.summary,
                    powers: from.powers.into_iter().map(Into::into).collect(),
                    actions: from.actions.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
                })
            }
        }

        impl From<&$crate::Call> for wit_types::Call {
            fn from(from: &$crate::Call) -> Self {
                Self {
                    run: from.run.clone(),
                    step: from.step.clone(),
                    attempt: from.attempt.0,
                    purpose: from.purpose.into(),
                    deadline: from.deadline.map(|deadline| deadline.0),
                    with: from.with.to_string(),
                }
            }
        }

        impl TryFrom<wit_types::Call> for $crate::Call {
            type Error = $crate::wit::Unreadable;

            fn try_from(from: wit_types::Call) -> Result<Self, Self::Error> {
                Ok(Self {
                    run: from.run,
                    step: from.step,
                    attempt: $crate::Attempt(from.attempt),
                    purpose: from.purpose.into(),
                    deadline: from.deadline.map($crate::Timestamp),
                    with: $crate::wit::json("the call's `with`", &from.with)?,
                })
            }
        }

        impl From<$crate::Outcome> for wit_types::Outcome {
            fn from(from: $crate::Outcome) -> Self {
                Self { output: from.output.to_string(), judgement: from.judgement.map(Into::into) }
            }
        }

        impl TryFrom<wit_types::Outcome> for $crate::Outcome {
            type Error = $crate::wit::Unreadable;

            fn try_from(from: wit_types::Outcome) -> Result<Self, Self::Error> {
                let output = $crate::wit::json("the output", &from.output)?;
                Ok(Self { output, judgement: from.judgement.map(Into::into) })
            }
        }

        impl From<$crate::Preview> for wit_types::Preview {
            fn from(from: $crate::Preview) -> Self {
                match from {
                    $crate::Preview::Ready { binding, facts } => Self::Ready(wit_types::PreviewReady {
                        binding: binding.to_string(),
                        facts: facts.to_string(),
                    }),
                    $crate::Preview::Already { output } => {
                        Self::Already(wit_types::PreviewAlready { output: output.to_string() })
                    }
                    $crate::Preview::Refused { why } => Self::Refused(wit_types::PreviewRefused { why }),
                }
            }
        }

        impl TryFrom<wit_types::Preview> for $crate::Preview {
            type Error = $crate::wit::Unreadable;

            fn try_from(from: wit_types::Preview) -> Result<Self, Self::Error> {
                use $crate::wit::json;
                Ok(match from {
                    wit_types::Preview::Ready(ready) => Self::Ready {
                        binding: json("the binding", &ready.binding)?,
                        facts: json("the facts", &ready.facts)?,
                    },
                    wit_types::Preview::Already(already) => {
                        Self::Already { output: json("the output", &already.output)? }
                    }
                    wit_types::Preview::Refused(refused) => Self::Refused { why: refused.why },
                })
            }
        }

        impl From<$crate::Reconciled> for wit_types::Reconciled {
            fn from(from: $crate::Reconciled) -> Self {
                match from {
                    $crate::Reconciled::Done { output, evidence } => Self::Done(wit_types::ReconciledDone {
                        output: output.to_string(),
                        evidence: evidence.to_string(),
                    }),
                    $crate::Reconciled::NotDone { evidence } => {
                        Self::NotDone(wit_types::ReconciledNotDone { evidence: evidence.to_string() })
                    }
                    $crate::Reconciled::CannotTell { evidence } => {
                        Self::CannotTell(wit_types::ReconciledCannotTell { evidence: evidence.to_string() })
                    }
                }
            }
        }

        impl TryFrom<wit_types::Reconciled> for $crate::Reconciled {
            type Error = $crate::wit::Unreadable;

            fn try_from(from: wit_types::Reconciled) -> Result<Self, Self::Error> {
                let evidence = |text: &str| $crate::wit::json("the evidence", text);
                Ok(match from {
                    wit_types::Reconciled::Done(done) => Self::Done {
                        output: $crate::wit::json("the output", &done.output)?,
                        evidence: evidence(&done.evidence)?,
                    },
                    wit_types::Reconciled::NotDone(not) => Self::NotDone { evidence: evidence(&not.evidence)? },
                    wit_types::Reconciled::CannotTell(cannot) => {
                        Self::CannotTell { evidence: evidence(&cannot.evidence)? }
                    }
                })
            }
        }

        impl From<$crate::Problem> for wit_types::Problem {
            fn from(from: $crate::Problem) -> Self {
                Self {
                    code: from.code,
                    message: from.message,
                    retryable: from.retryable,
                    applied: from.applied.into(),
                    path: from.path,
                    details: from.details.map(|details| details.to_string()),
                }
            }
        }

        impl From<wit_types::Problem> for $crate::Problem {
            fn from(from: wit_types::Problem) -> Self {
                // Details are for people: what is no JSON is shown as the text it is.
                let details = from.details.map(|text| $crate::wit::json("", &text).unwrap_or_else(|_| text.into()));
                Self {
                    code: from.code,
                    message: from.message,
                    retryable: from.retryable,
                    applied: from.applied.into(),
                    path: from.path,
                    details,
                }
            }
        }

        impl From<$crate::Header> for wit_types::Header {
            fn from(from: $crate::Header) -> Self {
                Self { name: from.name, value: from.value, secret: from.secret.map(|secret| secret.0) }
            }
        }

        impl From<wit_types::Header> for $crate::Header {
            fn from(from: wit_types::Header) -> Self {
                Self { name: from.name, value: from.value, secret: from.secret.map($crate::SecretRef) }
            }
        }

        impl From<$crate::HttpRequest> for wit_types::HttpRequest {
            fn from(from: $crate::HttpRequest) -> Self {
                Self {
                    method: from.method.into(),
                    url: from.url,
                    headers: from.headers.into_iter().map(Into::into).collect(),
                    body: from.body,
                    timeout: $crate::wit::milliseconds(from.timeout),
                    max_body: u64::try_from(from.max_body).unwrap_or(u64::MAX),
                }
            }
        }

        impl From<wit_types::HttpRequest> for $crate::HttpRequest {
            fn from(from: wit_types::HttpRequest) -> Self {
                Self {
                    method: from.method.into(),
                    url: from.url,
                    headers: from.headers.into_iter().map(Into::into).collect(),
                    body: from.body,
                    timeout: std::time::Duration::from_millis(from.timeout),
                    max_body: usize::try_from(from.max_body).unwrap_or(usize::MAX),
                }
            }
        }

        impl From<$crate::HttpResponse> for wit_types::HttpResponse {
            fn from(from: $crate::HttpResponse) -> Self {
                Self { status: from.status, headers: from.headers, body: from.body }
            }
        }

        impl From<wit_types::HttpResponse> for $crate::HttpResponse {
            fn from(from: wit_types::HttpResponse) -> Self {
                Self { status: from.status, headers: from.headers, body: from.body }
            }
        }
    };
    (cases $name:ident { $($case:ident),* }) => {
        impl From<$crate::$name> for wit_types::$name {
            fn from(from: $crate::$name) -> Self {
                match from { $($crate::$name::$case => Self::$case),* }
            }
        }

        impl From<wit_types::$name> for $crate::$name {
            fn from(from: wit_types::$name) -> Self {
                match from { $(wit_types::$name::$case => Self::$case),* }
            }
        }
    };
    (fields $name:ident { $($field:ident),* }) => {
        impl From<$crate::$name> for wit_types::$name {
            fn from(from: $crate::$name) -> Self {
                Self { $($field: from.$field),* }
            }
        }

        impl From<wit_types::$name> for $crate::$name {
            fn from(from: wit_types::$name) -> Self {
                Self { $($field: from.$field),* }
            }
        }
    };
}
