//! One question over a connection, and every way it can go unanswered. A missing right is an answer, not a failure.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::connect::Link;
use super::subject::Subject;
use super::wire::NoReply;

/// Why there is no answer to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// These credentials may not ask this.
    NoRight(String),
    /// Nobody serves this subject for this account.
    NobodyServes,
    TimedOut,
    /// The JetStream API said no: `err_code` tells what.
    Refused {
        code: u64,
        err_code: u64,
        description: String,
    },
    Other(String),
}

impl Unanswered {
    /// In an operator's words.
    pub(crate) fn why(&self, subject: &Subject) -> String {
        let subject = subject.as_str();
        match self {
            Self::NoRight(_) => format!("these credentials may not ask {subject}"),
            Self::NobodyServes => format!("nobody answers {subject} for this account"),
            Self::TimedOut => format!("no answer to {subject} within 2 s"),
            Self::Refused { code, err_code, description } => format!("{subject}: {description} ({code}/{err_code})"),
            Self::Other(text) => format!("{subject}: {text}"),
        }
    }

    /// These credentials are not for the JetStream API, now or later: they lack the right, or their account has no
    /// JetStream (10039).
    pub(crate) fn is_not_for_us(&self) -> bool {
        match self {
            Self::NoRight(_) | Self::NobodyServes => true,
            Self::Refused { err_code, .. } => *err_code == 10_039,
            Self::TimedOut | Self::Other(_) => false,
        }
    }

    /// There is no such stream (10059).
    pub(crate) fn is_no_stream(&self) -> bool {
        matches!(self, Self::Refused { err_code: 10_059, .. })
    }
}

/// Asks and reads the answer. A JetStream error inside the answer is [`Unanswered::Refused`].
pub(crate) async fn ask<T: DeserializeOwned>(link: &Link, subject: &Subject, payload: &Value) -> Result<T, Unanswered> {
    let answer = raw(link, subject, payload).await?;
    let answer: Value = serde_json::from_slice(&answer).map_err(|error| Unanswered::Other(error.to_string()))?;
    if let Some(error) = answer.get("error") {
        return Err(refused(error));
    }
    serde_json::from_value(answer).map_err(|error| Unanswered::Other(error.to_string()))
}

async fn raw(link: &Link, subject: &Subject, payload: &Value) -> Result<Vec<u8>, Unanswered> {
    let body = if payload.is_null() { String::new() } else { payload.to_string() };
    Ok(link.line.request(subject.as_str(), body).await?)
}

impl From<NoReply> for Unanswered {
    fn from(none: NoReply) -> Self {
        match none {
            NoReply::NoRight(text) => Self::NoRight(text),
            NoReply::NobodyServes => Self::NobodyServes,
            NoReply::TimedOut => Self::TimedOut,
            NoReply::Other(text) => Self::Other(text),
        }
    }
}

fn refused(error: &Value) -> Unanswered {
    let number = |key: &str| error.get(key).and_then(Value::as_u64).unwrap_or(0);
    let description = error.get("description").and_then(Value::as_str).unwrap_or("an error without words");
    Unanswered::Refused { code: number("code"), err_code: number("err_code"), description: description.to_owned() }
}
