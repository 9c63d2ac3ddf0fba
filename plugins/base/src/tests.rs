//! Every action through the contract, as the engine calls it: examples against schemas, then what each one does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use sluice_plugin::{Applied, Effect, HttpResponse, Outcome, Plugin, Preview, Problem, Purpose, Reconciled, SecretRef};

use super::plugin;
use crate::testing::{FakeHost, at, call, output_schema, run, run_on, valid};

/// A schema says what a secret is once it is revealed: text.
fn revealed(with: &Value) -> Value {
    match with {
        leaf if SecretRef::from_json(leaf).is_some() => json!("revealed"),
        Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), revealed(field))).collect(),
        Value::Array(items) => items.iter().map(revealed).collect(),
        other => other.clone(),
    }
}

#[test]
fn every_description_holds() {
    let plugin = plugin();
    let spec = plugin.describe();
    assert_eq!(spec.actions.len(), 15);
    for action in &spec.actions {
        let name = action.name.as_str();
        assert_eq!(action.name.plugin(), spec.name.as_str());
        assert!(!action.examples.is_empty(), "{name} has no example");
        assert!(!action.summary.ends_with('.'), "{name}");
        assert!(!(action.idempotent && action.effect == Effect::Destroy), "{name}");
        for example in &action.examples {
            assert!(valid(&action.input, &revealed(&example.with)), "{name}: {}: with", example.summary);
            assert!(valid(&action.output, &example.output), "{name}: {}: output", example.summary);
            assert_eq!(plugin.check(action.name.operation(), &example.with), [], "{name}");
        }
        assert!(!valid(&action.input, &json!({ "unknown": 1 })), "{name} takes unknown fields");
    }
}

/// A crash may have it done again.
#[tokio::test]
async fn every_repeatable_change_done_twice_leaves_what_it_left_once() {
    let plugin = plugin();
    let repeatable = plugin.describe().actions.iter().filter(|spec| spec.idempotent && spec.effect != Effect::Read);
    let mut tried = Vec::new();
    for spec in repeatable {
        let dir = tempfile::tempdir().unwrap();
        let operation = spec.name.operation();
        let changes = Some((json!(true), json!(false)));
        let (with, changes) = match operation {
            "file" => (json!({ "path": at(&dir, "it"), "content": "over\n" }), changes),
            "spool_drop" => (delivered(&dir).await, None),
            "toy_change" => (json!({ "file": at(&dir, "it"), "line": "hello" }), changes),
            other => panic!("base.{other} may be repeated, and nobody tries it"),
        };
        let before = left(dir.path());
        let first = run(operation, with.clone()).await.unwrap().output;
        let once = left(dir.path());
        let second = run(operation, with).await.unwrap().output;
        assert_eq!(left(dir.path()), once, "{operation}");
        assert_ne!(before, once, "{operation}");
        match changes {
            Some(changes) => {
                assert_eq!((first["changed"].clone(), second["changed"].clone()), changes, "{operation}");
                assert_eq!(once.len(), 1, "{operation}");
            }
            None => assert_eq!(first, second, "{operation}"),
        }
        tried.push(operation);
    }
    assert_eq!(tried, ["file", "spool_drop", "toy_change"]);
}

/// Two of three items are delivered, and one of them was not wanted.
async fn delivered(dir: &tempfile::TempDir) -> Value {
    let folder = at(dir, "spool");
    let items: Vec<Value> = ["a", "b", "c"].iter().map(|id| json!({ "id": id })).collect();
    run("spool_add", json!({ "folder": folder, "items": items })).await.unwrap();
    let peeked = run("spool_peek", json!({ "folder": folder, "most": 2 })).await.unwrap().output;
    json!({ "folder": folder, "upto": peeked["upto"], "rejected": [{ "item": items[1], "error": "too large" }] })
}

/// All that is there, by name, one folder deep.
fn left(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(left(&path));
        } else {
            found.insert(path.clone(), std::fs::read_to_string(&path).unwrap());
        }
    }
    found
}

