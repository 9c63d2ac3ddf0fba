//! One instance ended in the world, and what the gates around it see until its successor runs; with every fault that can
//! come in between.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_engine::run::Hosts;
use sluice_plugin::{ActionName, Applied, Attempt, Call, Preview, Problem, Purpose, Reconciled, Verdict};
use sluice_world::{AwsTrouble, BootLine, Fault, SimHosts, When};

use crate::books::{Bench, cluster, text};
use crate::cloud::{ask, judge, trouble};

const NODE: &str = "nats-staging-node-1";
const TERMINATE: &str = "autoscaling:TerminateInstanceInAutoScalingGroup";

fn bench() -> Bench {
    Bench::new(&text("hello"))
}

fn node() -> Value {
    json!({ "node": cluster().nodes[0] })
}

async fn id(bench: &Bench) -> String {
    ask(bench, "node_instance", node()).await.unwrap()["id"].as_str().unwrap().to_owned()
}

fn target(instance: &str) -> Value {
    json!({ "node": cluster().nodes[0], "instance": instance })
}

async fn end(bench: &Bench, instance: &str) -> Result<Value, Problem> {
    Ok(judge(bench, "terminate_instance", target(instance), Purpose::Act).await?.output)
}

async fn idle(bench: &Bench, except: bool) -> (Verdict, String) {
    let except = except.then(|| cluster().nodes[0].clone());
    verdict(bench, "cluster_idle", json!({ "cluster": cluster(), "except": except })).await
}

async fn come(bench: &Bench, old: &str) -> (Verdict, String) {
    verdict(bench, "new_instance", json!({ "node": cluster().nodes[0], "old": old })).await
}

async fn line(bench: &Bench, instance: &str) -> (Verdict, String) {
    let with = json!({ "cluster": cluster(), "node": cluster().nodes[0], "instance": instance });
    verdict(bench, "bootstrap_line", with).await
}

async fn verdict(bench: &Bench, operation: &str, with: Value) -> (Verdict, String) {
    let judgement = judge(bench, operation, with, Purpose::Read).await.unwrap().judgement.unwrap();
    (judgement.verdict, judgement.why)
}

async fn wait(bench: &Bench, seconds: u64) {
    bench.world.run(bench.world.clock().sleep(Duration::from_secs(seconds))).await;
}

fn call(purpose: Purpose, instance: &str) -> Call {
    let (run, step, attempt) = ("r".to_owned(), "terminate".to_owned(), Attempt(1));
    Call { run, step, attempt, purpose, deadline: None, with: target(instance) }
}

async fn preview(bench: &Bench, instance: &str) -> Result<Preview, Problem> {
    let action = bench.registry.action(&ActionName::parse("aws.terminate_instance").unwrap()).unwrap();
    let call = call(Purpose::Preview, instance);
    let host = SimHosts::new(bench.world.clone()).host(&action.spec.name, &call);
    bench.world.run(action.plugin.preview("terminate_instance", &*host, &call)).await
}

async fn look_back(bench: &Bench, instance: &str) -> Result<Reconciled, Problem> {
    let action = bench.registry.action(&ActionName::parse("aws.terminate_instance").unwrap()).unwrap();
    let call = call(Purpose::Reconcile, instance);
    let host = SimHosts::new(bench.world.clone()).host(&action.spec.name, &call);
    let found = bench.world.run(action.plugin.reconcile("terminate_instance", &*host, &call)).await?;
    if let Reconciled::Done { output, .. } = &found {
        assert_eq!(action.output_errors(output), []);
    }
    Ok(found)
}

/// How many requests left, whatever came of them.
fn sent(bench: &Bench) -> usize {
    bench.world.calls().iter().filter(|call| call.what == TERMINATE).count()
}

