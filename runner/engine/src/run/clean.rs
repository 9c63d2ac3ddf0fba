//! What a run writes or shows, before it does: secrets taken out, and texts cut to a length somebody might read.
//!
//! It runs over every event in the one place where events are written, so nothing that leads there has to think of it.
//! Names by which steps are found again, and who did what, stay as they are.

use sluice_plugin::{Preview, Problem};

use super::Hosts;
use super::plan::What;
use crate::journal::{After, Event, Found, Item, Loss, Ruling, Void};

/// Bytes of a text: more than a screen.
const LONGEST: usize = 4096;

pub(super) fn event(hosts: &dyn Hosts, event: &mut Event) {
    match event {
        Event::Started { inputs: value, .. }
        | Event::Done { output: value, .. }
        | Event::Renewed { output: value, .. }
        | Event::Called { inputs: value, .. }
        | Event::Returned { outputs: value, .. } => hosts.redact(value),
        Event::Opened { items, .. } => self::items(hosts, items),
        Event::Failed { problem, .. } => self::problem(hosts, problem),
        Event::Picked { seen, .. } => hosts.redact(seen),
        Event::Judged { why, seen, .. } => {
            text(hosts, why);
            hosts.redact(seen);
        }
        Event::CancelAsked { why, .. } => text(hosts, why),
        Event::Locked { after: Some(After::Broken { breach, .. }), .. } => text(hosts, &mut breach.why),
        Event::LockLost { how: Loss::Broken { why }, .. } => text(hosts, why),
        Event::Reconciled { verdict, evidence, .. } => {
            if let Found::Done { output } = verdict {
                hosts.redact(output);
            }
            hosts.redact(evidence);
        }
        Event::Settled { verdict, why, .. } => {
            if let Ruling::Done { output } = verdict {
                hosts.redact(output);
            }
            text(hosts, why);
        }
        Event::Asked { shown, .. } => hosts.redact(shown),
        Event::Answered { typed, because, .. } => {
            text(hosts, typed);
            because.iter_mut().for_each(|because| text(hosts, because));
        }
        Event::Voided { why, .. } => void(hosts, why),
        Event::Rejudged { why, seen, .. } => {
            text(hosts, why);
            hosts.redact(seen);
        }
        Event::LookedLast { looks, .. } => looks.iter_mut().for_each(|look| text(hosts, &mut look.why)),
        Event::Overridden { why, .. } => text(hosts, why),
        Event::Rebound { facts, .. } => hosts.redact(facts),
        Event::Intended { .. } | Event::Parked | Event::Ruled { .. } => {}
        Event::Claimed { .. }
        | Event::Locked { .. }
        | Event::Unlocked { .. }
        | Event::LockLost { .. }
        | Event::Entered { .. }
        | Event::EnteredFinally { .. }
        | Event::Skipped { .. }
        | Event::Waiting { .. }
        | Event::Interrupted
        | Event::Ended { .. } => {}
    }
}

fn void(hosts: &dyn Hosts, why: &mut Void) {
    match why {
        Void::Moved { changes, .. } => hosts.redact(changes),
        Void::GateFailed { why, seen, .. } => {
            text(hosts, why);
            hosts.redact(seen);
        }
        Void::Denied | Void::Expired | Void::Cancelled | Void::Superseded => {}
    }
}

pub(super) fn what(hosts: &dyn Hosts, what: &mut What) {
    match what {
        What::Read { output: value } | What::Foreseen { output: value } | What::Already { output: value } => {
            hosts.redact(value);
        }
        What::Sample { why, seen, .. } => {
            text(hosts, why);
            hosts.redact(seen);
        }
        // Its binding was cleaned before its digest was made.
        What::Would { facts, .. } => hosts.redact(facts),
        What::Refused { why } => text(hosts, why),
        What::Failed { problem } => self::problem(hosts, problem),
        What::Loop { .. } | What::Call { .. } | What::Skipped | What::MadeInTheRun | What::KnownAfter { .. } => {}
    }
}

pub(super) fn preview(hosts: &dyn Hosts, preview: &mut Preview) {
    match preview {
        Preview::Ready { binding, facts } => {
            hosts.redact(binding);
            hosts.redact(facts);
        }
        Preview::Already { output } => hosts.redact(output),
        Preview::Refused { why } => text(hosts, why),
    }
}

fn problem(hosts: &dyn Hosts, problem: &mut Problem) {
    text(hosts, &mut problem.message);
    problem.path.iter_mut().for_each(|path| text(hosts, path));
    problem.details.iter_mut().for_each(|details| hosts.redact(details));
}

/// Items are found by their keys. Where one holds a secret, all are called by their places.
fn items(hosts: &dyn Hosts, items: &mut [Item]) {
    let holds_secret = |item: &Item| {
        let mut key = item.key.clone();
        hosts.redact_text(&mut key);
        key != item.key
    };
    let by_place = items.iter().any(holds_secret);
    for (place, item) in items.iter_mut().enumerate() {
        hosts.redact(&mut item.value);
        if by_place {
            item.key = place.to_string();
        }
    }
}