#[tokio::test]
async fn echo_gives_back_what_it_gets() {
    for value in [json!(null), json!("a"), json!({ "a": [1, 2.5, { "$secret": "secrets.x" }] })] {
        let outcome = run("echo", json!({ "value": value })).await.unwrap();
        assert_eq!(outcome, Outcome::plain(json!({ "value": value })));
    }
}

#[tokio::test]
async fn wait_sleeps_through_the_host_and_says_how_long() {
    let host = FakeHost::default();
    let outcome = run_on(&host, "wait", json!({ "for": "2500ms" })).await.unwrap();
    assert_eq!(outcome.output, json!({ "waited_ms": 2500 }));
    assert_eq!(*host.notes.lock().unwrap(), ["waiting, 2s left", "waiting, 1s left", "waiting, 500ms left"]);
    let problems = plugin().check("wait", &json!({ "for": "soon" }));
    assert_eq!(problems[0].path.as_deref(), Some("/for"));
}

fn answer(status: u16, content_type: &str, body: &str) -> FakeHost {
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    let response = HttpResponse { status, headers, body: body.as_bytes().to_vec() };
    FakeHost { answer: Some(Ok(response)), ..FakeHost::default() }
}

#[tokio::test]
async fn http_get_reads_json_and_text_and_judges_only_when_asked() {
    let check = async |host: FakeHost, expect: Value, output: Value, verdict: Option<&str>| {
        let with = json!({ "url": "http://a/b", "expect_status": expect });
        let outcome = run_on(&host, "http_get", with).await.unwrap();
        assert_eq!(outcome.output, output);
        assert_eq!(outcome.judgement.map(|judgement| judgement.verdict.to_string()).as_deref(), verdict);
        assert!(valid(&output_schema("http_get"), &outcome.output));
    };
    let made =
        |status: u16, ok: bool, body: Value| json!({ "status": status, "ok": ok, "body": body, "duration_ms": 7 });
    check(answer(200, "application/json", "{\"a\":1}"), json!([]), made(200, true, json!({ "a": 1 })), None).await;
    check(answer(200, "application/json", "{oops"), json!([]), made(200, true, json!("{oops")), None).await;
    check(answer(200, "text/plain", "{\"a\":1}"), json!([]), made(200, true, json!("{\"a\":1}")), None).await;
    check(answer(404, "text/plain", "no"), json!([]), made(404, false, json!("no")), None).await;
    check(answer(404, "text/plain", ""), json!([404, 410]), made(404, true, json!("")), Some("pass")).await;
    check(answer(200, "text/plain", ""), json!([404]), made(200, false, json!("")), Some("fail")).await;
}

#[tokio::test]
async fn http_get_leaves_secrets_to_the_host() {
    let host = answer(200, "text/plain", "");
    let with = json!({
        "url": "http://a/b", "timeout": "3s", "max_bytes": 10, "headers": { "x-plain": "1" },
        "secret_headers": { "x-key": { "$secret": "secrets.key" } }, "bearer": "literal",
    });
    run_on(&host, "http_get", with).await.unwrap();
    let request = host.requests.lock().unwrap().remove(0);
    assert_eq!((request.timeout, request.max_body), (Duration::from_secs(3), 10));
    let header = |name: &str| request.headers.iter().find(|header| header.name == name).unwrap();
    assert_eq!(header("x-key").secret, Some(SecretRef("secrets.key".into())));
    assert_eq!(header("x-plain").value, "1");
    // What stands in the runbook in clear is treated no worse.
    let sealed = Some(SecretRef("sealed /authorization literal".into()));
    assert_eq!((header("authorization").value.as_str(), &header("authorization").secret), ("Bearer ", &sealed));
}

#[tokio::test]
async fn http_get_passes_the_hosts_problem_on_with_its_place() {
    let problem = Problem::not_applied("unreachable", "nothing listens there");
    let host = FakeHost { answer: Some(Err(problem)), ..FakeHost::default() };
    let found = run_on(&host, "http_get", json!({ "url": "http://a/", "expect_status": [200] })).await.unwrap_err();
    assert_eq!((found.code.as_str(), found.path.as_deref()), ("unreachable", Some("/url")));
    let problems = plugin().check("http_get", &json!({ "url": "ftp://a", "timeout": "3" }));
    assert_eq!(
        problems.iter().map(|problem| problem.path.as_deref().unwrap()).collect::<Vec<_>>(),
        ["/timeout", "/url"]
    );
}

