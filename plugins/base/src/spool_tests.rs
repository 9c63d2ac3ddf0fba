//! The actions of a spool through the contract. What a spool does when it is killed, full or damaged is tested in
//! `spool/tests.rs`.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_plugin::{Applied, Plugin as _, Preview, Problem, Purpose, Reconciled};
use tempfile::TempDir;

use crate::lock::Hold;
use crate::plugin;
use crate::spool::Folder;
use crate::testing::{FakeHost, at, call, output_schema, run, run_on, valid};

fn items(ids: &[&str]) -> Value {
    ids.iter().map(|id| json!({ "id": id, "x": 1.5 })).collect()
}

async fn done(action: &str, with: Value) -> Result<Value, Problem> {
    let output = run(action, with).await?.output;
    assert!(valid(&output_schema(action), &output), "{action}: {output}");
    Ok(output)
}

async fn add(folder: &str, ids: &[&str]) -> Value {
    done("spool_add", json!({ "folder": folder, "items": items(ids) })).await.unwrap()
}

async fn peek(folder: &str, most: u64) -> Value {
    done("spool_peek", json!({ "folder": folder, "most": most })).await.unwrap()
}

fn spool(dir: &TempDir) -> String {
    at(dir, "spool")
}

#[tokio::test]
async fn items_wait_until_they_are_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let folder = spool(&dir);
    assert_eq!(peek(&folder, 9).await, json!({ "items": [], "upto": "0-0-0-none", "left": 0, "torn": 0 }));
    assert!(!fs::exists(&folder).unwrap(), "a read writes nowhere");
    let nothing = json!({ "left": 0, "bytes": 0, "unrecorded": 0 });
    assert_eq!(done("spool_drop", json!({ "folder": folder, "upto": "0-0-0-none" })).await.unwrap(), nothing);

    let added = add(&folder, &["a", "b", "c"]).await;
    let bytes = fs::metadata(format!("{folder}/0000000000000000.ndjson")).unwrap().len();
    assert_eq!(added, json!({ "added": 3, "dropped": 0, "items": 3, "bytes": bytes, "oldest": 1_000_000 }));
    let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&folder), mode(&format!("{folder}/0000000000000000.ndjson"))), (0o700, 0o600));
    assert_eq!(add(&folder, &["a", "b", "c"]).await["added"], 0);

    let first = peek(&folder, 2).await;
    assert_eq!((&first["items"], &first["left"]), (&items(&["a", "b"]), &json!(1)));
    let drop = json!({ "folder": folder, "upto": first["upto"] });
    assert_eq!(done("spool_drop", drop).await.unwrap(), json!({ "left": 1, "bytes": bytes, "unrecorded": 0 }));
    let rest = peek(&folder, 2).await;
    assert_eq!(rest["items"], items(&["c"]));
    assert_eq!(done("spool_drop", json!({ "folder": folder, "upto": rest["upto"] })).await.unwrap(), nothing);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "the cursor is left");
    assert_eq!(add(&folder, &["c"]).await["added"], 0, "it was delivered already");
    assert_eq!(add(&folder, &["d"]).await["items"], 1);
}

