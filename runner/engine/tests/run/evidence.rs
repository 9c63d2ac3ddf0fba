//! Runs exported and verified: what is right verifies, and whatever is changed, cut, missing or swapped is named.

use std::sync::Arc;

use sluice_engine::evidence::{About, File, Noted, Verdict, verify};
use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::journal::chain::{decode, encode};
use sluice_engine::journal::{Event, Version};
use sluice_store::MemoryStore;

use super::cases::{CASES, Case};
use super::stores::{Dying, When};
use super::world::World;
use super::{begin, file_of};

/// Has an output that is kept as a blob, and ends well.
fn case() -> &'static Case {
    CASES.iter().find(|case| case.name == "an output that looks like the engine's own reference").unwrap()
}

async fn exported(case: &Case) -> (RunId, File) {
    let world = World::new(Arc::new(MemoryStore::default()));
    let (run, ended) = begin(&world.process(1), case).await;
    ended.unwrap();
    (run.clone(), file_of(&*world.store, &run).await)
}

fn what(verdict: &Verdict, about: About) -> String {
    let found = verdict.findings.iter().filter(|finding| finding.about == about);
    found.map(|finding| format!("line {}: {}\n", finding.line, finding.what)).collect()
}

#[tokio::test(start_paused = true)]
async fn every_toy_verifies() {
    for case in CASES {
        let (run, file) = exported(case).await;
        let verdict = verify(&file.text(), Some(&run), Some(&file.header.head.hash));
        assert!(verdict.intact && verdict.complete, "{}: {:?}", case.name, verdict.findings);
        assert_eq!(verdict.findings, []);
        assert_eq!(verdict.run, run.as_str());
        assert_eq!(verdict.outcome.unwrap().name(), case.outcome);
        assert_eq!(verdict.noted, Noted::Found { event: verdict.events });
        assert!(!verdict.signed && !verdict.anchored);
        assert_eq!(verdict.cannot_tell.len(), 1, "{:?}", verdict.cannot_tell);
        assert_eq!(File::read(&file.text()).unwrap(), file);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_done_to_a_file_is_named() {
    let (run, file) = exported(case()).await;
    let (other_run, other) = exported(case()).await;
    let lines: Vec<String> = file.text().lines().map(|line| format!("{line}\n")).collect();
    let last = lines.len();
    assert_eq!((file.records.len(), file.blobs.len(), last), (6, 2, 10));
    let text = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        lines.concat()
    };
    let check = |what_is_done: &str, text: String, about: About, expect: &str| {
        let verdict = verify(&text, Some(&run), None);
        let said = what(&verdict, about);
        assert!(said.contains(expect), "{what_is_done}: {:#?}", verdict.findings);
        assert!(!(verdict.intact && verdict.complete));
    };
    use About::{Complete, Intact};
    let edit = |at: usize, from: &str, to: &str| {
        assert!(lines[at].contains(from), "{}", lines[at]);
        text(&|lines| lines[at] = lines[at].replacen(from, to, 1))
    };
    check("a byte of a record", edit(4, "attempt", "attemqt"), Intact, "line 5: event 4 of the journal was altered");
    check("its hash", edit(4, "\"hash\":\"", "\"hash\":\"0"), Intact, "line 5: the line cannot be read");
    check(
        "its place",
        edit(3, "\"ordinal\":3,\"hash\"", "\"ordinal\":9,\"hash\""),
        Intact,
        "line 4: event 9 of the journal stands where event 3 should be",
    );
    check("a byte of a blob", edit(8, "00000", "00010"), Intact, "line 9: blob ");
    check("no sense", text(&|lines| lines[2] = "{\n".into()), Intact, "line 3: the line cannot be read");
    check("something more", edit(2, "{\"record\":{", "{\"record\":{\"note\":1,"), Intact, "unknown field `note`");
    check(
        "an event is gone",
        text(&|lines| drop(lines.remove(3))),
        Intact,
        "line 4: event 4 of the journal stands where event 3 should be",
    );
    check(
        "two are swapped",
        text(&|lines| lines.swap(3, 4)),
        Intact,
        "line 4: event 4 of the journal stands where event 3",
    );
    check(
        "the end is cut",
        text(&|lines| lines.truncate(last - 1)),
        Complete,
        "line 10: the file was cut: it has no end",
    );
    check(
        "the tail is cut",
        text(&|lines| lines.truncate(4)),
        Complete,
        "its first line says 6 of events and 2 of blobs, and there are 3 and 0",
    );
    check(
        "the last event is gone",
        text(&|lines| drop(lines.remove(6))),
        Complete,
        "the journal does not end with `ended`: event 5 is the last",
    );
    check("a blob is gone", text(&|lines| drop(lines.remove(8))), Complete, "which event 3 names, is missing");
    check("the snapshot is gone", text(&|lines| drop(lines.remove(7))), Complete, "which event 1 names, is missing");
    check(
        "a blob of nobody",
        text(&|lines| {
            lines.insert(
                8,
                r#"{"blob":{"hash":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","text":""}}"#
                    .to_owned()
                    + "\n",
            )
        }),
        Intact,
        "no event names blob e3b0",
    );
    check("a blob twice", text(&|lines| lines.insert(8, lines[8].clone())), Intact, "stands here a second time");
    check("more behind it", text(&|lines| lines.push(lines[4].clone())), Intact, "something stands behind the end");
    check("no header", text(&|lines| drop(lines.remove(0))), Intact, "should begin with a `sluice_evidence`");
    check("nothing", String::new(), Complete, "the file is empty");
    check("another run's file", other.text(), Intact, &format!("this is run {other_run}, not run {run}"));
    let renamed = other.text().replacen(other_run.as_str(), run.as_str(), 1);
    check(
        "under this run's name",
        renamed,
        Intact,
        &format!("says run {run}, its events are those of run {other_run}"),
    );
    let other_lines: Vec<String> = other.text().lines().map(|line| format!("{line}\n")).collect();
    check(
        "an event of another run",
        text(&|lines| lines[3].clone_from(&other_lines[3])),
        Intact,
        "line 4: event 3 of the journal does not follow",
    );
}

/// Whatever byte is changed, the file no longer passes, but for who exported it when with what.
#[tokio::test(start_paused = true)]
async fn no_byte_can_be_changed() {
    let (run, file) = exported(case()).await;
    let text = file.text();
    let free = |at: usize| {
        let end = text.find("\"records\"").unwrap();
        text.find("\"written_by\"").unwrap() < at && at < end
    };
    let mut tried = 0;
    for at in (0..text.len()).filter(|at| !free(*at)) {
        for mask in [1, 4] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= mask;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            let verdict = verify(&changed, Some(&run), None);
            assert!(!(verdict.intact && verdict.complete), "byte {at}: {}", &changed[at.saturating_sub(40)..at + 1]);
            tried += 1;
        }
    }
    assert!(tried > 3000, "{tried}");
}

