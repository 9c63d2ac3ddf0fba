//! `aws.new_instance` and `aws.activities`: the way of a replacement, and why none comes.

use serde_json::Value;
use sluice_plugin::{Plugin, Purpose};

use super::*;
use crate::standin::{FakeHost, StandIn, call};
use crate::standin_cloud::{self as cloud, Group, node};

async fn judged(change: fn(&mut Group), old: Option<&str>) -> (Verdict, String, Value) {
    let group = Group::well(1).but(change);
    let stand_in = StandIn::start(move |request, _| cloud::answer(std::slice::from_ref(&group), request)).await;
    let with = json!({ "node": node(1), "old": old });
    let outcome =
        stand_in.plugin().run("new_instance", &FakeHost::default(), &call(Purpose::Read, with)).await.unwrap();
    let judgement = outcome.judgement.unwrap();
    (judgement.verdict, judgement.why, outcome.output)
}

#[tokio::test]
async fn it_is_there_when_one_that_is_not_the_old_one_is_in_service_and_runs() {
    for old in [None, Some("i-0")] {
        let (verdict, why, output) = judged(|_| (), old).await;
        assert_eq!(verdict, Verdict::Pass, "{why}");
        assert_eq!((&output["id"], &output["state"]), (&json!("i-1"), &json!("running")));
        assert_eq!(output["launched_at"], 1_795_370_400_000_i64);
    }
}

#[tokio::test]
async fn until_then_it_says_what_is_there() {
    let coming = async |change: fn(&mut Group), old: &str, says: &[&str]| {
        let (verdict, why, _) = judged(change, Some(old)).await;
        assert_eq!(verdict, Verdict::Inconclusive, "{why}");
        says.iter().for_each(|part| assert!(why.contains(part), "`{part}` is not in: {why}"));
    };
    coming(|_| (), "i-1", &["still has its old instance i-1"]).await;
    coming(|group| group.instances(&[("i-1", "Terminating")]), "i-1", &["i-1 (Terminating)"]).await;
    coming(|group| group.instances(&[("i-1", "Pending")]), "i-0", &["i-1: Pending"]).await;
    coming(|group| group.members[0].health = "Unhealthy", "i-0", &["Unhealthy"]).await;
    coming(|group| group.ec2[0].1 = "pending", "i-0", &["pending"]).await;
    coming(|group| group.ec2.clear(), "i-0", &["not listed by EC2"]).await;
    let both = |group: &mut Group| group.instances(&[("i-0", "Terminating"), ("i-1", "InService")]);
    coming(both, "i-0", &["i-0 Terminating, i-1 InService"]).await;
    let capacity = "insufficient m8gd.medium capacity in us-east-2a";
    let full = |group: &mut Group| {
        group.instances(&[]);
        group.activity("Failed", "Launching a new EC2 instance", "insufficient m8gd.medium capacity in us-east-2a");
        group.activity("Successful", "Terminating EC2 instance: i-0", "");
    };
    coming(full, "i-0", &["has no instance yet", "Failed", capacity]).await;
    coming(|group| group.instances(&[]), "i-0", &["no scaling activity"]).await;
}

#[tokio::test]
async fn where_nothing_will_come_by_itself_it_fails() {
    let hopeless = async |change: fn(&mut Group), says: &str| {
        let (verdict, why, output) = judged(change, Some("i-0")).await;
        assert_eq!((verdict, &output["id"]), (Verdict::Fail, &Value::Null), "{why}");
        assert!(why.contains(says) && why.contains("none will come"), "`{says}` is not in: {why}");
    };
    let suspended = |group: &mut Group| {
        group.instances(&[]);
        group.suspended.push("Launch");
    };
    hopeless(suspended, "Launch is suspended").await;
    let zero = |group: &mut Group| {
        group.instances(&[]);
        group.desired = 0;
    };
    hopeless(zero, "desired capacity").await;
    let deleted = |group: &mut Group| {
        group.instances(&[]);
        group.status = Some("Delete in progress");
    };
    hopeless(deleted, "Delete in progress").await;
}

#[tokio::test]
async fn activities_are_given_newest_first_in_the_words_of_aws() {
    let group = Group::well(1).but(|group| {
        group.activity("Failed", "Launching a new EC2 instance", "no capacity");
        group.activity("Successful", "Terminating EC2 instance: i-0", "");
    });
    let stand_in = StandIn::start(move |request, _| cloud::answer(std::slice::from_ref(&group), request)).await;
    let call = call(Purpose::Read, json!({ "node": node(1) }));
    let output = stand_in.plugin().run("activities", &FakeHost::default(), &call).await.unwrap().output;
    let listed = output["activities"].as_array().unwrap();
    assert_eq!((&listed[0]["status"], &listed[0]["message"]), (&json!("Failed"), &json!("no capacity")));
    assert_eq!(listed[1]["description"], "Terminating EC2 instance: i-0");
    assert!(listed[0]["started_at"].as_i64() > listed[1]["started_at"].as_i64());
}
