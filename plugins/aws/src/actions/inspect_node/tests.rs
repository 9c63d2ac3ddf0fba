//! `aws.inspect_node` against the stand-in: what is sent and to whom, what comes back whole, cut or not at all, and that
//! nothing of the inputs is more than a word there.

use serde_json::Value;
use sluice_plugin::{Plugin as _, Purpose, Timestamp};

use super::*;
use crate::standin::{Answer, Expect, FakeHost, StandIn, call, check};
use crate::standin_cloud::{self as cloud, Group};
use crate::standin_commands::{Commands, ID, ended as done, invocation, looked, not_listed};

const ACTION: &str = "inspect_node";

/// All that AWS keeps.
const KEPT: usize = 24_000;

fn with(change: Value) -> Value {
    let mut with = json!({ "node": cloud::node(1) });
    with.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    with
}

async fn inspected(commands: Commands, change: Value) -> (StandIn, Value) {
    let stand_in = commands.start().await;
    let outcome = stand_in.plugin().run(ACTION, &FakeHost::default(), &call(Purpose::Read, with(change))).await;
    let output = outcome.unwrap().output;
    (stand_in, output)
}

async fn refused(commands: Commands, change: Value, expect: Expect<'_>) -> StandIn {
    let stand_in = commands.start().await;
    check(&stand_in, ACTION, with(change), expect).await;
    stand_in
}

/// Programs of a node on which all is well.
fn programs() -> Vec<(&'static str, &'static str)> {
    vec![
        (
            "systemctl",
            "for unit in nats nats-monitor fluent-bit; do printf 'Id=%s.service\\nLoadState=loaded\\nActiveState=active\\n\
             SubState=running\\nMainPID=7\\nNRestarts=0\\nExecMainStartTimestamp=Sun 2026-11-22 17:54:46 %s\\n\\n' $unit $TZ; done",
        ),
        ("journalctl", "echo \"log $*\""),
        (
            "df",
            "printf 'Filesystem 1-blocks Used Available Capacity Mounted on\\n/dev/x 1000 400 600 40%% %s\\n' \"$4\"",
        ),
        ("mountpoint", "exit 0"),
        ("nats", "echo \"$HOME: nats $*\""),
    ]
}

#[tokio::test]
async fn a_node_is_looked_at_once_and_as_a_whole() {
    let (stand_in, output) = inspected(Commands::running(&programs(), KEPT), json!({})).await;
    let sections: Vec<(&str, i64, &str)> = output["sections"].as_array().unwrap().iter().map(texts).collect();
    let tail = "tail: cannot open '/var/log/nats-bootstrap.log' for reading: No such file or directory\n";
    let names: Vec<&str> = sections.iter().map(|(name, ..)| *name).collect();
    let logs = ["logs/nats", "logs/nats-monitor", "logs/fluent-bit"];
    let reports = ["jetstream", "connections", "streams"];
    assert_eq!(names, [&["services", "disk", "bootstrap"][..], &logs, &reports].concat());
    assert_eq!(sections[2], ("bootstrap", 1, tail));
    assert_eq!(sections[3], ("logs/nats", 0, "log -u nats -n 100 --no-pager -o short-iso\n"));
    assert_eq!(sections[6], ("jetstream", 0, "/root: nats --context pivot server report jetstream\n"));
    assert_eq!(sections[8], ("streams", 0, "/root: nats --context pivot stream ls\n"));
    assert_eq!((&output["node"], &output["instance"]), (&json!("lab-node-1"), &json!("i-1")));
    assert_eq!((&output["command"], &output["status"]), (&json!(ID), &json!("Success")));
    let service = json!({
        "unit": "nats", "loaded": "loaded", "active": "active", "sub": "running", "pid": 7, "restarts": 0,
        "since": "2026-11-22T17:54:46.000Z",
    });
    assert_eq!((&output["services"][0], output["services"].as_array().unwrap().len()), (&service, 3));
    let disk = json!({
        "path": "/var/lib/nats", "mounted": true, "used_percent": 40, "total_bytes": 1000, "used_bytes": 400,
        "available_bytes": 600,
    });
    assert_eq!(output["disk"], disk);
    let summary = "lab-node-1 (i-1): nats active (running), nats-monitor active (running), fluent-bit active (running), \
                   /var/lib/nats 40% used, bootstrap exited with 1";
    assert_eq!(output["summary"], summary);

    let sent = stand_in.bodies("SendCommand");
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["DocumentName"], "AWS-RunShellScript");
    assert_eq!(sent[0]["InstanceIds"], json!(["i-1"]));
    assert_eq!((&sent[0]["TimeoutSeconds"], &sent[0]["Comment"]), (&json!(30), &json!("sluice inspect r1 creds")));
    assert_eq!(sent[0]["Parameters"]["executionTimeout"], json!(["60"]));
    assert_eq!(sent[0]["Parameters"]["commands"].as_array().unwrap().len(), 1);
    assert_eq!(stand_in.times("CancelCommand"), 0);
}

