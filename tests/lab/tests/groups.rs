//! Groups as Auto Scaling runs them: launches that fail or are suspended, activities that say so, refreshes that really
//! replace the node, and logs page by page.

use std::time::Duration;

use serde_json::json;
use sluice_lab::{Fault, Lab};

use crate::wire::{call, group, log_lines, log_page, tag, termination};
use crate::{lab, node, until};

async fn activities(lab: &Lab, n: u8) -> String {
    group(lab, n, "DescribeScalingActivities", "").await.1
}

#[tokio::test]
async fn a_group_that_cannot_launch_says_why() {
    let lab = lab().await;
    let old = lab.instances().await.unwrap()["nats-staging-node-1"].clone();
    let message = "InsufficientInstanceCapacity - none left".to_owned();
    lab.fault(Fault::EmptyGroup { node: "1".into(), message: message.clone() }).await.unwrap();
    until("an empty group", 20, &lab, |s| s["groups"]["nats-staging-node-1-asg"]["instances"] == json!([])).await;
    let empty = until("a failed launch", 20, &lab, |s| node(s, 1)["doing"] == "empty").await;
    assert!(node(&empty, 1)["note"].as_str().unwrap().contains(&message), "{empty:#}");
    assert!(!lab.instances().await.unwrap().contains_key("nats-staging-node-1"));
    let told = activities(&lab, 1).await;
    let newest = tag(&told, "member");
    assert_eq!((tag(newest, "StatusCode"), tag(newest, "StatusMessage")), ("Failed", message.as_str()), "{told}");
    let (status, page) = group(&lab, 1, "DescribeScalingActivities", "MaxRecords=1").await;
    assert!(
        status == 200 && page.matches("<ActivityId>").count() == 1 && !tag(&page, "NextToken").is_empty(),
        "{page}"
    );
    let (_, rest) =
        group(&lab, 1, "DescribeScalingActivities", &format!("NextToken={}", tag(&page, "NextToken"))).await;
    assert!(tag(&rest, "Description").contains(&old), "the older one is the termination: {rest}");

    lab.fault(Fault::Clear).await.unwrap();
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
    assert_ne!(lab.instances().await.unwrap()["nats-staging-node-1"], old);
    assert_eq!(tag(&activities(&lab, 1).await, "StatusCode"), "Successful");
}

#[tokio::test]
async fn a_suspended_launch_is_silent_until_it_is_resumed() {
    let lab = lab().await;
    lab.fault(Fault::Suspend { node: "2".into(), process: "Launch".into() }).await.unwrap();
    let (_, groups) =
        group(&lab, 2, "DescribeAutoScalingGroups", "AutoScalingGroupNames.member.1=nats-staging-node-2-asg").await;
    assert_eq!(tag(&groups, "ProcessName"), "Launch", "{groups}");
    let instance = lab.instances().await.unwrap()["nats-staging-node-2"].clone();
    assert_eq!(call(&lab, "autoscaling", None, &termination(&instance)).await.unwrap().0, 200);
    until("an empty group", 20, &lab, |status| node(status, 2)["doing"] == "empty").await;
    let told = activities(&lab, 2).await;
    assert!(
        told.matches("<ActivityId>").count() == 1 && tag(&told, "Description").starts_with("Terminating"),
        "{told}"
    );
    assert_eq!(group(&lab, 2, "ResumeProcesses", "ScalingProcesses.member.1=Launch").await.0, 200);
    until("an instance", 20, &lab, |status| node(status, 2)["doing"] == "running").await;
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
    let (status, unknown) = call(&lab, "autoscaling", None, &termination("i-0123")).await.unwrap();
    assert_eq!((status, tag(&unknown, "Code")), (400, "ValidationError"));
    let (status, unknown) =
        call(&lab, "autoscaling", None, "Action=SuspendProcesses&AutoScalingGroupName=x").await.unwrap();
    assert_eq!((status, tag(&unknown, "Code")), (400, "ValidationError"));
}

