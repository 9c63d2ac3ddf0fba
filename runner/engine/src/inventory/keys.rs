//! The keys of the inventory, once: the parser compares with them, the JSON Schema is made of them.

pub(super) const INVENTORY: &[&str] = &[
    "clusters",
    "policy",
    "people",
    "plugins",
    "secrets",
    "axiom",
    "terraform",
    "slack",
    "schedules",
    "server",
    "store",
];

pub(super) const CLUSTER: &[&str] = &[
    "nodes",
    "aws",
    "labels",
    "node_name",
    "node_host",
    "ports",
    "group",
    "ssm_prefix",
    "streams",
    "services",
    "creds",
    "soak",
    "locks",
    "logs",
    "units",
];

pub(super) const NODE: &[&str] = &["name", "host", "group", "ports"];

pub(super) const AWS: &[&str] = &["account", "region", "profile", "act_role"];

pub(super) const PORTS: &[&str] = &["client", "cluster", "monitor"];

pub(super) const SERVICE: &[&str] = &["ssm_path", "publishes", "consumes", "ecs"];

pub(super) const CREDS: &[&str] = &["admin", "system"];

pub(super) const CREDS_AT: &[&str] = &["jwt", "seed"];

pub(super) const LOGS: &[&str] = &["axiom", "cloudwatch"];

pub(super) const LOGS_IN_CLOUDWATCH: &[&str] = &["group", "stream_prefix", "bootstrap"];

pub(super) const BOOTSTRAP: &[&str] = &["match", "ok", "failed"];

pub(super) const LOGS_IN_AXIOM: &[&str] = &["dataset", "node_field", "match", "instance_field", "time_field"];

pub(super) const RULE: &[&str] = &["when", "confirm", "override"];

pub(super) const CONFIRM: &[&str] = &["people", "requester", "groups", "answer_within"];

pub(super) const OVERRIDE: &[&str] = &["groups"];

pub(super) const PERSON: &[&str] = &["os", "slack", "oidc", "groups"];

pub(super) const PLUGIN: &[&str] = &["component", "sha256", "grants", "effects"];

pub(super) const GRANTS: &[&str] = &["http", "secrets"];

pub(super) const HTTP_GRANT: &[&str] = &["origin", "read", "write", "private"];

pub(super) const SECRET: &[&str] = &["env", "ssm", "file", "to"];

pub(super) const AXIOM: &[&str] = &["url"];

pub(super) const TERRAFORM: &[&str] = &["address", "organization", "workspace", "repo", "file", "block"];

pub(super) const STORE: &[&str] = &["path"];
