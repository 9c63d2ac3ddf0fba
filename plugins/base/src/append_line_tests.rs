//! `base.append_line` through the contract: what is written, what is refused, and what a look back finds.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;

use serde_json::{Value, json};
use sluice_plugin::{Applied, Plugin as _, Preview, Problem, Purpose, Reconciled};

use crate::file::digest;
use crate::plugin;
use crate::testing::{FakeHost, at, call, output_schema, run, valid};

async fn append(path: &str, line: Value) -> Result<Value, Problem> {
    run("append_line", json!({ "path": path, "line": line })).await.map(|outcome| outcome.output)
}

#[tokio::test]
async fn any_value_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = at(&dir, "log");
    let mut content = String::new();
    for (value, line) in [
        (json!({ "b": 1, "a": [1.5, null, "x"] }), r#"{"b":1,"a":[1.5,null,"x"]}"#),
        (json!("two\nlines\r\u{0}"), r#""two\nlines\r\u0000""#),
        (json!("ü\u{2028}"), "\"ü\u{2028}\""),
        (json!(null), "null"),
        (json!([]), "[]"),
    ] {
        let output = append(&path, value).await.unwrap();
        content += &format!("{line}\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        assert_eq!(output, json!({ "path": path, "bytes": content.len(), "rotated": false }));
        assert!(valid(&output_schema("append_line"), &output));
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
}

/// A shipper that follows the file would skip it, or give the file up.
#[tokio::test]
async fn a_line_that_would_be_skipped_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = at(&dir, "log");
    let check = async |length: usize, more: Value, why: Option<&str>| {
        // Two quotes and the end.
        let mut with = json!({ "path": path, "line": "x".repeat(length - 3) });
        with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let _ = fs::remove_file(&path);
        let previewed =
            plugin().preview("append_line", &FakeHost::default(), &call(Purpose::Preview, with.clone())).await;
        let done = run("append_line", with).await;
        assert_eq!(previewed.err(), done.as_ref().err().cloned(), "a plan says the same");
        match why {
            None => assert_eq!(done.unwrap().output["bytes"], length),
            Some(why) => {
                let problem = done.unwrap_err();
                assert!(problem.message.contains(why), "{problem}");
                assert_eq!((problem.code.as_str(), problem.path.as_deref()), ("bad_input", Some("/line")));
                assert!(!fs::exists(&path).unwrap());
            }
        }
    };
    check(32_767, json!({}), None).await;
    check(32_768, json!({}), Some("takes 32768 bytes, and has to take fewer than 32768")).await;
    check(100, json!({ "max_line": 101 }), None).await;
    check(100, json!({ "max_line": 100 }), Some("fewer than 100")).await;
    check(100, json!({ "max_bytes": 100 }), None).await;
    check(100, json!({ "max_bytes": 99 }), Some("the file may have 99")).await;
}

#[tokio::test]
async fn the_file_stays_within_its_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let path = at(&dir, "log");
    for number in 100..200 {
        let with = json!({ "path": path, "line": number, "max_bytes": 20, "keep": 3, "mode": "0600" });
        let output = run("append_line", with).await.unwrap().output;
        assert_eq!(output["rotated"], number > 100 && number % 5 == 0, "{number}");
    }
    let read = |name: &str| fs::read_to_string(at(&dir, name)).unwrap();
    assert_eq!(read("log"), "195\n196\n197\n198\n199\n");
    assert_eq!(read("log.3"), "180\n181\n182\n183\n184\n");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4);
    assert_eq!(fs::metadata(at(&dir, "log.3")).unwrap().permissions().mode() & 0o777, 0o600);
}

