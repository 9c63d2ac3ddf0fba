//! One cluster's entry: what is written, and for the rest the standard way of naming things.

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_plugin::inventory::{Aws, Cluster, Creds, CredsAt, Node as ClusterNode, Ports, Service};

use super::assume::{self, Assumption, Standard};
use super::pattern::{self, Names};
use super::sections::{labels, optional, ssm_path, texts};
use super::{Entry, LocksAt, keys};
use crate::diagnostic::{Code, Findings};
use crate::yaml::fields::{self, Fields};
use crate::yaml::{Kind, Node};

/// At most so many nodes: more is a typing error.
const MOST_NODES: i64 = 99;

pub(super) fn parse(name: &str, node: &Node, findings: &mut Findings) -> Option<Entry> {
    let fields = Fields::open(node, "a cluster", keys::CLUSTER, findings)?;
    let mut reader = Reader { name, fields, assumptions: Vec::new() };
    let aws = reader.aws(findings);
    let nodes = reader.nodes(&aws, findings);
    let prefix = reader.ssm_prefix(findings);
    let (services, ecs) = reader.services(&prefix, findings);
    let cluster = Cluster {
        name: name.to_owned(),
        labels: reader.fields.get("labels").map_or_else(BTreeMap::new, |node| labels(node, "`labels`", findings)),
        streams: reader.streams(findings),
        services,
        creds: reader.creds(&prefix, findings),
        ssm_prefix: prefix,
        logs: Some(reader.logs(&nodes, findings)),
        nodes,
        aws,
    };
    let (soak, units) = (reader.soak(findings), reader.units(findings));
    let locks = reader.locks(cluster.aws.as_ref().is_some_and(|aws| aws.account.is_some()), findings);
    Some(Entry { cluster, soak, locks, units, ecs, assumptions: reader.assumptions })
}

/// The entry being read, and the defaults it was given so far.
pub(super) struct Reader<'a> {
    pub(super) name: &'a str,
    pub(super) fields: Fields<'a>,
    assumptions: Vec<Assumption>,
}

