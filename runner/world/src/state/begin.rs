//! A healthy cluster at the moment the world begins: everything runs, every replica holds everything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sluice_plugin::inventory::Node;

use crate::fault::BootLine;
use crate::random::Random;
use crate::setup::Setup;

use super::State;
use super::events::Shipper;
use super::node::{Power, Server, Slot};
use super::raft::Raft;
use super::scaling::{Group, Instance, LogLine, Template};
use super::stream::{Consumer, PARTS, Stream};

/// Everything has run for a day when the world begins.
const BEFORE: i64 = -86_400_000;

impl State {
    pub(crate) fn begin(setup: Setup) -> Self {
        let mut random = Random::new(setup.seed);
        let groups: Vec<Group> = setup.cluster.nodes.iter().map(|node| group(node, &setup, &mut random)).collect();
        let slots = setup.cluster.nodes.iter().zip(&groups).map(|(node, group)| slot(node, group, &mut random));
        let slots: Vec<Slot> = slots.collect();
        let names: Vec<String> = setup.cluster.nodes.iter().map(|node| node.name.clone()).collect();
        let meta = raft("_meta_".to_owned(), &names, &mut random);
        let streams = setup.cluster.streams.iter().map(|name| stream(name, &setup, &names, &mut random)).collect();
        let account = random.key('A');
        let log = groups.iter().filter_map(log_line).collect();
        let shippers = groups.iter().filter_map(shipper).collect();
        Self {
            now: 0,
            setup,
            random,
            slots,
            meta,
            streams,
            groups,
            account,
            silent: BTreeMap::new(),
            aws: Vec::new(),
            shippers,
            axiom_down: false,
            sticky: BTreeSet::new(),
            deeds: Vec::new(),
            log,
            terminations: Vec::new(),
            things: BTreeSet::new(),
            rollout: None,
            timers: BTreeMap::new(),
            next_timer: 0,
        }
    }
}

fn group(node: &Node, setup: &Setup, random: &mut Random) -> Group {
    let of =
        |id: &str, version: &str| Template { id: id.to_owned(), name: node.name.clone(), version: version.to_owned() };
    let id = format!("lt-{}", random.hex(17));
    let template = of(&id, if setup.outdated.contains(&node.number) { "2" } else { "1" });
    let instance = Instance {
        id: format!("i-{}", random.hex(17)),
        lifecycle: "InService",
        state: "running",
        ip: ip(random),
        launched: BEFORE,
        template: of(&id, "1"),
    };
    Group {
        name: node.group.clone(),
        node: node.name.clone(),
        desired: 1,
        template,
        suspended: Vec::new(),
        instances: vec![instance],
        refreshes: Vec::new(),
        activities: Vec::new(),
        refuses: 0,
    }
}

fn log_line(group: &Group) -> Option<LogLine> {
    let instance = group.instances.first()?;
    Some(LogLine { node: group.node.clone(), instance: instance.id.clone(), at: instance.launched, says: BootLine::Ok })
}

fn shipper(group: &Group) -> Option<Shipper> {
    let instance = group.instances.first()?;
    Some(Shipper { node: group.node.clone(), instance: instance.id.clone(), from: instance.launched, until: None })
}

fn slot(node: &Node, group: &Group, random: &mut Random) -> Slot {
    Slot {
        name: node.name.clone(),
        host: node.host.clone(),
        client_port: node.ports.client,
        monitor_port: node.ports.monitor,
        instance: group.instances.first().map(|instance| instance.id.clone()),
        server: Some(Server::started(&node.name, BEFORE, random)),
        cut_off: false,
        stale: false,
        name_lags: Duration::ZERO,
        impostor: None,
        server_name: node.name.clone(),
        boots: true,
        disk: true,
        ships: true,
        says: BootLine::Ok,
    }
}

fn stream(name: &str, setup: &Setup, servers: &[String], random: &mut Random) -> Stream {
    let services = &setup.clients;
    let consumer = |service: &String| Consumer {
        name: format!("{service}-worker"),
        filter: format!("{service}.>"),
        raft: raft(String::new(), servers, &mut Random::new(setup.seed)),
    };
    let mut consumers: Vec<Consumer> = services.iter().map(consumer).collect();
    for consumer in &mut consumers {
        consumer.raft = raft(format!("C-R3F-{}", random.hex(8)), servers, random);
    }
    let all = setup.messages * PARTS;
    Stream {
        name: name.to_owned(),
        created: BEFORE,
        replicas: servers.len(),
        subjects: services.iter().map(|service| format!("{service}.>")).collect(),
        raft: raft(format!("S-R3F-{}", random.hex(8)), servers, random),
        consumers,
        stores: servers.iter().map(|server| (server.clone(), all)).collect(),
        acknowledged: all,
        lost: 0,
    }
}

fn raft(name: String, servers: &[String], random: &mut Random) -> Raft {
    let at = usize::try_from(random.between(0, servers.len() as u64)).unwrap_or(0);
    Raft::new(name, servers.to_vec(), servers.get(at).cloned().unwrap_or_default())
}

pub(super) fn ip(random: &mut Random) -> String {
    format!("10.0.{}.{}", random.between(1, 4), random.between(10, 250))
}

impl Server {
    pub(super) fn started(name: &str, started: i64, random: &mut Random) -> Self {
        Self {
            id: random.key('N'),
            name: name.to_owned(),
            started,
            power: Power::Runs(100),
            disk: true,
            api_errors: 0,
            api_total: 0,
            slow_consumers: 0,
        }
    }
}
