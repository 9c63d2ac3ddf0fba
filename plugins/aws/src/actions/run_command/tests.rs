//! `aws.run_command` against the stand-in: one request whatever comes back, with the text as it is; what its end is; what
//! is refused; and what a later look makes of the history.

use sluice_plugin::{Attempt, Plugin as _};

use super::*;
use crate::standin::{Answer, FakeHost, StandIn, call};
use crate::standin_cloud::{self as cloud, Group, ROLE};
use crate::standin_commands::{Commands, ID, ended as done, invocation, looked, not_listed};

const ACTION: &str = "run_command";
const SENT: &str = "SendCommand";
const RUN: &str = "01944b5c-6d3e-7f2a-8b1c-2d3e4f5a6b7c";
const COMMENT: &str = "sluice 01944b5c-6d3e-7f2a-8b1c-2d3e4f5a6b7c 1 restart";

fn given(command: &str) -> Value {
    json!({ "node": cloud::node(1), "instance": "i-1", "command": command })
}

fn of(purpose: Purpose, with: Value) -> Call {
    Call { run: RUN.into(), step: "restart".into(), attempt: Attempt(1), ..call(purpose, with) }
}

async fn act(stand_in: &StandIn, with: Value) -> Result<Value, Problem> {
    let host = FakeHost::by("ana@laptop");
    stand_in.plugin().run(ACTION, &host, &of(Purpose::Act, with)).await.map(|outcome| outcome.output)
}

#[tokio::test]
async fn the_text_is_sent_as_it_is_once_to_the_one_instance() {
    for text in ["systemctl restart nats", "'; rm -rf /", "a\nb\n", "$(id) `id`", " \"x\" \\ é \u{202e}", "{{.Names}}"]
    {
        let stand_in = Commands::well().start().await;
        let output = act(&stand_in, given(text)).await.unwrap();
        let expect = json!({
            "node": "lab-node-1", "instance": "i-1", "command": ID, "summary": "exit 0: out", "ended": "exited", "exit": 0, "stdout": "out",
            "stderr": "err", "cut": false,
        });
        assert_eq!(output, expect);
        let body = json!({
            "DocumentName": "AWS-RunShellScript", "InstanceIds": ["i-1"], "TimeoutSeconds": 30, "Comment": COMMENT,
            "Parameters": { "commands": [text], "executionTimeout": ["60"] },
        });
        assert_eq!(stand_in.bodies(SENT), [body]);
        // It resolves nothing: the group may have another instance by now.
        assert_eq!(stand_in.times("DescribeAutoScalingGroups"), 0);
    }
}

#[tokio::test]
async fn how_it_ended_is_its_output() {
    let check = async |answer: Answer, ended: &str, exit: Option<i32>, cut: bool| {
        let stand_in = Commands::seen([not_listed(), looked("InProgress", "InProgress", -1), answer]).start().await;
        let output = act(&stand_in, given("x")).await.unwrap();
        let found = (&output["ended"], &output["exit"], &output["cut"]);
        assert_eq!(found, (&json!(ended), &json!(exit), &json!(cut)));
        assert_eq!((stand_in.times(SENT), stand_in.times("CancelCommand")), (1, 0));
    };
    check(done("Success", 0, "", ""), "exited", Some(0), false).await;
    check(done("Failed", 3, "a", "b"), "exited", Some(3), false).await;
    check(done("Success", 0, &"a".repeat(24_000), ""), "exited", Some(0), true).await;
    check(done("Success", 0, "", &"b".repeat(8_000)), "exited", Some(0), true).await;
    check(looked("TimedOut", "Execution Timed Out", 137), "timed_out", None, false).await;
    check(looked("TimedOut", "ExecutionTimedOut", -1), "timed_out", None, false).await;
    check(looked("Cancelled", "Cancelled", 0), "cancelled", None, false).await;
}

#[tokio::test]
async fn what_was_never_begun_was_not_done() {
    for (status, details) in
        [("TimedOut", "Delivery Timed Out"), ("Failed", "Undeliverable"), ("Failed", "AccessDenied")]
    {
        let stand_in = Commands::seen([looked(status, details, -1)]).start().await;
        let problem = act(&stand_in, given("x")).await.unwrap_err();
        assert_eq!((problem.code.as_str(), problem.applied), ("not_delivered", Applied::No), "{problem}");
    }
}

