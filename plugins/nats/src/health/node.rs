//! Judging each node by itself: does it answer, is it healthy, is it who it should be.
//!
//! A node that does not answer is unknown, not dead: the way to it may be what is broken.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Finding, Severity, Subject, SubjectKind};
use super::sample::Sample;
use super::view::ServerView;
use crate::monitor::model::{Health, Jsz, Varz};
use crate::monitor::reach::{Reach, Unreached};
use crate::monitor::read::NodeRead;

/// One row per configured node, from its last answers.
pub(super) fn views(sample: &Sample) -> Vec<ServerView> {
    let rows = sample.nodes.iter().enumerate();
    rows.map(|(at, node)| match sample.read(at) {
        Some(read) => {
            let connections = read.connz.as_ref().ok().map(|connz| connz.total);
            let view = server_view(&node.name, &node.host, &read.health, &read.varz, &read.jsz);
            ServerView { connections: connections.or(view.connections), ..view }
        }
        None => ServerView { name: node.name.clone(), host: node.host.clone(), ..ServerView::default() },
    })
    .collect()
}

/// One server as its endpoints tell; shared with `nats.servers`.
pub(crate) fn server_view(
    name: &str,
    host: &str,
    health: &Reach<Health>,
    varz: &Reach<Varz>,
    jsz: &Reach<Jsz>,
) -> ServerView {
    let (health_said, varz_said, jsz_said) = (health.as_ref().ok(), varz.as_ref().ok(), jsz.as_ref().ok());
    let reachable = health_said.is_some() || varz_said.is_some() || jsz_said.is_some();
    ServerView {
        name: name.to_owned(),
        host: host.to_owned(),
        reachable,
        unreached: if reachable { None } else { health.as_ref().err().cloned() },
        health_code: health_said.map(|health| health.code),
        health_error: health_said.and_then(|health| health.error.clone()),
        server_name: varz_said.map(|varz| varz.server_name.clone()),
        server_id: varz_said.map(|varz| varz.server_id.clone()),
        version: varz_said.map(|varz| varz.version.clone()),
        start: varz_said.map(|varz| varz.start.clone()),
        uptime_seconds: varz_said.and_then(|varz| seconds(&varz.uptime)),
        cpu_percent: varz_said.map(|varz| varz.cpu),
        mem_bytes: varz_said.map(|varz| varz.mem),
        connections: varz_said.map(|varz| varz.connections),
        slow_consumers: varz_said.map(|varz| varz.slow_consumers),
        jetstream: jsz_said.map(|jsz| !jsz.disabled),
        api_errors: jsz_said.map(|jsz| jsz.api.errors),
        storage_bytes: jsz_said.map(|jsz| jsz.storage),
        max_storage_bytes: jsz_said.map(|jsz| jsz.config.max_storage),
    }
}

pub(super) fn findings(sample: &Sample) -> Vec<Finding> {
    let mut findings: Vec<Finding> = (0..sample.nodes.len()).flat_map(|node| node_findings(sample, node)).collect();
    findings.extend(same_server(sample));
    findings.extend(versions(sample));
    findings
}

fn node_findings(sample: &Sample, node: usize) -> Vec<Finding> {
    let (Some(configured), Some(read)) = (sample.nodes.get(node), sample.read(node)) else { return vec![] };
    let subject = Subject::node(&configured.name);
    if let Some(why) = read.silent() {
        return vec![unreachable(subject, &configured.host, why)];
    }
    let mut findings = Vec::new();
    findings.extend(partial(&subject, read));
    findings.extend(read.health.as_ref().ok().and_then(|health| unhealthy(&subject, health)));
    findings.extend(read.varz.as_ref().ok().and_then(|varz| misnamed(&subject, &configured.name, varz)));
    findings.extend(read.jsz.as_ref().ok().filter(|jsz| jsz.disabled).map(|_| disabled(&subject)));
    findings.extend(flapped(sample, node, &subject));
    findings
}

fn unreachable(subject: Subject, host: &str, why: &Unreached) -> Finding {
    Finding::new(Severity::Unknown, "node_unreachable", subject)
        .seen("no answer", format!("{host} answers"))
        .told(why.why.clone(), "look at the instance in AWS and at the way to it; what cannot be seen counts as down")
}

fn partial(subject: &Subject, read: &NodeRead) -> Option<Finding> {
    let missing = [
        ("/healthz", read.health.as_ref().err()),
        ("/varz", read.varz.as_ref().err()),
        ("/jsz", read.jsz.as_ref().err()),
        ("/connz", read.connz.as_ref().err()),
    ];
    let (paths, whys): (Vec<_>, Vec<_>) = missing.into_iter().filter_map(|(path, why)| Some((path, why?))).unzip();
    let why = whys.first()?;
    let finding = Finding::new(Severity::Unknown, "monitoring_partial", subject.clone()).settling();
    let seen = format!("no answer from {}", paths.join(", "));
    Some(
        finding
            .seen(seen, "all endpoints answer")
            .told(why.why.clone(), "look again; look at the server's log when it stays"),
    )
}

