//! The figures of one server that are worth keeping every few seconds: chosen fields of `/varz`, `/connz` and `/jsz`.
//!
//! Chosen, because a log store has room for some hundred field names, and because what a server tells beside them holds
//! JWTs. Each is always there and always of one type, so that no dashboard sees a field change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::Connz;
use super::number;

/// Of `/varz`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct VarzFigures {
    pub(crate) server_id: String,
    pub(crate) server_name: String,
    pub(crate) version: String,
    /// When the server was started. RFC 3339.
    pub(crate) start: String,
    /// In bytes.
    #[serde(deserialize_with = "number::count")]
    pub(crate) mem: u64,
    /// In percent of one core.
    pub(crate) cpu: f64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) cores: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) connections: u64,
    /// Since its start.
    #[serde(deserialize_with = "number::count")]
    pub(crate) total_connections: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) routes: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) subscriptions: u64,
    /// Since its start, as every count of messages here.
    #[serde(deserialize_with = "number::count")]
    pub(crate) slow_consumers: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) stale_connections: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) in_msgs: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) in_bytes: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) out_msgs: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) out_bytes: u64,
}

/// Of `/connz`. The server's own `num_connections` counts one page; here it is all of them.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ConnzFigures {
    pub(crate) num_connections: u64,
}

/// Of `/jsz`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct JszFigures {
    /// JetStream is switched off on this server.
    pub(crate) disabled: bool,
    /// In bytes; every replica on this server counts.
    #[serde(deserialize_with = "number::count")]
    pub(crate) storage: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) memory: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) streams: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) consumers: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) messages: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) bytes: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) ha_assets: u64,
    pub(crate) api: ApiFigures,
    pub(crate) config: LimitFigures,
    pub(crate) meta_cluster: MetaFigures,
}

/// Since the server's start. Errors count the mistakes of clients too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct ApiFigures {
    #[serde(deserialize_with = "number::count")]
    pub(crate) total: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) errors: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct LimitFigures {
    #[serde(deserialize_with = "number::count")]
    pub(crate) max_memory: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) max_storage: u64,
    /// The same as `max_storage`, under the name it has in the server's configuration file.
    #[serde(deserialize_with = "number::count")]
    pub(crate) max_file_store: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct MetaFigures {
    /// Empty while there is none, as this server sees it.
    pub(crate) leader: String,
    #[serde(deserialize_with = "number::count")]
    pub(crate) cluster_size: u64,
}

/// How much counters grew between two looks at the same server.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Growth {
    pub(crate) interval_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) slow_consumers: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) total_connections: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) in_msgs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) in_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) out_msgs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) out_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) api_errors: Option<u64>,
}

impl From<Connz> for ConnzFigures {
    fn from(connz: Connz) -> Self {
        Self { num_connections: connz.total }
    }
}

impl JszFigures {
    /// With the limit under both of its names.
    pub(crate) fn named(mut self) -> Self {
        self.config.max_file_store = self.config.max_storage;
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read<T: serde::de::DeserializeOwned + Serialize>(said: &Value) -> Value {
        serde_json::to_value(serde_json::from_value::<T>(said.clone()).unwrap()).unwrap()
    }

    #[test]
    fn what_a_server_does_not_say_is_there_all_the_same() {
        let varz = read::<VarzFigures>(&json!({ "cpu": 1, "mem": -1, "trusted_operators_jwt": ["eyJ0"] }));
        assert_eq!((&varz["cpu"], &varz["mem"], &varz["slow_consumers"]), (&json!(1.0), &json!(0), &json!(0)));
        assert!(!varz.to_string().contains("eyJ0"), "{varz}");
        let jsz = read::<JszFigures>(&json!({ "storage": u64::MAX, "config": { "max_storage": 5 } }));
        assert_eq!((&jsz["storage"], &jsz["api"]["errors"]), (&json!(u64::MAX), &json!(0)));
    }

    #[test]
    fn the_limit_has_both_names() {
        let jsz: JszFigures = serde_json::from_value(json!({ "config": { "max_storage": 5 } })).unwrap();
        assert_eq!(jsz.named().config, LimitFigures { max_memory: 0, max_storage: 5, max_file_store: 5 });
    }
}