#[tokio::test]
async fn a_node_is_replaced_and_every_gate_sees_it() {
    let bench = bench();
    let old = id(&bench).await;
    assert_eq!(idle(&bench, true).await.0, Verdict::Pass);
    assert_eq!(line(&bench, &old).await.0, Verdict::Pass);
    let Preview::Ready { binding, .. } = preview(&bench, &old).await.unwrap() else { panic!() };
    assert_eq!((&binding["instance"], &binding["decrement"]), (&json!(old), &json!(false)));

    let output = end(&bench, &old).await.unwrap();
    assert_eq!((&output["instance"], &output["status"]), (&json!(old), &json!("InProgress")));
    assert!(!bench.world.truth().servers.contains(&NODE.to_owned()));
    assert_eq!(bench.world.truth().streams[0].has(NODE), 0);
    assert_eq!(come(&bench, &old).await.0, Verdict::Inconclusive);
    for except in [false, true] {
        let (verdict, why) = idle(&bench, except).await;
        assert_eq!(verdict, Verdict::Fail, "{why}");
        assert!(why.contains(NODE) && why.contains("Terminating EC2 instance"), "{why}");
    }

    wait(&bench, 120).await;
    let (verdict, why) = come(&bench, &old).await;
    assert_eq!(verdict, Verdict::Pass, "{why}");
    let new = id(&bench).await;
    assert_eq!(line(&bench, &new).await.0, Verdict::Pass);
    assert_eq!(line(&bench, &old).await.0, Verdict::Inconclusive);
    assert_eq!(idle(&bench, false).await.0, Verdict::Pass);
    let activities = ask(&bench, "activities", node()).await.unwrap()["activities"].clone();
    assert!(activities[0]["description"].as_str().unwrap().starts_with("Launching"), "{activities}");
    assert_eq!(bench.world.terminations(), [old]);
}

#[tokio::test]
async fn a_second_request_ends_nothing_and_never_the_successor() {
    let bench = bench();
    let old = id(&bench).await;
    end(&bench, &old).await.unwrap();
    for seconds in [1, 120] {
        wait(&bench, seconds).await;
        let problem = end(&bench, &old).await.unwrap_err();
        assert_eq!((problem.code.as_str(), problem.applied), ("refused", Applied::No), "{problem}");
        let Preview::Refused { why } = preview(&bench, &old).await.unwrap() else { panic!() };
        assert!(why.contains(&old), "{why}");
    }
    assert_eq!(bench.world.terminations(), [old]);
}

/// The request, whether the world did it, whether the plugin can prove that it did not, and what a look back says.
#[tokio::test]
async fn whatever_becomes_of_the_answer_a_look_back_tells_what_was_done() {
    let cases = [
        (AwsTrouble::Throttled, false, Applied::No),
        (AwsTrouble::Denied, false, Applied::No),
        (AwsTrouble::Expired, false, Applied::No),
        (AwsTrouble::Down, false, Applied::Maybe),
        (AwsTrouble::ServerError, false, Applied::Maybe),
        (AwsTrouble::AnswerLost, true, Applied::Maybe),
    ];
    let bench = bench();
    for (how, done, applied) in cases {
        bench.world.begin_again(bench.setup(1));
        let old = id(&bench).await;
        bench.world.happen(trouble(how, Some(TERMINATE), 1));
        let problem = end(&bench, &old).await.unwrap_err();
        assert_eq!((problem.applied, sent(&bench)), (applied, 1), "{how:?} {problem}");
        assert_eq!(bench.world.terminations().len(), usize::from(done), "{how:?}");
        for _ in 0..2 {
            let found = look_back(&bench, &old).await.unwrap();
            assert_eq!(matches!(found, Reconciled::Done { .. }), done, "{how:?} {found:?}");
            assert_eq!(matches!(found, Reconciled::NotDone { .. }), !done, "{how:?} {found:?}");
            wait(&bench, 60).await;
        }
        bench.world.happen(trouble(AwsTrouble::Expired, None, 1));
        assert_eq!(look_back(&bench, &old).await.unwrap_err().code, "credentials");
    }
}

