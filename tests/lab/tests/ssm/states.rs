//! What a command passes through: seen late, timed out, cancelled; and nothing of it is left.

use std::time::Duration;

use serde_json::json;
use sluice_lab::Proc;

use super::{ended, instance, look, run, script, seen, send};
use crate::lab;
use crate::wire::ssm;

#[tokio::test]
async fn a_command_is_seen_late_timed_out_and_cancelled() {
    let lab = lab().await;
    let first = instance(&lab, 1).await;
    let pids = || std::fs::read_to_string(lab.plan().node_folder(1).join("store/pids")).unwrap_or_default();
    // Nobody knows of it at first, and of what it says nothing is seen before its end.
    let mut asked = script(&first, "echo before\nsleep 1000 & echo $! $$ > /var/lib/nats/pids\nwait");
    asked["Parameters"]["executionTimeout"] = json!(["5"]);
    asked["Comment"] = json!("a".repeat(100));
    let sent = send(&lab, asked.clone()).await;
    assert_eq!(look(&lab, &sent).await.unwrap_err(), "InvocationDoesNotExist: ");
    let early = seen(&lab, &sent, |invocation| !pids().is_empty() && invocation["Status"] == "InProgress").await;
    assert_eq!(
        (&early["ResponseCode"], &early["StandardOutputContent"], &early["ExecutionEndDateTime"], &early["Comment"]),
        (&json!(-1), &json!(""), &json!(""), &asked["Comment"])
    );
    let running: Vec<Proc> = pids().split_whitespace().map(|pid| Proc::of(pid.parse().unwrap()).unwrap()).collect();
    assert_eq!(running.len(), 2);

    // The agent takes less than five seconds for a mistake.
    asked["Parameters"]["executionTimeout"] = json!(["1"]);
    asked["Parameters"]["commands"] = json!(["journalctl -u nats -f"]);
    let endless = send(&lab, asked.clone()).await;
    let late = ended(&lab, &sent).await;
    assert_eq!(
        (&late["Status"], &late["StatusDetails"], &late["ResponseCode"], &late["StandardOutputContent"]),
        (&json!("TimedOut"), &json!("ExecutionTimedOut"), &json!(137), &json!(""))
    );
    let elapsed = late["ExecutionElapsedTime"].as_str().unwrap().trim_start_matches("PT").trim_end_matches('S');
    assert!(elapsed.parse::<f64>().unwrap() >= 5.0, "{late:#}");
    assert!(late["ExecutionStartDateTime"].as_str().unwrap().ends_with('Z'), "{late:#}");
    assert!(running.iter().all(|process| process.gone_within(Duration::from_secs(2))), "its processes are left");

    seen(&lab, &endless, |invocation| invocation["Status"] == "InProgress").await;
    ssm(&lab, "CancelCommand", json!({ "CommandId": endless["CommandId"] })).await.unwrap();
    let under_way = look(&lab, &endless).await.unwrap();
    assert!(["Cancelling", "Cancelled"].contains(&under_way["Status"].as_str().unwrap()), "{under_way:#}");
    let cancelled = ended(&lab, &endless).await;
    assert_eq!((&cancelled["Status"], &cancelled["StandardOutputContent"]), (&json!("Cancelled"), &json!("")));
    // What has ended stays as it is.
    ssm(&lab, "CancelCommand", json!({ "CommandId": sent["CommandId"], "InstanceIds": [first] })).await.unwrap();
    assert_eq!(look(&lab, &sent).await.unwrap()["Status"], "TimedOut");

    let listed = ssm(&lab, "ListCommandInvocations", json!({ "Details": true, "MaxResults": 1 })).await.unwrap();
    assert_eq!(listed["CommandInvocations"][0]["CommandPlugins"][0]["Status"], "Cancelled", "{listed:#}");
    let rest = ssm(&lab, "ListCommandInvocations", json!({ "NextToken": listed["NextToken"] })).await.unwrap();
    assert_eq!(rest["CommandInvocations"][0]["CommandId"], sent["CommandId"], "{rest:#}");
}

#[tokio::test]
async fn nothing_of_a_command_outlives_the_lab() {
    let lab = lab().await;
    let text = "setsid sleep 1000 > /dev/null 2>&1 & echo $!\nsleep 1000 > /dev/null 2>&1 & echo $!";
    let left = run(&lab, 3, text).await;
    let pids = left["StandardOutputContent"].as_str().unwrap().split_whitespace();
    let mut processes: Vec<Proc> = pids.map(|pid| Proc::of(pid.parse().unwrap()).unwrap()).collect();
    let sent = send(&lab, script(&instance(&lab, 3).await, "echo $$ > /var/lib/nats/pid; sleep 1000; true")).await;
    seen(&lab, &sent, |invocation| invocation["Status"] == "InProgress").await;
    let file = lab.plan().node_folder(3).join("store/pid");
    let pid = loop {
        match std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()) {
            Some(pid) => break pid,
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    processes.push(Proc::of(pid).unwrap());
    assert!(processes.len() == 3 && processes.iter().all(|process| process.alive()), "{left:#}");
    lab.down().unwrap();
    assert!(processes.iter().all(|process| !process.alive()), "a process is left");
}
