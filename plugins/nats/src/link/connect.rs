//! One connection with credentials, in our words: which server it leads to, or why there is none.
//!
//! How a connection is made is the [`Wire`]'s business; here is only which servers are tried, and in what order.

use super::address::Address;
use super::creds::UserCreds;
use super::wire::{Line, NoLine, Target, Wire};
use crate::monitor::reach::{Kind, Unreached};

/// An open connection.
pub(crate) struct Link {
    pub(crate) line: Box<dyn Line>,
    pub(crate) server_name: String,
    pub(crate) server_id: String,
    pub(crate) url: String,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoLink {
    Unreached(Unreached),
    /// The server does not accept these credentials.
    Rejected(String),
}

impl NoLink {
    pub(crate) fn why(&self) -> String {
        match self {
            Self::Unreached(unreached) => unreached.why.clone(),
            Self::Rejected(why) => why.clone(),
        }
    }
}

/// Connects to the first server that answers, in the order given. A server that rejects the credentials ends it: the
/// others hold the same accounts.
pub(crate) async fn first(wire: &dyn Wire, addresses: &[Address], creds: &UserCreds) -> Result<Link, NoLink> {
    let mut last = None;
    for address in addresses {
        match one(wire, address, creds).await {
            Err(NoLink::Unreached(unreached)) => last = Some(NoLink::Unreached(unreached)),
            other => return other,
        }
    }
    Err(last.unwrap_or_else(|| NoLink::Unreached(Unreached::new(Kind::Other, "no server was given"))))
}

/// Connects to this server and no other.
pub(crate) async fn one(wire: &dyn Wire, address: &Address, creds: &UserCreds) -> Result<Link, NoLink> {
    let Address { host, port, tls } = address;
    let target = Target { host, port: *port, tls: *tls, jwt: &creds.jwt, seed: &creds.seed };
    let opened = wire.open(target).await.map_err(|none| no_link(address, creds, &none))?;
    let url = address.url();
    Ok(Link { line: opened.line, server_name: opened.server_name, server_id: opened.server_id, url })
}

fn no_link(address: &Address, creds: &UserCreds, none: &NoLine) -> NoLink {
    let at = |kind| NoLink::Unreached(Unreached::new(kind, &address.to_string()));
    match none {
        NoLine::NameNotResolved => at(Kind::NameNotResolved),
        NoLine::Refused => at(Kind::Refused),
        NoLine::NoWay => at(Kind::NoWay),
        NoLine::TimedOut => at(Kind::Timeout),
        NoLine::Other(text) => NoLink::Unreached(Unreached::new(Kind::Other, &format!("{address}: {text}"))),
        NoLine::Rejected => {
            let user = if creds.claims.name.is_empty() { &creds.claims.user_key } else { &creds.claims.name };
            NoLink::Rejected(format!(
                "{address} does not accept the credentials of user {user}: expired, revoked, or of an account this cluster does not know"
            ))
        }
    }
}
