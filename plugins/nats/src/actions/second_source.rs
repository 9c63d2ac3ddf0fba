//! The authenticated connection that `nats.cluster_health` asks beside the endpoints, and what asking costs: it is one
//! of the connections, and its questions for streams that are not there are API errors.

use sluice_plugin::inventory::Cluster;

use crate::health::sample::{ApiSaid, ApiStream, Own};
use crate::link::ask::Unanswered;
use crate::link::connect::{self, Link};
use crate::link::creds::UserCreds;
use crate::link::jetstream::{self, Me};
use crate::link::subject::Subject;
use crate::link::wire::Wire;
use crate::names::StreamName;
use crate::overview;

pub(super) struct SecondSource {
    link: Result<(Link, Me), String>,
    errors: u64,
}

impl SecondSource {
    pub(super) async fn open(wire: &dyn Wire, cluster: &Cluster, creds: &UserCreds) -> Self {
        let link = match connect::first(wire, &overview::addresses(cluster), creds).await {
            Ok(link) => {
                // Not every user may ask who it is; the account's name then stays empty.
                let me = jetstream::me(&link).await.unwrap_or_default();
                Ok((link, me))
            }
            Err(none) => Err(none.why()),
        };
        Self { link, errors: 0 }
    }

    /// What it did to the counters so far.
    pub(super) fn own(&self) -> Own {
        Own { api_errors: self.errors, connections: u64::from(self.link.is_ok()) }
    }

    /// What the JetStream API says of these streams now.
    pub(super) async fn ask(&mut self, streams: &[String]) -> Result<Vec<ApiStream>, String> {
        let (link, me) = self.link.as_ref().map_err(Clone::clone)?;
        let mut all = Vec::new();
        for name in streams {
            let (said, error) = stream(link, me, name).await;
            self.errors += u64::from(error);
            all.push(ApiStream { name: name.clone(), said });
        }
        Ok(all)
    }
}

/// What is said of one stream, and whether the servers counted it as an error.
async fn stream(link: &Link, me: &Me, name: &str) -> (ApiSaid, bool) {
    let name = match StreamName::parse(name, "/cluster/streams") {
        Ok(name) => name,
        Err(problem) => return (ApiSaid::Unanswered(problem.message), false),
    };
    match jetstream::stream_info(link, &name).await {
        Ok(stream) => {
            let leader = stream.cluster.map(|group| group.leader).unwrap_or_default();
            (ApiSaid::Stream { account: me.account_name.clone(), leader, last_seq: stream.state.last_seq }, false)
        }
        Err(none) if none.is_no_stream() => (ApiSaid::Missing, true),
        Err(none) => {
            (ApiSaid::Unanswered(none.why(&Subject::stream_info(&name))), matches!(none, Unanswered::Refused { .. }))
        }
    }
}
