//! Each row of the shipped table fires on a sample just over and not on one just under, and whatever is said to last must.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::*;

#[derive(Deserialize)]
struct File {
    thresholds: Vec<Threshold>,
}

fn shipped() -> Vec<Threshold> {
    let text = include_str!("../../../../runbooks/thresholds.yaml");
    serde_saphyr::from_str::<File>(text).unwrap().thresholds
}

/// What a node that is well says.
fn well() -> Map<String, Value> {
    let fields = json!({
        "health_status": "200", "health_code": 200,
        "varz": { "slow_consumers": 4 }, "connz": { "num_connections": 3 },
        "jsz": { "storage": 100, "api": { "errors": 40 }, "config": { "max_storage": 1000, "max_file_store": 1000 } },
        "system": {
            "cpu_percent": 3.2, "iowait_percent": 0.4, "steal_percent": 0.0, "mem_used_percent": 41.7, "disk_used_percent": 12.5,
            "mem_total_bytes": 1, "load_1": 99.0
        }
    });
    fields.as_object().unwrap().clone()
}

/// Moments in seconds before now, and what is put in the place of a field then.
type Said<'a> = &'a [(i64, &'a [(&'a str, Value)])];

fn series(said: Said<'_>) -> Series {
    let samples = said.iter().map(|(before, changes)| {
        let mut fields = Value::Object(well());
        for (pointer, value) in *changes {
            *fields.pointer_mut(pointer).unwrap() = value.clone();
        }
        Sample { at: Timestamp(NOW.0 - before * 1000), fields: fields.as_object().unwrap().clone() }
    });
    Series::new(samples.collect())
}

const NOW: Timestamp = Timestamp(1_795_370_100_000);

fn cluster(first: Said<'_>) -> Samples {
    let others = || series(&[(905, &[]), (605, &[]), (305, &[]), (155, &[]), (5, &[])]);
    let nodes = vec![("n-1".into(), series(first)), ("n-2".into(), others()), ("n-3".into(), others())];
    Samples { cluster: "c".into(), nodes, now: NOW, fresh: Duration::from_secs(120) }
}

/// `warning cpu n-1`: what is found when the first of three nodes has said this.
fn found(rows: &[Threshold], first: Said<'_>) -> Vec<String> {
    let findings = judge(&cluster(first), rows);
    let word = |severity| match severity {
        Severity::Critical => "critical",
        Severity::Unknown => "unknown",
        Severity::Warning => "warning",
    };
    findings.iter().map(|one| format!("{} {} {}", word(one.severity), one.code, one.subject.name)).collect()
}

fn check(first: Said<'_>, expect: &[&str]) {
    assert_eq!(found(&shipped(), first), expect, "{first:?}");
}

#[test]
fn each_figure_fires_just_over_and_not_just_under() {
    let percent = |field: &str, limit: f64, code: &str| {
        let pointer = format!("/system/{field}");
        check(&[(5, &[(&pointer, json!(limit - 0.01))])], &[]);
        check(&[(5, &[(&pointer, json!(limit))])], &[&format!("warning {code} n-1")]);
        check(&[(5, &[(&pointer, json!(100.0))])], &[&format!("warning {code} n-1")]);
    };
    percent("cpu_percent", 80.0, "cpu");
    percent("iowait_percent", 20.0, "iowait");
    percent("steal_percent", 10.0, "steal");
    percent("mem_used_percent", 85.0, "memory");
    percent("disk_used_percent", 80.0, "disk");
    check(&[(5, &[("/jsz/storage", json!(799))])], &[]);
    check(&[(5, &[("/jsz/storage", json!(800))])], &["warning storage n-1"]);
    check(&[(5, &[("/jsz/storage", json!(9_000)), ("/jsz/config/max_storage", json!(0))])], &[]);
    let health = |status: Value, code: Value| -> Vec<String> {
        found(&shipped(), &[(5, &[("/health_status", status), ("/health_code", code)])])
    };
    assert_eq!(health(json!("200"), json!(200)), [""; 0]);
    for (status, code) in [("503", 503), ("error: timeout", 0), ("2001", 2001)] {
        assert_eq!(health(json!(status), json!(code)), ["critical health_status n-1"], "{status}");
    }
}