fn unhealthy(subject: &Subject, health: &Health) -> Option<Finding> {
    if health.code == 200 {
        return None;
    }
    let error = health.error.as_deref().unwrap_or("no reason given");
    let finding = Finding::new(Severity::Critical, "health_status", subject.clone()).settling();
    Some(finding.seen(format!("HTTP {}: {error}", health.code), "HTTP 200").told(
        "the server says of itself that it is not healthy; for some seconds after a leader died a healthy one says so too",
        "look again in ten seconds; when it stays, read the server's log (`journalctl -u nats`)",
    ))
}

fn misnamed(subject: &Subject, configured: &str, varz: &Varz) -> Option<Finding> {
    if varz.server_name == configured || varz.server_name.is_empty() {
        return None;
    }
    let finding = Finding::new(Severity::Critical, "wrong_server_name", subject.clone());
    Some(finding.seen(format!("server_name {}", varz.server_name), configured).told(
        "the server behind this address has another name; the cluster keeps a ghost of the old name and replicas stay away",
        "decide which name is right: give the server its configured name back, or keep the new one, write it into the inventory and peer-remove the old one; correct the address if it leads to the wrong server",
    ))
}

fn disabled(subject: &Subject) -> Finding {
    Finding::new(Severity::Critical, "jetstream_disabled", subject.clone()).seen("disabled", "enabled").told(
        "JetStream is switched off on this server, by configuration or after an error of its disk",
        "read the server's log; look whether /var/lib/nats is mounted and can be written",
    )
}

/// It was not well in an earlier round of this very sample and is now.
fn flapped(sample: &Sample, node: usize, subject: &Subject) -> Option<Finding> {
    let well = |read: &NodeRead| read.health.as_ref().is_ok_and(|health| health.code == 200);
    if !sample.read(node).is_some_and(well) {
        return None;
    }
    let earlier = sample.rounds.iter().filter_map(|round| round.reads.get(node)).find(|read| !well(read))?;
    let seen = match &earlier.health {
        Ok(health) => format!("HTTP {} and then 200", health.code),
        Err(why) => format!("no answer ({}) and then 200", why.why),
    };
    let finding = Finding::new(Severity::Warning, "health_flapped", subject.clone());
    Some(finding.seen(seen, "HTTP 200 each time").told(
        "it became healthy while we looked; after a leader died this lasts some seconds",
        "look again in a minute",
    ))
}

fn same_server(sample: &Sample) -> Vec<Finding> {
    let mut by_id: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (at, node) in sample.nodes.iter().enumerate() {
        if let Some(varz) =
            sample.read(at).and_then(|read| read.varz.as_ref().ok()).filter(|varz| !varz.server_id.is_empty())
        {
            by_id.entry(varz.server_id.as_str()).or_default().push(node.name.as_str());
        }
    }
    let twice = by_id.into_values().filter(|names| names.len() > 1);
    let subject = || Subject::new(SubjectKind::Cluster, sample.cluster.clone());
    let finding = |names: Vec<&str>| {
        let finding = Finding::new(Severity::Critical, "same_server", subject());
        finding.seen(format!("{} are one server", names.join(" and ")), "one server each").told(
            "two configured nodes lead to the same server, so one of them was not looked at",
            "correct the addresses in the inventory or in DNS",
        )
    };
    twice.map(finding).collect()
}

fn versions(sample: &Sample) -> Option<Finding> {
    let mut by_version: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (at, node) in sample.nodes.iter().enumerate() {
        if let Some(varz) = sample.read(at).and_then(|read| read.varz.as_ref().ok()) {
            by_version.entry(varz.version.as_str()).or_default().insert(node.name.as_str());
        }
    }
    if by_version.len() < 2 {
        return None;
    }
    let list = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(", ");
    let seen: Vec<String> = by_version.iter().map(|(version, names)| format!("{version} ({})", list(names))).collect();
    let subject = Subject::new(SubjectKind::Cluster, sample.cluster.clone());
    Some(Finding::new(Severity::Warning, "mixed_versions", subject).seen(seen.join("; "), "one version").told(
        "the nodes run different versions of nats-server, which is fine during a rolling upgrade only",
        "finish the upgrade",
    ))
}

/// `1y2d3h4m5s`, as the server writes it.
fn seconds(uptime: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut count: Option<u64> = None;
    for letter in uptime.chars() {
        if let Some(digit) = letter.to_digit(10) {
            count = Some(count.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(digit))?);
            continue;
        }
        let unit = match letter {
            'y' => 365 * 86_400,
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total = total.checked_add(count.take()?.checked_mul(unit)?)?;
    }
    count.is_none().then_some(total)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn uptime_is_read_in_seconds() {
        let cases = [
            ("10s", Some(10)),
            ("1m5s", Some(65)),
            ("2h0m1s", Some(7_201)),
            ("1d1h1m1s", Some(90_061)),
            ("1y0d0h0m0s", Some(31_536_000)),
            ("10", None),
            ("s", None),
            ("5x", None),
        ];
        for (text, expect) in cases {
            assert_eq!(seconds(text), expect, "{text}");
        }
    }
}
