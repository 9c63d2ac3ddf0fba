//! What a call's host promises beside HTTP: words are redacted, secrets go only to whom they were given, files go.

use serde_json::json;

use super::testing::bench;
use super::*;

#[test]
fn words_are_redacted_and_long_ones_cut() {
    let bench = bench(vec![], &[]);
    bench.vault.keep("token", Secret::new("correct-horse"), crate::Bound::Granted);
    let host = bench.reading();
    host.log(Level::Warn, "got correct-horse");
    host.progress(Progress { note: "with correct-horse".into(), done: 1, total: Some(2) });
    host.log(Level::Info, &"é".repeat(LONGEST_LOG));
    let lines = bench.sink.lines.lock().unwrap().clone();
    assert_eq!(lines[0], "roll[node-2]/check Warn got [redacted secrets.token]");
    assert_eq!(lines[1], "roll[node-2]/check with [redacted secrets.token] 1/Some(2)");
    assert!(lines[2].ends_with("é [8192 more bytes]"), "{}", &lines[2][lines[2].len() - 40..]);
}

#[test]
fn a_secret_is_revealed_only_to_whom_it_was_given() {
    let bench = bench(vec![], &["token"]);
    let token = bench.vault.keep("token", Secret::new("correct-horse"), crate::Bound::Granted);
    let other = bench.vault.keep("other", Secret::new("battery-staple"), crate::Bound::Granted);
    let sealed = bench.reading().seal("/jwt", Secret::new("the-jwt-itself"));
    assert_eq!(sealed, json!({ "$secret": "steps.roll[node-2]/check#/jwt" }));
    let gone = json!({ "$secret": "steps.gone#/jwt" });
    let check = |with: Value, leaf: &Value, expect: Result<&str, &str>| {
        let found = bench.call(Purpose::Act, with).reveal(leaf);
        let found = found.as_ref().map(Secret::expose).map_err(|problem| problem.code.as_str());
        assert_eq!(found, expect, "{leaf}");
    };
    check(json!({ "a": [{ "jwt": sealed }] }), &sealed, Ok("the-jwt-itself"));
    check(json!({}), &sealed, Err("denied"));
    check(json!({ "a": gone }), &gone, Err("secret_gone"));
    check(json!({}), &token.to_json(), Ok("correct-horse"));
    check(json!({ "a": other.to_json() }), &other.to_json(), Err("denied"));
    check(json!({}), &json!("plain-text-value"), Ok("plain-text-value"));
    check(json!({}), &json!(7), Err("bad_input"));
    assert_eq!(bench.shared.redactor().text("plain-text-value"), "[redacted value]");
}

#[test]
fn private_files_live_until_the_run_ends() {
    let bench = bench(vec![], &[]);
    let base = bench.dir.path().join("sluice");
    let host = bench.reading();
    assert!(!base.exists(), "nothing is made before it is needed");
    let path = host.private_file("nats/admin.creds", &Secret::new("the-creds-itself")).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "the-creds-itself");
    assert_eq!(host.private_file("../x", &Secret::new("x")).unwrap_err().code, "private_file");
    bench.shared.end().unwrap();
    assert!(!path.exists());
    let late = host.private_file("a", &Secret::new("x")).unwrap_err();
    assert_eq!(late.message, "the run has ended and its private files are gone");
}

#[test]
fn who_only_looks_writes_no_private_file() {
    let bench = bench(vec![], &[]);
    let base = bench.dir.path().join("sluice");
    let plan = Shared::of_plan(HostParts {
        run: "run-1".into(),
        actor: "ana@laptop".into(),
        grants: BTreeMap::new(),
        vault: bench.vault.clone(),
        private_base: base.clone(),
        clock: Arc::new(crate::SystemClock),
        sink: bench.sink.clone(),
    });
    let check = |shared: &Shared, purpose, expect: Option<&str>| {
        let host = CallHost { shared: shared.inner.clone(), ..bench.call(purpose, json!({})) };
        let written = host.private_file("a", &Secret::new("x"));
        let code = written.err().map(|problem| problem.code);
        assert_eq!(code.as_deref(), expect, "{purpose:?}");
        if expect.is_some() {
            assert!(!base.exists(), "{purpose:?}");
        }
    };
    for shared in [&bench.shared, &plan] {
        check(shared, Purpose::Preview, Some("denied"));
        check(shared, Purpose::Reconcile, Some("denied"));
    }
    check(&plan, Purpose::Read, Some(ONLY_IN_A_RUN));
    check(&plan, Purpose::Act, Some(ONLY_IN_A_RUN));
    plan.end().unwrap();
    check(&plan, Purpose::Read, Some(ONLY_IN_A_RUN));
    check(&bench.shared, Purpose::Read, None);
    check(&bench.shared, Purpose::Act, None);
}

#[test]
fn a_private_file_is_a_secret_when_it_holds_one() {
    let bench = bench(vec![], &[]);
    bench.vault.keep("seed", Secret::new("correct-horse"), crate::Bound::Granted);
    let host = bench.reading();
    let check = |content: &str, said: &str, expect: &str| {
        host.private_file("nats/file", &Secret::new(content)).unwrap();
        assert_eq!(bench.shared.redactor().text(said), expect);
    };
    check("sluice", "/run/sluice/1", "/run/sluice/1");
    check("seed: correct-horse", "seed: correct-horse", "[redacted nats/file]");
}

#[tokio::test]
async fn the_deadline_bounds_what_a_request_may_take() {
    let bench = bench(vec![], &[]);
    let mut host = bench.reading();
    let long = Duration::from_secs(60);
    assert_eq!(host.within_deadline(long), long);
    host.deadline = Some(host.now().plus(Duration::from_secs(5)));
    assert!(host.within_deadline(long) <= Duration::from_secs(5));
    host.deadline = Some(Timestamp(0));
    assert_eq!(host.within_deadline(long), Duration::ZERO);
}
