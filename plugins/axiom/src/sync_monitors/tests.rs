//! The actions through the contract, as the engine calls them, before an Axiom that keeps monitors and does as it likes.

use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use serde_json::{Map, Value, json};
use sluice_plugin::{Applied, HttpRequest, Method, Plugin as _, Preview, Problem, Reconciled};

use crate::plugin;
use crate::testing::{Answer, FakeHost, NOW, call, output_of, response, run};

/// What becomes of the change with this number, counted from 1.
#[derive(Clone, Copy)]
enum Fate {
    Done,
    /// Done, and nobody hears of it.
    Unheard,
    /// Not done, and nobody hears of that either.
    Lost,
    Status(u16),
    /// It says yes, and does something else.
    Otherwise,
    /// Nothing is sent at all.
    Away,
}

/// Monitors by id; each change that was asked for.
struct Axiom {
    monitors: Mutex<Map<String, Value>>,
    changes: Mutex<usize>,
    fates: Vec<Fate>,
    /// From so many reads on there is no list any more.
    reads: Mutex<usize>,
    blind_from: usize,
}

impl Axiom {
    fn with(monitors: &[Value], fates: &[Fate]) -> Arc<Self> {
        let by_id = monitors.iter().map(|one| (one["id"].as_str().unwrap().to_owned(), one.clone())).collect();
        let (monitors, fates) = (Mutex::new(by_id), fates.to_vec());
        Arc::new(Self { monitors, changes: Mutex::default(), fates, reads: Mutex::default(), blind_from: usize::MAX })
    }

    fn host(self: &Arc<Self>) -> FakeHost {
        let axiom = self.clone();
        FakeHost::does(move |request, _| axiom.answer(request))
    }