#[tokio::test]
async fn what_nobody_saw_end_may_have_been_done() {
    let check = async |looks: Answer, code: &str, says: &str| {
        let stand_in = Commands::seen([looks]).start().await;
        let problem = act(&stand_in, given("x")).await.unwrap_err();
        assert_eq!(
            (problem.code.as_str(), problem.applied, problem.retryable),
            (code, Applied::Maybe, false),
            "{problem}"
        );
        assert!(problem.message.contains(says), "`{says}` is not in: {problem}");
        assert_eq!(stand_in.times(SENT), 1);
        stand_in.times("CancelCommand")
    };
    // Its time is over, so nothing is left to end by itself.
    assert_eq!(check(looked("InProgress", "InProgress", -1), "no_end", "and was cancelled").await, 1);
    assert_eq!(check(looked("Delayed", "Delayed", -1), "no_end", "Delayed").await, 1);
    check(Answer::json_error(400, "ThrottlingException", "slow"), "no_end", "throttles").await;
    check(looked("Failed", "Failed", -1), "no_proof", "ended as Failed").await;
    check(looked("Cancelled", "Cancelled", -1), "no_proof", "ended as Cancelled").await;
    check(invocation("TimedOut", "Delivery Timed Out", 0, ("", "")), "no_proof", "DeliveryTimedOut").await;
    check(not_listed(), "not_listed", ID).await;
    check(Answer::json_error(400, "ExpiredTokenException", "expired"), "credentials", "aws sso login").await;
    check(Answer::json_error(400, "AccessDeniedException", "not you"), "denied", "ssm:GetCommandInvocation").await;
}

/// A step that is over leaves a command that runs alone.
#[tokio::test]
async fn a_command_that_runs_is_not_cancelled_because_a_step_is_short() {
    let stand_in = Commands::seen([looked("InProgress", "InProgress", -1)]).start().await;
    let host = FakeHost::default();
    let call = Call { deadline: Some(Timestamp(20_000)), ..of(Purpose::Act, given("x")) };
    let problem = stand_in.plugin().run(ACTION, &host, &call).await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.applied, host.now()), ("no_end", Applied::Maybe, Timestamp(17_000)));
    assert_eq!(stand_in.times("CancelCommand"), 0);
}

/// What AWS may answer to the act itself, and whether that proves that nothing was done.
#[tokio::test]
async fn whatever_comes_back_one_request_was_sent() {
    let no = |code| (Answer::json_error(400, code, "no"), Applied::No);
    let maybe = |status, code| (Answer::json_error(status, code, "no"), Applied::Maybe);
    let answers = [
        no("InvalidInstanceId"),
        no("InvalidDocument"),
        no("ThrottlingException"),
        no("AccessDeniedException"),
        no("ExpiredTokenException"),
        maybe(500, "InternalServerError"),
        maybe(503, "ServiceUnavailable"),
        maybe(400, "RequestTimeout"),
        (Answer::page(500), Applied::Maybe),
        (Answer::page(403), Applied::Maybe),
        (Answer::HangUp, Applied::Maybe),
        (Answer::Silence, Applied::Maybe),
        (Answer::json(&json!({})), Applied::Maybe),
        (Answer::xml("<html"), Applied::Maybe),
    ];
    for role in [None, Some(ROLE)] {
        for (answer, applied) in &answers {
            let stand_in = Commands::well().but(|all| all.send = Some(answer.clone())).start().await.impatient();
            let mut with = given("x");
            with["node"]["aws"]["act_role"] = json!(role);
            let problem = act(&stand_in, with).await.unwrap_err();
            assert_eq!((problem.applied, stand_in.times(SENT)), (*applied, 1), "{problem}");
        }
    }
}

#[tokio::test]
async fn with_a_role_it_is_sent_as_the_role_which_may_do_nothing_else() {
    let stand_in = Commands::well().start().await;
    let mut with = given("x");
    with["node"]["aws"]["act_role"] = json!(ROLE);
    act(&stand_in, with).await.unwrap();
    let asked = stand_in.asked();
    let find = |operation: &str| asked.iter().find(|request| request.operation == operation).unwrap();
    let policy =
        find("AssumeRole").body.replace("%3A", ":").replace("%2F", "/").replace("%22", "\"").replace("%2C", ",");
    let resources = "\"Resource\":%5B\"arn:aws:ssm:us-east-2:%2A:document/AWS-RunShellScript\",\
                     \"arn:aws:ec2:us-east-2:123456789012:instance/i-1\"%5D";
    assert!(policy.contains("\"Action\":\"ssm:SendCommand\"") && policy.contains(resources), "{policy}");
    assert!(find(SENT).authorization.contains("ASIAROLE"));
    assert!(find("GetCommandInvocation").authorization.contains("AKIDEXAMPLE"));
}

#[tokio::test]
async fn what_takes_too_long_before_the_request_sends_none() {
    for (ticks, sent) in [(3, 1), (4, 0), (3_600, 0)] {
        let stand_in = Commands::well().start().await;
        let host = FakeHost::slow(Duration::from_secs(ticks));
        let answer = stand_in.plugin().run(ACTION, &host, &of(Purpose::Act, given("x"))).await;
        assert_eq!(stand_in.times(SENT), sent, "after {ticks} s");
        if let Err(problem) = answer {
            assert_eq!((problem.code.as_str(), problem.applied), ("too_late", Applied::No), "{problem}");
        }
    }
}