impl Reader<'_> {
    pub(super) fn assume(&mut self, standard: &Standard, value: String) -> String {
        let Standard { key, basis, why, .. } = *standard;
        self.assumptions.push(Assumption { key, value: value.clone(), basis, why });
        value
    }

    /// The default with the cluster's name in it.
    pub(super) fn standard(&mut self, standard: &Standard) -> String {
        let value = standard.pattern.replace("{{ cluster }}", self.name);
        self.assume(standard, value)
    }

    fn list(&mut self, standard: &Standard, findings: &mut Findings) -> Vec<String> {
        if self.fields.get(standard.key).is_some() {
            return texts(&self.fields, standard.key, findings);
        }
        self.standard(standard).split(", ").map(str::to_owned).collect()
    }

    fn streams(&mut self, findings: &mut Findings) -> Vec<String> {
        self.list(&assume::STREAMS, findings)
    }

    fn units(&mut self, findings: &mut Findings) -> Vec<String> {
        self.list(&assume::UNITS, findings)
    }

    fn soak(&mut self, findings: &mut Findings) -> Duration {
        let written = self.fields.get("soak").map(|node| fields::duration(node, "`soak`", findings));
        if written.is_none() {
            self.standard(&assume::SOAK);
        }
        written.flatten().map_or(Duration::from_secs(120), |time| time.value)
    }

    fn locks(&self, has_account: bool, findings: &mut Findings) -> LocksAt {
        const WORDS: &[(&str, LocksAt)] =
            &[("ssm", LocksAt::Ssm), ("store", LocksAt::Store), ("local", LocksAt::Local)];
        let written = self.fields.get("locks").and_then(|node| fields::word(node, "`locks`", WORDS, findings));
        written.map_or(if has_account { LocksAt::Ssm } else { LocksAt::Store }, |word| word.value)
    }

    fn aws(&self, findings: &mut Findings) -> Option<Aws> {
        let fields = Fields::open(self.fields.get("aws")?, "`aws`", keys::AWS, findings)?;
        let account = fields.get("account").and_then(|node| account(node, findings));
        let act_role = optional(&fields, "act_role", findings);
        if let (Some(role), Some(node)) = (&act_role, fields.get("act_role"))
            && !role.starts_with("arn:")
        {
            findings.helped(
                Code::BadValue,
                node.span,
                format!("`{role}` is no ARN"),
                "arn:aws:iam::<account>:role/<name>",
            );
        }
        let region = fields.require("region", findings).and_then(|node| region(node, findings));
        Some(Aws {
            account,
            region: region.unwrap_or_default(),
            profile: optional(&fields, "profile", findings),
            act_role,
        })
    }

    fn ssm_prefix(&mut self, findings: &mut Findings) -> String {
        let Some(node) = self.fields.get("ssm_prefix") else { return self.standard(&assume::SSM_PREFIX) };
        let text = pattern::of_cluster(node, "`ssm_prefix`", self.name, findings);
        text.and_then(|text| ssm_path(&text, node.span, findings)).unwrap_or_default()
    }

    fn creds(&mut self, prefix: &str, findings: &mut Findings) -> Creds {
        let fields = self.fields.get("creds").and_then(|node| Fields::open(node, "`creds`", keys::CREDS, findings));
        let at = |key: &str, findings: &mut Findings| {
            let node = fields.as_ref()?.get(key)?;
            creds_at(node, self.name, findings)
        };
        let (admin, system) = (at("admin", findings), at("system", findings));
        let admin = admin.unwrap_or_else(|| {
            let mut path = |standard: &Standard| self.assume(standard, format!("{prefix}/{}", standard.pattern));
            CredsAt { jwt: path(&assume::ADMIN_JWT), seed: path(&assume::ADMIN_SEED) }
        });
        Creds { admin, system }
    }

    fn services(
        &mut self,
        prefix: &str,
        findings: &mut Findings,
    ) -> (BTreeMap<String, Service>, BTreeMap<String, String>) {
        let Some(node) = self.fields.get("services") else {
            let names = self.standard(&assume::SERVICES);
            let service = |name: &str| (name.to_owned(), standard_service(prefix, name));
            return (names.split(", ").map(service).collect(), BTreeMap::new());
        };
        let (mut services, mut ecs) = (BTreeMap::new(), BTreeMap::new());
        for entry in fields::map(node, "`services`", findings).into_iter().flat_map(crate::yaml::Map::iter) {
            let name = &entry.key.name;
            if !is_service(name) {
                let message = format!("`{name}` cannot name a service");
                findings.helped(Code::BadName, entry.key.span, message, "letters, digits, `_` and `-`");
            }
            let (service, its_ecs) = service(prefix, name, self.name, &entry.value, findings);
            services.insert(name.clone(), service);
            ecs.extend(its_ecs.map(|ecs| (name.clone(), ecs)));
        }
        (services, ecs)
    }

    fn nodes(&mut self, aws: &Option<Aws>, findings: &mut Findings) -> Vec<ClusterNode> {
        let Some(node) = self.fields.require("nodes", findings) else { return Vec::new() };
        let own: Vec<Option<&Node>> = match &node.kind {
            Kind::Seq(items) if !items.is_empty() => items.iter().map(Some).collect(),
            Kind::Seq(_) => {
                findings.error(Code::BadValue, node.span, "`nodes` is empty", "");
                return Vec::new();
            }
            _ => {
                let count = fields::integer(node, "the number of `nodes`", (1, MOST_NODES), findings);
                vec![None; count.and_then(|count| usize::try_from(count).ok()).unwrap_or(0)]
            }
        };
        let ways = Ways {
            name: self.way(&assume::NODE_NAME, findings),
            host: self.way(&assume::NODE_HOST, findings),
            group: self.way(&assume::GROUP, findings),
            ports: self.ports(findings),
        };
        own.into_iter().zip(1..).map(|(own, number)| ways.node(self.name, number, own, aws, findings)).collect()
    }

    /// The pattern for a name of each node.
    fn way(&mut self, standard: &Standard, findings: &mut Findings) -> pattern::Pattern {
        match self.fields.get(standard.key) {
            Some(node) => pattern::of_node(node, standard.key, findings),
            None => {
                let shown = self.standard(standard);
                pattern::Pattern::standard(&shown)
            }
        }
    }

    fn ports(&mut self, findings: &mut Findings) -> Ports {
        match self.fields.get("ports") {
            Some(node) => ports(node, STANDARD_PORTS, findings),
            None => {
                self.standard(&assume::PORTS);
                STANDARD_PORTS
            }
        }
    }
}

const STANDARD_PORTS: Ports = Ports { client: 4222, cluster: 6222, monitor: 8222 };