#[test]
fn what_a_node_says_only_together_with_the_others_is_judged_over_all() {
    let none: &[(&str, Value)] = &[("/connz/num_connections", json!(0))];
    check(&[(5, none)], &[]);
    let all = |first: Said<'_>| {
        let nodes = ["n-1", "n-2", "n-3"].map(|name| (name.to_owned(), series(&[(605, none), (305, none), (5, none)])));
        let mut samples = Samples { nodes: nodes.into(), ..cluster(first) };
        samples.nodes[0].1 = series(first);
        judge(&samples, &shipped()).iter().map(|one| one.code.clone()).collect::<Vec<_>>()
    };
    assert_eq!(all(&[(5, none)]), ["no_connections"]);
    // The one of which nothing is known may have some.
    assert_eq!(all(&[(500, none)]), ["silent"]);
}

#[test]
fn a_silent_node_is_unknown_and_its_old_figures_are_not_judged() {
    let full: &[(&str, Value)] = &[("/system/disk_used_percent", json!(99.0))];
    check(&[(120, full)], &["warning disk n-1"]);
    check(&[(121, full)], &["unknown silent n-1"]);
    check(&[], &["unknown silent n-1"]);
    // Its clock is ahead: a minute may be, an hour would make it new for an hour.
    check(&[(-60, full)], &["warning disk n-1"]);
    check(&[(5, full), (-3_600, full)], &["unknown silent n-1"]);
}

#[test]
fn what_cannot_be_judged_is_told() {
    let not = |first: Said<'_>| -> Vec<String> {
        let told = not_judged(&cluster(first), &shipped());
        told.iter().map(|one| format!("{} {}: {}", one.row, one.node, one.why)).collect()
    };
    let long: Said<'_> = &[(605, &[]), (305, &[]), (5, &[])];
    assert_eq!(not(long), [""; 0]);
    let told = [
        "api_errors n-1: there is one sample only",
        "slow_consumers n-1: fewer than two samples have varz.slow_consumers",
    ];
    assert_eq!(not(&[(5, &[])]), told);
    let short = "api_errors n-1: the samples reach back 1m, and it is judged over 5m";
    assert_eq!(not(&[(65, &[]), (5, &[])]), [short]);
    let gone: &[(&str, Value)] = &[("/jsz", json!(null))];
    let told = not(&[(605, &[]), (305, &[]), (5, gone)]);
    assert!(told.contains(&"storage n-1: the newest sample has no jsz.storage, or it is 0".to_owned()), "{told:?}");
    // Of a sum, one that is missing may have what the others have not.
    let none: &[(&str, Value)] = &[("/connz", json!(null))];
    assert_eq!(found(&shipped(), &[(605, &[]), (305, &[]), (5, none)]), ["unknown no_connections c"]);
    // A limit of 0 is none, and nothing is approached.
    let no_limit: &[(&str, Value)] = &[("/jsz/config/max_storage", json!(0))];
    let told = not(&[(605, &[]), (305, &[]), (5, no_limit)]);
    assert!(told.iter().any(|one| one.starts_with("storage n-1")), "{told:?}");
    // Nowhere: nobody may take it for well.
    let mut all = cluster(long);
    for (_, series) in &mut all.nodes {
        *series = self::series(&[(605, &[]), (305, &[]), (5, gone)]);
    }
    let found = judge(&all, &shipped());
    assert!(found.iter().any(|one| one.severity == Severity::Unknown && one.code == "storage"), "{found:?}");
}