#[tokio::test]
async fn what_was_rejected_is_kept_within_a_bound() {
    let dir = tempfile::tempdir().unwrap();
    let folder = spool(&dir);
    let read = |name: &str| fs::read_to_string(format!("{folder}/{name}")).unwrap_or_default();
    let mut written = Vec::new();
    for id in ["a", "b", "c", "d"] {
        add(&folder, &[id]).await;
        let upto = peek(&folder, 9).await["upto"].clone();
        let rejected =
            json!([{ "error": "no\nroom", "item": { "id": id } }, { "error": "again", "item": "x".repeat(20) }]);
        let with = json!({ "folder": folder, "upto": upto, "rejected": rejected, "max_rejected_bytes": 400 });
        for _ in 0..2 {
            assert_eq!(done("spool_drop", with.clone()).await.unwrap()["unrecorded"], 0);
        }
        for record in rejected.as_array().unwrap() {
            written.push(json!({ "upto": upto, "error": record["error"], "item": record["item"] }));
        }
    }
    let lines = |text: &str| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    let (old, new) = (read("rejected.ndjson.1"), read("rejected.ndjson"));
    assert!(old.len() <= 400 && new.len() <= 400 && !old.is_empty(), "{old}{new}");
    assert_eq!([lines(&old), lines(&new)].concat(), written[written.len() - lines(&old).len() - lines(&new).len()..]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
    assert_eq!(fs::metadata(format!("{folder}/rejected.ndjson")).unwrap().permissions().mode() & 0o777, 0o600);
}

/// It dies when the rejected are written down, or half of them, and nothing is taken out yet.
#[tokio::test]
async fn what_was_rejected_is_written_down_once() {
    let dir = tempfile::tempdir().unwrap();
    let folder = spool(&dir);
    add(&folder, &["a", "b"]).await;
    let upto = peek(&folder, 9).await["upto"].clone();
    let rejected: Vec<Value> = ["1", "2", "3"].iter().map(|item| json!({ "error": "e", "item": item })).collect();
    let record = |item: &str| format!("{{\"upto\":{upto},\"error\":\"e\",\"item\":\"{item}\"}}\n");
    let whole: String = ["1", "2", "3"].map(record).concat();
    let path = format!("{folder}/rejected.ndjson");
    let saved: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let saved: Vec<_> = saved.iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    for length in 0..=whole.len() {
        for entry in fs::read_dir(&folder).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        for (path, content) in &saved {
            fs::write(path, content).unwrap();
        }
        fs::write(&path, format!("before\n{}", &whole[..length])).unwrap();
        let with = json!({ "folder": folder, "upto": upto, "rejected": rejected });
        assert_eq!(done("spool_drop", with).await.unwrap()["left"], 0);
        // A line that was begun is ended; one that lacks nothing but its end cannot be told from one that was begun.
        let complete = whole[..length].rfind('\n').map_or(0, |end| end + 1);
        let begun = if complete == length { String::new() } else { format!("{}\n", &whole[complete..length]) };
        let rest: String = whole.split_inclusive('\n').skip(whole[..complete].lines().count()).collect();
        let expect = format!("before\n{}{begun}{rest}", &whole[..complete]);
        assert_eq!(fs::read_to_string(&path).unwrap(), expect, "{length}");
    }
}

#[tokio::test]
async fn bad_items_are_refused_before_any_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let folder = spool(&dir);
    let check = async |given: Value, more: Value, pointer: &str, why: &str| {
        let mut with = json!({ "folder": folder, "items": given });
        with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let problem = done("spool_add", with).await.unwrap_err();
        assert!(problem.message.contains(why), "{problem}");
        assert_eq!((problem.code.as_str(), problem.path.as_deref()), ("bad_input", Some(pointer)), "{problem}");
        assert!(!fs::exists(&folder).unwrap());
    };
    check(json!([{ "id": "a" }, {}]), json!({}), "/items/1", "as `id`").await;
    check(json!([{ "id": "" }]), json!({}), "/items/0", "1 to 256 bytes").await;
    check(json!([{ "id": 1 }]), json!({}), "/items/0", "has no text").await;
    check(json!([{ "id": "é".repeat(129) }]), json!({}), "/items/0", "1 to 256 bytes").await;
    check(json!([{ "id": "a" }]), json!({ "id": "key" }), "/items/0", "as `key`").await;
    check(json!([{ "id": "a" }, { "id": "b" }, { "id": "a" }]), json!({}), "/items/2", "has the id of one before")
        .await;
    let large = json!([{ "id": "a", "x": "x".repeat(1_000_000) }]);
    check(large.clone(), json!({}), "/items/0", "items of up to 1000000").await;
    check(large, json!({ "max_bytes": 65_536 }), "/items/0", "items of up to 63488").await;
    let problem = done("spool_add", json!({ "folder": folder, "items": [], "max_age": "soon" })).await.unwrap_err();
    assert_eq!(problem.path.as_deref(), Some("/max_age"));

    // As large as it may be, with an id that takes more room than it has bytes.
    let id = "\u{1}".repeat(256);
    let rest = 65_536 - 2_048 - json!({ "key": id, "x": "" }).to_string().len();
    let most = json!([{ "key": id, "x": "x".repeat(rest) }]);
    let with = json!({ "folder": folder, "items": most, "id": "key", "max_bytes": 65_536 });
    assert!(done("spool_add", with).await.unwrap()["bytes"].as_u64() <= Some(65_536));
}

