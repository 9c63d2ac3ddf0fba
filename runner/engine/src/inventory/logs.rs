//! Where a cluster's log lines are: what its entry says under `logs`, and for the rest the standard names.
//!
//! What no page of the operators says (fields in Axiom, words of success and failure) is a marked guess.

use std::collections::BTreeMap;

use sluice_plugin::inventory::{AxiomLogs, Bootstrap, CloudWatchLogs, Logs, Node as ClusterNode};

use super::assume::{self, Standard};
use super::cluster::Reader;
use super::keys;
use super::pattern::{self, Names, Pattern};
use super::sections::{optional, texts};
use crate::diagnostic::Findings;
use crate::yaml::fields::Fields;

/// Where Axiom is, unless the inventory's own section says otherwise.
const AXIOM: &str = "https://api.axiom.co";

impl Reader<'_> {
    pub(super) fn logs(&mut self, nodes: &[ClusterNode], findings: &mut Findings) -> Logs {
        let fields = self.fields.get("logs").and_then(|node| Fields::open(node, "`logs`", keys::LOGS, findings));
        let fields = fields.as_ref();
        Logs { cloudwatch: self.cloudwatch(fields, nodes, findings), axiom: self.axiom(fields, nodes, findings) }
    }

    fn cloudwatch(
        &mut self,
        logs: Option<&Fields<'_>>,
        nodes: &[ClusterNode],
        findings: &mut Findings,
    ) -> CloudWatchLogs {
        let fields = section(logs, "`cloudwatch`", keys::LOGS_IN_CLOUDWATCH, findings);
        let fields = fields.as_ref();
        let bootstrap = section(fields, "`bootstrap`", keys::BOOTSTRAP, findings);
        let bootstrap = bootstrap.as_ref();
        CloudWatchLogs {
            group: self.of_cluster(fields, "group", &assume::CLOUDWATCH_GROUP, findings),
            stream_prefixes: self.of_nodes(fields, "stream_prefix", &assume::CLOUDWATCH_STREAMS, nodes, findings),
            bootstrap: Bootstrap {
                phrase: self.text(bootstrap, "match", &assume::BOOTSTRAP_MATCH, findings),
                ok: self.words(bootstrap, "ok", &assume::BOOTSTRAP_OK, findings),
                failed: self.words(bootstrap, "failed", &assume::BOOTSTRAP_FAILED, findings),
            },
        }
    }

    fn axiom(&mut self, logs: Option<&Fields<'_>>, nodes: &[ClusterNode], findings: &mut Findings) -> AxiomLogs {
        let fields = section(logs, "`axiom`", keys::LOGS_IN_AXIOM, findings);
        let fields = fields.as_ref();
        AxiomLogs {
            url: AXIOM.to_owned(),
            dataset: self.of_cluster(fields, "dataset", &assume::AXIOM_DATASET, findings),
            node_field: self.text(fields, "node_field", &assume::AXIOM_NODE_FIELD, findings),
            node_values: self.of_nodes(fields, "match", &assume::AXIOM_MATCH, nodes, findings),
            instance_field: self.text(fields, "instance_field", &assume::AXIOM_INSTANCE_FIELD, findings),
            time_field: self.text(fields, "time_field", &assume::AXIOM_TIME_FIELD, findings),
        }
    }

    fn text(&mut self, fields: Option<&Fields<'_>>, key: &str, standard: &Standard, findings: &mut Findings) -> String {
        let written = fields.and_then(|fields| optional(fields, key, findings));
        written.unwrap_or_else(|| self.standard(standard))
    }

    fn words(
        &mut self,
        fields: Option<&Fields<'_>>,
        key: &str,
        standard: &Standard,
        findings: &mut Findings,
    ) -> Vec<String> {
        match fields.filter(|fields| fields.get(key).is_some()) {
            Some(fields) => texts(fields, key, findings),
            None => self.standard(standard).split(", ").map(str::to_owned).collect(),
        }
    }

    fn of_cluster(
        &mut self,
        fields: Option<&Fields<'_>>,
        key: &str,
        standard: &Standard,
        findings: &mut Findings,
    ) -> String {
        let Some(node) = fields.and_then(|fields| fields.get(key)) else { return self.standard(standard) };
        pattern::of_cluster(node, &format!("`{key}`"), self.name, findings).unwrap_or_default()
    }

    /// By the node's name.
    fn of_nodes(
        &mut self,
        fields: Option<&Fields<'_>>,
        key: &str,
        standard: &Standard,
        nodes: &[ClusterNode],
        findings: &mut Findings,
    ) -> BTreeMap<String, String> {
        let way = match fields.and_then(|fields| fields.get(key)) {
            Some(node) => pattern::of_node(node, key, findings),
            None => Pattern::standard(&self.standard(standard)),
        };
        let names = |node: &ClusterNode| Names { cluster: self.name, number: node.number };
        nodes.iter().map(|node| (node.name.clone(), way.fill(names(node)))).collect()
    }
}

/// `key` is written as in messages.
fn section<'a>(
    fields: Option<&Fields<'a>>,
    key: &'static str,
    allowed: &[&str],
    findings: &mut Findings,
) -> Option<Fields<'a>> {
    Fields::open(fields?.get(key.trim_matches('`'))?, key, allowed, findings)
}
