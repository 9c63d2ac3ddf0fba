//! Why a node did not answer, in an operator's words. That is data: it never fails an action.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_plugin::Problem;

/// An answer, or why there is none.
pub(crate) type Reach<T> = Result<T, Unreached>;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unreached {
    pub(crate) kind: Kind,
    /// What happened and what it usually means.
    pub(crate) why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    NameNotResolved,
    Refused,
    Timeout,
    /// No route leads there.
    NoWay,
    /// The inventory does not grant this origin to the plugin.
    NotGranted,
    /// It answered, and the answer made no sense.
    BadAnswer,
    /// Somebody answered who is not the node.
    AnotherServer,
    Other,
}

impl Unreached {
    pub(crate) fn new(kind: Kind, detail: &str) -> Self {
        let meaning = match kind {
            Kind::NameNotResolved => {
                "the name does not resolve: is the VPN (Cloudflare WARP) connected, are cluster and region right?"
            }
            Kind::Refused => "connection refused: the host answers and no server listens on this port",
            Kind::Timeout => "no answer in time: the host is unreachable (VPN, instance gone) or the server is frozen",
            Kind::NoWay => {
                "there is no way to this address: is the VPN (WARP) connected, and is this the right region?"
            }
            Kind::NotGranted => "the runner was not granted this address",
            Kind::BadAnswer => "it answered with something else than was asked",
            Kind::AnotherServer => "another server answers at this address: a stale name, or the inventory is wrong",
            Kind::Other => "it could not be reached",
        };
        let why = if detail.is_empty() { meaning.to_owned() } else { format!("{meaning} ({detail})") };
        Self { kind, why }
    }

    pub(crate) fn from_problem(problem: &Problem) -> Self {
        Self::new(kind_of(problem), &problem.message)
    }
}

impl Kind {
    /// For programs, and where there is room for a word only.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::NameNotResolved => "name not resolved",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::NoWay => "no way",
            Self::NotGranted => "not granted",
            Self::BadAnswer => "bad answer",
            Self::AnotherServer => "another server",
            Self::Other => "not reached",
        }
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.why)
    }
}

/// The host says what kind of `unreachable` it was in the details; where it does not, the words of the error decide.
fn kind_of(problem: &Problem) -> Kind {
    let detail = problem.details.as_ref().and_then(|details| details.get("kind")).and_then(Value::as_str);
    match detail.unwrap_or(&problem.code) {
        "name" => return Kind::NameNotResolved,
        "refused" => return Kind::Refused,
        "timeout" => return Kind::Timeout,
        "denied" => return Kind::NotGranted,
        _ => {}
    }
    let message = problem.message.to_lowercase();
    if no_way(&message) {
        return Kind::NoWay;
    }
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["dns error", "failed to lookup", "name or service not known", "not resolve"]) {
        Kind::NameNotResolved
    } else if says(&["connection refused"]) {
        Kind::Refused
    } else if says(&["timed out", "timeout", "deadline"]) {
        Kind::Timeout
    } else {
        Kind::Other
    }
}

/// What the system says of an address that no route leads to.
pub(crate) fn no_way(message: &str) -> bool {
    ["network is unreachable", "no route to host", "host is unreachable"].iter().any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_reason_is_told_in_an_operators_words() {
        let cases = [
            (
                "unreachable",
                "failed to lookup address information: Name or service not known",
                Kind::NameNotResolved,
                "region",
            ),
            ("unreachable", "tcp connect error: Connection refused (os error 111)", Kind::Refused, "no server listens"),
            ("timeout", "no answer within 2s", Kind::Timeout, "frozen"),
            ("unreachable", "operation timed out", Kind::Timeout, "unreachable"),
            ("unreachable", "there is no connection: Network is unreachable (os error 101)", Kind::NoWay, "VPN"),
            ("unreachable", "tcp connect error: No route to host (os error 113)", Kind::NoWay, "VPN"),
            ("denied", "not granted", Kind::NotGranted, "granted"),
            ("unreachable", "connection reset by peer", Kind::Other, "connection reset by peer"),
        ];
        for (code, message, kind, word) in cases {
            let unreached = Unreached::from_problem(&Problem::not_applied(code, message));
            assert_eq!(unreached.kind, kind, "{code}: {message}");
            assert!(unreached.why.contains(word), "{}", unreached.why);
        }
        for (detail, kind) in [("name", Kind::NameNotResolved), ("refused", Kind::Refused), ("timeout", Kind::Timeout)]
        {
            let problem = Problem::not_applied("unreachable", "GET http://n:8222/varz: it did not work");
            let problem = problem.with_details(json!({ "kind": detail, "origin": "http://n:8222" }));
            assert_eq!(Unreached::from_problem(&problem).kind, kind, "{detail}");
        }
    }
}
