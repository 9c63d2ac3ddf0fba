//! The one place that builds NATS subjects. Names are parsed newtypes, so no name can add a token or a wildcard.

use crate::names::{ConsumerName, StreamName};

/// A subject that is asked something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject(String);

impl Subject {
    /// Who the connection is, as the server sees it.
    pub(crate) fn user_info() -> Self {
        Self("$SYS.REQ.USER.INFO".to_owned())
    }

    /// Every server answers with its JetStream report.
    pub(crate) fn ping_jsz() -> Self {
        Self("$SYS.REQ.SERVER.PING.JSZ".to_owned())
    }

    pub(crate) fn stream_names() -> Self {
        Self("$JS.API.STREAM.NAMES".to_owned())
    }

    pub(crate) fn stream_info(stream: &StreamName) -> Self {
        Self(format!("$JS.API.STREAM.INFO.{}", stream.as_str()))
    }

    pub(crate) fn consumer_list(stream: &StreamName) -> Self {
        Self(format!("$JS.API.CONSUMER.LIST.{}", stream.as_str()))
    }

    /// An act: the leader of the stream gives its leadership away.
    pub(crate) fn stream_step_down(stream: &StreamName) -> Self {
        Self(format!("$JS.API.STREAM.LEADER.STEPDOWN.{}", stream.as_str()))
    }

    /// An act, likewise.
    pub(crate) fn consumer_step_down(stream: &StreamName, consumer: &ConsumerName) -> Self {
        Self(format!("$JS.API.CONSUMER.LEADER.STEPDOWN.{}.{}", stream.as_str(), consumer.as_str()))
    }

    /// An act, likewise; heard from users of the system account only.
    pub(crate) fn meta_step_down() -> Self {
        Self("$JS.API.META.LEADER.STEPDOWN".to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_have_the_shape_the_server_wants() {
        let stream = StreamName::parse("pivot_main", "").unwrap();
        assert_eq!(Subject::stream_info(&stream).as_str(), "$JS.API.STREAM.INFO.pivot_main");
        let consumer = ConsumerName::parse("worker").unwrap();
        let act = Subject::consumer_step_down(&stream, &consumer);
        assert_eq!(act.as_str(), "$JS.API.CONSUMER.LEADER.STEPDOWN.pivot_main.worker");
        assert_eq!(ConsumerName::parse("a.b"), None);
        assert_eq!(Subject::consumer_list(&stream).as_str(), "$JS.API.CONSUMER.LIST.pivot_main");
    }
}