#[test]
fn counters_are_judged_by_their_growth() {
    let errors = |figure: i64| [("/jsz/api/errors", json!(figure))];
    let at = |said: &[(i64, i64)]| -> Vec<String> {
        let changes: Vec<(i64, [(&str, Value); 1])> =
            said.iter().map(|(before, figure)| (*before, errors(*figure))).collect();
        let said: Vec<(i64, &[(&str, Value)])> = changes.iter().map(|(before, one)| (*before, &one[..])).collect();
        found(&shipped(), &said)
    };
    // Old errors that do not grow.
    assert_eq!(at(&[(305, 40), (155, 40), (5, 40)]), [""; 0]);
    // They came all at once, and no more: not sustained.
    assert_eq!(at(&[(305, 40), (275, 90), (155, 90), (5, 90)]), [""; 0]);
    assert_eq!(at(&[(305, 40), (155, 40), (35, 40), (5, 41)]), [""; 0]);
    assert_eq!(at(&[(305, 40), (155, 41), (5, 42)]), ["warning api_errors c"]);
    // A server started anew counts from 0.
    assert_eq!(at(&[(305, 40), (155, 1), (5, 2)]), ["warning api_errors c"]);
    assert_eq!(at(&[(305, 40), (155, 0), (5, 0)]), [""; 0]);
    // Too young to say that it lasts.
    assert_eq!(at(&[(35, 40), (20, 45), (5, 50)]), [""; 0]);
    let slow = |figure: i64| [("/varz/slow_consumers", json!(figure))];
    assert_eq!(found(&shipped(), &[(35, &slow(4)), (5, &slow(5))]), ["warning slow_consumers c"]);
    assert_eq!(found(&shipped(), &[(35, &slow(9)), (5, &slow(0))]), [""; 0]);
    assert_eq!(found(&shipped(), &[(35, &slow(9)), (5, &slow(1))]), ["warning slow_consumers c"]);
}

#[test]
fn what_is_to_last_has_to_last() {
    let row = json!({ "id": "cpu", "field": "system.cpu_percent", "op": "at_least", "value": 80, "sustained": "2m" });
    let row: Threshold = serde_json::from_value(row).unwrap();
    let check = |figures: &[(i64, f64)], expect: bool| {
        let changes: Vec<_> =
            figures.iter().map(|(before, figure)| (*before, [("/system/cpu_percent", json!(figure))])).collect();
        let said: Vec<(i64, &[(&str, Value)])> = changes.iter().map(|(before, one)| (*before, &one[..])).collect();
        assert_eq!(!found(std::slice::from_ref(&row), &said).is_empty(), expect, "{figures:?}");
    };
    check(&[(125, 80.0), (65, 90.0), (5, 80.0)], true);
    check(&[(185, 1.0), (125, 80.0), (65, 90.0), (5, 80.0)], true);
    check(&[(125, 80.0), (65, 79.0), (5, 80.0)], false);
    check(&[(125, 79.0), (65, 90.0), (5, 80.0)], false);
    check(&[(125, 80.0), (65, 90.0), (5, 79.0)], false);
    // A sample without the figure is no better one.
    check(&[(125, 80.0), (65, f64::NAN), (5, 80.0)], true);
    check(&[(125, 80.0), (65, 90.0), (5, f64::NAN)], false);
    // What was before the first sample is not known.
    check(&[(95, 80.0), (65, 90.0), (5, 80.0)], false);
    check(&[(5, 99.0)], false);
}

#[test]
fn a_clusters_labels_make_a_row_another_one() {
    let row = json!({
        "id": "disk", "field": "system.disk_used_percent", "op": "at_least", "value": 80,
        "overrides": [{ "when": { "tier": "production" }, "value": 70, "severity": "critical" }]
    });
    let row: Threshold = serde_json::from_value(row).unwrap();
    let said: Said<'_> = &[(5, &[("/system/disk_used_percent", json!(75.0))])];
    let check = |tier: &str, expect: &[&str]| {
        let labels = BTreeMap::from([("tier".to_owned(), tier.to_owned())]);
        let rows: Vec<Threshold> = row.for_labels(&labels).into_iter().collect();
        assert_eq!(found(&rows, said), expect, "{tier}");
    };
    check("staging", &[]);
    check("production", &["critical disk n-1"]);
}
