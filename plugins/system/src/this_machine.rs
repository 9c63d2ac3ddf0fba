//! The action on the very machine the tests run on, against what its own programs say at that moment.
//!
//! Others use the machine meanwhile: totals must be the same to the byte, what is used must come near enough for once.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_plugin::Plugin as _;

use crate::plugin;
use crate::testing::{FakeHost, call};

/// How far apart two figures of the same moment may be. A wrong rule is wrong by more: the cache, what is reserved.
const NEAR: u64 = 16 << 20;

/// How often somebody else may have come between.
const TRIES: usize = 50;

fn here(more: Value) -> Value {
    let mut with = json!({ "settle": "0s" });
    with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    with
}

async fn look(host: &FakeHost, with: Value) -> Value {
    plugin().run("metrics", host, &call(with)).await.unwrap().output
}

/// What the command of the action for people prints; `None` where the program is not installed.
fn by_hand(program: &str, with: &Value) -> Option<String> {
    let commands = plugin().by_hand("metrics", &call(with.clone()));
    let line = commands.iter().map(sluice_plugin::ByHand::line).find(|line| line.starts_with(program)).unwrap();
    let output = Command::new("bash").args(["-c", &line]).env("LC_ALL", "C").output().unwrap();
    if output.status.code() == Some(127) {
        eprintln!("not compared: {program} is not installed");
        return None;
    }
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// The numbers of the line that begins like this.
fn numbers(text: &str, first: &str) -> Vec<u64> {
    let line = text.lines().find(|line| line.starts_with(first)).unwrap_or_else(|| panic!("no {first} in {text}"));
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

fn figure(seen: &Value, name: &str) -> u64 {
    seen["system"][name].as_u64().unwrap_or_else(|| panic!("no {name}: {seen}"))
}

/// Looks until ours and theirs are near each other.
async fn agree(with: Value, name: &str, theirs: impl Fn() -> u64) {
    let mut last = (0, 0);
    for _ in 0..TRIES {
        last = (figure(&look(&FakeHost::new(), with.clone()).await, name), theirs());
        if last.0.abs_diff(last.1) <= NEAR {
            return;
        }
    }
    panic!("{name}: {} and not {}", last.0, last.1);
}

#[tokio::test]
async fn memory_is_what_the_kernel_and_free_say() {
    let kernel = |name: &str| numbers(&std::fs::read_to_string("/proc/meminfo").unwrap(), name)[0] * 1024;
    let seen = look(&FakeHost::new(), here(json!({}))).await;
    assert_eq!(figure(&seen, "mem_total_bytes"), kernel("MemTotal:"));
    agree(here(json!({})), "mem_available_bytes", || kernel("MemAvailable:")).await;
    agree(here(json!({})), "mem_used_bytes", || kernel("MemTotal:") - kernel("MemAvailable:")).await;
    let Some(free) = by_hand("free", &json!({})) else { return };
    assert_eq!(figure(&seen, "mem_total_bytes"), numbers(&free, "Mem:")[0]);
    let available = || numbers(&by_hand("free", &json!({})).unwrap(), "Mem:")[5];
    agree(here(json!({})), "mem_available_bytes", available).await;
}

#[tokio::test]
async fn a_disk_is_as_full_as_df_says() {
    let folder = tempfile::tempdir().unwrap();
    let df = |with: &Value| {
        let text = by_hand("df", with).unwrap();
        let line = text.lines().last().unwrap().to_owned();
        let words: Vec<u64> =
            line.split_whitespace().filter_map(|word| word.trim_end_matches('%').parse().ok()).collect();
        (words, line)
    };
    for path in [Path::new("/"), folder.path()] {
        let with = here(json!({ "disk_path": path }));
        let seen = look(&FakeHost::new(), with.clone()).await;
        let (theirs, line) = df(&with);
        assert_eq!(figure(&seen, "disk_total_bytes"), theirs[0], "{line}");
        agree(with.clone(), "disk_used_bytes", || df(&with).0[1]).await;
        agree(with.clone(), "disk_available_bytes", || df(&with).0[2]).await;
        // It shows the next whole number.
        let ours = seen["system"]["disk_used_percent"].as_f64().unwrap();
        assert!((theirs[3] as f64 - ours) < 1.5 && (theirs[3] as f64 - ours) > -0.5, "{ours}: {line}");
        let mounted = line.rsplit_once('%').unwrap().1.trim() == path.to_str().unwrap();
        assert_eq!(seen["system"]["disk_mounted"], json!(mounted), "{line}");
    }
}

/// The kernel says of each folder whether something is mounted there, without any text.
#[tokio::test]
async fn what_is_mounted_is_what_has_another_device() {
    use std::os::unix::fs::MetadataExt as _;
    for path in ["/proc", "/sys", "/dev", "/usr", "/etc", "/proc/self"] {
        let path = Path::new(path).canonicalize().unwrap();
        let device = |path: &Path| path.metadata().unwrap().dev();
        let own = device(&path) != device(path.parent().unwrap());
        let seen = look(&FakeHost::new(), here(json!({ "disk_path": path }))).await;
        assert_eq!(seen["system"]["disk_mounted"], json!(own), "{seen}");
    }
}

#[tokio::test]
async fn load_is_what_the_kernel_says() {
    let near = |seen: &Value| {
        let text = by_hand("cat", &json!({})).unwrap();
        let words = text.split_whitespace().take(3).map(|word| word.parse::<f64>().unwrap());
        words.zip(["load_1", "load_5", "load_15"]).all(|(load, name)| seen["system"][name] == json!(load))
    };
    let mut seen = Value::Null;
    for _ in 0..TRIES {
        seen = look(&FakeHost::new(), here(json!({}))).await;
        if near(&seen) {
            return;
        }
    }
    panic!("{seen}");
}

/// Idle, all, and those of this process.
fn ticks() -> (u64, u64, u64) {
    let stat = numbers(&std::fs::read_to_string("/proc/stat").unwrap(), "cpu ");
    let own = std::fs::read_to_string("/proc/self/stat").unwrap();
    let own: Vec<&str> = own.rsplit_once(") ").unwrap().1.split(' ').collect();
    let own = own[11].parse::<u64>().unwrap() + own[12].parse::<u64>().unwrap();
    (stat[3] + stat[4], stat.iter().take(8).sum(), own)
}

/// While the action waits for its second sample, this process does nothing but count.
#[tokio::test]
async fn a_busy_processor_is_busy() {
    let burnt = std::sync::Arc::new(std::sync::Mutex::new((0, 0.0)));
    let told = burnt.clone();
    let host = FakeHost::meanwhile(move || {
        let before = ticks();
        let now = loop {
            let now = ticks();
            if now.2 - before.2 >= 50 {
                break now;
            }
        };
        let idle = (now.0 - before.0) as f64 / (now.1 - before.1) as f64;
        *told.lock().unwrap() = (now.2 - before.2, 100.0 - 100.0 * idle);
    });
    let before = ticks();
    let seen = look(&host, here(json!({ "settle": "1s" }))).await;
    let all = ticks().1 - before.1;
    assert_eq!(*host.slept.lock().unwrap(), [Duration::from_secs(1)]);
    let (own, expect) = *burnt.lock().unwrap();
    let busy = seen["system"]["cpu_percent"].as_f64().unwrap();
    // The kernel counts a process in nanoseconds and a processor in ticks.
    assert!(busy / 100.0 * all as f64 >= 0.9 * own as f64, "{busy} % of {all} ticks, and {own} were used here");
    assert!((busy - expect).abs() <= 5.0, "{busy} %, and not {expect} %");
}

/// Two frames, and only the second one is of now.
#[test]
fn a_person_sees_two_frames() {
    let Some(top) = by_hand("top", &json!({})) else { return };
    assert_eq!(top.lines().filter(|line| line.starts_with("%Cpu")).count(), 2, "{top}");
}