    fn answer(&self, request: &HttpRequest) -> Answer {
        if request.method == Method::Get {
            *self.reads.lock().unwrap() += 1;
            if *self.reads.lock().unwrap() >= self.blind_from {
                return response(503, &[], "");
            }
            let list: Vec<Value> = self.monitors.lock().unwrap().values().cloned().collect();
            return response(200, &[], &json!(list).to_string());
        }
        let mut changes = self.changes.lock().unwrap();
        let fate = self.fates.get(*changes).copied().unwrap_or(Fate::Done);
        *changes += 1;
        let lost = || Err(Problem::maybe_applied("unreachable", "the connection broke").retryable());
        match fate {
            Fate::Done => response(200, &[], &self.change(request, *changes).to_string()),
            Fate::Unheard => {
                self.change(request, *changes);
                lost()
            }
            Fate::Lost => lost(),
            Fate::Status(status) => response(status, &[], r#"{"message":"it says why"}"#),
            Fate::Otherwise => response(200, &[], "{}"),
            Fate::Away => Err(Problem::not_applied("unreachable", "nothing listens").retryable()),
        }
    }

    fn change(&self, request: &HttpRequest, number: usize) -> Value {
        let mut monitors = self.monitors.lock().unwrap();
        let id = request.url.strip_prefix("https://api.axiom.co/v2/monitors").unwrap().trim_start_matches('/');
        if request.method == Method::Delete {
            monitors.remove(id);
            return Value::Null;
        }
        let id = if id.is_empty() { format!("new{number}") } else { id.to_owned() };
        let mut body: Value = serde_json::from_slice(&request.body).unwrap();
        let fields = body.as_object_mut().unwrap();
        // As it does.
        fields.retain(|_, value| *value != json!(false) && *value != json!(""));
        fields.insert("id".to_owned(), json!(id));
        monitors.insert(id, body.clone());
        body
    }
}

fn there(id: &str, name: &str, threshold: u32) -> Value {
    json!({
        "id": id, "name": name, "type": "Threshold", "aplQuery": "d | count", "operator": "Above", "threshold": threshold,
        "intervalMinutes": 5, "rangeMinutes": 10, "notifierIds": ["n1"], "secondDelay": 30,
    })
}

fn with(wanted: &[(&str, u32)]) -> Value {
    let one = |(id, threshold): &(&str, u32)| {
        json!({
            "id": id, "apl": "d | count", "operator": "above", "threshold": threshold, "interval_minutes": 5,
            "range_minutes": 10, "notifiers": ["n1"],
        })
    };
    let wanted: Vec<Value> = wanted.iter().map(one).collect();
    json!({
        "url": "https://api.axiom.co", "token": { "$secret": "secrets.monitors" }, "prefix": "p", "monitors": wanted,
    })
}

/// Some of each, and two of somebody else.
fn scene() -> Vec<Value> {
    vec![
        there("m1", "p: same", 1),
        there("m2", "p: changed", 1),
        there("m3", "p: gone", 1),
        there("m4", "p: somebody's own", 1),
        there("m5", "other: changed", 1),
    ]
}

const WANTED: [(&str, u32); 3] = [("same", 1), ("changed", 2), ("fresh", 3)];

#[test]
fn a_preview_is_the_difference() {
    let axiom = Axiom::with(&scene(), &[]);
    let host = axiom.host();
    let preview = plugin().preview("sync_monitors", &host, &call(with(&WANTED))).now_or_never().unwrap().unwrap();
    let Preview::Ready { binding, facts } = preview else { panic!("{preview:?}") };
    let created = json!({
        "name": "p: fresh", "type": "Threshold", "description": "", "aplQuery": "d | count", "operator": "Above",
        "threshold": 3, "intervalMinutes": 5, "rangeMinutes": 10, "alertOnNoData": false, "notifierIds": ["n1"],
    });
    let expect = json!([
        { "monitor": "p: changed", "change": "update", "id": "m2", "fields": [{ "field": "threshold", "from": 1, "to": 2 }] },
        { "monitor": "p: fresh", "change": "create", "as": created },
        { "monitor": "p: gone", "change": "delete", "id": "m3", "why": "it is not wanted any more" },
    ]);
    assert_eq!(binding, json!({ "url": "https://api.axiom.co", "prefix": "p", "changes": expect }));
    assert_eq!(facts, json!({ "same": 1, "others": 2, "switched_off": [] }));
    assert_eq!(host.lines(), ["GET https://api.axiom.co/v2/monitors"], "it only reads");
}

#[test]
fn what_is_wanted_comes_about_and_nothing_else() {
    let axiom = Axiom::with(&scene(), &[]);
    let host = axiom.host();
    let output = output_of("sync_monitors", &host, with(&WANTED));
    let counts = [&output["created"], &output["updated"], &output["deleted"], &output["same"], &output["complete"]];
    assert_eq!(counts, [&json!(1), &json!(1), &json!(1), &json!(1), &json!(true)], "{output}");
    assert_eq!(
        host.lines(),
        [
            "GET https://api.axiom.co/v2/monitors",
            "PUT https://api.axiom.co/v2/monitors/m2",
            "POST https://api.axiom.co/v2/monitors",
            "DELETE https://api.axiom.co/v2/monitors/m3",
            "GET https://api.axiom.co/v2/monitors",
        ]
    );
    let monitors = axiom.monitors.lock().unwrap().clone();
    assert_eq!(monitors["m2"]["secondDelay"], 30, "what is not ours stays");
    for other in ["m4", "m5"] {
        assert_eq!(monitors[other], *scene().iter().find(|one| one["id"] == other).unwrap());
    }
    // Once more is nothing.
    let preview = plugin().preview("sync_monitors", &host, &call(with(&WANTED))).now_or_never().unwrap().unwrap();
    let Preview::Already { output } = preview else { panic!("{preview:?}") };
    assert_eq!((&output["same"], &output["complete"]), (&json!(3), &json!(true)));
    let again = output_of("sync_monitors", &host, with(&WANTED));
    assert_eq!((&again["same"], *axiom.changes.lock().unwrap()), (&json!(3), 3));
}

#[test]
fn a_lost_answer_ends_it_and_the_look_back_compares() {
    let check = |fates: &[Fate], asked: usize, before: usize, done: bool| {
        let axiom = Axiom::with(&scene(), fates);
        let host = axiom.host();
        let problem = run("sync_monitors", &host, with(&WANTED)).unwrap_err();
        assert_eq!((problem.applied, *axiom.changes.lock().unwrap()), (Applied::Maybe, asked), "{problem}");
        assert!(problem.message.starts_with(&format!("after {before} of 3 changes")), "{problem}");
        let looked = plugin().reconcile("sync_monitors", &host, &call(with(&WANTED))).now_or_never().unwrap().unwrap();
        match looked {
            Reconciled::Done { output, .. } => assert!(done && output["complete"] == true, "{output}"),
            Reconciled::NotDone { evidence } => assert!(!done, "{evidence}"),
            Reconciled::CannotTell { evidence } => panic!("{evidence}"),
        }
        // Each is done once in the end, whatever was lost.
        let output = output_of("sync_monitors", &host, with(&WANTED));
        assert_eq!(output["complete"], true, "{output}");
        assert_eq!(axiom.monitors.lock().unwrap().len(), 5);
    };
    check(&[Fate::Lost], 1, 0, false);
    check(&[Fate::Unheard], 1, 0, false);
    check(&[Fate::Done, Fate::Unheard], 2, 1, false);
    check(&[Fate::Done, Fate::Status(502)], 2, 1, false);
    check(&[Fate::Done, Fate::Done, Fate::Unheard], 3, 2, true);
    check(&[Fate::Done, Fate::Done, Fate::Lost], 3, 2, false);
}

#[test]
fn one_that_is_refused_does_not_keep_the_others() {
    let check = |fates: &[Fate], asked: usize, outcomes: [&str; 4], summary: &str| {
        let axiom = Axiom::with(&scene(), fates);
        let output = output_of("sync_monitors", &axiom.host(), with(&WANTED));
        let found: Vec<&str> =
            output["monitors"].as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap()).collect();
        assert_eq!((found.as_slice(), *axiom.changes.lock().unwrap()), (outcomes.as_slice(), asked), "{output}");
        assert_eq!(output["complete"], false);
        assert!(output["summary"].as_str().unwrap().contains(summary), "{output}");
    };
    // In the order: changed, fresh, same, gone.
    let yes = "as_wanted";
    check(&[Fate::Status(400)], 3, ["refused", yes, yes, yes], "refused by Axiom: p: changed");
    check(&[Fate::Done, Fate::Status(403)], 3, [yes, "refused", yes, yes], "refused by Axiom: p: fresh");
    check(&[Fate::Done, Fate::Status(429)], 2, [yes, "not_tried", yes, "not_tried"], "not tried: p: fresh, p: gone");
    check(&[Fate::Done, Fate::Away], 2, [yes, "not_tried", yes, "not_tried"], "not tried");
    check(&[Fate::Otherwise], 3, ["differs", yes, yes, yes], "not as wanted although Axiom said yes: p: changed");
    let said_yes = "differs";
    check(&[Fate::Done, Fate::Otherwise, Fate::Otherwise], 3, [yes, said_yes, yes, said_yes], "p: fresh, p: gone");
}