#[tokio::test]
async fn odd_folders_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(at(&dir, "file"), "").unwrap();
    fs::create_dir_all(at(&dir, "private/run-1")).unwrap();
    fs::write(at(&dir, "private/.sluice-private"), "").unwrap();
    symlink(dir.path(), at(&dir, "link")).unwrap();
    for (name, why) in [
        ("link", "is a link"),
        ("file", "is not a folder"),
        ("private", "private files"),
        ("private/new", "private files"),
        ("private/run-1", "private files"),
        ("none/new", "No such file"),
        ("..", "does not name a folder"),
    ] {
        let folder = if name == ".." { name.to_owned() } else { at(&dir, name) };
        let problems = [
            done("spool_add", json!({ "folder": folder, "items": [] })).await,
            done("spool_peek", json!({ "folder": folder })).await,
            done("spool_drop", json!({ "folder": folder, "upto": "0-0-0-none" })).await,
        ];
        for problem in problems.map(Result::unwrap_err) {
            assert!(problem.message.contains(why), "{name}: {problem}");
            assert_eq!((problem.path.as_deref(), problem.applied), (Some("/folder"), Applied::No), "{name}");
        }
    }
    // Beside a slash at the end there is nothing odd.
    assert_eq!(add(&format!("{}/", spool(&dir)), &["a"]).await["items"], 1);
}

/// Files that are not the spool's stay as they are, also such that only look like it.
#[tokio::test]
async fn other_files_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let folder = spool(&dir);
    fs::create_dir(&folder).unwrap();
    fs::write(at(&dir, "secret"), "{\"n\":0,\"time\":0,\"id\":\"s\",\"item\":{}}\n").unwrap();
    symlink(at(&dir, "secret"), format!("{folder}/0000000000000000.ndjson")).unwrap();
    fs::create_dir(format!("{folder}/0000000000000005.ndjson")).unwrap();
    fs::write(format!("{folder}/notes"), "mine").unwrap();
    assert_eq!(peek(&folder, 9).await["items"], json!([]));
    fs::remove_file(format!("{folder}/0000000000000000.ndjson")).unwrap();
    add(&folder, &["a"]).await;
    let upto = peek(&folder, 9).await["upto"].clone();
    done("spool_drop", json!({ "folder": folder, "upto": upto })).await.unwrap();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
}

#[tokio::test]
async fn a_text_that_is_no_place_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = spool(&dir);
    let check = async |upto: &str, why: &str| {
        let problem = done("spool_drop", json!({ "folder": folder, "upto": upto })).await.unwrap_err();
        assert!(problem.message.contains(why), "{problem}");
        assert_eq!((problem.code.as_str(), problem.path.as_deref()), ("bad_input", Some("/upto")));
    };
    check("1-0-5-none", "peek again").await;
    add(&folder, &["a"]).await;
    check("soon", "is not a place").await;
    check("7-0-5-none", "peek again").await;
    let upto = peek(&folder, 9).await["upto"].clone();
    check(upto.as_str().unwrap().replace("1-", "2-").as_str(), "peek again").await;
    assert_eq!(peek(&folder, 9).await["items"], items(&["a"]));
    assert_eq!(plugin().check("spool_drop", &json!({ "folder": folder, "upto": "soon" })).len(), 1);
}