#[tokio::test]
async fn a_file_is_written_once_and_can_be_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = at(&dir, "motd");
    let with = json!({ "path": path, "content": "hello\n", "mode": "0600" });
    let (plugin, host, asked) = (plugin(), FakeHost::default(), call(Purpose::Preview, with.clone()));
    let Preview::Ready { binding, facts } = plugin.preview("file", &host, &asked).await.unwrap() else { panic!() };
    assert_eq!((&binding["path"], &binding["mode"], &facts["bytes_now"]), (&json!(path), &json!("0600"), &json!(null)));
    assert!(!Path::new(&path).exists());
    let not_done = plugin.reconcile("file", &host, &asked).await.unwrap();
    assert!(matches!(not_done, Reconciled::NotDone { .. }));
    for changed in [true, false, false] {
        let outcome = run("file", with.clone()).await.unwrap();
        assert_eq!((&outcome.output["changed"], &outcome.output["path"]), (&json!(changed), &json!(path)));
        assert_eq!(outcome.output["sha256"], binding["sha256"]);
    }
    assert!(matches!(plugin.preview("file", &host, &asked).await.unwrap(), Preview::Already { .. }));
    assert!(matches!(plugin.reconcile("file", &host, &asked).await.unwrap(), Reconciled::Done { .. }));
    let kept = run("file", json!({ "path": path, "content": "other\n" })).await.unwrap();
    assert_eq!(kept.output["changed"], true);
    let read = run("read_file", json!({ "path": path })).await.unwrap();
    assert_eq!((&read.output["content"], &read.output["bytes"]), (&json!("other\n"), &json!(6)));
    assert_eq!(read.output["sha256"], kept.output["sha256"]);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "the mode stays");
    for mode in ["8", "1777", "rw"] {
        assert_eq!(plugin.check("file", &json!({ "path": "a", "content": "", "mode": mode })).len(), 1, "{mode}");
    }
}

#[tokio::test]
async fn only_text_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = at(&dir, "binary");
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    let problem = run("read_file", json!({ "path": path })).await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.path.as_deref()), ("bad_input", Some("/path")));
    assert_eq!(run("read_file", json!({ "path": at(&dir, "none") })).await.unwrap_err().code, "not_found");
}

#[tokio::test]
async fn a_toy_judges_as_told_call_by_call() {
    let dir = tempfile::tempdir().unwrap();
    let with = json!({ "verdicts": ["fail", "inconclusive", "pass"], "script": { "memory": at(&dir, "calls") } });
    for (calls, verdict) in [(1, "fail"), (2, "inconclusive"), (3, "pass"), (4, "pass")] {
        let outcome = run("toy", with.clone()).await.unwrap();
        assert_eq!(outcome.output["calls"], calls);
        assert_eq!(outcome.judgement.unwrap().verdict.to_string(), verdict);
    }
    assert_eq!(run("toy", json!({ "value": [1] })).await.unwrap(), Outcome::plain(json!({ "value": [1], "calls": 1 })));
}

