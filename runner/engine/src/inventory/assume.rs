//! What a cluster's entry leaves out and Sluice fills in, each with the ground it stands on.

/// A default in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// The key of the cluster's entry that would replace it: `logs.axiom.match`.
    pub key: &'static str,
    /// What is taken instead.
    pub value: String,
    pub basis: Basis,
    /// Why it is thought to be so, or what to look at.
    pub why: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Written in the operators' runbook page.
    Documented,
    /// Nobody wrote it down: look before relying on it.
    Guess,
}

/// A default: the key, the pattern (`{{ cluster }}` and `{{ n }}` are filled in), the basis and the reason.
pub(super) struct Standard {
    pub(super) key: &'static str,
    pub(super) pattern: &'static str,
    pub(super) basis: Basis,
    pub(super) why: &'static str,
}

impl Standard {
    const fn documented(key: &'static str, pattern: &'static str, why: &'static str) -> Self {
        Self { key, pattern, basis: Basis::Documented, why }
    }

    const fn guess(key: &'static str, pattern: &'static str, why: &'static str) -> Self {
        Self { key, pattern, basis: Basis::Guess, why }
    }
}

pub(super) const NODE_NAME: Standard = Standard::documented(
    "node_name",
    "{{ cluster }}-node-{{ n }}",
    "the instances' Name tag; the server_name is taken to be the same",
);
pub(super) const NODE_HOST: Standard =
    Standard::documented("node_host", "{{ cluster }}-node-{{ n }}.{{ cluster }}.internal", "the table of DNS names");
pub(super) const GROUP: Standard =
    Standard::documented("group", "{{ cluster }}-node-{{ n }}-asg", "manual single-node replacement");
pub(super) const PORTS: Standard = Standard::documented("ports", "4222, 6222, 8222", "the table of DNS names");
pub(super) const SSM_PREFIX: Standard =
    Standard::documented("ssm_prefix", "/nats-cluster/{{ cluster }}", "connecting with admin credentials");
pub(super) const STREAMS: Standard =
    Standard::documented("streams", "pivot_main", "the one stream of the architecture");
pub(super) const SERVICES: Standard = Standard::guess(
    "services",
    "facebox, messenger",
    "two services are named in examples; there may be more, and their subjects are not known",
);
pub(super) const ADMIN_JWT: Standard =
    Standard::documented("creds.admin.jwt", "admin/nats_admin_jwt", "connecting with admin credentials");
pub(super) const ADMIN_SEED: Standard =
    Standard::documented("creds.admin.seed", "admin/nats_admin_nkey_seed", "connecting with admin credentials");
pub(super) const SOAK: Standard = Standard::documented("soak", "120s", "the delay between two nodes of a rollout");
pub(super) const AXIOM_DATASET: Standard = Standard::documented("logs.axiom.dataset", "nats-logs", "view node logs");
pub(super) const AXIOM_NODE_FIELD: Standard =
    Standard::guess("logs.axiom.node_field", "host", "the field that names the node in Axiom is written nowhere");
pub(super) const AXIOM_MATCH: Standard = Standard::guess(
    "logs.axiom.match",
    "{{ cluster }}-node-{{ n }}",
    "what that field says of a node is taken to be the node's name",
);
pub(super) const AXIOM_INSTANCE_FIELD: Standard = Standard::guess(
    "logs.axiom.instance_field",
    "instance_id",
    "nobody wrote down whether an event names its instance, and in which field",
);
pub(super) const AXIOM_TIME_FIELD: Standard =
    Standard::documented("logs.axiom.time_field", "_time", "Axiom's own name of an event's time");
pub(super) const CLOUDWATCH_GROUP: Standard = Standard::documented(
    "logs.cloudwatch.group",
    "/aws/ec2/nats-cluster/{{ cluster }}/diagnostic",
    "the log group of the bootstrap fallback",
);
pub(super) const CLOUDWATCH_STREAMS: Standard = Standard::documented(
    "logs.cloudwatch.stream_prefix",
    "{{ cluster }}-node-{{ n }}-bootstrap-",
    "the stream prefix of the bootstrap fallback",
);
pub(super) const BOOTSTRAP_MATCH: Standard = Standard::documented(
    "logs.cloudwatch.bootstrap.match",
    "Axiom ingest check",
    "the text that the query for the bootstrap's health looks for",
);
pub(super) const BOOTSTRAP_OK: Standard = Standard::guess(
    "logs.cloudwatch.bootstrap.ok",
    "ok, passed, success, successful, succeeded",
    "what the line says when it went well is written nowhere",
);
pub(super) const BOOTSTRAP_FAILED: Standard = Standard::guess(
    "logs.cloudwatch.bootstrap.failed",
    "fail, failed, failure, error, not ok, refused, denied, timed out",
    "what the line says when it went wrong is written nowhere",
);
pub(super) const UNITS: Standard =
    Standard::documented("units", "nats, nats-monitor, fluent-bit", "useful commands on the instance");
