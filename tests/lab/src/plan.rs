//! What one lab is made of: its options, its /24 of loopback, its folder, and the names the seed gives to things.
//! It binds and starts nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The AWS account the lab plays.
pub const ACCOUNT: &str = "123456789012";
/// The region the lab plays.
pub const REGION: &str = "us-east-2";
/// The role that may be assumed for an act; it may do everything, so what narrows it is the session's policy.
pub const ACT_ROLE: &str = "arn:aws:iam::123456789012:role/nats-operator-act";
/// The role of whoever runs runbooks, for sessions with a policy; it may do everything, too.
pub const OPERATOR_ROLE: &str = "arn:aws:iam::123456789012:role/nats-operator";
/// The stream of the seed.
pub const STREAM: &str = "pivot_main";
/// The services, each with subjects, a user and a durable consumer of its own.
pub const SERVICES: [&str; 2] = ["facebox", "messenger"];
/// A node's ports: clients, routes, monitoring.
pub(crate) const PORTS: [u16; 3] = [4222, 6222, 8222];
/// The nodes' numbers.
pub const NODES: [u8; 3] = [1, 2, 3];

/// Whether the admin user may ask the system account's services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum AdminSys {
    /// No system rights, as the seed's admin most likely has.
    #[default]
    None,
    /// The account imports `$SYS.REQ.SERVER.*`.
    Import,
}

/// How a lab is to be.
#[derive(Clone, Debug, Serialize, Deserialize, clap::Args)]
pub struct Options {
    /// Name of the cluster
    #[arg(long, default_value = "nats-staging")]
    pub cluster: String,
    /// Whether the admin user may ask the system account's services
    #[arg(long, value_enum, default_value_t)]
    pub admin_sys: AdminSys,
    /// Name the system user's parameters in the inventory (they are in SSM anyway)
    #[arg(long)]
    pub with_system_creds: bool,
    /// Seconds a new instance takes from launch to the start of its nats-server
    #[arg(long, default_value_t = 1.0)]
    pub boot_delay: f64,
    /// Keep the folder with logs and stores when the lab ends
    #[arg(long)]
    pub keep: bool,
    /// A label for the inventory, TIER as in `labels: { tier: TIER }`
    #[arg(long, default_value = "staging")]
    pub tier: String,
    /// Messages that are in the stream from the start and stay there, whoever consumes
    #[arg(long, default_value_t = 0)]
    #[serde(default)]
    pub preload: u64,
    /// Bytes of each of them
    #[arg(long, default_value_t = 256)]
    #[serde(default)]
    pub preload_size: usize,
    /// Name a role in the inventory that is assumed for acts
    #[arg(long)]
    #[serde(default)]
    pub act_role: bool,
    /// Fields that a dataset in Axiom may have, as on its smallest plan
    #[arg(long, default_value_t = AXIOM_FIELDS)]
    #[serde(default = "axiom_fields")]
    pub axiom_fields: usize,
}

fn axiom_fields() -> usize {
    AXIOM_FIELDS
}

impl Default for Options {
    fn default() -> Self {
        Options {
            cluster: "nats-staging".into(),
            admin_sys: AdminSys::None,
            with_system_creds: false,
            boot_delay: 1.0,
            keep: false,
            tier: "staging".into(),
            preload: 0,
            preload_size: 256,
            act_role: false,
            axiom_fields: AXIOM_FIELDS,
        }
    }
}

/// On the plan that costs nothing.
const AXIOM_FIELDS: usize = 256;

/// One lab: where everything is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The lab's name.
    pub name: String,
    /// As it was asked for.
    pub options: Options,
    /// The first three bytes of its addresses.
    pub net: [u8; 3],
    /// The lab's private folder (0700).
    pub folder: PathBuf,
    /// Keeps servers of other labs out of the cluster, and strangers out of its Axiom and Terraform Cloud.
    pub route_password: String,
}

impl Plan {
    pub(crate) fn address(&self, last: u8, port: u16) -> SocketAddr {
        let [a, b, c] = self.net;
        SocketAddr::from((Ipv4Addr::new(a, b, c, last), port))
    }

    /// The last byte of the address at which node `n` is found.
    pub(crate) fn home(n: u8) -> u8 {
        n
    }

    /// The last byte of another address for node `n`, where nobody looks for it.
    pub(crate) fn elsewhere(n: u8) -> u8 {
        20 + n
    }

    /// Client port of node `n`.
    pub fn client(&self, n: u8) -> SocketAddr {
        self.address(n, 4222)
    }

    /// Route port of node `n`.
    pub fn route(&self, n: u8) -> SocketAddr {
        self.address(n, 6222)
    }

