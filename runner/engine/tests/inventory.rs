//! Good inventories, and what becomes of three lines.

use std::time::Duration;

use sluice_engine::diagnostic::{Paint, render};
use sluice_engine::inventory::{Basis, Inventory, LocksAt, SecretAt, parse};
use sluice_engine::source::Source;

pub(crate) fn good(text: &str) -> Inventory {
    parse(&Source::new("sluice.yaml", text))
        .unwrap_or_else(|errors| panic!("{}", errors.iter().map(|one| render(one, Paint::Plain)).collect::<String>()))
}

pub(crate) const THREE_LINES: &str = "clusters:\n  nats-staging:\n    nodes: 3\n";

const FULL: &str = r#"
clusters:
  nats-prod:
    nodes:
      - {}
      - { host: 10.0.0.2, ports: { client: 5222 } }
    aws: { account: "123456789012", region: us-east-2, profile: prod, act_role: "arn:aws:iam::123456789012:role/act" }
    labels: { tier: production }
    node_name: "{{ cluster }}-{{ n }}"
    ports: { client: 4333 }
    ssm_prefix: "/clusters/{{ cluster }}"
    streams: [pivot_main, other]
    services: { billing: { publishes: ["billing.>"], ecs: billing-api }, bare: }
    creds: { system: { jwt: /sys/jwt, seed: "/sys/{{ cluster }}" } }
    soak: 90s
    locks: local
    logs: { axiom: { dataset: d, node_field: server, match: "n{{ n }}" }, cloudwatch: { stream_prefix: "{{ n }}-", bootstrap: { ok: [up], failed: [down] } } }
    units: [nats]
policy: [ { when: { tier: production }, confirm: { people: 2, requester: false, groups: [sre], answer_within: 15m }, override: { groups: [oncall] } } ]
people: { ana: { os: ana, slack: "T1/U1", oidc: "ana@example.com", groups: [sre] } }
plugins:
  axiom: { grants: { http: [{ origin: "https://api.axiom.co:443", read: ["POST /v1/datasets/_apl"] }], secrets: [axiom_token] } }
  acme: { component: acme.wasm, sha256: "00000000000000000000000000000000000000000000000000000000000000AA" }
secrets: { axiom_token: { env: AXIOM_TOKEN, to: ["https://api.axiom.co"] }, other: { ssm: /a/b }, third: { file: ~/.token } }
axiom: { url: "https://api.eu.axiom.co" }
terraform: { address: "https://app.terraform.io", organization: acme, workspace: backend-staging }
slack: {}
schedules: {}
server:
store: { path: "~/.local/state/sluice" }
"#;

#[test]
fn three_lines_are_enough() {
    let inventory = good(THREE_LINES);
    let cluster = inventory.cluster("nats-staging").unwrap();
    let nodes: Vec<_> = cluster
        .nodes
        .iter()
        .map(|node| (node.number, node.name.as_str(), node.host.as_str(), node.group.as_str()))
        .collect();
    assert_eq!(
        nodes[0],
        (1, "nats-staging-node-1", "nats-staging-node-1.nats-staging.internal", "nats-staging-node-1-asg")
    );
    assert_eq!(nodes[2].1, "nats-staging-node-3");
    assert_eq!(nodes.len(), 3);
    let ports = cluster.nodes[1].ports;
    assert_eq!((ports.client, ports.cluster, ports.monitor), (4222, 6222, 8222));
    assert_eq!(cluster.ssm_prefix, "/nats-cluster/nats-staging");
    assert_eq!(cluster.creds.admin.jwt, "/nats-cluster/nats-staging/admin/nats_admin_jwt");
    assert_eq!(cluster.creds.admin.seed, "/nats-cluster/nats-staging/admin/nats_admin_nkey_seed");
    assert_eq!(cluster.creds.system, None);
    assert_eq!(cluster.streams, ["pivot_main"]);
    assert_eq!(cluster.services["facebox"].ssm_path, "/nats-cluster/nats-staging/services/facebox");
    assert_eq!(cluster.services.len(), 2);
    assert_eq!(cluster.aws, None);
    let logs = cluster.logs.as_ref().unwrap();
    assert_eq!(logs.cloudwatch.stream_prefixes["nats-staging-node-3"], "nats-staging-node-3-bootstrap-");
    assert_eq!(logs.cloudwatch.bootstrap.phrase, "Axiom ingest check");
    assert_eq!((logs.axiom.dataset.as_str(), logs.axiom.time_field.as_str()), ("nats-logs", "_time"));
    assert_eq!(logs.axiom.node_values["nats-staging-node-3"], "nats-staging-node-3");
    assert_eq!(logs.axiom.url, "https://api.axiom.co");
    assert_eq!(inventory.entry("nats-staging").unwrap().soak, Duration::from_secs(120));
    assert_eq!(inventory.entry("nats-staging").unwrap().locks, LocksAt::Store);
    assert!(inventory.cluster("nats-prod").is_none());
}