fn texts(section: &Value) -> (&str, i64, &str) {
    (section["name"].as_str().unwrap(), section["exit"].as_i64().unwrap(), section["text"].as_str().unwrap())
}

#[tokio::test]
async fn reports_of_nats_are_to_be_had_where_its_context_is() {
    let elsewhere = json!({ "node": cloud::node(2), "sections": ["streams", "disk"] });
    let (_, output) = inspected(Commands::running(&programs(), KEPT), elsewhere).await;
    assert_eq!(output["sections"].as_array().unwrap().len(), 1);
    let why = "the NATS context `pivot` is on node 1 (`nats_context`)";
    assert_eq!(output["left_out"], json!([{ "name": "streams", "why": why }]));
    let here = json!({
        "sections": ["streams"], "nats_context": { "node": 1, "name": "admin", "home": "/home/ec2-user" },
    });
    let (_, output) = inspected(Commands::running(&programs(), KEPT), here).await;
    assert_eq!(output["sections"][0]["text"], "/home/ec2-user: nats --context admin stream ls\n");
    let nothing = json!({ "node": cloud::node(2), "sections": ["streams"] });
    let stand_in =
        refused(Commands::well(), nothing, Expect::problem("bad_input", &["nothing of what", "node 1"])).await;
    assert!(stand_in.asked().is_empty());
}

/// A log may hold what looks like a border, and bytes that are no text.
#[tokio::test]
async fn a_log_cannot_forge_a_section() {
    let forged = "00000000000000000000000000000000 end logs/nats 0 0\\n00000000000000000000000000000000 begin disk\\n\
                  /dev/x 1 1 1 99%% /\\n$(reboot) `reboot`\\n";
    let mut programs = programs();
    let script = format!("printf '{forged}'; printf '\\377\\376 end\\n'");
    programs[1].1 = script.leak();
    let logs = json!({ "sections": ["logs"], "units": ["nats"] });
    let (stand_in, output) = inspected(Commands::running(&programs, KEPT), logs.clone()).await;
    let (again, _) = inspected(Commands::running(&programs, KEPT), logs).await;
    let text = output["sections"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("00000000000000000000000000000000 end logs/nats 0 0\n"), "{text}");
    assert!(text.contains("$(reboot) `reboot`\n\u{fffd}\u{fffd} end\n"), "{text}");
    assert_eq!((output["sections"].as_array().unwrap().len(), &output["sections"][0]["exit"]), (1, &json!(0)));
    // Nobody can know the next one either.
    let [one, other] = [nonce(&sent(&stand_in)), nonce(&sent(&again))];
    assert!(one != other && one.len() == 32 && !text.contains(&one), "{one} {other}");
}

/// The text that was sent.
fn sent(stand_in: &StandIn) -> String {
    stand_in.bodies("SendCommand")[0]["Parameters"]["commands"][0].as_str().unwrap().to_owned()
}

/// Of such a text.
fn nonce(text: &str) -> String {
    text.lines().find(|line| line.starts_with("printf")).unwrap().split(' ').nth(4).unwrap().to_owned()
}

#[tokio::test]
async fn much_is_cut_by_the_node_and_known_to_be() {
    let mut programs = programs();
    programs[1].1 = "yes 'a line of a log that is long' | head -c 1000000";
    programs[4].1 = "yes é | head -c 1000000";
    let (_, output) = inspected(Commands::running(&programs, KEPT), json!({})).await;
    let sections: Vec<&Value> = output["sections"].as_array().unwrap().iter().collect();
    assert!(sections.iter().all(|section| section["exit"].is_i64()), "{sections:?}");
    let cut = sections.iter().filter(|section| section["cut"] == true);
    assert!(cut.clone().all(|section| section["bytes"] == 1_000_000), "{sections:?}");
    assert_eq!(cut.count(), 6);

    let alone = json!({ "sections": ["logs"], "units": ["nats"] });
    let (_, output) = inspected(Commands::running(&programs, KEPT), alone).await;
    let text = output["sections"][0]["text"].as_str().unwrap();
    assert!((23_000..KEPT).contains(&text.len()), "{}", text.len());
}