#[tokio::test]
async fn the_old_and_the_many_are_dropped_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let folder = spool(&dir);
    let host = FakeHost::default();
    let at = async |minutes: u64, id: &str| {
        *host.slept.lock().unwrap() = Duration::from_secs(60 * minutes);
        let with = json!({ "folder": folder, "items": items(&[id]), "max_age": "10m" });
        run_on(&host, "spool_add", with).await.unwrap().output
    };
    assert_eq!(at(0, "a").await["oldest"], 1_000_000);
    assert_eq!(at(5, "b").await["oldest"], 1_000_000);
    let third = at(11, "c").await;
    assert_eq!((&third["dropped"], &third["items"], &third["oldest"]), (&json!(1), &json!(2), &json!(1_300_000)));
    let large = |number: u64| json!([{ "id": number.to_string(), "x": "x".repeat(6_000) }]);
    let (mut dropped, mut added) = (0, 2);
    for number in 0..40 {
        let with = json!({ "folder": folder, "items": large(number), "max_bytes": 65_536 });
        let output = done("spool_add", with).await.unwrap();
        added += 1;
        dropped += output["dropped"].as_u64().unwrap();
        assert_eq!(output["items"].as_u64().unwrap(), added - dropped);
        assert!(output["bytes"].as_u64().unwrap() <= 65_536);
    }
    assert!(dropped >= 30, "{dropped}");
}

#[tokio::test]
async fn whoever_comes_second_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let folder = spool(&dir);
    add(&folder, &["a"]).await;
    let busy = |open: Result<Option<Folder>, Problem>| {
        let problem = open.err().unwrap();
        assert!(problem.retryable && problem.message.contains("locked"), "{problem}");
        assert_eq!((problem.code.as_str(), problem.path.as_deref()), ("busy", Some("/folder")));
    };
    let other = File::open(&folder).unwrap();
    other.lock().unwrap();
    busy(Folder::make(&folder, Duration::ZERO).map(Some));
    busy(Folder::open(&folder, Hold::Alone, Duration::ZERO));
    busy(Folder::open(&folder, Hold::Beside, Duration::ZERO));
    other.unlock().unwrap();
    other.lock_shared().unwrap();
    assert!(Folder::open(&folder, Hold::Beside, Duration::ZERO).unwrap().is_some());
    busy(Folder::open(&folder, Hold::Alone, Duration::ZERO));
    // The one that has it ends: whoever waits goes on.
    let waiting = std::thread::spawn(move || Folder::make(&folder, Duration::from_secs(60)).map(|_| ()));
    drop(other);
    waiting.join().unwrap().unwrap();
}

