//! Commands on the nodes as Systems Manager does them, really run. How a test sends one and looks at it.

mod machines;
mod programs;
mod refused;
mod rights;
mod scripts;
mod states;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_lab::Lab;

use crate::wire::ssm;

const UNDER_WAY: [&str; 4] = ["Pending", "InProgress", "Delayed", "Cancelling"];

async fn instance(lab: &Lab, n: u8) -> String {
    lab.instances().await.unwrap()[&lab.plan().node_name(n)].clone()
}

/// What SendCommand is asked for a script on one machine.
fn script(instance: &str, text: &str) -> Value {
    json!({
        "DocumentName": "AWS-RunShellScript", "InstanceIds": [instance],
        "Parameters": { "commands": text.split('\n').collect::<Vec<_>>() },
    })
}

async fn send(lab: &Lab, asked: Value) -> Value {
    let command = ssm(lab, "SendCommand", asked).await.unwrap()["Command"].take();
    json!({ "CommandId": command["CommandId"], "InstanceId": command["InstanceIds"][0] })
}

async fn look(lab: &Lab, sent: &Value) -> Result<Value, String> {
    ssm(lab, "GetCommandInvocation", sent.clone()).await
}

/// Looks until it is so; fails with the last thing seen.
async fn seen(lab: &Lab, sent: &Value, is_so: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + Duration::from_secs(40);
    loop {
        let last = look(lab, sent).await;
        match &last {
            Ok(invocation) if is_so(invocation) => return last.unwrap(),
            Ok(_) => {}
            Err(error) => assert!(error.starts_with("InvocationDoesNotExist"), "{error}"),
        }
        assert!(Instant::now() < end, "it does not come to that: {last:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn ended(lab: &Lab, sent: &Value) -> Value {
    seen(lab, sent, |invocation| !UNDER_WAY.contains(&invocation["Status"].as_str().unwrap())).await
}

async fn run(lab: &Lab, n: u8, text: &str) -> Value {
    let sent = send(lab, script(&instance(lab, n).await, text)).await;
    ended(lab, &sent).await
}

/// Runs scripts, all at once: node, script, response code, what stdout and what stderr is to hold. Text that begins
/// with `=` is meant whole.
async fn check(lab: &Lab, cases: &[(u8, &str, i64, &str, &str)]) {
    let instances = [instance(lab, 1).await, instance(lab, 2).await];
    let mut all = Vec::new();
    for case in cases {
        all.push(send(lab, script(&instances[usize::from(case.0) - 1], case.1)).await);
    }
    for (sent, (n, text, code, out, err)) in all.iter().zip(cases) {
        let done = ended(lab, sent).await;
        let status = if *code == 0 { "Success" } else { "Failed" };
        assert_eq!((&done["Status"], &done["ResponseCode"]), (&json!(status), &json!(code)), "{n}: {text}\n{done:#}");
        for (key, expect) in [("StandardOutputContent", out), ("StandardErrorContent", err)] {
            let found = done[key].as_str().unwrap();
            let fits = expect.strip_prefix('=').map_or(found.contains(expect), |whole| found == whole);
            assert!(fits, "{n}: {text}\n{key} is to be {expect:?} and is {found:?}");
        }
    }
}