/// Cleaned first: half a secret would not be known as one.
fn text(hosts: &dyn Hosts, text: &mut String) {
    hosts.redact_text(text);
    if text.len() > LONGEST {
        let left_out = format!(" ... (cut; it had {} bytes)", text.len());
        let end = (0..=LONGEST - left_out.len()).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push_str(&left_out);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sluice_plugin::{ActionName, Attempt, Call, Host, Timestamp, Verdict};

    use super::*;
    use crate::ids::{RunId, Sha256};
    use crate::journal::{Breach, CancelHow, Key, LockedAt, Samples, Trigger};

    struct Knowing;

    impl Hosts for Knowing {
        fn host(&self, _: &ActionName, _: &Call) -> Box<dyn Host> {
            panic!("nothing is called here")
        }

        fn redact(&self, value: &mut Value) {
            *value = serde_json::from_str(&value.to_string().replace("hunter22", "***")).unwrap();
        }

        fn redact_text(&self, text: &mut String) {
            *text = text.replace("hunter22", "***");
        }
    }

    /// `times` is how often the secret stands in it.
    fn check(mut event: Event, times: usize) {
        let count = |event: &Event, what| serde_json::to_string(event).unwrap().matches(what).count();
        assert_eq!(count(&event, "hunter22"), times);
        self::event(&Knowing, &mut event);
        assert_eq!((count(&event, "hunter22"), count(&event, "***")), (0, times), "{event:?}");
    }

    #[test]
    fn every_text_of_every_event_is_cleaned() {
        let secret = || "a hunter22 b".to_owned();
        let key = || Key("a".into());
        let value = || json!({ "hunter22": ["hunter22"] });
        let samples = Samples { count: 1, flips: 0, first: Timestamp(0), last: Timestamp(0) };
        let problem = Problem {
            path: Some("/hunter22".into()),
            details: Some(value()),
            ..Problem::not_applied("no", "see hunter22")
        };
        check(
            Event::Started {
                run: None,
                runbook: "a".into(),
                snapshot: Sha256::ZERO,
                inputs: value(),
                trigger: Trigger::Cli,
                semantics: 1,
            },
            2,
        );
        check(Event::Done { key: key(), attempt: Attempt(1), output: value() }, 2);
        check(Event::Renewed { key: key(), output: value() }, 2);
        check(Event::Failed { key: key(), attempt: Attempt(1), problem }, 4);
        check(Event::Judged { key: key(), verdict: Verdict::Fail, why: secret(), samples, seen: value() }, 3);
        check(Event::CancelAsked { how: CancelHow::Now, why: secret() }, 1);
        let run = || RunId::new(1, [1; 10]);
        let breach = Breach { by: "ana".into(), why: secret(), at: Timestamp(0) };
        let (after, at) = (Some(After::Broken { run: run(), breach }), LockedAt::Store);
        check(Event::Locked { name: "it".into(), generation: 1, at, after, caller: None }, 1);
        check(Event::LockLost { generation: 1, how: Loss::Broken { why: secret() } }, 1);
        let found = |verdict| Event::Reconciled { key: key(), attempt: Attempt(1), verdict, evidence: value() };
        check(found(Found::Done { output: value() }), 4);
        check(found(Found::CannotTell), 2);
        let settled = |verdict| Event::Settled { key: key(), attempt: Attempt(1), verdict, why: secret() };
        check(settled(Ruling::Done { output: value() }), 3);
        check(settled(Ruling::NotDone), 1);
        check(Event::Opened { key: key(), items: vec![Item { key: "a".into(), value: value() }] }, 2);
    }

    #[test]
    fn items_stay_distinct() {
        let item = |key: &str| Item { key: key.into(), value: json!(1) };
        let mut event = Event::Opened { key: Key("a".into()), items: vec![item("x"), item("hunter22"), item("***")] };
        self::event(&Knowing, &mut event);
        let Event::Opened { items, .. } = event else { panic!() };
        assert_eq!(items.iter().map(|item| item.key.as_str()).collect::<Vec<_>>(), ["0", "1", "2"]);
    }

    #[test]
    fn what_is_planned_is_cleaned() {
        let check = |mut what: What| {
            self::what(&Knowing, &mut what);
            let text = serde_json::to_string(&what).unwrap();
            assert!(text.contains("***") && !text.contains("hunter22"), "{text}");
        };
        let value = || json!({ "x": "hunter22" });
        check(What::Read { output: value() });
        check(What::Already { output: value() });
        check(What::Foreseen { output: value() });
        check(What::Sample { verdict: Verdict::Fail, why: "hunter22".into(), seen: json!({}) });
        check(What::Sample { verdict: Verdict::Fail, why: String::new(), seen: value() });
        check(What::Refused { why: "hunter22".into() });
        check(What::Failed { problem: Problem::not_applied("no", "hunter22") });
        let mut ready = Preview::Ready { binding: value(), facts: value() };
        preview(&Knowing, &mut ready);
        assert_eq!(ready, Preview::Ready { binding: json!({ "x": "***" }), facts: json!({ "x": "***" }) });
    }

    #[test]
    fn a_text_is_cut_once() {
        let mut long = "é".repeat(5000);
        text(&Knowing, &mut long);
        assert!(long.len() <= LONGEST && long.ends_with(" ... (cut; it had 10000 bytes)"), "{long}");
        let before = long.clone();
        text(&Knowing, &mut long);
        assert_eq!(long, before);
    }
}