#[tokio::test]
async fn what_others_do_meanwhile_is_refused_or_busy() {
    let bench = bench();
    let old = id(&bench).await;
    let launch = || "Launch".to_owned();
    bench.world.happen(Fault::SuspendProcess { node: NODE.into(), process: launch() });
    let Preview::Refused { why } = preview(&bench, &old).await.unwrap() else { panic!() };
    assert!(why.contains("Launch is suspended"), "{why}");
    assert!(idle(&bench, true).await.1.contains("Launch is suspended"));
    bench.world.happen(Fault::ResumeProcess { node: NODE.into(), process: launch() });
    assert!(matches!(preview(&bench, &old).await.unwrap(), Preview::Ready { .. }));
    assert_eq!(idle(&bench, true).await.0, Verdict::Pass);

    bench.world.happen(Fault::Terminate { node: NODE.into() });
    wait(&bench, 120).await;
    let Preview::Refused { why } = preview(&bench, &old).await.unwrap() else { panic!() };
    assert!(why.contains("already replaced") && why.contains(&id(&bench).await), "{why}");

    let new = id(&bench).await;
    bench.world.happen(Fault::InstanceRefresh { node: NODE.into() });
    let Preview::Refused { why } = preview(&bench, &new).await.unwrap() else { panic!() };
    assert!(why.contains("instance refresh"), "{why}");
    assert!(idle(&bench, true).await.1.contains("instance refresh"));
    assert_eq!(bench.world.terminations(), [""; 0]);
}

#[tokio::test]
async fn why_nothing_comes_is_said() {
    let bench = bench();
    let old = id(&bench).await;
    bench.world.happen(Fault::NoCapacity { node: NODE.into(), times: 2 });
    end(&bench, &old).await.unwrap();
    wait(&bench, 60).await;
    let (verdict, why) = come(&bench, &old).await;
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(why.contains("Failed") && why.contains("sufficient m8gd.medium capacity"), "{why}");
    wait(&bench, 180).await;
    assert_eq!(come(&bench, &old).await.0, Verdict::Pass);

    bench.world.begin_again(bench.setup(1));
    let old = id(&bench).await;
    // Between the request and the launch.
    let calls = bench.world.calls().len();
    let suspend = Fault::SuspendProcess { node: NODE.into(), process: "Launch".into() };
    bench.world.plan(When::After { call: calls + 1 }, suspend);
    end(&bench, &old).await.unwrap();
    wait(&bench, 120).await;
    let (verdict, why) = come(&bench, &old).await;
    assert_eq!(verdict, Verdict::Fail);
    assert!(why.contains("none will come: Launch is suspended"), "{why}");
    bench.world.happen(Fault::ResumeProcess { node: NODE.into(), process: "Launch".into() });
    wait(&bench, 120).await;
    assert_eq!(come(&bench, &old).await.0, Verdict::Pass);
}

#[tokio::test]
async fn a_start_that_goes_wrong_is_in_the_log_or_missing_there() {
    let bench = bench();
    for (says, expect) in [
        (BootLine::Ok, Verdict::Pass),
        (BootLine::Failed, Verdict::Fail),
        (BootLine::Unclear, Verdict::Inconclusive),
        (BootLine::Missing, Verdict::Inconclusive),
    ] {
        bench.world.begin_again(bench.setup(1));
        bench.world.happen(Fault::BootSays { node: NODE.into(), says });
        let old = id(&bench).await;
        end(&bench, &old).await.unwrap();
        wait(&bench, 120).await;
        let new = id(&bench).await;
        assert_eq!(line(&bench, &new).await.0, expect, "{says:?}");
        assert!(bench.world.truth().servers.contains(&NODE.to_owned()), "{says:?}");
    }
    bench.world.begin_again(bench.setup(1));
    bench.world.happen(Fault::NeverBoots { node: NODE.into() });
    let old = id(&bench).await;
    end(&bench, &old).await.unwrap();
    wait(&bench, 600).await;
    assert_eq!(come(&bench, &old).await.0, Verdict::Pass, "in service comes before a server runs");
    let new = id(&bench).await;
    assert_eq!(line(&bench, &new).await.0, Verdict::Inconclusive);
    assert!(!bench.world.truth().servers.contains(&NODE.to_owned()));
}