#[tokio::test]
async fn a_refresh_replaces_the_node_and_is_cancelled_too_late() {
    let lab = lab().await;
    let old = lab.instances().await.unwrap();
    lab.fault(Fault::Refresh { node: "3".into() }).await.unwrap();
    let (status, twice) = group(&lab, 3, "StartInstanceRefresh", "").await;
    assert_eq!((status, tag(&twice, "Code")), (400, "InstanceRefreshInProgress"));
    until("a termination", 20, &lab, |status| node(status, 3)["doing"] == "terminating").await;
    let refreshes = || async { group(&lab, 3, "DescribeInstanceRefreshes", "").await.1 };
    assert_eq!(tag(&refreshes().await, "Status"), "InProgress");
    let (status, _) = group(&lab, 3, "CancelInstanceRefresh", "").await;
    assert_eq!((status, tag(&refreshes().await, "Status")), (200, "Cancelling"));
    until("another instance", 30, &lab, |status| {
        node(status, 3)["doing"] == "running" && node(status, 3)["instance"] != json!(old["nats-staging-node-3"])
    })
    .await;
    until("the end of the refresh", 30, &lab, |status| status["aws"]["refreshes"][0]["Status"] == "Cancelled").await;
    let (status, none) = group(&lab, 3, "CancelInstanceRefresh", "").await;
    assert_eq!((status, tag(&none, "Code")), (400, "ActiveInstanceRefreshNotFound"));
    let terminations = lab.terminations().await.unwrap();
    assert_eq!(terminations.len(), 1);
    assert_eq!(
        (terminations[0].call.operation.as_str(), terminations[0].call.identity.as_str()),
        ("StartInstanceRefresh", "SOMEBODY-ELSE")
    );
    assert!(terminations[0].verdict.safe && terminations[0].verdict.instance == old["nats-staging-node-3"]);

    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
    assert_eq!(group(&lab, 1, "StartInstanceRefresh", "Preferences.MinHealthyPercentage=0").await.0, 200);
    until("a whole refresh", 30, &lab, |s| {
        s["aws"]["refreshes"][0]["Status"] == "Successful" && s["aws"]["refreshes"][0]["PercentageComplete"] == 100
    })
    .await;
    assert_ne!(lab.instances().await.unwrap()["nats-staging-node-1"], old["nats-staging-node-1"]);
}

#[tokio::test]
async fn logs_come_in_pages_that_may_be_empty() {
    let lab = lab().await;
    let of_node = json!({ "logStreamNamePrefix": "nats-staging-node-2-bootstrap-" });
    let (lines, pages) = log_lines(&lab, of_node.clone()).await;
    assert!(lines.len() == 3 && pages == 4 && lines[0].contains("nats-staging-node-2"), "{pages} {lines:#?}");
    let first = log_page(&lab, of_node.clone()).await.unwrap();
    assert!(first["events"] == json!([]) && first["nextToken"].is_string(), "{first}");
    let mut other = json!({ "logStreamNamePrefix": "nats-staging-node-1-", "nextToken": first["nextToken"] });
    assert!(log_page(&lab, other.take()).await.unwrap_err().contains("nextToken is invalid"));
    for (pattern, found) in [
        ("\"Axiom ingest check\"", 1),
        ("Axiom check", 1),
        ("axiom", 0),
        ("?mounted ?started", 2),
        ("bootstrap -Axiom", 2),
        ("", 3),
    ] {
        let mut asked = of_node.clone();
        asked["filterPattern"] = json!(pattern);
        assert_eq!(log_lines(&lab, asked).await.0.len(), found, "{pattern}");
    }
    let mut later = of_node.clone();
    later["startTime"] = json!(4_000_000_000_000u64);
    assert_eq!(log_lines(&lab, later).await.0.len(), 0);
    for bad in [json!({ "logStreamNamePrefix": "a", "logStreamNames": ["b"] }), json!({ "filterPattern": "%regex%" })] {
        assert!(log_page(&lab, bad).await.unwrap_err().contains("InvalidParameterException"));
    }
}

/// All three are there, so a leader is as well, a moment later; EC2 takes longer than that to end an instance.
#[tokio::test]
async fn a_leader_that_moves_at_that_moment_is_no_danger() {
    let lab = lab().await;
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
    let instance = lab.instances().await.unwrap()["nats-staging-node-2"].clone();
    let ending = termination(&instance);
    let (moved, ended) = tokio::join!(lab.fault(Fault::MoveLeaders), call(&lab, "autoscaling", None, &ending));
    assert_eq!((moved.is_ok(), ended.unwrap().0), (true, 200));
    let verdicts = lab.verdicts().await.unwrap();
    assert!(verdicts.iter().all(|verdict| verdict.safe), "{verdicts:#?}");
}
