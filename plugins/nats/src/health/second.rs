//! The second source: what the JetStream API says of the configured streams over an authenticated connection, held
//! against what the nodes' endpoints say. Two that agree are worth more than one.

use super::finding::{Finding, Severity, Subject, SubjectKind};
use super::sample::{ApiSaid, ApiStream, Sample};
use super::view::StreamView;

/// What differs, or why there is nothing to compare with.
pub(super) fn findings(sample: &Sample, streams: &[StreamView]) -> Vec<Finding> {
    match &sample.api {
        None => vec![],
        Some(Err(why)) => vec![alone(Subject::new(SubjectKind::Cluster, sample.cluster.clone()), why)],
        Some(Ok(said)) => said.iter().filter_map(|said| compare(said, streams)).collect(),
    }
}

fn compare(said: &ApiStream, streams: &[StreamView]) -> Option<Finding> {
    let subject = Subject::new(SubjectKind::Stream, said.name.clone());
    let mut here = streams.iter().filter(|stream| stream.name == said.name);
    match &said.said {
        ApiSaid::Unanswered(why) => Some(alone(subject, why)),
        ApiSaid::Missing => {
            here.next().map(|_| disagree(subject, "the JetStream API has no such stream", "the endpoints have it"))
        }
        ApiSaid::Stream { account, leader, last_seq } => {
            let Some(stream) = here.find(|stream| stream.account == *account || account.is_empty()) else {
                return Some(disagree(subject, "the JetStream API has the stream", "no endpoint has it"));
            };
            let endpoints = stream.group.leader.as_deref().unwrap_or("none");
            if leader != endpoints {
                return Some(disagree(
                    subject,
                    &format!("leader {leader} by the JetStream API"),
                    &format!("leader {endpoints} by the endpoints"),
                ));
            }
            // The API was asked last, so it may have more and never less.
            let less = *last_seq < stream.last_seq;
            less.then(|| {
                disagree(
                    subject,
                    &format!("last_seq {last_seq} by the JetStream API"),
                    &format!("{} by the endpoints before", stream.last_seq),
                )
            })
        }
    }
}

fn alone(subject: Subject, why: &str) -> Finding {
    Finding::new(Severity::Warning, "no_second_source", subject).seen(why, "an answer of the JetStream API").told(
        "only the nodes' endpoints were judged: the credentials given could not be used to ask the JetStream API",
        "look at the credentials with nats.whoami",
    )
}

fn disagree(subject: Subject, api: &str, endpoints: &str) -> Finding {
    Finding::new(Severity::Unknown, "sources_disagree", subject).seen(api, endpoints).settling().told(
        "the nodes' endpoints and the authenticated connection do not tell the same",
        "look again; when it stays, the addresses of the inventory may lead to another cluster than the credentials",
    )
}
