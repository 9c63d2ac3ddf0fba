//! A component that means harm: each attempt ends in a typed error, and the host goes on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_plugin::{Applied, Plugin as _, Preview, Purpose};

use crate::guests::{attacks, component};
use crate::hosts::{Bench, SECRET, bench, grant, server};

/// Whatever happened before, the next call is served.
async fn still_serving(bench: &Bench) {
    let said = bench.run(&attacks(), "well", Purpose::Read, json!({})).await.unwrap();
    assert_eq!(said.output, json!({ "said": "well" }));
}

/// Code and a part of the message.
async fn check(action: &str, with: Value, code: &str, part: &str) {
    let bench = bench(Vec::new(), &[]);
    let problem = bench.run(&attacks(), action, Purpose::Read, with).await.unwrap_err();
    assert_eq!(problem.code, code, "{action}: {problem}");
    assert!(problem.message.contains(part), "{action}: {problem}");
    assert_eq!(problem.applied, Applied::No, "{action}");
    still_serving(&bench).await;
}

#[tokio::test]
async fn what_takes_too_much_is_stopped_and_says_what() {
    check("allocate", json!({}), "plugin_out_of_memory", "and may have 64").await;
    check("recurse", json!({}), "plugin_crashed", "nested too deeply").await;
    check("crash", json!({}), "plugin_crashed", "I give up").await;
    check("output", json!({ "bytes": 10 << 20 }), "plugin_output_too_large", "and may give 8").await;
    check("environment", json!({}), "plugin_crashed", "").await;
    check("nothing", json!({}), "no_such_action", "no action `nothing`").await;
    check("output", json!({ "bytes": "many" }), "bad_input", "").await;
}

#[tokio::test]
async fn an_endless_loop_ends_with_the_time_of_the_step_and_holds_up_nobody() {
    let (bench, plugin) = (bench(Vec::new(), &[]), attacks());
    let begun = Instant::now();
    let mut worst = Duration::ZERO;
    let others = async {
        let mut last = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            worst = worst.max(last.elapsed());
            last = Instant::now();
        }
    };
    let looping = bench.within(&plugin, "endless", Duration::from_millis(300));
    let problem = tokio::select! {
        answer = looping => answer.unwrap_err(),
        () = others => unreachable!(),
    };
    assert_eq!((problem.code.as_str(), problem.retryable), ("timeout", true), "{problem}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(worst < Duration::from_secs(1), "others waited {worst:?}");
    assert_eq!(bench.logged(), ["here it goes"]);
    still_serving(&bench).await;
}

/// Without a deadline too: computing has an end of its own.
#[tokio::test]
async fn an_endless_loop_ends_by_itself() {
    check("endless", json!({}), "plugin_timeout", "computed for 10 s").await;
}

#[tokio::test]
async fn the_log_has_an_end() {
    let bench = bench(Vec::new(), &[]);
    let said = bench.run(&attacks(), "log", Purpose::Read, json!({ "bytes": 2_000_000 })).await.unwrap();
    assert_eq!(said.output, json!({ "said": "all of it" }));
    let logged = bench.logged();
    assert_eq!(logged.len(), 247, "246 of 1,000 bytes fit");
    assert!(logged[246].contains("more than is kept"), "{}", logged[246]);
}

#[tokio::test]
async fn there_are_no_files_no_sockets_and_no_way_out_of_the_private_folder() {
    let bench = bench(Vec::new(), &[]);
    let said = bench.run(&attacks(), "files", Purpose::Read, json!({})).await.unwrap().output;
    let unsupported = json!(["Err(Unsupported)", "Err(Unsupported)", "Err(Unsupported)"]);
    assert_eq!(said, json!({ "said": unsupported }));
    let escape = bench.run(&attacks(), "private", Purpose::Read, json!({})).await.unwrap_err();
    assert_eq!(escape.code, "private_file", "{escape}");
}

fn ok(_: &str) -> String {
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok".to_owned()
}

/// Sends and gives back the code, or `sent`.
async fn sends(bench: &Bench, purpose: Purpose, method: &str, url: &str, secret: Option<&str>) -> (String, String) {
    let action = if purpose == Purpose::Act { "act" } else { "send" };
    let with = json!({ "method": method, "url": url, "secret": secret });
    match bench.run(&attacks(), action, purpose, with).await {
        Ok(_) => ("sent".to_owned(), String::new()),
        Err(problem) => (problem.code, problem.message),
    }
}

