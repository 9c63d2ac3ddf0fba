//! The actions over a host that answers from recorded samples; what real servers answer is tried in `tests/`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sluice_plugin::{
    Attempt, Call, Effect, Host, HttpRequest, HttpResponse, Level, Outcome, Plugin, Problem, Progress, Purpose, Secret,
    SecretRef, Timestamp, Verdict,
};

use super::{common, plugin};
use crate::link::creds::tests::minted;

const RECORDED: &str = include_str!("../../tests/samples/three-nodes.json");

/// Time goes on only in `sleep`; nodes answer as recorded but for the silent ones.
pub(crate) struct Fake {
    now: AtomicI64,
    silent: BTreeMap<usize, &'static str>,
    asked: Mutex<Vec<String>>,
    notes: Mutex<Vec<String>>,
    files: Mutex<BTreeMap<String, String>>,
    secrets: BTreeMap<String, String>,
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self {
            now: AtomicI64::new(1_795_400_000_000),
            silent: BTreeMap::new(),
            asked: Mutex::default(),
            notes: Mutex::default(),
            files: Mutex::default(),
            secrets: BTreeMap::new(),
        }
    }

    fn answer(&self, node: usize, path: &str) -> Value {
        let all: Value = serde_json::from_str(RECORDED).unwrap();
        let part = path.trim_start_matches('/').split('?').next().unwrap();
        let mut answer = all[format!("nats-staging-node-{node}")][part].clone();
        // A server's clock goes on, which shows that its answer is fresh.
        if let Some(now) = answer.get_mut("now") {
            *now = json!(self.now().0.to_string());
        }
        answer
    }
}

#[async_trait]
impl Host for Fake {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    async fn sleep(&self, time: Duration) {
        self.now.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    fn log(&self, _level: Level, _message: &str) {}

    fn progress(&self, progress: Progress) {
        self.notes.lock().unwrap().push(progress.note);
    }

    async fn http(&self, request: HttpRequest) -> Result<HttpResponse, Problem> {
        assert!(request.method.reads() && request.timeout <= Duration::from_secs(2));
        let rest = request.url.strip_prefix("http://nats-staging-node-").expect("the node's own host");
        let (host, path) = rest.split_once(":8222").unwrap();
        let node: usize = host.split('.').next().unwrap().parse().unwrap();
        self.asked.lock().unwrap().push(format!("{node}{path}"));
        if let Some(kind) = self.silent.get(&node) {
            return Err(Problem::not_applied("unreachable", "it did not work").with_details(json!({ "kind": kind })));
        }
        let body = self.answer(node, path).to_string().into_bytes();
        Ok(HttpResponse { status: 200, headers: vec![], body })
    }

    fn reveal(&self, leaf: &Value) -> Result<Secret, Problem> {
        let reference = SecretRef::from_json(leaf).map(|reference| reference.0);
        let text = reference.map_or_else(|| leaf.as_str().unwrap().to_owned(), |name| self.secrets[&name].clone());
        Ok(Secret::new(text))
    }

    fn seal(&self, _pointer: &str, _secret: Secret) -> Value {
        panic!("no action of this plugin gives out a secret")
    }

