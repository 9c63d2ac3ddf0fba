//! The system services: one question, an answer from every server. There is no mark of the last answer, so as many are
//! waited for as there are nodes, and after half a second of silence it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use serde::Deserialize;
use serde_json::json;

use super::ask::{Unanswered, complained};
use super::connect::Link;
use super::subject::Subject;
use crate::health::view::Source;
use crate::monitor::model::Jsz;

const FIRST_ANSWER: Duration = Duration::from_secs(2);
const SILENCE: Duration = Duration::from_millis(500);

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
    let subject = Subject::ping_jsz();
    let inbox = link.client.new_inbox();
    let mut complaints = link.complaints.clone();
    complaints.mark_unchanged();
    let lost = |error: &dyn std::fmt::Display| Unanswered::Other(error.to_string());
    let mut answers = link.client.subscribe(inbox.clone()).await.map_err(|error| lost(&error))?;
    let options =
        json!({ "accounts": true, "streams": true, "consumer": true, "config": true, "raft": true, "limit": 100_000 });
    let publishing = link.client.publish_with_reply(subject.as_str().to_owned(), inbox, options.to_string().into());
    publishing.await.map_err(|error| lost(&error))?;
    // The same server answers twice where its services are both imported and the account's own.
    let mut by_id: BTreeMap<String, (String, Jsz)> = BTreeMap::new();
    while by_id.len() < expected {
        let patience = if by_id.is_empty() { FIRST_ANSWER } else { SILENCE };
        let message = tokio::select! {
            message = tokio::time::timeout(patience, answers.next()) => message,
            complaint = complained(&mut complaints) => return Err(complaint),
        };
        let Ok(Some(message)) = message else { break };
        if message.status.is_some_and(|status| status == async_nats::StatusCode::NO_RESPONDERS) {
            return Err(Unanswered::NobodyServes);
        }
        if let Ok(Answer { server, data: Some(jsz) }) = serde_json::from_slice::<Answer>(&message.payload) {
            by_id.insert(server.id, (server.name, marked(jsz)));
        }
    }
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