#[tokio::test]
async fn only_what_was_granted_is_reached() {
    let (away, seen_away) = server(ok);
    let (here, seen) = server(move |line| match line {
        "GET /away HTTP/1.1" => {
            format!("HTTP/1.1 302 Found\r\nlocation: http://{away}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        }
        line => ok(line),
    });
    let origin = format!("http://{here}");
    let bench = bench(vec![grant(&origin, true, &["POST /query"])], &[]);
    let check = async |purpose, method: &str, url: String, code: &str, part: &str| {
        let (found, message) = sends(&bench, purpose, method, &url, None).await;
        assert_eq!(found, code, "{method} {url}: {message}");
        assert!(message.contains(part), "{method} {url}: {message}");
    };
    check(Purpose::Read, "GET", format!("{origin}/"), "sent", "").await;
    check(Purpose::Act, "POST", format!("{origin}/any"), "sent", "").await;
    // A read, and what a read may not do.
    check(Purpose::Read, "POST", format!("{origin}/query"), "sent", "").await;
    check(Purpose::Read, "POST", format!("{origin}/any"), "denied", "while it only reads").await;
    check(Purpose::Read, "DELETE", format!("{origin}/any"), "denied", "while it only reads").await;
    // Hosts that nobody granted; the refusal holds the line that would.
    let line = format!("plugins: {{ attacks: {{ grants: {{ http: [{{ origin: \"http://{away}\" }}] }} }} }}");
    check(Purpose::Read, "GET", format!("http://{away}/"), "denied", &line).await;
    check(Purpose::Act, "GET", format!("{origin}/away"), "denied", "may not reach").await;
    check(Purpose::Read, "GET", "http://169.254.169.254/latest/meta-data".to_owned(), "denied", "").await;
    check(Purpose::Read, "GET", "file:///etc/passwd".to_owned(), "bad_input", "").await;
    assert_eq!(seen_away.lock().unwrap().len(), 0);
    assert_eq!(seen.lock().unwrap().len(), 4, "three that were allowed, and the one that led away");
}

/// A name is decided on by the addresses it leads to when it is connected to: there is no second look-up.
#[tokio::test]
async fn a_granted_name_leads_to_no_private_address() {
    let (here, seen) = server(ok);
    let port = here.port();
    let open = bench(vec![grant(&format!("http://localhost:{port}"), true, &[])], &[]);
    let shut = bench(vec![grant(&format!("http://localhost:{port}"), false, &[])], &[]);
    let url = format!("http://localhost:{port}/");
    let (code, message) = sends(&shut, Purpose::Read, "GET", &url, None).await;
    assert_eq!(code, "denied", "{message}");
    assert!(message.contains("is not a public address"), "{message}");
    let metadata = bench(vec![grant("http://169.254.169.254", false, &[])], &[]);
    let (code, message) = sends(&metadata, Purpose::Read, "GET", "http://169.254.169.254/", None).await;
    assert_eq!(code, "denied", "{message}");
    assert_eq!(seen.lock().unwrap().len(), 0);
    assert_eq!(sends(&open, Purpose::Read, "GET", &url, None).await.0, "sent");
}

#[tokio::test]
async fn a_preview_writes_nowhere() {
    let (here, seen) = server(ok);
    let origin = format!("http://{here}");
    let bench = bench(vec![grant(&origin, true, &[])], &[]);
    let with = |method: &str| json!({ "method": method, "url": format!("{origin}/"), "secret": null });
    let refused = bench.preview(&attacks(), "act", with("POST")).await.unwrap_err();
    assert_eq!(refused.code, "denied", "{refused}");
    assert_eq!(seen.lock().unwrap().len(), 0);
    assert!(matches!(bench.preview(&attacks(), "act", with("GET")).await, Ok(Preview::Ready { .. })));
}

#[tokio::test]
async fn a_secret_is_used_only_by_whom_it_was_granted_to() {
    let (here, _) = server(ok);
    let origin = format!("http://{here}");
    let (with, without) =
        (bench(vec![grant(&origin, true, &[])], &["token"]), bench(vec![grant(&origin, true, &[])], &[]));
    let name = Some("secrets.token");
    assert_eq!(sends(&with, Purpose::Read, "GET", &origin, name).await.0, "sent");
    let (code, message) = sends(&without, Purpose::Read, "GET", &origin, name).await;
    assert_eq!(code, "denied", "{message}");
    assert!(message.ends_with("plugins: { attacks: { grants: { secrets: [token] } } }"), "{message}");
    let (code, _) = sends(&with, Purpose::Read, "GET", &origin, Some("steps.other#/jwt")).await;
    assert_eq!(code, "denied");
}

/// The plugin has the value and says it everywhere: nothing that is kept or shown has it.
#[tokio::test]
async fn a_secret_that_is_said_aloud_is_heard_by_nobody() {
    let (here, seen) = server(ok);
    let origin = format!("http://{here}");
    let bench = bench(vec![grant(&origin, true, &[])], &["token"]);
    for into in ["output", "log", "error", "panic", "url"] {
        let secret = json!({ "$secret": "secrets.token" });
        let with = json!({ "secret": secret, "into": into, "url": "http://127.0.0.1:9" });
        let kept = match bench.run(&attacks(), "leak", Purpose::Read, with).await {
            Ok(outcome) => outcome.output,
            Err(problem) => serde_json::to_value(&problem).unwrap(),
        };
        let kept = bench.cleaned(kept);
        assert!(!kept.contains("hunter22"), "{into}: {kept}");
        assert!(bench.logged().iter().all(|line| !line.contains(SECRET)), "{into}: {:?}", bench.logged());
    }
    assert!(seen.lock().unwrap().is_empty());
    still_serving(&bench).await;
}

/// What leaves in an act may have changed something, and what was refused before it left has not.
#[tokio::test]
async fn an_act_that_crashes_after_a_request_may_have_happened() {
    let bench = bench(Vec::new(), &[]);
    let with = json!({ "method": "POST", "url": "http://127.0.0.1:9/", "secret": null });
    let problem = bench.run(&attacks(), "act", Purpose::Act, with).await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.applied), ("denied", Applied::No));
    // It takes the request, and gives no answer in time.
    let (here, seen) = server(|_| {
        std::thread::sleep(Duration::from_secs(2));
        String::new()
    });
    let origin = format!("http://{here}");
    let bench = bench_with(vec![grant(&origin, true, &[])]);
    let with = json!({ "method": "POST", "url": origin, "secret": null });
    let problem = bench.cut(&attacks(), "act", with, Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(problem.applied, Applied::Maybe, "{problem}");
    assert_eq!(seen.lock().unwrap().len(), 1);
}

/// Whatever it does and says once somebody has answered that something was changed: it may have been.
#[tokio::test]
async fn what_was_answered_with_success_was_not_nothing() {
    let check = async |method: &str, status: &'static str, then: &str, code: &str, applied: Applied| {
        let (here, seen) =
            server(move |_| format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"));
        let origin = format!("http://{here}");
        let bench = bench(vec![grant(&origin, true, &[])], &[]);
        let with = json!({ "method": method, "url": origin, "secret": null, "then": then });
        let problem = bench.run(&attacks(), "act", Purpose::Act, with).await.unwrap_err();
        assert_eq!((problem.code.as_str(), problem.applied), (code, applied), "{method} {status} {then}: {problem}");
        assert_eq!(seen.lock().unwrap().len(), 1);
        still_serving(&bench).await;
    };
    check("POST", "200 OK", "panic", "plugin_crashed", Applied::Maybe).await;
    check("POST", "200 OK", "nothing", "nothing", Applied::Maybe).await;
    check("POST", "303 See Other", "nothing", "nothing", Applied::Maybe).await;
    // It was refused: the plugin knows best what that means.
    check("POST", "422 Unprocessable Content", "nothing", "nothing", Applied::No).await;
    check("GET", "200 OK", "nothing", "nothing", Applied::No).await;
    check("GET", "200 OK", "panic", "plugin_crashed", Applied::Maybe).await;
}

fn bench_with(grants: Vec<sluice_host::HttpGrant>) -> Bench {
    bench(grants, &[])
}

#[tokio::test]
async fn an_action_is_at_least_what_the_inventory_says() {
    use std::collections::BTreeMap;

    use sluice_plugin::Effect;
    use sluice_wasm::WasmPlugin;

    let raised = BTreeMap::from([("well".to_owned(), Effect::Destroy), ("act".to_owned(), Effect::Read)]);
    let plugin = WasmPlugin::new(component(), &raised);
    let effect = |action: &str| (plugin.action(action).unwrap().effect, plugin.action(action).unwrap().idempotent);
    assert_eq!(effect("well"), (Effect::Destroy, false));
    assert_eq!(effect("act"), (Effect::Change, false), "nothing is lowered");
    assert_eq!(effect("crash"), (Effect::Read, true));
}

/// A plugin cannot have words taken out of what others say.
#[tokio::test]
async fn a_text_that_nobody_gave_is_no_secret() {
    let bench = bench(Vec::new(), &["token"]);
    let with = |secret: Value| json!({ "secret": secret, "into": "log", "url": "" });
    bench.run(&attacks(), "leak", Purpose::Read, with(json!("given-in-plain"))).await.unwrap();
    assert!(!bench.cleaned(json!("done, given-in-plain")).contains("given-in-plain"));
    let problem = bench.run(&attacks(), "blank", Purpose::Read, json!({})).await.unwrap_err();
    assert_eq!(problem.code, "denied", "{problem}");
    assert_eq!(bench.cleaned(json!("everything is done")), "\"everything is done\"");
}

#[tokio::test]
async fn a_failure_is_told_in_few_words() {
    let bench = bench(Vec::new(), &[]);
    let problem = bench.run(&attacks(), "complain", Purpose::Read, json!({ "bytes": 1 << 20 })).await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.message.len(), problem.details), ("complaint", 4_000, None));
}

#[tokio::test]
async fn many_at_once_are_served_and_leave_nothing() {
    let (bench, plugin) = (bench(Vec::new(), &[]), attacks());
    let rss = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let round = async || {
        let all = (0..64).map(|_| bench.run(&plugin, "well", Purpose::Read, json!({})));
        for said in futures::future::join_all(all).await {
            assert_eq!(said.unwrap().output, json!({ "said": "well" }));
        }
    };
    for _ in 0..4 {
        round().await;
    }
    let before = rss();
    for _ in 0..16 {
        round().await;
    }
    let grown = rss().saturating_sub(before);
    assert!(grown < 8 << 10, "1,024 calls left {grown} KiB");
    assert_eq!(plugin.describe().actions.len(), 15);
}
