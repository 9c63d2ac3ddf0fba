//! `aws.choose_nodes`: what each filter leaves out, and that no question is asked that none of them needs.

use serde_json::Value;
use sluice_plugin::{Plugin, Purpose};

use super::*;
use crate::standin::{Answer, Expect, FakeHost, StandIn, call, check};
use crate::standin_cloud::{self as cloud, Group as Listed, node};

/// The numbers of the chosen nodes, and what is said of the others.
async fn chosen(groups: Vec<Listed>, with: Value) -> (String, Vec<String>) {
    let stand_in = StandIn::start(move |request, _| cloud::answer(&groups, request)).await;
    let mut input = json!({ "cluster": cloud::cluster(3) });
    input.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    let needs_aws = with.get("outdated").is_some();
    let done = stand_in.plugin().run("choose_nodes", &FakeHost::default(), &call(Purpose::Read, input)).await.unwrap();
    assert_eq!(stand_in.counts().is_empty(), !needs_aws, "{with}");
    let numbers = done.output["nodes"].as_array().unwrap().iter().map(|node| node["number"].to_string());
    let left = done.output["left_out"].as_array().unwrap().iter();
    let left = left.map(|one| format!("{} {}", one["node"].as_str().unwrap(), one["why"].as_str().unwrap()));
    (numbers.collect::<Vec<_>>().join(" "), left.collect())
}

fn groups(change: impl FnOnce(&mut Listed)) -> Vec<Listed> {
    vec![Listed::well(1).but(change), Listed::well(2), Listed::well(3)]
}

#[tokio::test]
async fn without_a_filter_nobody_is_asked() {
    assert_eq!(chosen(groups(|_| ()), json!({})).await, ("1 2 3".to_owned(), Vec::new()));
    assert_eq!(chosen(groups(|_| ()), json!({ "older_than": "0s" })).await.0, "1 2 3");
    let (numbers, left) = chosen(groups(|_| ()), json!({ "nodes": [node(3), node(1)] })).await;
    assert_eq!((numbers.as_str(), left), ("1 3", vec!["lab-node-2 not asked for".to_owned()]));
}

#[tokio::test]
async fn what_runs_what_its_group_launches_is_left_out() {
    let check = async |group: &'static str, member: &'static str, expect: &str| {
        let groups = groups(|listed| {
            listed.version = group;
            listed.members.iter_mut().for_each(|one| one.version = member);
        });
        let (numbers, left) = chosen(groups, json!({ "outdated": true })).await;
        assert_eq!(numbers, expect, "group {group}, instance {member}");
        let says = format!("lab-node-1 i-1 runs version {member} of its launch template already");
        assert_eq!(left, if expect.contains('1') { Vec::new() } else { vec![says] });
    };
    check("8", "7", "1 2 3").await;
    check("8", "8", "2 3").await;
    check("$Latest", "8", "2 3").await;
    check("$Latest", "7", "1 2 3").await;
    check("$Default", "7", "2 3").await;
    check("$Default", "8", "1 2 3").await;
    // Of two nobody knows which is the node.
    let two = groups(|listed| {
        listed.instances(&[("i-old", "Terminating"), ("i-1", "Pending")]);
        listed.version = "7";
    });
    assert_eq!(chosen(two, json!({ "outdated": true })).await.0, "1 2 3");
    // Nothing is up to date where nothing is.
    let empty = groups(|listed| (listed.version, listed.members) = ("7", Vec::new()));
    assert_eq!(chosen(empty, json!({ "outdated": true })).await.0, "1 2 3");
}

#[test]
fn what_is_younger_is_left_out() {
    let member = |version: &str| Member {
        id: "i-1".to_owned(),
        lifecycle: "InService".to_owned(),
        health: "Healthy".to_owned(),
        zone: None,
        instance_type: None,
        protected_from_scale_in: false,
        launch_template: Some(template(version)),
    };
    let hours = |hours: i64| Timestamp(hours * 3_600_000);
    let check = |outdated: bool, (launched, version): (Option<i64>, &str), expect: Option<&str>| {
        let filter = Filter { outdated, older_than: Duration::from_secs(3600 * 10), now: hours(100) };
        let seen = Seen { instance: Some((member(version), launched.map(hours))), next: Some(template("8")) };
        assert_eq!(filter.leaves_out(&seen).as_deref(), expect);
    };
    check(false, (Some(89), "8"), None);
    check(false, (Some(91), "8"), Some("i-1 was launched 9h ago, which is less than 10h"));
    // Nobody knows how old it is.
    check(false, (None, "8"), None);
    check(true, (Some(91), "7"), Some("i-1 was launched 9h ago, which is less than 10h"));
    check(true, (Some(89), "7"), None);
    check(true, (Some(89), "8"), Some("i-1 runs version 8 of its launch template already"));
}

fn template(version: &str) -> Template {
    Template { id: Some("lt-1".to_owned()), name: None, version: Some(version.to_owned()) }
}

#[tokio::test]
async fn what_cannot_be_told_is_a_problem() {
    let stand_in = StandIn::start(|request, _| match request.operation.as_str() {
        "DescribeLaunchTemplates" => Answer::ec2_error(403, "UnauthorizedOperation", "no"),
        _ => cloud::answer(&groups(|_| ()), request),
    })
    .await;
    let with = json!({ "cluster": cloud::cluster(3), "outdated": true });
    check(&stand_in, "choose_nodes", with, Expect::problem("denied", &["ec2:DescribeLaunchTemplates"])).await;
    let with = json!({ "cluster": cloud::cluster(3), "older_than": "a week" });
    check(&stand_in, "choose_nodes", with, Expect::problem("bad_input", &["`older_than`"])).await;
    let with = json!({ "cluster": cloud::cluster(4), "outdated": true });
    let missing = StandIn::start(|request, _| cloud::answer(&groups(|_| ()), request)).await;
    check(&missing, "choose_nodes", with, Expect::problem("not_found", &["lab-node-4-asg"])).await;
}