#[tokio::test]
async fn what_aws_cuts_is_told_as_cut() {
    let mut programs = programs();
    programs[1].1 = "yes log | head -c 1000000";
    let (_, output) = inspected(Commands::running(&programs, 3000), json!({})).await;
    let exits: Vec<bool> = output["sections"].as_array().unwrap().iter().map(|one| one["exit"].is_i64()).collect();
    assert_eq!(exits, [true, true, true, false, false, false, false, false, false]);
    let cut: Vec<bool> = output["sections"].as_array().unwrap().iter().map(|one| one["cut"] == true).collect();
    assert_eq!(cut, exits.iter().map(|whole| !whole).collect::<Vec<_>>());
    assert!(output["summary"].as_str().unwrap().contains("logs/nats did not come whole"), "{}", output["summary"]);
}

#[tokio::test]
async fn what_no_command_reaches_is_told_with_what_to_do() {
    let unregistered = Commands::well().but(|all| all.ping = None);
    let says = ["i-1 of lab-node-1", "not registered", "AmazonSSMManagedInstanceCore"];
    let stand_in = refused(unregistered, json!({}), Expect::retryable("not_registered", &says)).await;
    assert_eq!(stand_in.times("SendCommand"), 0);
    for ping in ["ConnectionLost", "Inactive", "Pondering"] {
        let lost = Commands::well().but(|all| all.ping = Some(ping));
        let says = [ping, "lost i-1", "2026-11-22T17:54:46.927Z", "EC2"];
        let stand_in = refused(lost, json!({}), Expect::retryable("connection_lost", &says)).await;
        assert_eq!(stand_in.times("SendCommand"), 0);
    }
    let gone = Answer::json_error(400, "InvalidInstanceId", "Instances [[i-1]] not in a valid state for account");
    let gone = Commands::well().but(|all| all.send = Some(gone));
    refused(gone, json!({}), Expect::retryable("not_registered", &["not registered"])).await;
}

#[tokio::test]
async fn the_instance_is_the_groups() {
    let with = |change: fn(&mut Group)| {
        Commands::running(&programs(), KEPT).but(|all| all.groups = vec![Group::well(1).but(change)])
    };
    let (_, output) = inspected(with(|group| group.instances(&[("i-9", "Terminating:Wait")])), json!({})).await;
    assert_eq!(output["instance"], "i-9");
    let two = |group: &mut Group| group.instances(&[("i-1", "Terminating"), ("i-2", "Pending")]);
    let says = ["2 instances: i-1 Terminating, i-2 Pending", "`instance`"];
    refused(with(two), json!({}), Expect::problem("several_instances", &says)).await;
    let (_, output) = inspected(with(two), json!({ "instance": "i-2" })).await;
    assert_eq!(output["instance"], "i-2");
    // A dead one of the same name is not in the group any more.
    let dead = json!({ "instance": "i-0" });
    refused(with(|_| {}), dead, Expect::problem("not_found", &["i-0 is not in group lab-node-1-asg", "i-1"])).await;
    refused(with(|group| group.instances(&[])), json!({}), Expect::retryable("no_instance", &["no instance"])).await;
    let none = Commands::well().but(|all| all.groups.clear());
    refused(none, json!({}), Expect::problem("not_found", &["no Auto Scaling group lab-node-1-asg"])).await;
}

#[tokio::test]
async fn the_end_is_waited_for_whatever_comes_in_between() {
    let script = Commands::running(&programs(), KEPT).looks;
    let throttled = Answer::json_error(400, "ThrottlingException", "Rate exceeded");
    let before = [
        not_listed(),
        not_listed(),
        looked("Pending", "Pending", -1),
        looked("InProgress", "In Progress", -1),
        throttled,
    ];
    let all = Commands::seen(before).but(|all| {
        // The client itself asks three times when it is throttled.
        let throttled = all.looks[4].clone();
        all.looks.extend([throttled.clone(), throttled]);
        all.looks.extend(script);
    });
    let (stand_in, output) = inspected(all, json!({ "sections": ["disk"] })).await;
    assert_eq!((&output["status"], stand_in.times("GetCommandInvocation")), (&json!("Success"), 8));
    assert_eq!((stand_in.times("SendCommand"), stand_in.times("CancelCommand")), (1, 0));
}