#[test]
fn where_nothing_was_changed_the_refusal_is_the_answer() {
    let check = |fate: Fate, code: &str, said: &[&str]| {
        let axiom = Axiom::with(&[], &[fate]);
        let problem = run("sync_monitors", &axiom.host(), with(&[("a", 1)])).unwrap_err();
        assert_eq!((problem.code.as_str(), problem.applied), (code, Applied::No), "{problem}");
        for said in said {
            assert!(problem.message.contains(said), "{said}: {problem}");
        }
    };
    check(Fate::Status(400), "bad_monitor", &["create the monitor `p: a`", "no event has had", "it says why"]);
    check(Fate::Status(401), "denied", &["does not know the token"]);
    check(Fate::Status(403), "denied", &["create the monitor `p: a`", "rights to read, create"]);
    check(Fate::Status(404), "not_found", &["404"]);
    check(Fate::Status(430), "throttled", &["430"]);
    check(Fate::Away, "unreachable", &["nothing listens"]);
}

#[test]
fn one_that_was_to_go_and_is_gone_is_as_wanted() {
    let axiom = Axiom::with(&[there("m1", "p: gone", 1)], &[Fate::Status(404)]);
    let host = axiom.host();
    let output = output_of("sync_monitors", &host, with(&[]));
    // It is still listed here, which is told.
    assert_eq!(output["monitors"][0]["outcome"], "differs", "{output}");
    axiom.monitors.lock().unwrap().clear();
    assert_eq!(output_of("sync_monitors", &host, with(&[]))["complete"], true);
}

#[test]
fn what_cannot_be_read_again_is_not_called_complete() {
    let mut axiom = Axiom::with(&[], &[]);
    Arc::get_mut(&mut axiom).unwrap().blind_from = 2;
    let output = output_of("sync_monitors", &axiom.host(), with(&[("a", 1)]));
    assert_eq!((&output["created"], &output["complete"]), (&json!(1), &json!(false)));
    assert!(output["summary"].as_str().unwrap().contains("could not be read again"), "{output}");
}

#[test]
fn what_somebody_switched_off_stays_off() {
    let mut off = there("m1", "p: a", 1);
    off["disabled"] = json!(true);
    off["disabledUntil"] = json!("2099-01-01T00:00:00Z");
    let axiom = Axiom::with(&[off], &[]);
    let output = output_of("sync_monitors", &axiom.host(), with(&[("a", 2)]));
    assert_eq!((&output["monitors"][0]["disabled"], &output["complete"]), (&json!(true), &json!(true)));
    let monitors = axiom.monitors.lock().unwrap();
    assert_eq!((&monitors["m1"]["disabled"], &monitors["m1"]["threshold"]), (&json!(true), &json!(2)));
}