    /// Monitoring port of node `n`.
    pub fn monitor(&self, n: u8) -> SocketAddr {
        self.address(n, 8222)
    }

    /// The AWS endpoint.
    pub fn aws(&self) -> SocketAddr {
        self.address(10, 4566)
    }

    /// The adapter's private address, for the daemon only.
    pub fn adapter(&self) -> SocketAddr {
        self.address(10, 4567)
    }

    /// The lab's control API.
    pub fn control(&self) -> SocketAddr {
        self.address(11, 4567)
    }

    /// The Axiom endpoint.
    pub fn axiom(&self) -> SocketAddr {
        self.address(12, 8080)
    }

    /// The Terraform Cloud endpoint.
    pub fn terraform(&self) -> SocketAddr {
        self.address(13, 8080)
    }

    /// Where its plans lie, for whoever was given a link.
    pub fn terraform_archive(&self) -> SocketAddr {
        self.address(13, 8081)
    }

    /// The operator's token for Terraform Cloud.
    pub fn terraform_token(&self) -> String {
        format!("user-{}", self.route_password)
    }

    /// A token for Terraform Cloud that may only see runs.
    pub fn terraform_reader_token(&self) -> String {
        format!("reader-{}", self.route_password)
    }

    /// The organization's own token for Terraform Cloud.
    pub fn terraform_organization_token(&self) -> String {
        format!("organization-{}", self.route_password)
    }

    /// The operator's token for Axiom, for queries only.
    pub fn axiom_token(&self) -> String {
        format!("xaat-query-{}", self.route_password)
    }

    /// The nodes' token for Axiom, for ingest only.
    pub fn axiom_ingest_token(&self) -> String {
        format!("xaat-ingest-{}", self.route_password)
    }

    /// The operator's token for Axiom's monitors, for nothing else.
    pub fn axiom_monitors_token(&self) -> String {
        format!("xaat-monitors-{}", self.route_password)
    }

    /// Every address the lab listens on, but the control API.
    pub fn listens(&self) -> Vec<SocketAddr> {
        let nodes = NODES.iter().flat_map(|n| [self.client(*n), self.route(*n), self.monitor(*n)]);
        let terraform = [self.terraform(), self.terraform_archive()];
        nodes.chain([self.aws(), self.adapter(), self.axiom()]).chain(terraform).collect()
    }

    /// The net as text, `127.77.3`.
    pub fn net_text(&self) -> String {
        self.net.map(|byte| byte.to_string()).join(".")
    }

    /// `nats-staging-node-1`.
    pub fn node_name(&self, n: u8) -> String {
        format!("{}-node-{n}", self.options.cluster)
    }

    /// `nats-staging-node-1-asg`.
    pub fn group(&self, n: u8) -> String {
        format!("{}-asg", self.node_name(n))
    }

    /// The folder of node `n`.
    pub fn node_folder(&self, n: u8) -> PathBuf {
        self.folder.join(format!("node-{n}"))
    }

    /// All client URLs, comma separated, as the lab's guess of `nats_host`.
    pub fn nats_host(&self) -> String {
        NODES.map(|n| format!("nats://{}", self.client(n))).join(",")
    }

    /// CloudWatch group of the bootstrap logs.
    pub fn log_group(&self) -> String {
        format!("/aws/ec2/nats-cluster/{}/diagnostic", self.options.cluster)
    }

    /// The number of a node given as `1` or by name.
    pub fn node_number(&self, text: &str) -> Result<u8> {
        let found = NODES.into_iter().find(|n| text == n.to_string() || text == self.node_name(*n));
        found.ok_or_else(|| Error::new(format!("no node '{text}': say 1, 2, 3 or {}", self.node_name(1))))
    }
}

/// Refuses names that could not stand in a path, a subject or a parameter name.
pub(crate) fn checked_name(what: &str, name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 40 || !name.chars().all(fits) {
        return Err(Error::new(format!("{what} '{name}': use 1 to 40 of a-z, 0-9 and '-'")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        let plan = Plan {
            name: "a".into(),
            options: Options::default(),
            net: [127, 77, 3],
            folder: "/tmp/x".into(),
            route_password: String::new(),
        };
        assert_eq!(plan.monitor(2).to_string(), "127.77.3.2:8222");
        let cases = [("2", Some(2)), ("nats-staging-node-3", Some(3)), ("4", None), ("node-1", None), ("", None)];
        for (text, expect) in cases {
            assert_eq!(plan.node_number(text).ok(), expect, "{text}");
        }
        for (name, good) in [("lab-1", true), ("", false), ("../x", false), ("A", false)] {
            assert_eq!(checked_name("lab", name).is_ok(), good, "{name}");
        }
    }
}