/// Each line is there once, whole, in one of the files.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_write_to_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = Arc::new(at(&dir, "log"));
    let writers = (0..4).map(|writer| {
        let path = path.clone();
        tokio::spawn(async move {
            for line in 0..25 {
                let line = json!([writer, line, "x".repeat(50)]);
                let with = json!({ "path": *path, "line": line, "max_bytes": 700, "keep": 100 });
                run("append_line", with).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let mut found: Vec<Value> = Vec::new();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(text.len() <= 700 && text.ends_with('\n'));
        found.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    found.sort_by_key(Value::to_string);
    found.dedup();
    assert_eq!(found.len(), 100);
}

#[tokio::test]
async fn odd_places_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(at(&dir, "file"), "").unwrap();
    symlink(at(&dir, "file"), at(&dir, "link")).unwrap();
    symlink(at(&dir, "none"), at(&dir, "dangling")).unwrap();
    fs::create_dir_all(at(&dir, "private/run-1")).unwrap();
    fs::write(at(&dir, "private/.sluice-private"), "").unwrap();
    for (name, why) in [
        ("link", "is a link"),
        ("dangling", "is a link"),
        ("private", "is not a file"),
        ("private/new", "private files"),
        ("private/run-1/new", "private files"),
        ("none/new", "No such file"),
        ("file/", "does not name a file"),
    ] {
        let problem = append(&at(&dir, name), json!(1)).await.unwrap_err();
        assert!(problem.message.contains(why), "{name}: {problem}");
        assert_eq!((problem.path.as_deref(), problem.applied), (Some("/path"), Applied::No), "{name}");
    }
    let problems = plugin().check("append_line", &json!({ "path": "a", "line": 1, "mode": "9" }));
    assert_eq!(problems[0].path.as_deref(), Some("/mode"));
}

#[tokio::test]
async fn a_preview_says_what_would_be_written_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = at(&dir, "log");
    let with = json!({ "path": path, "line": { "a": 1 }, "max_bytes": 20 });
    let preview =
        async || plugin().preview("append_line", &FakeHost::default(), &call(Purpose::Preview, with.clone())).await;
    let check = async |facts: Value| {
        let binding = json!({
            "path": path, "sha256": digest(b"{\"a\":1}\n"), "mode": "0640", "max_bytes": 20, "keep": 2,
        });
        assert_eq!(preview().await.unwrap(), Preview::Ready { binding, facts });
    };
    check(json!({ "bytes": 8, "bytes_now": null, "rotates": false })).await;
    assert!(!fs::exists(&path).unwrap());
    fs::write(&path, "123456789 1\n").unwrap();
    check(json!({ "bytes": 8, "bytes_now": 12, "rotates": false })).await;
    fs::write(&path, "123456789 12\n").unwrap();
    check(json!({ "bytes": 8, "bytes_now": 13, "rotates": true })).await;
}

#[tokio::test]
async fn a_look_back_tells_done_from_not_done() {
    let check = async |files: &[(&str, &str)], expect: &str, rotated: bool| {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(at(&dir, name), content).unwrap();
        }
        let asked = call(Purpose::Reconcile, json!({ "path": at(&dir, "log"), "line": { "a": 1 } }));
        let found = plugin().reconcile("append_line", &FakeHost::default(), &asked).await.unwrap();
        let said = match found {
            Reconciled::Done { output, .. } => {
                assert!(valid(&output_schema("append_line"), &output));
                assert_eq!(output["rotated"], rotated, "{files:?}");
                "done"
            }
            Reconciled::NotDone { .. } => "not done",
            Reconciled::CannotTell { .. } => "cannot tell",
        };
        assert_eq!(said, expect, "{files:?}");
    };
    let line = "{\"a\":1}\n";
    check(&[], "not done", false).await;
    check(&[("log", "")], "not done", false).await;
    check(&[("log", "other\n")], "not done", false).await;
    check(&[("log", "{\"a\":")], "not done", false).await;
    check(&[("log", line)], "done", false).await;
    check(&[("log", &format!("other\n{line}"))], "done", false).await;
    // All of it but for its end: the next line ends it.
    check(&[("log", "other\n{\"a\":1}")], "done", false).await;
    check(&[("log", line), ("log.1", "other\n")], "done", true).await;
    check(&[("log", &format!("{line}other\n"))], "cannot tell", false).await;
    check(&[("log", "other\n"), ("log.1", line)], "cannot tell", false).await;
    check(&[("log", ""), ("log.1", line)], "done", false).await;
    check(&[("log.1", line)], "done", false).await;
    check(&[("log.1", "other\n")], "not done", false).await;
}