#[tokio::test]
async fn a_toy_fails_sleeps_and_lies_as_told() {
    let dir = tempfile::tempdir().unwrap();
    let problem = json!({ "code": "boom", "message": "no", "retryable": true, "applied": "maybe", "path": "/value", "details": 1 });
    let failed = run("toy", json!({ "script": { "outcome": "fail", "problem": problem } })).await.unwrap_err();
    let expect = Problem { path: Some("/value".into()), ..Problem::maybe_applied("boom", "no").retryable() };
    assert_eq!(failed, expect.with_details(json!(1)));
    let twice = json!({ "script": { "fail_first": 2, "memory": at(&dir, "calls") } });
    for good in [false, false, true, true] {
        assert_eq!(run("toy", twice.clone()).await.is_ok(), good);
    }
    let host = FakeHost::default();
    run_on(&host, "toy", json!({ "script": { "outcome": "sleep", "for": "5m" } })).await.unwrap();
    assert_eq!(*host.slept.lock().unwrap(), Duration::from_secs(300));
    let lied = run("toy", json!({ "script": { "outcome": "lie" } })).await.unwrap();
    assert!(!valid(&output_schema("toy"), &lied.output));
    let claimed = run("toy", json!({ "verdicts": ["fail"], "script": { "outcome": "lie", "lie": "claim" } })).await;
    assert_eq!(claimed.unwrap().judgement.unwrap().verdict.to_string(), "pass");
    std::fs::write(at(&dir, "calls"), "not a number").unwrap();
    assert_eq!(run("toy", twice).await.unwrap_err().path.as_deref(), Some("/script/memory"));
}

#[tokio::test]
async fn acting_toys_change_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = at(&dir, "toy.txt");
    let check = async |action: &str, changed: bool, content: &str| {
        let outcome = run(action, json!({ "file": file, "line": "hello" })).await.unwrap();
        assert_eq!(outcome.output["changed"], changed, "{action}");
        assert!(valid(&output_schema(action), &outcome.output));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), content, "{action}");
    };
    std::fs::write(&file, "first\n").unwrap();
    check("toy_change", true, "first\nhello\n").await;
    check("toy_change", false, "first\nhello\n").await;
    check("toy_destroy", true, "first\n").await;
    check("toy_destroy", false, "first\n").await;
    check("toy_append", true, "first\nhello # run-1 try\n").await;
    check("toy_append", true, "first\nhello # run-1 try\nhello # run-1 try\n").await;
}

#[tokio::test]
async fn acting_toys_can_be_asked_before_and_after() {
    let dir = tempfile::tempdir().unwrap();
    let (plugin, host) = (plugin(), FakeHost::default());
    for action in ["toy_change", "toy_append", "toy_destroy"] {
        let file = at(&dir, action);
        std::fs::write(&file, if action == "toy_destroy" { "hello\n" } else { "" }).unwrap();
        let with = |extra: Value| {
            let mut with = json!({ "file": file, "line": "hello" });
            with.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            call(Purpose::Act, with)
        };
        let plain = with(json!({}));
        let Preview::Ready { binding, .. } = plugin.preview(action, &host, &plain).await.unwrap() else { panic!() };
        assert_eq!(binding["file"], json!(file));
        let refused = plugin.preview(action, &host, &with(json!({ "preview": "refuse" }))).await.unwrap();
        assert!(matches!(refused, Preview::Refused { .. }));
        let is_done = async |expect: bool| {
            let found = plugin.reconcile(action, &host, &plain).await.unwrap();
            assert_eq!(matches!(found, Reconciled::Done { .. }), expect, "{action}");
            assert_eq!(matches!(found, Reconciled::NotDone { .. }), !expect, "{action}");
        };
        is_done(false).await;
        let fail = |moment: &str| {
            let script = json!({ "outcome": "fail", "problem": { "applied": "maybe" } });
            with(json!({ "moment": moment, "script": script }))
        };
        let lost = plugin.run(action, &host, &fail("before")).await.unwrap_err();
        assert_eq!(lost.applied, Applied::Maybe);
        is_done(false).await;
        let claim = with(json!({ "script": { "outcome": "lie", "lie": "claim" } }));
        assert_eq!(plugin.run(action, &host, &claim).await.unwrap().output["changed"], true);
        is_done(false).await;
        plugin.run(action, &host, &fail("after")).await.unwrap_err();
        is_done(true).await;
        assert!(matches!(plugin.preview(action, &host, &plain).await.unwrap(), Preview::Already { .. }));
        let unsure = plugin.reconcile(action, &host, &with(json!({ "reconcile": "cannot_tell" }))).await.unwrap();
        assert!(matches!(unsure, Reconciled::CannotTell { .. }));
    }
}
