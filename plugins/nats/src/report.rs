//! One server's JetStream in one row, whatever the source.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::health::view::Source;
use crate::monitor::model::{Jsz, Stream};

/// A row of the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerReport {
    pub(crate) name: String,
    pub(crate) meta_leader: bool,
    pub(crate) streams: u64,
    pub(crate) streams_led: u64,
    pub(crate) consumers: u64,
    pub(crate) messages: u64,
    /// Of the streams it holds.
    pub(crate) bytes: u64,
    pub(crate) storage_bytes: u64,
    pub(crate) max_storage_bytes: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) api_requests: u64,
    pub(crate) api_errors: u64,
    pub(crate) source: Source,
}

/// `None` where the server itself did not report, only its streams were seen through the API.
pub(crate) fn of(name: &str, jsz: &Jsz) -> Option<ServerReport> {
    if jsz.partial {
        return None;
    }
    let streams: Vec<&Stream> = jsz.account_details.iter().flat_map(|account| &account.stream_detail).collect();
    let sum = |of: fn(&Stream) -> u64| streams.iter().map(|stream| of(stream)).fold(0, u64::saturating_add);
    Some(ServerReport {
        name: name.to_owned(),
        meta_leader: jsz.meta_cluster.as_ref().is_some_and(|meta| meta.leader == name),
        streams: streams.len() as u64,
        streams_led: streams
            .iter()
            .filter(|stream| stream.cluster.as_ref().is_none_or(|group| group.leader == name))
            .count() as u64,
        consumers: sum(|stream| stream.consumer_detail.len() as u64),
        messages: sum(|stream| stream.state.messages),
        bytes: sum(|stream| stream.state.bytes),
        storage_bytes: jsz.storage,
        max_storage_bytes: jsz.config.max_storage,
        memory_bytes: jsz.memory,
        api_requests: jsz.api.total,
        api_errors: jsz.api.errors,
        source: jsz.source,
    })
}