#[test]
fn what_is_written_replaces_the_defaults() {
    let inventory = good(FULL);
    let entry = inventory.entry("nats-prod").unwrap();
    let cluster = &entry.cluster;
    assert_eq!(cluster.nodes[0].name, "nats-prod-1");
    assert_eq!(Some(&cluster.logs.as_ref().unwrap().axiom.url), inventory.axiom.url.as_ref());
    assert_eq!(inventory.axiom.url.as_deref(), Some("https://api.eu.axiom.co"));
    assert_eq!(cluster.nodes[0].host, "nats-prod-node-1.nats-prod.internal");
    assert_eq!((cluster.nodes[1].host.as_str(), cluster.nodes[1].ports.client), ("10.0.0.2", 5222));
    assert_eq!((cluster.nodes[0].ports.client, cluster.nodes[0].ports.monitor), (4333, 8222));
    assert_eq!(cluster.nodes[1].aws.as_ref().unwrap().account.as_deref(), Some("123456789012"));
    assert_eq!(cluster.services["billing"].ssm_path, "/clusters/nats-prod/services/billing");
    assert_eq!(cluster.services["bare"].publishes, [""; 0]);
    assert_eq!(entry.ecs["billing"], "billing-api");
    assert_eq!(cluster.creds.system.as_ref().unwrap().seed, "/sys/nats-prod");
    assert_eq!(cluster.creds.admin.jwt, "/clusters/nats-prod/admin/nats_admin_jwt");
    let logs = cluster.logs.as_ref().unwrap();
    assert_eq!((logs.axiom.dataset.as_str(), logs.axiom.node_field.as_str()), ("d", "server"));
    assert_eq!(logs.axiom.node_values["nats-prod-2"], "n2");
    assert_eq!(logs.cloudwatch.stream_prefixes["nats-prod-1"], "1-");
    assert_eq!(logs.cloudwatch.group, "/aws/ec2/nats-cluster/nats-prod/diagnostic");
    assert_eq!(
        (&logs.cloudwatch.bootstrap.ok, &logs.cloudwatch.bootstrap.failed),
        (&vec!["up".into()], &vec!["down".into()])
    );
    assert_eq!((entry.locks, entry.units.len()), (LocksAt::Local, 1));
}

#[test]
fn the_other_sections_are_read() {
    let inventory = good(FULL);
    let rule = &inventory.policy[0];
    assert_eq!((rule.confirm.people, rule.confirm.requester), (2, false));
    assert_eq!(rule.confirm.answer_within, Some(Duration::from_secs(900)));
    assert_eq!(rule.overriders, ["oncall"]);
    assert_eq!(inventory.people["ana"].groups, ["sre"]);
    let plugin = |name: &str| inventory.plugins.iter().find(|(known, _)| known.as_str() == name).unwrap().1;
    assert_eq!(plugin("axiom").http[0].read, [("POST".to_owned(), "/v1/datasets/_apl".to_owned())]);
    assert!(!plugin("axiom").http[0].private);
    assert_eq!(plugin("axiom").secrets[0].as_str(), "axiom_token");
    assert!(plugin("acme").component.as_ref().unwrap().sha256.ends_with("aa"));
    let secrets: Vec<_> = inventory.secrets.values().cloned().collect();
    assert_eq!((&secrets[0].at, secrets[0].to.len()), (&SecretAt::Env("AXIOM_TOKEN".into()), 1));
    assert_eq!((&secrets[1].at, secrets[1].to.len()), (&SecretAt::Ssm("/a/b".into()), 0));
    assert_eq!(inventory.store.path.as_deref(), Some("~/.local/state/sluice"));
}

#[test]
fn assumptions_name_the_defaults_in_use() {
    let count =
        |inventory: &Inventory, basis: Basis| inventory.assumptions().filter(|(_, one)| one.basis == basis).count();
    let (three, full) = (good(THREE_LINES), good(FULL));
    assert_eq!(count(&three, Basis::Guess), 6);
    assert_eq!(count(&full, Basis::Guess), 1);
    assert!(count(&three, Basis::Documented) > count(&full, Basis::Documented));
    let (cluster, group) = three.assumptions().find(|(_, one)| one.key == "group").unwrap();
    assert_eq!((cluster.as_str(), group.value.as_str()), ("nats-staging", "nats-staging-node-{{ n }}-asg"));
    assert!(full.assumptions().all(|(_, one)| one.key != "node_name"));
}

#[test]
fn the_account_decides_where_the_lock_lives() {
    let check = |aws: &str, expect: LocksAt| {
        let inventory = good(&format!("clusters: {{ a: {{ nodes: 1{aws} }} }}\n"));
        assert_eq!(inventory.entry("a").unwrap().locks, expect, "{aws}");
    };
    check("", LocksAt::Store);
    check(", aws: { region: us-east-2 }", LocksAt::Store);
    check(", aws: { account: '123456789012', region: us-east-2 }", LocksAt::Ssm);
    check(", aws: { account: '123456789012', region: us-east-2 }, locks: store", LocksAt::Store);
}
