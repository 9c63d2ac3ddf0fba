//! The system services: one question, an answer from every server. There is no mark of the last answer, so as many are
//! waited for as there are nodes, and after half a second of silence it ends.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::ask::Unanswered;
use super::connect::Link;
use super::subject::Subject;
use crate::health::view::Source;
use crate::monitor::model::Jsz;

#[derive(Deserialize)]
struct Answer {
    server: Server,
    data: Option<Jsz>,
}

#[derive(Deserialize)]
struct Server {
    #[serde(default)]
    name: String,
    #[serde(default)]
    id: String,
}

/// The JetStream report of every server that answers, by server name.
pub(crate) async fn jsz(link: &Link, expected: usize) -> Result<BTreeMap<String, Jsz>, Unanswered> {
    let options =
        json!({ "accounts": true, "streams": true, "consumer": true, "config": true, "raft": true, "limit": 100_000 });
    // The same server answers twice where its services are both imported and the account's own.
    let mut by_id: BTreeMap<String, (String, Jsz)> = BTreeMap::new();
    let mut take = |answer: &[u8]| {
        if let Ok(Answer { server, data: Some(jsz) }) = serde_json::from_slice::<Answer>(answer) {
            by_id.insert(server.id, (server.name, marked(jsz)));
        }
        by_id.len() >= expected
    };
    link.line.gather(Subject::ping_jsz().as_str(), options.to_string(), &mut take).await?;
    if by_id.is_empty() {
        return Err(Unanswered::TimedOut);
    }
    Ok(by_id.into_values().collect())
}

fn marked(mut jsz: Jsz) -> Jsz {
    jsz.source = Source::System;
    for stream in jsz.account_details.iter_mut().flat_map(|account| &mut account.stream_detail) {
        stream.source = Source::System;
        for consumer in &mut stream.consumer_detail {
            consumer.source = Source::System;
        }
    }
    jsz
}
