//! The authenticated connection: one to the client port of every node that is to stay, which also shows who stands
//! there, and over the first of them what the system service or the JetStream API says. Nothing is asked twice.

#[cfg(test)]
mod tests;

use std::time::Duration;

use futures::future::{join, join_all};
use sluice_plugin::Host;
use sluice_plugin::inventory::Cluster;

use crate::health::view::Source;
use crate::link::ask::Unanswered;
use crate::link::connect::{self, Link, NoLink};
use crate::link::creds::UserCreds;
use crate::link::jetstream::{self, Me, Partly};
use crate::link::subject::Subject;
use crate::link::system;
use crate::link::wire::Wire;
use crate::monitor::reach::{Kind, Unreached};
use crate::monitor::read::{NodeRead, Round};
use crate::overview;

/// How long a leader may think about one question: a gate's sample has to stay fresh.
const PATIENCE: Duration = Duration::from_secs(1);

/// What stands behind a node's client port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Nobody knocked.
    NotTried,
    Open {
        server_name: String,
        server_id: String,
    },
    Shut(String),
    /// Somebody is there and does not accept the credentials, so it is not known who.
    Rejected(String),
}

/// What the authenticated connection said, as if the nodes had said it themselves.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) source: Source,
    /// In the order of the configured nodes. Of the JetStream API: what each leads.
    pub(crate) reads: Vec<NodeRead>,
    /// Of the JetStream API, where that is for these credentials.
    pub(crate) listed: Option<Listed>,
}

/// Every stream of one account, whoever holds it. Of other accounts it says nothing.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) account_id: String,
    pub(crate) account: String,
    pub(crate) streams: Vec<String>,
    /// Those that may have more consumers than were told.
    pub(crate) partly_told: Vec<String>,
}

/// Connections, and who is asked over the first.
pub(super) struct Doors {
    pub(super) seen: Vec<Door>,
    asker: Asker,
}

enum Asker {
    Nobody(String),
    /// What these credentials may ask is not known yet.
    Fresh(Link),
    /// And who it is for the JetStream API, where that is for these credentials too.
    System(Link, Option<Me>),
    Account(Link, Me),
}

impl Answer {
    pub(super) fn round(&self) -> Round {
        Round { at: 0, reads: self.reads.clone() }
    }
}

impl Listed {
    fn of(me: &Me, partly: &Partly) -> Self {
        Self {
            account_id: me.account.clone(),
            account: me.account_name.clone(),
            streams: partly.names.clone(),
            partly_told: partly.partly_told.clone(),
        }
    }

    /// Whether it would have the streams of this account; the one account may be known by nothing but its streams.
    pub(crate) fn is_of(&self, account_id: &str) -> bool {
        self.account_id.is_empty() || self.account_id == account_id
    }

    pub(crate) fn name(&self) -> &str {
        if self.account.is_empty() { "(not known)" } else { &self.account }
    }
}

impl Doors {
    /// Knocks at every node but `skip`, which may be frozen.
    pub(super) async fn open(wire: &dyn Wire, cluster: &Cluster, creds: &UserCreds, skip: Option<usize>) -> Self {
        let addresses = overview::addresses(cluster);
        let knocking = addresses.iter().enumerate().map(|(at, address)| async move {
            if skip == Some(at) { None } else { Some(connect::one(wire, address, creds).await) }
        });
        let mut first = None;
        let mut seen = Vec::new();
        for tried in join_all(knocking).await {
            seen.push(match tried {
                None => Door::NotTried,
                Some(Err(NoLink::Rejected(why))) => Door::Rejected(why),
                Some(Err(NoLink::Unreached(unreached))) => Door::Shut(unreached.why),
                Some(Ok(link)) => {
                    let door = Door::Open { server_name: link.server_name.clone(), server_id: link.server_id.clone() };
                    first.get_or_insert(link);
                    door
                }
            });
        }
        let why = || seen.iter().find_map(Door::why).unwrap_or("no node was left to connect to").to_owned();
        let asker = first.map_or_else(|| Asker::Nobody(why()), Asker::Fresh);
        Self { seen, asker }
    }