/// Several add and one delivers: each item comes out once, and those of one in its order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_use_one_spool() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Arc::new(spool(&dir));
    add(&folder, &["start"]).await;
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let folder = folder.clone();
            tokio::spawn(async move {
                for number in 0..20 {
                    add(&folder, &[&format!("{writer}/{number}")]).await;
                }
            })
        })
        .collect();
    let mut delivered: Vec<String> = Vec::new();
    loop {
        let over = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let peeked = peek(&folder, 7).await;
        let ids = peeked["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned());
        delivered.extend(ids);
        done("spool_drop", json!({ "folder": *folder, "upto": peeked["upto"] })).await.unwrap();
        if over && peeked["left"] == 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(delivered.len(), 61);
    for writer in 0..3 {
        let own: Vec<_> = delivered.iter().filter_map(|id| id.strip_prefix(&format!("{writer}/"))).collect();
        assert_eq!(own, (0..20).map(|number| number.to_string()).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn previews_say_what_would_change_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = spool(&dir);
    let preview = async |action: &str, with: &Value| {
        plugin().preview(action, &FakeHost::default(), &call(Purpose::Preview, with.clone())).await.unwrap()
    };
    let with = json!({ "folder": folder, "items": items(&["a", "b"]) });
    let Preview::Ready { binding, facts } = preview("spool_add", &with).await else { panic!() };
    assert_eq!(facts, json!({ "items": 2, "new": 2, "items_now": 0, "bytes_now": 0 }));
    assert!(!fs::exists(&folder).unwrap());
    add(&folder, &["x", "a"]).await;
    let Preview::Ready { binding: again, facts } = preview("spool_add", &with).await else { panic!() };
    assert_eq!((&again, &facts["new"], &facts["items_now"]), (&binding, &json!(1), &json!(2)));
    let other = json!({ "folder": folder, "items": items(&["a", "c"]) });
    let Preview::Ready { binding: other, .. } = preview("spool_add", &other).await else { panic!() };
    assert_ne!(other["sha256"], binding["sha256"]);
    add(&folder, &["b"]).await;
    let Preview::Already { output } = preview("spool_add", &with).await else { panic!() };
    assert!(output["added"] == 0 && valid(&output_schema("spool_add"), &output));

    let upto = peek(&folder, 2).await["upto"].clone();
    let with = json!({ "folder": folder, "upto": upto, "rejected": [{ "error": "e", "item": 1 }] });
    let before = peek(&folder, 9).await;
    let Preview::Ready { binding, facts } = preview("spool_drop", &with).await else { panic!() };
    assert_eq!((&binding["folder"], &binding["upto"]), (&json!(folder), &upto));
    assert_eq!(facts, json!({ "drops": 2, "left": 1, "bytes_now": facts["bytes_now"], "rejected": 1 }));
    assert_eq!(peek(&folder, 9).await, before);
    done("spool_drop", with.clone()).await.unwrap();
    assert!(matches!(preview("spool_drop", &with).await, Preview::Already { .. }));
    let nowhere = json!({ "folder": folder, "upto": "99-0-5-none" });
    assert!(matches!(preview("spool_drop", &nowhere).await, Preview::Refused { .. }));
    let nothing = json!({ "folder": at(&dir, "none"), "upto": "0-0-0-none" });
    assert!(matches!(preview("spool_drop", &nothing).await, Preview::Already { .. }));
}

#[tokio::test]
async fn a_look_back_tells_what_was_added() {
    let check = async |before: &[&[&str]], gone: u64, expect: &str| {
        let dir = tempfile::tempdir().unwrap();
        let folder = spool(&dir);
        for ids in before {
            add(&folder, ids).await;
        }
        if gone > 0 {
            let upto = peek(&folder, gone).await["upto"].clone();
            done("spool_drop", json!({ "folder": folder, "upto": upto })).await.unwrap();
        }
        let asked = call(Purpose::Reconcile, json!({ "folder": folder, "items": items(&["a", "b", "c"]) }));
        let found = plugin().reconcile("spool_add", &FakeHost::default(), &asked).await.unwrap();
        let said = match found {
            Reconciled::Done { output, .. } => {
                assert!(valid(&output_schema("spool_add"), &output));
                "done"
            }
            Reconciled::NotDone { .. } => "not done",
            Reconciled::CannotTell { .. } => "cannot tell",
        };
        assert_eq!(said, expect, "{before:?} {gone}");
    };
    check(&[], 0, "not done").await;
    check(&[&["x"]], 0, "not done").await;
    check(&[&["x"], &["a", "b", "c"]], 0, "done").await;
    // Delivered already.
    check(&[&["x"], &["a", "b", "c"]], 3, "done").await;
    check(&[&["x"], &["a", "b", "c"]], 4, "done").await;
    // It died on the way; what is missing is added by doing it again.
    check(&[&["x"], &["a", "b"]], 0, "not done").await;
    check(&[&["x"], &["a", "b"]], 2, "not done").await;
    // Somebody else has added something behind it.
    check(&[&["a", "b", "c"], &["y"]], 0, "done").await;
    check(&[&["a", "b", "c"], &["y"]], 2, "done").await;
    check(&[&["a", "b"], &["y"]], 0, "cannot tell").await;
}
