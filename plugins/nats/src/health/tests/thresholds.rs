//! Cases about thresholds and counters.

use super::super::threshold;
use super::*;

#[test]
fn counters_are_judged_by_growth_without_our_own_calls() {
    let errors = |world: &mut World| {
        put(&mut world.rounds[0][2].jsz, "/api/errors", &json!(40));
        put(&mut world.rounds[1][2].jsz, "/api/errors", &json!(43));
    };
    let report = check(errors, Verdict::Pass, &["warning api_errors nats-staging"]);
    assert_eq!(report.findings[0].seen, "jsz.api.errors +3 in 3000 ms (nats-staging-node-3 +3)");
    assert_eq!(report.findings[0].wording.as_deref(), Some("JetStream API error count: alert on sustained non-zero"));
    let ours = |world: &mut World| {
        errors(world);
        world.own.api_errors = 3;
    };
    check(ours, Verdict::Pass, &[]);
    // Old errors that do not grow, and a server started anew in between, which counts from 0 again.
    check(|world| world.jsz(3, "/api/errors", &json!(40)), Verdict::Pass, &[]);
    let restarted = |world: &mut World| {
        put(&mut world.rounds[0][1].varz, "/slow_consumers", &json!(0));
        put(&mut world.rounds[1][1].varz, "/slow_consumers", &json!(9));
        put(&mut world.rounds[1][1].varz, "/server_id", &json!("NNEW"));
    };
    check(restarted, Verdict::Pass, &[]);
    let slow = |world: &mut World| put(&mut world.rounds[1][1].varz, "/slow_consumers", &json!(1));
    check(slow, Verdict::Pass, &["warning slow_consumers nats-staging"]);
}

#[test]
fn zero_connections_are_judged_over_the_cluster() {
    // Recorded: node-1 and node-3 have none, and that is normal.
    check(
        |world| world.node(2).into_iter().for_each(|said| put(&mut said.connz, "/total", &json!(0))),
        Verdict::Pass,
        &["warning no_connections nats-staging"],
    );
    check(|world| world.own.connections = 1, Verdict::Pass, &["warning no_connections nats-staging"]);
}

#[test]
fn storage_that_approaches_its_limit_is_a_warning() {
    let max = 1_073_741_824_u64;
    check(|world| world.jsz(1, "/storage", &json!(max * 79 / 100)), Verdict::Pass, &[]);
    let report = check(
        |world| world.jsz(1, "/storage", &json!(max * 81 / 100)),
        Verdict::Pass,
        &["warning storage nats-staging-node-1"],
    );
    assert!(
        report.findings[0].seen.ends_with("(80 %)") || report.findings[0].seen.ends_with("(81 %)"),
        "{}",
        report.findings[0].seen
    );
    check(|world| world.jsz(1, "/storage", &json!(u64::MAX)), Verdict::Pass, &["warning storage nats-staging-node-1"]);
    check(|world| world.jsz(1, "/config/max_storage", &json!(-1)), Verdict::Pass, &[]);
}

#[test]
fn thresholds_are_checked_before_anything_is_read() {
    for (at, row) in shipped().iter().enumerate() {
        assert_eq!(threshold::check(row, &format!("/thresholds/{at}")), None);
    }
    let cases = [
        (json!({ "id": "x", "field": "jsz.storge", "op": "above", "value": 1 }), "/thresholds/0/field"),
        (json!({ "id": "x", "field": "jsz.storage", "op": "above" }), "/thresholds/0/value"),
        (json!({ "id": "x", "field": "jsz.storage", "op": "approaching", "value": 80 }), "/thresholds/0/of"),
        (
            json!({ "id": "x", "field": "jsz.storage", "op": "approaching", "value": 80, "of": "no" }),
            "/thresholds/0/of",
        ),
        (json!({ "id": "x", "field": "health_status", "op": "not_equal", "value": 200 }), "/thresholds/0/field"),
        (
            json!({ "id": "x", "field": "jsz.storage", "op": "approaching", "value": 8, "of": "jsz.memory", "scope": "cluster" }),
            "/thresholds/0/scope",
        ),
    ];
    for (row, path) in cases {
        let row: Threshold = serde_json::from_value(row).unwrap();
        assert_eq!(threshold::check(&row, "/thresholds/0").unwrap().path.as_deref(), Some(path));
    }
}