    /// What it says now. After it said nothing once, it is not asked again.
    pub(super) async fn ask(&mut self, host: &dyn Host, cluster: &Cluster) -> Result<Answer, String> {
        let asker = std::mem::replace(&mut self.asker, Asker::Nobody(String::new()));
        let (asker, answer) = match asker {
            Asker::Nobody(why) => (Asker::Nobody(why.clone()), Err(why)),
            Asker::System(link, me) => {
                let (system, listed) = join(system(cluster, &link), listing(host, &link, me.as_ref())).await;
                from_system(link, me, system, listed)
            }
            Asker::Account(link, me) => from_account(host, cluster, link, me).await,
            Asker::Fresh(link) => {
                let system = system(cluster, &link).await;
                // Not every user may ask who it is; the account then stays unnamed.
                let me = jetstream::me(&link).await.unwrap_or_default();
                if system.is_err() {
                    from_account(host, cluster, link, me).await
                } else {
                    let listed = listing(host, &link, Some(&me)).await;
                    from_system(link, Some(me), system, listed)
                }
            }
        };
        self.asker = asker;
        answer
    }
}

impl Door {
    fn why(&self) -> Option<&str> {
        match self {
            Self::Shut(why) | Self::Rejected(why) => Some(why),
            Self::NotTried | Self::Open { .. } => None,
        }
    }
}

fn from_system(
    link: Link,
    me: Option<Me>,
    system: Result<Answer, Unanswered>,
    listed: Result<Option<Listed>, Unanswered>,
) -> (Asker, Result<Answer, String>) {
    match (system, listed) {
        (Err(none), _) => mute(&none, &Subject::ping_jsz()),
        (_, Err(none)) => mute(&none, &Subject::stream_names()),
        (Ok(answer), Ok(listed)) => {
            let me = me.filter(|_| listed.is_some());
            (Asker::System(link, me), Ok(Answer { listed, ..answer }))
        }
    }
}

/// What the account has, beside what every server says: a server that is silent may hold something of it alone. None
/// where the JetStream API is not for these credentials.
async fn listing(host: &dyn Host, link: &Link, me: Option<&Me>) -> Result<Option<Listed>, Unanswered> {
    let Some(me) = me else { return Ok(None) };
    match jetstream::partly(link, me, host, PATIENCE).await {
        Ok(partly) => Ok(Some(Listed::of(me, &partly))),
        Err(none) if none.is_not_for_us() => Ok(None),
        Err(none) => Err(none),
    }
}

async fn from_account(host: &dyn Host, cluster: &Cluster, link: Link, me: Me) -> (Asker, Result<Answer, String>) {
    match account(host, cluster, &link, &me).await {
        Ok(answer) => (Asker::Account(link, me), Ok(answer)),
        Err(none) => mute(&none, &Subject::stream_names()),
    }
}

fn mute(none: &Unanswered, subject: &Subject) -> (Asker, Result<Answer, String>) {
    let why = none.why(subject);
    (Asker::Nobody(why.clone()), Err(why))
}

async fn system(cluster: &Cluster, link: &Link) -> Result<Answer, Unanswered> {
    let said = system::jsz(link, cluster.nodes.len()).await?;
    Ok(Answer { source: Source::System, reads: overview::answers(cluster, said), listed: None })
}

async fn account(host: &dyn Host, cluster: &Cluster, link: &Link, me: &Me) -> Result<Answer, Unanswered> {
    let partly = jetstream::partly(link, me, host, PATIENCE).await?;
    let nothing = Unreached::new(Kind::Other, "it leads nothing of this account");
    let mut reads: Vec<NodeRead> = cluster.nodes.iter().map(|_| NodeRead::never(&nothing)).collect();
    overview::overlay(cluster, &mut reads, &partly.account);
    Ok(Answer { source: Source::JetstreamApi, reads, listed: Some(Listed::of(me, &partly)) })
}
