//! A disk that is full for real. It takes somebody who may mount a small one in memory; for others it says that it was
//! skipped.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sluice_plugin::{Applied, Problem};
use tempfile::TempDir;

use crate::testing::{at, run};

struct SmallDisk(TempDir);

impl SmallDisk {
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let small = ["-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs"];
        let mounted = Command::new("mount").args(small).arg(dir.path()).output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("skipped: a test of a full disk needs somebody who may mount one");
        }
        mounted.then(|| Self(dir))
    }

    fn fill(&self) {
        let mut rest = File::create(at(&self.0, "rest")).unwrap();
        for length in [4096, 1] {
            while rest.write_all(&vec![0; length]).is_ok() {}
        }
    }

    fn has_room(&self) {
        fs::remove_file(at(&self.0, "rest")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args([Path::new("-l"), self.0.path()]).status();
    }
}

fn is_full(problem: &Problem, pointer: &str) {
    assert_eq!((problem.code.as_str(), problem.path.as_deref()), ("disk_full", Some(pointer)), "{problem}");
    assert!(problem.retryable && problem.message.contains("make room"), "{problem}");
}

#[tokio::test]
async fn a_line_is_there_or_it_is_not() {
    let Some(disk) = SmallDisk::new() else { return };
    let path = at(&disk.0, "log");
    let append = async |line: Value| run("append_line", json!({ "path": path, "line": line })).await;
    append(json!("first")).await.unwrap();
    disk.fill();
    let mut lines = 1;
    let problem = loop {
        let before = fs::read(&path).unwrap();
        match append(json!("x".repeat(997))).await {
            Ok(_) => lines += 1,
            Err(problem) => {
                assert_eq!(fs::read(&path).unwrap(), before, "nothing of it stays");
                break problem;
            }
        }
    };
    is_full(&problem, "/path");
    assert_eq!((problem.applied, lines), (Applied::No, 5));
    is_full(&run("file", json!({ "path": at(&disk.0, "new"), "content": "x" })).await.unwrap_err(), "/path");
    disk.has_room();
    append(json!("last")).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), lines + 1);
}

#[tokio::test]
async fn a_spool_keeps_what_it_has_and_can_be_emptied() {
    let Some(disk) = SmallDisk::new() else { return };
    let folder = at(&disk.0, "spool");
    let items = |from: usize, to: usize| -> Value {
        (from..to).map(|id| json!({ "id": id.to_string(), "x": "x".repeat(900) })).collect()
    };
    let add = async |from, to| {
        let with = json!({ "folder": folder, "items": items(from, to), "max_bytes": 16_777_216 });
        run("spool_add", with).await.map(|outcome| outcome.output)
    };
    add(0, 100).await.unwrap();
    disk.fill();
    let problem = add(100, 200).await.unwrap_err();
    is_full(&problem, "/folder");
    let added = problem.details.clone().unwrap()["added"].as_u64().unwrap() as usize;
    assert_eq!(problem.applied, if added > 0 { Applied::Maybe } else { Applied::No });
    let again = add(100, 200).await.unwrap_err();
    assert_eq!((again.code.as_str(), again.applied), ("disk_full", Applied::No), "what fits is there already");

    let peek = async |most: usize| run("spool_peek", json!({ "folder": folder, "most": most })).await.unwrap().output;
    let all = peek(1_000).await;
    assert_eq!((&all["items"], &all["torn"]), (&items(0, 100 + added), &json!(0)));
    let drop = async |upto: &Value| {
        let rejected = json!([{ "error": "no", "item": "x".repeat(5_000) }]);
        run("spool_drop", json!({ "folder": folder, "upto": upto, "rejected": rejected })).await.unwrap().output
    };
    // Within one segment nothing becomes free, so what was rejected finds no room.
    let some = drop(&peek(10).await["upto"]).await;
    assert_eq!((&some["left"], &some["unrecorded"]), (&json!(90 + added), &json!(1)));
    assert_eq!(fs::read_to_string(at(&disk.0, "spool/rejected.ndjson")).unwrap_or_default(), "");
    let rest = drop(&all["upto"]).await;
    assert_eq!(rest, json!({ "left": 0, "bytes": 0, "unrecorded": 0 }), "there is room now");
    disk.has_room();
    assert_eq!(add(100, 200).await.unwrap()["added"], 100 - added);
}
