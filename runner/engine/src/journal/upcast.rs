//! Bodies of events as older releases wrote them, made into those of today: one small function for each step.
//!
//! Works on what was verified before; the stored bytes stay as they are. A release that changes what a body means adds a
//! step here and a journal of the release before to `tests/corpus`. A field that may be missing is no such change.

use serde_json::Value;

/// Kind and version of a body.
type Form = (&'static str, u16);

/// From one form to the one that replaced it.
struct Step {
    from: Form,
    to: Form,
    up: fn(Value) -> Value,
}

/// All of them since the first release, which wrote version 1 of everything. None has been needed yet.
const STEPS: &[Step] = &[];

/// What is written today.
pub(super) fn newest(kind: &str) -> u16 {
    newest_of(STEPS, kind)
}

/// The body in its form of today, with the kind it has there. `None`: it was written by a newer Sluice.
pub(super) fn today(kind: &str, v: u16, body: Value) -> Option<(String, Value)> {
    climb(STEPS, kind, v, body)
}

fn newest_of(steps: &[Step], kind: &str) -> u16 {
    steps.iter().filter(|step| step.to.0 == kind).map(|step| step.to.1).max().unwrap_or(1)
}

fn climb(steps: &[Step], kind: &str, v: u16, body: Value) -> Option<(String, Value)> {
    let (mut kind, mut v, mut body) = (kind.to_owned(), v, body);
    while let Some(step) = steps.iter().find(|step| step.from == (kind.as_str(), v)) {
        body = (step.up)(body);
        (kind, v) = (step.to.0.to_owned(), step.to.1);
    }
    (v == newest_of(steps, &kind)).then_some((kind, body))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `done` had its output under another name and then none of its own; `ceased` is called `ended` now.
    const TOYS: &[Step] = &[
        Step { from: ("done", 1), to: ("done", 2), up: |body| json!({ "output": body["value"] }) },
        Step { from: ("done", 2), to: ("done", 3), up: |body| json!({ "outputs": [body["output"]] }) },
        Step { from: ("ceased", 1), to: ("ended", 2), up: |body| body },
        Step { from: ("ended", 1), to: ("ended", 2), up: |_| json!("well") },
    ];

    #[test]
    fn bodies_climb_step_by_step() {
        let check = |kind: &str, v: u16, body: Value, expect: Option<(&str, Value)>| {
            let expect = expect.map(|(kind, body)| (kind.to_owned(), body));
            assert_eq!(climb(TOYS, kind, v, body), expect, "{kind} {v}");
        };
        check("done", 1, json!({ "value": 7 }), Some(("done", json!({ "outputs": [7] }))));
        check("done", 2, json!({ "output": 7 }), Some(("done", json!({ "outputs": [7] }))));
        check("done", 3, json!({ "outputs": [7] }), Some(("done", json!({ "outputs": [7] }))));
        check("done", 4, json!({}), None);
        check("ceased", 1, json!("so"), Some(("ended", json!("so"))));
        check("ended", 1, json!("so"), Some(("ended", json!("well"))));
        check("skipped", 1, json!({ "key": "a" }), Some(("skipped", json!({ "key": "a" }))));
        check("skipped", 2, json!({}), None);
        check("done", 0, json!({}), None);
        assert_eq!((newest_of(TOYS, "done"), newest_of(TOYS, "ended"), newest_of(TOYS, "skipped")), (3, 2, 1));
    }
}