/// The journal written anew with another output: nothing but a head that was noted earlier can tell.
fn forged(file: &File) -> File {
    let mut version = Version::START;
    let mut records = Vec::new();
    for mut envelope in decode(&file.records, Version::START).unwrap() {
        if let Event::Done { attempt, .. } = &mut envelope.event {
            attempt.0 += 1;
        }
        let record = encode(&envelope, version).unwrap();
        version = Version { ordinal: record.ordinal, hash: record.hash };
        records.push(record);
    }
    let mut forged = File { records, ..file.clone() };
    forged.header.head = version;
    forged
}

#[tokio::test(start_paused = true)]
async fn a_noted_head_tells_what_hashes_cannot() {
    let (run, file) = exported(case()).await;
    let forged = forged(&file);
    let verdict = verify(&forged.text(), Some(&run), None);
    assert!(verdict.intact && verdict.complete, "{:?}", verdict.findings);
    assert!(verdict.cannot_tell[0].contains("written anew, or is an older copy"), "{:?}", verdict.cannot_tell);
    let noted = verify(&forged.text(), Some(&run), Some(&file.header.head.hash));
    assert_eq!((noted.intact, noted.noted), (false, Noted::Missing));
    assert!(what(&noted, About::Intact).contains("written anew, or is an older copy"), "{:?}", noted.findings);
    // One that was noted while the run went on vouches for what was before it.
    let early = file.records[2].hash;
    let verdict = verify(&file.text(), Some(&run), Some(&early));
    assert_eq!((verdict.intact, verdict.noted), (true, Noted::Found { event: 3 }));
    assert!(verdict.cannot_tell[0].contains("after event 3"), "{:?}", verdict.cannot_tell);
    assert_eq!(verify(&forged.text(), Some(&run), Some(&early)).noted, Noted::Missing);
}

#[tokio::test(start_paused = true)]
async fn an_older_copy_is_told_by_a_later_head() {
    let case = CASES.iter().find(|case| case.name == "one after the other").unwrap();
    let world = World::new(Arc::new(MemoryStore::default()));
    let mut first = world.process(1);
    first.store = Arc::new(Dying::new(world.store.clone(), 3, When::After));
    let (run, died) = begin(&first, case).await;
    assert!(died.is_err());
    let yesterday = file_of(&*world.store, &run).await;
    world.dead.lock().unwrap().push(1);
    super::resume(&world.process(2), &run).await.unwrap();
    let today = file_of(&*world.store, &run).await;
    let verdict = verify(&yesterday.text(), None, None);
    assert!(verdict.intact && !verdict.complete);
    let verdict = verify(&yesterday.text(), None, Some(&today.header.head.hash));
    assert_eq!((verdict.intact, verdict.noted), (false, Noted::Missing));
    let verdict = verify(&today.text(), None, Some(&yesterday.header.head.hash));
    assert!(verdict.intact && verdict.complete);
    assert_eq!(verify(&today.text(), None, Some(&Sha256::ZERO)).noted, Noted::Missing);
}