#[tokio::test]
async fn what_does_not_end_is_cancelled() {
    let check = async |looks: Answer, change: Value, expect: Expect<'_>| {
        let stand_in = refused(Commands::seen([looks]), change, expect).await;
        stand_in.until("CancelCommand", 1).await;
        assert_eq!(stand_in.bodies("CancelCommand"), [json!({ "CommandId": ID, "InstanceIds": ["i-1"] })]);
        stand_in.times("GetCommandInvocation")
    };
    let says = ["within 1m", "InProgress", "was cancelled", "`sections`"];
    let on = looked("InProgress", "InProgress", -1);
    // After 1, 2, 4 and then every 5 seconds, and once more at the end.
    assert_eq!(check(on.clone(), json!({}), Expect::retryable("timed_out", &says)).await, 15);
    check(on, json!({ "timeout": "10s" }), Expect::retryable("timed_out", &["within 10s"])).await;
    check(looked("Cancelling", "Cancelling", 0), json!({}), Expect::retryable("timed_out", &["Cancelling"])).await;
    let never = ["does not list it after 10s", "list-command-invocations"];
    assert_eq!(check(not_listed(), json!({}), Expect::retryable("not_listed", &never)).await, 5);
    let expired = Answer::json_error(400, "ExpiredTokenException", "expired");
    check(expired, json!({}), Expect::retryable("credentials", &["aws sso login"])).await;
}

/// Whoever waits is cut by Ctrl-C and by the step's time.
#[tokio::test]
async fn a_wait_that_is_cut_cancels_too() {
    let stand_in = Commands::seen([looked("InProgress", "InProgress", -1)]).start().await;
    let plugin = stand_in.plugin();
    let host = FakeHost::sleeping();
    let waiting = tokio::spawn(async move { plugin.run(ACTION, &host, &call(Purpose::Read, with(json!({})))).await });
    stand_in.until("GetCommandInvocation", 1).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    stand_in.until("CancelCommand", 1).await;
}

#[tokio::test]
async fn it_ends_before_its_call_does() {
    let stand_in = Commands::seen([looked("InProgress", "InProgress", -1)]).start().await;
    let host = FakeHost::default();
    let call = Call { deadline: Some(Timestamp(20_000)), ..call(Purpose::Read, with(json!({}))) };
    let problem = stand_in.plugin().run(ACTION, &host, &call).await.unwrap_err();
    assert_eq!((problem.code.as_str(), host.now()), ("timed_out", Timestamp(17_000)));
    assert_eq!(stand_in.times("CancelCommand"), 1);
}

#[tokio::test]
async fn a_command_that_ended_without_a_word_is_told_by_how_it_ended() {
    let check = async |answer: Answer, expect: Expect<'_>| {
        let stand_in = refused(Commands::seen([answer]), json!({}), expect).await;
        assert_eq!(stand_in.times("CancelCommand"), 0);
    };
    for details in ["Execution Timed Out", "ExecutionTimedOut"] {
        check(looked("TimedOut", details, 0), Expect::retryable("timed_out", &["ExecutionTimedOut", "`sections`"]))
            .await;
    }
    check(looked("Cancelled", "Cancelled", 0), Expect::retryable("cancelled", &["somebody cancelled it"])).await;
    for (status, details) in [("TimedOut", "Delivery Timed Out"), ("Failed", "Undeliverable"), ("Failed", "Terminated")]
    {
        let said = details.replace(' ', "");
        check(looked(status, details, -1), Expect::retryable("not_delivered", &[&said, "never began"])).await;
    }
    let denied = Expect::retryable("not_delivered", &["AccessDenied", "sluice iam", "tag Name"]);
    check(looked("Failed", "AccessDenied", -1), denied).await;
    check(done("Failed", 127, "", "sh: 1:\u{1b} bad"), Expect::problem("bad_answer", &["sh: 1:\\u{1b} bad"])).await;
    check(done("Success", 0, "", ""), Expect::problem("bad_answer", &["printed nothing"])).await;
}