async fn previewed(commands: Commands, with: Value, deadline: Option<i64>) -> Preview {
    let stand_in = commands.start().await;
    let call = Call { deadline: deadline.map(Timestamp), ..of(Purpose::Preview, with) };
    let answer = stand_in.plugin().preview(ACTION, &FakeHost::default(), &call).await.unwrap();
    assert_eq!(stand_in.times(SENT), 0);
    answer
}

#[tokio::test]
async fn a_person_confirms_the_text_and_the_instance() {
    let with = |text: &str| given(text);
    let Preview::Ready { binding, facts } = previewed(Commands::well(), with("true"), Some(600_000)).await else {
        panic!()
    };
    let bound = json!({
        "account": "123456789012", "region": "us-east-2", "group": "lab-node-1-asg", "node": "lab-node-1", "instance": "i-1",
        "document": "AWS-RunShellScript", "command": "true", "timeout_seconds": 60,
        "command_sha256": "b5bea41b6c623f7c09f1bf24dcae58ebab3c0cdd90ad966bc43a45b44867e12b",
    });
    assert_eq!(binding, bound);
    assert_eq!(
        (&facts["ping"], &facts["agent"], &facts["runs_as"]),
        (&json!("Online"), &json!("3.3.1"), &json!("root"))
    );
    assert_eq!((&facts["lifecycle"], &facts["platform"]), (&json!("InService"), &json!("Amazon Linux 2023")));
    let Preview::Ready { binding: other, .. } = previewed(Commands::well(), with("true "), None).await else {
        panic!()
    };
    assert_ne!(binding, other);
    let ill = Commands::well().but(|all| all.groups[0].instances(&[("i-1", "Standby")]));
    assert!(matches!(previewed(ill, with("true"), None).await, Preview::Ready { .. }));
}

#[tokio::test]
async fn what_must_not_be_sent_is_refused_in_words() {
    let refused = async |change: fn(&mut Commands), deadline: Option<i64>, says: &str| {
        let Preview::Refused { why } = previewed(Commands::well().but(change), given("true"), deadline).await else {
            panic!("not refused: {says}")
        };
        assert!(why.contains(says), "`{says}` is not in: {why}");
    };
    let instances = |group: &mut Group, all: &[(&str, &'static str)]| group.instances(all);
    refused(|all| all.ping = None, None, "not registered").await;
    refused(|all| all.ping = Some("ConnectionLost"), None, "has lost i-1").await;
    refused(|all| all.groups[0].instances(&[]), None, "i-1 is gone").await;
    refused(|all| all.groups[0].instances(&[("i-2", "InService")]), None, "replaced").await;
    refused(|all| all.groups[0].instances(&[("i-1", "InService"), ("i-2", "Pending")]), None, "2 instances").await;
    refused(|_| {}, Some(104_000), "raise the step's `timeout`").await;
    let mut group = Group::well(1);
    instances(&mut group, &[("i-1", "InService")]);
    assert!(matches!(previewed(Commands::well(), given("true"), Some(105_000)).await, Preview::Ready { .. }));
}

/// Nothing is asked of anybody, by no way in.
#[tokio::test]
async fn what_may_not_be_sent_at_all_asks_for_nothing() {
    let long = "a".repeat(9000);
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    let stand_in = Commands::well().start().await;
    let plugin = stand_in.plugin();
    for text in ["", " ", "a\0b", &long, &format!("echo {seed}"), "echo {{ssm:/x}}"] {
        let host = FakeHost::default();
        let problems = [
            plugin.run(ACTION, &host, &of(Purpose::Act, given(text))).await.unwrap_err(),
            plugin.preview(ACTION, &host, &of(Purpose::Preview, given(text))).await.unwrap_err(),
            plugin.reconcile(ACTION, &host, &of(Purpose::Reconcile, given(text))).await.unwrap_err(),
        ];
        for problem in problems {
            assert_eq!((problem.path.as_deref(), problem.applied), (Some("/command"), Applied::No), "{problem}");
            assert!(!problem.message.contains(seed), "{problem}");
        }
        assert!(plugin.by_hand(ACTION, &of(Purpose::Preview, given(text))).is_empty());
    }
    let mut nobody = given("true");
    nobody["node"]["aws"]["account"] = Value::Null;
    let problem = act(&stand_in, nobody).await.unwrap_err();
    assert_eq!(problem.path.as_deref(), Some("/node/aws/account"));
    for timeout in ["1s", "2h", "'; rm -rf /", "$(id)"] {
        let mut with = given("true");
        with["timeout"] = json!(timeout);
        assert_eq!(act(&stand_in, with).await.unwrap_err().path.as_deref(), Some("/timeout"));
    }
    assert!(stand_in.asked().is_empty());
}

#[tokio::test]
async fn another_account_is_no_place_to_act() {
    let stand_in = StandIn::start(|_, _| Answer::identity("999999999999")).await;
    let problem = act(&stand_in, given("true")).await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.applied, stand_in.asked().len()), ("wrong_account", Applied::No, 1));
}

