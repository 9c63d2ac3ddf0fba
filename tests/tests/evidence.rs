//! The evidence of runs on a real cluster: exported, verified, replayed; and spoilt in every way a person could try.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use serde_json::Value;
use sluice_lab::{Lab, Options};

use crate::common::sluice::Sluice;

const PATIENCE: Duration = Duration::from_secs(90);

/// A run of a health-check in a file, and the head that was noted when it ended.
struct Kept {
    run: String,
    head: String,
    file: String,
}

fn keep(sluice: &Sluice) -> Kept {
    let report = sluice.run(&["run", "health-check", "-i", "cluster=nats-staging", "--json"]).expect_code(0).json();
    let run = report["run"].as_str().unwrap().to_owned();
    let shown = sluice.run(&["runs", "show", &run, "--json"]).expect_code(0).json();
    let file = sluice.run(&["export", &run]).expect_code(0).stdout;
    Kept { head: shown["head"]["hash"].as_str().unwrap().to_owned(), run, file }
}

/// What `verify` says of a file: its exit code, and its document if it knows the file for an exported run.
fn verify(sluice: &Sluice, file: &str, more: &[&str]) -> (Option<i32>, Option<Value>) {
    sluice.file("kept.ndjson", file);
    let mut arguments = vec!["verify", "kept.ndjson", "--json"];
    arguments.extend(more);
    let done = sluice.run(&arguments);
    (done.code, serde_json::from_str(&done.stdout).ok())
}

/// It is refused, by a finding that stands where it was spoilt or behind.
#[track_caller]
fn refused(sluice: &Sluice, file: &str, more: &[&str], what: &str) {
    let (code, document) = verify(sluice, file, more);
    assert_eq!(code, Some(1), "{what}: {document:#?}");
    if let Some(document) = document {
        assert!(!document["findings"].as_array().unwrap().is_empty(), "{what}: {document:#?}");
        assert_eq!(document["signed"], false);
    }
}

#[tokio::test]
async fn of_a_real_cluster_verifies_and_spoilt_it_does_not() {
    let lab = Lab::up(Options::default()).await.unwrap();
    lab.wait_healthy(PATIENCE).await.unwrap();
    let sluice = Sluice::on(&lab);
    let (kept, other) = (keep(&sluice), keep(&sluice));

    let (code, document) = verify(&sluice, &kept.file, &["--run", &kept.run, "--head", &kept.head]);
    let document = document.unwrap();
    assert_eq!(code, Some(0), "{document:#?}");
    assert_eq!((&document["intact"], &document["complete"]), (&Value::Bool(true), &Value::Bool(true)), "{document:#?}");
    assert_eq!((&document["signed"], &document["anchored"]), (&Value::Bool(false), &Value::Bool(false)));
    sluice.run(&["replay", "kept.ndjson"]).expect_code(0);

    let lines: Vec<&str> = kept.file.lines().collect();
    for dropped in 1..lines.len() {
        let file: String = lines[..lines.len() - dropped].iter().map(|line| format!("{line}\n")).collect();
        refused(&sluice, &file, &[], &format!("the last {dropped} lines dropped"));
    }
    // The first line says who exported it, and that no hash covers.
    for at in places(lines[0].len()..kept.file.len()) {
        let mut bytes = kept.file.clone().into_bytes();
        bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' };
        let file = String::from_utf8_lossy(&bytes).into_owned();
        refused(&sluice, &file, &[], &format!("byte {at} changed: ...{}", around(&file, at)));
    }
    refused(&sluice, &other.file, &["--run", &kept.run], "another run");
    let others: Vec<&str> = other.file.lines().collect();
    for at in 1..lines.len().min(others.len()) {
        let mut mixed = lines.clone();
        mixed[at] = others[at];
        if mixed == lines {
            continue;
        }
        let file: String = mixed.iter().map(|line| format!("{line}\n")).collect();
        refused(&sluice, &file, &[], &format!("line {} of another run", at + 1));
    }
    lab.down().unwrap();
}

/// Some places of every part.
fn places(of: Range<usize>) -> BTreeSet<usize> {
    (0..64).map(|part| of.start + part * (of.len() - 1) / 63).collect()
}

fn around(file: &str, at: usize) -> String {
    let bytes = file.as_bytes();
    String::from_utf8_lossy(&bytes[at.saturating_sub(30)..(at + 10).min(bytes.len())]).into_owned()
}