    fn private_file(&self, name: &str, content: &Secret) -> Result<PathBuf, Problem> {
        self.files.lock().unwrap().insert(name.to_owned(), content.expose().to_owned());
        Ok(PathBuf::from("/private").join(name))
    }
}

async fn run(host: &Fake, action: &str, with: Value) -> Result<Outcome, Problem> {
    let call =
        Call { run: "r".into(), step: "s".into(), attempt: Attempt(1), purpose: Purpose::Read, deadline: None, with };
    plugin().run(action, host, &call).await
}

fn cluster() -> Value {
    json!({ "cluster": common::example_cluster() })
}

#[test]
fn every_action_but_one_reads_and_its_examples_fit_its_schemas() {
    let plugin = plugin();
    let actions = &plugin.describe().actions;
    assert_eq!(actions.len(), 19);
    for action in actions {
        let acts = action.name.as_str() == "nats.step_down";
        assert_eq!(action.effect, if acts { Effect::Change } else { Effect::Read }, "{}", action.name);
        assert!(action.idempotent, "{}", action.name);
        assert!(!action.examples.is_empty(), "{}", action.name);
        for example in &action.examples {
            fits(&action.input, &example.with, action.name.as_str());
            fits(&action.output, &example.output, action.name.as_str());
        }
    }
}

fn fits(schema: &Value, value: &Value, name: &str) {
    // A secret's reference stands where the schema says string; the host looks at that.
    let mut value = value.clone();
    for pointer in ["/jwt", "/seed", "/creds/jwt", "/creds/seed"] {
        if let Some(leaf) = value.pointer_mut(pointer).filter(|leaf| SecretRef::from_json(leaf).is_some()) {
            *leaf = json!("a secret");
        }
    }
    let validator = jsonschema::draft202012::new(schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{name}: {errors:#?}");
}

#[tokio::test]
async fn servers_that_do_not_answer_are_data() {
    let mut host = Fake::new();
    host.silent = [(1, "name"), (2, "refused"), (3, "timeout")].into();
    let outcome = run(&host, "servers", cluster()).await.unwrap();
    let kinds: Vec<&Value> = (0..3).map(|at| &outcome.output["servers"][at]["unreached"]["kind"]).collect();
    assert_eq!(kinds, [&json!("name_not_resolved"), &json!("refused"), &json!("timeout")]);
    assert_eq!(outcome.output["summary"], "0 of 3 answer, 0 healthy");
    let outcome = run(&Fake::new(), "servers", cluster()).await.unwrap();
    assert_eq!(outcome.output["servers"][0]["server_name"], "nats-staging-node-1");
    assert_eq!(outcome.output["servers"][0]["version"], "2.15.1");
}

#[tokio::test]
async fn a_healthy_cluster_is_looked_at_twice_and_no_more() {
    let host = Fake::new();
    let before = host.now();
    let outcome =
        run(&host, "cluster_health", json!({ "cluster": common::example_cluster(), "thresholds": [] })).await.unwrap();
    assert_eq!(outcome.judgement.as_ref().unwrap().verdict, Verdict::Pass, "{:?}", outcome.judgement);
    assert_eq!(host.asked.lock().unwrap().iter().filter(|asked| *asked == "1/healthz").count(), 2);
    assert_eq!(host.now().since(before), Duration::from_secs(3));
    assert_eq!(host.notes.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn what_may_settle_is_looked_at_again_for_a_bounded_time() {
    let host = Fake::new();
    let before = host.now();
    let mut with = json!({ "cluster": common::example_cluster(), "thresholds": [], "sample": "1s", "settle": "2s" });
    with["cluster"]["streams"] = json!(["pivot_main", "orders"]);
    let outcome = run(&host, "cluster_health", with).await.unwrap();
    assert_eq!(outcome.judgement.unwrap().verdict, Verdict::Fail);
    assert_eq!(outcome.output["findings"][0]["code"], "stream_missing");
    assert_eq!(host.now().since(before), Duration::from_secs(3));
    assert!(host.notes.lock().unwrap().last().unwrap().contains("orders"));
}

#[tokio::test]
async fn one_silent_node_is_inconclusive() {
    let mut host = Fake::new();
    host.silent = [(1, "timeout")].into();
    let outcome =
        run(&host, "cluster_health", json!({ "cluster": common::example_cluster(), "thresholds": [] })).await.unwrap();
    assert_eq!(outcome.judgement.unwrap().verdict, Verdict::Inconclusive);
    assert_eq!(outcome.output["voters"]["left"], 2);
}

#[tokio::test]
async fn a_wrong_threshold_is_told_before_anything_is_asked() {
    let host = Fake::new();
    let row = json!({ "id": "x", "field": "jsz.storge", "op": "above", "value": 1 });
    let with = json!({ "cluster": common::example_cluster(), "thresholds": [row] });
    assert_eq!(plugin().check("cluster_health", &with)[0].path.as_deref(), Some("/thresholds/0/field"));
    let problem = run(&host, "cluster_health", with).await.unwrap_err();
    assert_eq!(problem.path.as_deref(), Some("/thresholds/0/field"));
    assert!(host.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_cluster_without_nodes_is_refused() {
    let mut with = cluster();
    with["cluster"]["nodes"] = json!([]);
    for action in ["servers", "streams", "connections"] {
        let problem = run(&Fake::new(), action, with.clone()).await.unwrap_err();
        assert_eq!(problem.path.as_deref(), Some("/cluster/nodes"));
    }
}

#[tokio::test]
async fn streams_consumers_meta_and_report_come_from_the_endpoints() {
    let host = Fake::new();
    let streams = run(&host, "streams", cluster()).await.unwrap().output;
    assert_eq!(streams["streams"][0]["group"]["leader"], "nats-staging-node-2");
    assert_eq!(streams["streams"][0]["last_seq_source"], "monitoring");
    assert_eq!(streams["streams"][0]["group"]["replicas"][1]["own_last_seq"], 684);
    let consumers = run(&host, "consumers", cluster()).await.unwrap().output;
    assert_eq!(consumers["consumers"].as_array().unwrap().len(), 2);
    let meta = run(&host, "meta", cluster()).await.unwrap().output;
    assert_eq!((&meta["meta"]["cluster_size"], &meta["meta"]["ghosts"]), (&json!(3), &json!([])));
    let report = run(&host, "jetstream", cluster()).await.unwrap().output;
    let leaders: Vec<bool> = (0..3).map(|at| report["servers"][at]["meta_leader"].as_bool().unwrap()).collect();
    assert_eq!(leaders, [false, false, true]);
    assert_eq!(report["servers"][1]["streams_led"], 1);
}

#[tokio::test]
async fn connections_are_summed_over_the_nodes() {
    let mut host = Fake::new();
    host.silent = [(3, "refused")].into();
    let output = run(&host, "connections", cluster()).await.unwrap().output;
    assert_eq!((&output["total"], &output["complete"]), (&json!(1), &json!(false)));
    assert_eq!(output["connections"][0]["node"], "nats-staging-node-2");
}

#[tokio::test]
async fn a_context_is_written_to_private_files_and_nothing_secret_comes_out() {
    let (jwt, seed) = minted(None);
    let mut host = Fake::new();
    host.secrets = [("steps.c#/jwt".to_owned(), format!("{jwt}\n")), ("steps.c#/seed".to_owned(), seed.clone())].into();
    let with = json!({
        "jwt": { "$secret": "steps.c#/jwt" }, "seed": { "$secret": "steps.c#/seed" }, "url": "n1, n2:4333"
    });
    let output = run(&host, "context", with.clone()).await.unwrap().output;
    assert_eq!(output["url"], "nats://n1:4222,nats://n2:4333");
    assert_eq!(output["creds"], "/private/nats-pivot/user.creds");
    assert_eq!(output["config_home"], "/private/nats-pivot");
    let text = output.to_string();
    assert!(!text.contains(&seed) && !text.contains(&jwt));
    let files = host.files.lock().unwrap().clone();
    assert_eq!(files["nats-pivot/nats/context.txt"], "pivot");
    assert!(files["nats-pivot/user.creds"].contains(&seed) && files["nats-pivot/user.creds"].ends_with("*\n"));
    let context: Value = serde_json::from_str(&files["nats-pivot/nats/context/pivot.json"]).unwrap();
    assert_eq!(context["creds"], "/private/nats-pivot/user.creds");
    assert_eq!(context.as_object().unwrap().len(), 18);
    for name in ["../x", "", "a/b", "a b"] {
        let mut with = with.clone();
        with["name"] = json!(name);
        assert_eq!(run(&host, "context", with).await.unwrap_err().path.as_deref(), Some("/name"));
    }
}

#[tokio::test]
async fn an_expired_jwt_is_told_without_asking_a_server() {
    let (jwt, seed) = minted(Some(1_795_000_000));
    let with = json!({ "urls": "nats-staging-node-1:1", "creds": { "jwt": jwt, "seed": seed } });
    let output = run(&Fake::new(), "whoami", with).await.unwrap().output;
    assert_eq!((&output["jwt"]["expired"], &output["accepted"]), (&json!(true), &json!(false)));
    assert!(output["summary"].as_str().unwrap().contains("have expired 4 days ago"), "{}", output["summary"]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_data_for_whoami_and_a_failure_for_the_list() {
    let (jwt, seed) = minted(None);
    // Nothing listens on port 1.
    let with = json!({ "urls": "127.0.0.1:1", "creds": { "jwt": jwt, "seed": seed } });
    let output = run(&Fake::new(), "whoami", with.clone()).await.unwrap().output;
    assert_eq!(output["unreached"]["kind"], "refused", "{output}");
    let problem = run(&Fake::new(), "stream_list", with).await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.retryable), ("unreachable", true));
}