fn known(comment: &str, text: &str) -> Value {
    json!({ "CommandId": ID, "Comment": comment, "Status": "Success", "Parameters": { "commands": [text] } })
}

async fn looked_back(commands: Commands) -> (StandIn, Reconciled) {
    let stand_in = commands.start().await;
    let call = of(Purpose::Reconcile, given("a\nb"));
    let found = stand_in.plugin().reconcile(ACTION, &FakeHost::default(), &call).await.unwrap();
    assert_eq!((stand_in.times(SENT), stand_in.times("CancelCommand")), (0, 0));
    (stand_in, found)
}

#[tokio::test]
async fn a_later_look_finds_the_command_by_its_comment_and_waits_for_its_end() {
    let others = || vec![known("by hand", "a\nb"), known(&COMMENT.replace(" 1 ", " 2 "), "a\nb")];
    let pages = vec![others(), vec![], vec![known(COMMENT, "a\nb")]];
    let looks = [looked("InProgress", "InProgress", -1), done("Failed", 1, "out", "")];
    let (stand_in, found) = looked_back(Commands::seen(looks).but(|all| all.history = pages)).await;
    let Reconciled::Done { output, evidence } = found else { panic!("{found:?}") };
    assert_eq!((&output["exit"], &output["stdout"], &output["command"]), (&json!(1), &json!("out"), &json!(ID)));
    assert_eq!((&evidence["looked_through"], &evidence["status"]), (&json!(3), &json!("Failed")));
    let asked = stand_in.bodies("ListCommands");
    let filter = json!([{ "key": "DocumentName", "value": "AWS-RunShellScript" }]);
    assert_eq!((&asked[0]["InstanceId"], &asked[0]["Filters"]), (&json!("i-1"), &filter));
    assert_eq!((asked.len(), &asked[2]["NextToken"]), (3, &json!("t2")));

    let (_, found) = looked_back(Commands::well().but(|all| all.history = vec![others()])).await;
    let Reconciled::NotDone { evidence } = found else { panic!("{found:?}") };
    assert_eq!((&evidence["comment"], &evidence["found"]), (&json!(COMMENT), &json!([])));
}

#[tokio::test]
async fn a_look_back_says_only_what_it_saw() {
    let with = |looks: Answer, page: Vec<Value>| Commands::seen([looks]).but(|all| all.history = vec![page]);
    let ours = || vec![known(COMMENT, "a\nb")];
    let never = with(looked("TimedOut", "Delivery Timed Out", -1), ours());
    assert!(matches!(looked_back(never).await.1, Reconciled::NotDone { .. }));
    let killed = with(looked("TimedOut", "Execution Timed Out", -1), ours());
    let Reconciled::Done { output, .. } = looked_back(killed).await.1 else { panic!() };
    assert_eq!(output["ended"], "timed_out");

    let open = async |commands: Commands| {
        let found = looked_back(commands).await.1;
        let Reconciled::CannotTell { evidence } = found else { panic!("{found:?}") };
        evidence
    };
    let evidence = open(with(looked("InProgress", "InProgress", -1), ours())).await;
    assert_eq!(evidence["problem"]["code"], "no_end");
    open(with(looked("Failed", "Failed", -1), ours())).await;
    open(with(not_listed(), ours())).await;
    open(with(done("Success", 0, "", ""), vec![known(COMMENT, "something else")])).await;
    open(with(done("Success", 0, "", ""), [ours(), ours()].concat())).await;
    // Nobody reads through everything.
    let endless = (0..41).map(|_| vec![known("by hand", "a")]).collect();
    open(Commands::well().but(|all| all.history = endless)).await;
}

#[tokio::test]
async fn a_look_that_could_not_be_taken_is_no_word() {
    for (code, expect) in [("ExpiredTokenException", "credentials"), ("ThrottlingException", "throttled")] {
        let stand_in = StandIn::start(move |request, _| match request.operation.as_str() {
            "ListCommands" => Answer::json_error(400, code, "no"),
            _ => cloud::answer(&[Group::well(1)], request),
        })
        .await;
        let call = of(Purpose::Reconcile, given("true"));
        let problem = stand_in.plugin().reconcile(ACTION, &FakeHost::default(), &call).await.unwrap_err();
        assert_eq!(problem.code, expect);
    }
}