/// Half of it is more than nothing.
#[tokio::test]
async fn what_came_before_the_time_was_over_is_given() {
    let stand_in = StandIn::start(move |request, _| {
        let all = Commands::well();
        match request.operation.as_str() {
            "SendCommand" => {
                let body: Value = serde_json::from_str(&request.body).unwrap();
                let nonce = nonce(body["Parameters"]["commands"][0].as_str().unwrap());
                Answer::json(&json!({ "Command": { "CommandId": nonce } }))
            }
            "GetCommandInvocation" => {
                let nonce = serde_json::from_str::<Value>(&request.body).unwrap()["CommandId"].clone();
                let nonce = nonce.as_str().unwrap();
                let text = format!("{nonce} begin services\na\n{nonce} end services 0 1\n{nonce} begin disk\n/dev");
                invocation("TimedOut", "Execution Timed Out", -1, (&text, ""))
            }
            "DescribeInstanceInformation" => {
                let online = json!({ "InstanceId": "i-1", "PingStatus": "Online" });
                Answer::json(&json!({ "InstanceInformationList": [online] }))
            }
            _ => cloud::answer(&all.groups, request),
        }
    })
    .await;
    let call = call(Purpose::Read, with(json!({ "sections": ["services", "disk"] })));
    let output = stand_in.plugin().run(ACTION, &FakeHost::default(), &call).await.unwrap().output;
    assert_eq!(output["status"], "ExecutionTimedOut");
    assert_eq!(output["sections"][0]["text"], "a");
    assert_eq!(
        output["sections"][1],
        json!({ "name": "disk", "exit": null, "text": "/dev", "cut": true, "bytes": null })
    );
    assert_eq!(output["disk"], Value::Null);
}

#[tokio::test]
async fn trouble_is_named() {
    let sends = |answer: Answer| Commands::well().but(|all| all.send = Some(answer));
    let throttled = Answer::json_error(400, "ThrottlingException", "Rate exceeded");
    refused(sends(throttled), json!({}), Expect::retryable("throttled", &["ssm:SendCommand", "Rate exceeded"])).await;
    let expired = Answer::json_error(400, "ExpiredTokenException", "expired");
    refused(sends(expired), json!({}), Expect::retryable("credentials", &["aws sso login"])).await;
    let denied = Answer::json_error(400, "AccessDeniedException", "not you");
    refused(sends(denied), json!({}), Expect::problem("denied", &["ssm:SendCommand", "sluice iam"])).await;
    refused(sends(Answer::page(500)), json!({}), Expect::retryable("server_error", &["HTTP 500"])).await;
    refused(sends(Answer::json(&json!({}))), json!({}), Expect::problem("bad_answer", &["without an id"])).await;

    let stand_in = StandIn::start(|_, _| Answer::identity("999999999999")).await;
    let says = ["expects AWS account 123456789012", "999999999999"];
    check(&stand_in, ACTION, with(json!({})), Expect::problem("wrong_account", &says)).await;
    assert_eq!(stand_in.asked().len(), 1);
}

/// On every input that is text: nothing is asked of anybody.
#[tokio::test]
async fn what_is_more_than_a_word_is_refused() {
    let stand_in = Commands::well().start().await;
    for attack in ["'; rm -rf /", "a\nb", "$(id)", "`id`", "a b", "-f", "--", "", "\u{0}", "é", "{{ssm:/x}}", "a'b"] {
        let inputs = [
            json!({ "units": [attack] }),
            json!({ "units": ["nats", attack] }),
            json!({ "disk": attack }),
            json!({ "disk": format!("/var/lib/{attack} x") }),
            json!({ "nats_context": { "name": attack } }),
            json!({ "nats_context": { "home": attack } }),
            json!({ "sections": [attack] }),
            json!({ "lines": attack }),
            json!({ "timeout": attack }),
        ];
        for change in inputs {
            let call = call(Purpose::Read, with(change.clone()));
            let problem =
                stand_in.plugin().run(ACTION, &FakeHost::default(), &call).await.expect_err(&change.to_string());
            assert_eq!(problem.code, "bad_input", "{change}: {problem}");
            assert!(stand_in.plugin().by_hand(ACTION, &call).is_empty(), "{change}");
        }
    }
    assert!(stand_in.asked().is_empty());
}