/// How the nodes of a cluster are named where a node does not say otherwise.
struct Ways {
    name: pattern::Pattern,
    host: pattern::Pattern,
    group: pattern::Pattern,
    ports: Ports,
}

impl Ways {
    fn node(
        &self,
        cluster: &str,
        number: u32,
        own: Option<&Node>,
        aws: &Option<Aws>,
        findings: &mut Findings,
    ) -> ClusterNode {
        let own = own.and_then(|node| Fields::open(node, "a node", keys::NODE, findings));
        let names = Names { cluster, number };
        let mut text = |key: &str, way: &pattern::Pattern| {
            let written = own.as_ref().and_then(|own| optional(own, key, findings));
            written.unwrap_or_else(|| way.fill(names))
        };
        let (name, host, group) = (text("name", &self.name), text("host", &self.host), text("group", &self.group));
        let ports = own.as_ref().and_then(|own| own.get("ports")).map(|node| ports(node, self.ports, findings));
        ClusterNode {
            number,
            name,
            cluster: cluster.to_owned(),
            host,
            group,
            ports: ports.unwrap_or(self.ports),
            aws: aws.clone(),
        }
    }
}

fn ports(node: &Node, standard: Ports, findings: &mut Findings) -> Ports {
    let Some(fields) = Fields::open(node, "`ports`", keys::PORTS, findings) else { return standard };
    let mut port = |key: &str, standard: u16| {
        let written = fields.get(key).and_then(|node| fields::integer(node, &format!("`{key}`"), (1, 65535), findings));
        written.and_then(|port| u16::try_from(port).ok()).unwrap_or(standard)
    };
    Ports {
        client: port("client", standard.client),
        cluster: port("cluster", standard.cluster),
        monitor: port("monitor", standard.monitor),
    }
}

/// Twelve digits as text: as a number a leading zero would be lost.
fn account(node: &Node, findings: &mut Findings) -> Option<String> {
    if let Kind::Int(_) = node.kind {
        let written = findings.source().slice(node.span).to_owned();
        let message = "an account is text of twelve digits, and this is a number";
        findings.helped(Code::WrongType, node.span, message, format!("put it into quotes: \"{written:0>12}\""));
        return None;
    }
    let text = fields::text(node, "`account`", findings)?;
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.to_owned());
    }
    findings.error(Code::BadValue, node.span, format!("`{text}` is no account: it must be twelve digits"), "");
    None
}

fn region(node: &Node, findings: &mut Findings) -> Option<String> {
    let text = fields::text(node, "`region`", findings)?;
    let (parts, number) = text.rsplit_once('-').unwrap_or((text, ""));
    let words = parts.split('-').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase()));
    let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if words && numbered && parts.contains('-') {
        return Some(text.to_owned());
    }
    findings.helped(Code::BadValue, node.span, format!("`{text}` is no region"), "such as `us-east-2`");
    None
}

fn is_service(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn standard_service(prefix: &str, name: &str) -> Service {
    Service { ssm_path: format!("{prefix}/services/{name}"), publishes: Vec::new(), consumes: Vec::new() }
}

fn service(prefix: &str, name: &str, cluster: &str, node: &Node, findings: &mut Findings) -> (Service, Option<String>) {
    let standard = standard_service(prefix, name);
    if matches!(node.kind, Kind::Null) {
        return (standard, None);
    }
    let Some(fields) = Fields::open(node, "a service", keys::SERVICE, findings) else { return (standard, None) };
    let path = fields.get("ssm_path").and_then(|node| {
        let text = pattern::of_cluster(node, "`ssm_path`", cluster, findings)?;
        ssm_path(&text, node.span, findings)
    });
    let service = Service {
        ssm_path: path.unwrap_or(standard.ssm_path),
        publishes: texts(&fields, "publishes", findings),
        consumes: texts(&fields, "consumes", findings),
    };
    (service, optional(&fields, "ecs", findings))
}

fn creds_at(node: &Node, cluster: &str, findings: &mut Findings) -> Option<CredsAt> {
    let fields = Fields::open(node, "credentials", keys::CREDS_AT, findings)?;
    let mut path = |key: &str| {
        let node = fields.require(key, findings)?;
        let text = pattern::of_cluster(node, &format!("`{key}`"), cluster, findings)?;
        ssm_path(&text, node.span, findings)
    };
    let (jwt, seed) = (path("jwt"), path("seed"));
    Some(CredsAt { jwt: jwt?, seed: seed? })
}
