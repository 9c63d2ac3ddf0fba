//! The HTTP clients of a run, each made when it is first needed, and the resolver that keeps them off private networks.
//!
//! There is one client per kind of connection, because connections are pooled by origin: a connection that a private
//! grant opened must not serve a plugin without one, and an act must not meet a stale connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use sluice_plugin::Problem;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::address::{Reach, reach};

/// Past this a connection is not tried any longer: whoever drops packets answers nothing later either.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Shorter than the usual keep-alive of servers, so that a reused connection is seldom one they are about to close.
const IDLE_FOR: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) tls: bool,
    /// Private addresses are allowed.
    pub(super) private: bool,
    /// A connection of its own for each request: writes, where a stale one would leave the outcome unknown.
    pub(super) fresh: bool,
}

/// Requests under way at the same time. More of them would only open more connections, and take longer in all.
const AT_ONCE: usize = 64;

pub(crate) struct Clients {
    made: [OnceLock<Result<Client, String>>; 8],
    turns: Semaphore,
    names: Names,
}

/// Where a name leads, asked each time a connection is made.
pub(crate) type Names = Arc<dyn Fn(String) -> Leading + Send + Sync>;
pub(crate) type Leading = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

impl Default for Clients {
    fn default() -> Self {
        Self::new(Arc::new(|name| Box::pin(as_this_machine_does(name))))
    }
}

impl Clients {
    pub(crate) fn new(names: Names) -> Self {
        Self { made: Default::default(), turns: Semaphore::new(AT_ONCE), names }
    }

    /// Waits until fewer than [`AT_ONCE`] requests are under way. `None` never happens: the semaphore is not closed.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    pub(super) fn get(&self, kind: Kind) -> Result<&Client, Problem> {
        let index = usize::from(kind.tls) + 2 * usize::from(kind.private) + 4 * usize::from(kind.fresh);
        let made = self.made.get(index).map(|slot| slot.get_or_init(|| make(kind, self.names.clone())));
        match made {
            Some(Ok(client)) => Ok(client),
            Some(Err(why)) => Err(no_client(why)),
            None => Err(no_client("there is no such kind")),
        }
    }
}

fn no_client(why: &str) -> Problem {
    Problem::not_applied("no_http", format!("cannot set up HTTP on this machine: {why}"))
}

fn make(kind: Kind, names: Names) -> Result<Client, String> {
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .connect_timeout(CONNECT_WITHIN)
        .pool_idle_timeout(IDLE_FOR)
        .dns_resolver(Arc::new(Filter { private: kind.private, names }))
        .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")));
    if kind.fresh {
        builder = builder.pool_max_idle_per_host(0);
    }
    if kind.tls {
        builder = builder.https_only(true);
    } else {
        // Without TLS the machine's certificates need not be read, which would take longer than all else here.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| error.to_string())
}

/// Resolves names and drops the addresses that may not be reached; the connector uses what is left and nothing else.
struct Filter {
    private: bool,
    names: Names,
}

/// A name that leads only to addresses which may not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is not a public address")]
pub(super) struct Forbidden {
    pub(super) address: IpAddr,
    /// With `private: true` it could be reached.
    pub(super) grantable: bool,
}

impl Resolve for Filter {
    fn resolve(&self, name: Name) -> Resolving {
        let (private, found) = (self.private, (self.names)(name.as_str().to_owned()));
        Box::pin(async move {
            let kept = keep(found.await?, private)?;
            if kept.is_empty() {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            Ok(Box::new(kept.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

async fn as_this_machine_does(name: String) -> io::Result<Vec<IpAddr>> {
    // The system's resolver has a patience of its own, and would be all that a person waits for.
    let found = tokio::time::timeout(CONNECT_WITHIN, tokio::net::lookup_host((name.as_str(), 0))).await;
    let found = found.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(found.map(|address| address.ip()).collect())
}

fn keep(found: Vec<IpAddr>, private: bool) -> Result<Vec<IpAddr>, Forbidden> {
    let first = found.first().copied();
    let kept: Vec<IpAddr> = found.into_iter().filter(|address| reach(*address).allowed(private, false)).collect();
    match first.filter(|_| kept.is_empty()) {
        Some(address) => Err(Forbidden { address, grantable: reach(address) == Reach::Private }),
        None => Ok(kept),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_only_where_it_may() {
        let check = |found: &[&str], private, expect: Result<&[&str], (&str, bool)>| {
            let read = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
            let expect = match expect {
                Ok(kept) => Ok(read(kept)),
                Err((address, grantable)) => Err(Forbidden { address: address.parse().unwrap(), grantable }),
            };
            assert_eq!(keep(read(found), private), expect, "{found:?} {private}");
        };
        check(&["1.1.1.1"], false, Ok(&["1.1.1.1"]));
        check(&["10.0.0.1", "1.1.1.1", "::1"], false, Ok(&["1.1.1.1"]));
        check(&["10.0.0.1", "1.1.1.1"], true, Ok(&["10.0.0.1", "1.1.1.1"]));
        check(&["10.0.0.1"], false, Err(("10.0.0.1", true)));
        check(&["::ffff:127.0.0.1"], false, Err(("::ffff:127.0.0.1", true)));
        check(&["169.254.169.254"], false, Err(("169.254.169.254", false)));
        check(&["169.254.169.254"], true, Err(("169.254.169.254", false)));
        check(&["169.254.169.254", "10.0.0.1"], true, Ok(&["10.0.0.1"]));
        check(&[], false, Ok(&[]));
    }
}
