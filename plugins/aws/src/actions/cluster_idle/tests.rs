//! `aws.cluster_idle`: the table of what makes a cluster busy, for the node that is excepted and for the others.

use serde_json::Value;
use sluice_plugin::{Plugin, Purpose, Verdict};

use super::*;
use crate::standin::{Answer, Expect, FakeHost, StandIn, call};
use crate::standin_cloud::{self as cloud, Group as Listed, node};

async fn judged(groups: Vec<Listed>, except: Option<u32>) -> (Verdict, String, Value) {
    let stand_in = StandIn::start(move |request, _| cloud::answer(&groups, request)).await;
    let with = json!({ "cluster": cloud::cluster(3), "except": except.map(node) });
    let outcome =
        stand_in.plugin().run("cluster_idle", &FakeHost::default(), &call(Purpose::Read, with)).await.unwrap();
    let judgement = outcome.judgement.unwrap();
    (judgement.verdict, judgement.why, outcome.output)
}

fn groups(change: impl FnOnce(&mut Listed)) -> Vec<Listed> {
    vec![Listed::well(1).but(change), Listed::well(2), Listed::well(3)]
}

#[tokio::test]
async fn a_quiet_cluster_is_idle() {
    let (verdict, why, output) = judged(groups(|_| ()), None).await;
    assert_eq!((verdict, why.as_str()), (Verdict::Pass, "nothing moves in any group"));
    assert_eq!((&output["busy"], &output["warnings"]), (&json!([]), &json!([])));
    let rows: Vec<_> = output["groups"].as_array().unwrap().iter().map(|row| row["node"].as_str().unwrap()).collect();
    assert_eq!(rows, ["lab-node-1", "lab-node-2", "lab-node-3"]);
}

/// Both as one of the others and as the node itself.
#[tokio::test]
async fn what_moves_anywhere_makes_it_busy() {
    let busy = async |change: fn(&mut Listed), says: &str| {
        for except in [None, Some(1), Some(2)] {
            let (verdict, why, output) = judged(groups(change), except).await;
            assert_eq!(verdict, Verdict::Fail, "{says} {except:?}");
            assert!(why.contains("lab-node-1: ") && why.contains(says), "`{says}` is not in: {why}");
            assert_eq!(output["groups"][0]["busy"], output["busy"]);
        }
    };
    busy(|group| group.refreshes.push(("r-1", "InProgress")), "instance refresh r-1 is InProgress").await;
    busy(|group| group.refreshes.push(("r-1", "Pondering")), "r-1 is Pondering").await;
    busy(|group| group.activity("PreInService", "Launching a new EC2 instance: i-9", ""), "PreInService").await;
    busy(|group| group.suspended.push("Launch"), "Launch is suspended").await;
    busy(|group| group.status = Some("Delete in progress"), "Delete in progress").await;
    busy(|group| group.instances(&[("i-1", "InService"), ("i-9", "Pending")]), "2 instances").await;
    busy(|group| group.name = "other".into(), "AWS knows no group lab-node-1-asg").await;
}

#[tokio::test]
async fn only_the_excepted_node_may_be_in_any_state() {
    let odd = async |change: fn(&mut Listed), says: &str| {
        assert_eq!(judged(groups(change), Some(1)).await.0, Verdict::Pass, "{says}");
        let (verdict, why, _) = judged(groups(change), Some(2)).await;
        assert_eq!(verdict, Verdict::Fail, "{says}");
        assert!(why.contains("lab-node-1: ") && why.contains(says), "`{says}` is not in: {why}");
    };
    odd(|group| group.instances(&[]), "no instance").await;
    odd(|group| group.members[0].health = "Unhealthy", "i-1 is InService and Unhealthy").await;
    odd(|group| group.instances(&[("i-1", "Standby")]), "i-1 is Standby").await;
    odd(|group| group.instances(&[("i-1", "Terminating")]), "i-1 is Terminating").await;
}

#[tokio::test]
async fn what_is_over_does_not_count_and_other_processes_are_a_warning() {
    let quiet = groups(|group| {
        group.refreshes.push(("r-1", "RollbackSuccessful"));
        group.activity("Successful", "Launching a new EC2 instance: i-1", "");
        group.activity("Failed", "Launching a new EC2 instance", "no capacity");
        group.activity("Cancelled", "Terminating EC2 instance: i-0", "");
        group.suspended = vec!["ReplaceUnhealthy", "AZRebalance"];
    });
    let (verdict, _, output) = judged(quiet, None).await;
    assert_eq!(verdict, Verdict::Pass);
    assert_eq!(output["warnings"], json!(["lab-node-1: suspended in its group: ReplaceUnhealthy, AZRebalance"]));
}

#[tokio::test]
async fn what_could_not_be_read_is_no_verdict() {
    for (operation, code, expect) in [
        ("DescribeInstanceRefreshes", "AccessDenied", "denied"),
        ("DescribeScalingActivities", "AccessDenied", "denied"),
        ("DescribeAutoScalingGroups", "ExpiredToken", "credentials"),
    ] {
        let stand_in = StandIn::start(move |request, _| match request.operation.as_str() {
            asked if asked == operation => Answer::query_error(403, code, "no"),
            _ => cloud::answer(&groups(|_| ()), request),
        })
        .await;
        let with = json!({ "cluster": cloud::cluster(3) });
        let problem = stand_in.plugin().run("cluster_idle", &FakeHost::default(), &call(Purpose::Read, with)).await;
        assert_eq!(problem.unwrap_err().code, expect, "{operation}");
    }
}

#[tokio::test]
async fn a_node_of_elsewhere_excepts_nothing() {
    let stand_in = StandIn::start(|request, _| cloud::answer(&groups(|_| ()), request)).await;
    let with = json!({ "cluster": cloud::cluster(3), "except": node(4) });
    let expect = Expect::problem("bad_input", &["lab-node-4 is no node of cluster lab"]);
    crate::standin::check(&stand_in, "cluster_idle", with, expect).await;
    assert!(stand_in.asked().is_empty());
}
