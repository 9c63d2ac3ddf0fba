//! What went wrong with a request, in an operator's words, and whether it may have been carried out all the same.
//!
//! Texts name scheme, host, port and path, and never a query, a header or a body: those hold secrets.

use std::error::Error;
use std::io;
use std::time::Duration;

use serde_json::json;
use sluice_plugin::{Applied, Method, Problem, format_duration};
use url::Url;

use super::clients::{CONNECT_WITHIN, Forbidden};
use crate::grants::Origin;

/// The request that failed, as far as it may be shown.
pub(super) struct Attempted<'a> {
    pub(super) method: Method,
    pub(super) url: &'a Url,
    pub(super) origin: &'a Origin,
    /// It cannot have changed anything, wherever it failed.
    pub(super) reads: bool,
}

/// Why there was no connection, or no longer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unreachable {
    Name,
    Refused,
    Timeout,
    Tls,
    Network,
    Lost,
}

impl Attempted<'_> {
    pub(super) fn failed(&self, error: &reqwest::Error) -> Problem {
        let kind = kind(error);
        let applied = if self.reads || error.is_connect() || error.is_builder() { Applied::No } else { Applied::Maybe };
        let message = format!("{}: {}", self.line(), self.words(kind, error));
        Problem { applied, retryable: kind != Unreachable::Tls, ..Problem::not_applied("unreachable", message) }
            .with_details(json!({ "kind": kind.name(), "origin": self.origin.to_string() }))
    }

    /// The whole exchange took longer than it was given.
    pub(super) fn too_late(&self, limit: Duration) -> Problem {
        let limit = format_duration(limit);
        self.problem("timeout", &format!("no complete answer within {limit}")).retryable()
    }

    pub(super) fn too_large(&self, limit: usize) -> Problem {
        self.problem("too_large", &format!("the answer is larger than {limit} bytes"))
    }

    pub(super) fn bad_redirect(&self, why: &str) -> Problem {
        self.problem("bad_redirect", why)
    }

    fn problem(&self, code: &str, why: &str) -> Problem {
        let applied = if self.reads { Applied::No } else { Applied::Maybe };
        Problem { applied, ..Problem::not_applied(code, format!("{}: {why}", self.line())) }
    }

    fn line(&self) -> String {
        format!("{} {}{}", self.method.as_str(), self.origin, self.url.path())
    }

    fn words(&self, kind: Unreachable, error: &reqwest::Error) -> String {
        let host = self.origin.host();
        match kind {
            Unreachable::Name => format!("the name {host} does not resolve; check it and this machine's DNS"),
            Unreachable::Refused => "nothing listens there, the connection was refused".to_owned(),
            Unreachable::Timeout => {
                let limit = format_duration(CONNECT_WITHIN);
                format!("no connection within {limit}; the host may be down or a firewall may drop the packets")
            }
            Unreachable::Tls => format!("the TLS handshake failed: {}", root(error)),
            Unreachable::Network => format!("there is no connection: {}", root(error)),
            Unreachable::Lost => format!("the connection broke before the answer was complete: {}", root(error)),
        }
    }
}

/// The address that stopped the connection, when that was it.
pub(super) fn forbidden(error: &reqwest::Error) -> Option<Forbidden> {
    chain(error).find_map(|cause| cause.downcast_ref::<Forbidden>().copied())
}

fn kind(error: &reqwest::Error) -> Unreachable {
    let io_kind = |wanted| {
        chain(error).any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == wanted))
    };
    if error.is_dns() {
        Unreachable::Name
    } else if chain(error).any(|cause| cause.is::<rustls::Error>()) {
        Unreachable::Tls
    } else if !error.is_connect() {
        Unreachable::Lost
    } else if io_kind(io::ErrorKind::ConnectionRefused) {
        Unreachable::Refused
    } else if error.is_timeout() {
        Unreachable::Timeout
    } else {
        Unreachable::Network
    }
}

/// Every cause, and what an `io::Error` only wraps: its own `source` leaves that one out.
fn chain<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error as &'a (dyn Error + 'static)), |cause: &&'a (dyn Error + 'static)| {
        let cause: &'a (dyn Error + 'static) = *cause;
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| cause.source())
    })
}

/// The last cause says what happened; those above it say that something did.
fn root(error: &reqwest::Error) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

impl Unreachable {
    fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Network => "network",
            Self::Lost => "lost",
        }
    }
}