#[test]
fn nothing_is_begun_that_would_be_cut_off() {
    let axiom = Axiom::with(&[], &[]);
    let mut call = call(with(&[("a", 1)]));
    call.deadline = Some(sluice_plugin::Timestamp(NOW.0 + 1000));
    let problem = plugin().run("sync_monitors", &axiom.host(), &call).now_or_never().unwrap().unwrap_err();
    assert_eq!((problem.code.as_str(), problem.applied, *axiom.changes.lock().unwrap()), ("too_late", Applied::No, 0));
}

#[test]
fn lists_that_are_none_are_refused() {
    let check = |status: u16, body: &str, code: &str| {
        for action in ["sync_monitors", "monitors"] {
            let host = FakeHost::answers(status, &[], body);
            let mut with = with(&[]);
            if action == "monitors" {
                with.as_object_mut().unwrap().remove("monitors");
            }
            let problem = run(action, &host, with).unwrap_err();
            assert_eq!((problem.code.as_str(), problem.applied), (code, Applied::No), "{problem}");
        }
    };
    check(200, "<html>", "unexpected_answer");
    check(200, "{}", "unexpected_answer");
    check(200, r#"[{"name":"without an id"}]"#, "unexpected_answer");
    check(401, "", "denied");
    check(403, "", "denied");
    check(404, "", "not_found");
    check(429, "", "throttled");
    check(503, "", "server_error");
    check(302, "", "unexpected_answer");
    let host = FakeHost::answers(200, &[], "null");
    assert_eq!(output_of("sync_monitors", &host, with(&[]))["complete"], true);
}

#[test]
fn monitors_are_read_by_their_prefix() {
    let axiom = Axiom::with(&scene(), &[]);
    let with = |prefix: &str| json!({ "url": "https://api.axiom.co/", "token": { "$secret": "secrets.monitors" }, "prefix": prefix });
    let names = |prefix: &str| {
        let output = output_of("monitors", &axiom.host(), with(prefix));
        let found = output["monitors"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned());
        (found.collect::<Vec<_>>(), output["others"].as_u64().unwrap())
    };
    assert_eq!(names("p: s"), (vec!["p: same".to_owned(), "p: somebody's own".to_owned()], 3));
    assert_eq!(names("").0.len(), 5);
    assert_eq!(names("q"), (vec![], 5));
    let one = output_of("monitors", &axiom.host(), with("other"))["monitors"][0].clone();
    let expect = json!({
        "id": "m5", "name": "other: changed", "kind": "Threshold", "description": "", "apl": "d | count",
        "operator": "Above", "threshold": 1.0, "interval_minutes": 5, "range_minutes": 10, "alert_on_no_data": false,
        "notifiers": ["n1"], "disabled": false,
    });
    assert_eq!(one, expect);
}

#[test]
fn inputs_that_make_no_sense_are_refused_before_anything_is_asked() {
    let check = |change: &dyn Fn(&mut Value), path: &str| {
        let host = FakeHost::answers(200, &[], "[]");
        let mut with = with(&[("a", 1), ("b", 2)]);
        change(&mut with);
        let problem = run("sync_monitors", &host, with).unwrap_err();
        assert_eq!(problem.path.as_deref(), Some(path), "{problem}");
        assert!(host.lines().is_empty());
    };
    check(&|with| with["url"] = json!("axiom"), "/url");
    check(&|with| with["prefix"] = json!("a: b"), "/prefix");
    check(&|with| with["prefix"] = json!(" "), "/prefix");
    check(&|with| with["monitors"][1]["id"] = json!("a"), "/monitors/1/id");
    check(&|with| with["monitors"][1]["id"] = json!("a b"), "/monitors/1/id");
    let mut bad = with(&[]);
    bad["url"] = json!("axiom");
    bad["prefix"] = json!(":");
    assert_eq!(plugin().check("sync_monitors", &bad).len(), 2);
}

#[test]
fn by_hand_it_is_a_list_and_a_command_for_each() {
    let commands = plugin().by_hand("sync_monitors", &call(with(&WANTED)));
    assert_eq!(commands.len(), 4);
    let lines: Vec<String> = commands.iter().map(sluice_plugin::ByHand::line).collect();
    assert!(lines[0].contains("--request GET") && lines[0].ends_with("https://api.axiom.co/v2/monitors"), "{lines:?}");
    assert!(lines[1].contains("--request POST") && lines[1].contains("p: changed"), "{lines:?}");
    assert!(commands[1].look_for.contains("--request PUT"));
}
