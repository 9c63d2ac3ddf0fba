//! Appending and reading, one after the other.

use std::sync::Arc;

use sluice_engine::ids::Sha256;
use sluice_engine::journal::store::{AppendError, Beside, Durability, IndexEntry, Record, StoreError, Version};

use super::fixture::{append, at, contents, entry, following, record, run};
use super::{Case, Outcome, Place, case, holds, same};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("an unknown run has an empty journal", unknown_run),
        case("what was appended is read back by every handle", read_back),
        case("a version that is not the end conflicts", stale),
        case("a version with another hash conflicts", wrong_hash),
        case("a version that never was conflicts", future),
        case("records that do not follow one by one are refused", misnumbered),
        case("a batch is appended whole or not at all", batches),
        case("an empty append checks the version", empty),
        case("a read begins after the given ordinal", partial_read),
        case("runs do not see each other's records", apart),
        case("records keep every byte", binary),
        case("records of 64 KiB and of one more", large),
        case("lazy and durable appends keep their order", durabilities),
        case("a record that does not match its hash is found on reading", damaged),
        case("what stands beside records is written with them", beside),
        case("nothing is listed beside records that conflict", beside_a_conflict),
    ]
}

async fn beside(place: Arc<dyn Place>) -> Outcome {
    let (store, other) = (place.open().await?, place.open().await?);
    let entry = |ordinal| IndexEntry { ordinal, ..entry(1) };
    let begins = Beside { blob: Some(b"snapshot"), entry: Some(entry(2)), lease: Some(Some(at(5))) };
    let records = following(Version::START, &[b"one", b"two"]);
    let two = store.append_beside(&run(1), Version::START, &records, Durability::Lazy, &begins).await?;
    same("version", two, Version { ordinal: 2, hash: Sha256::of(b"two") })?;
    same("blob", other.get_blob(&Sha256::of(b"snapshot")).await?, Some(b"snapshot".to_vec()))?;
    same("entry", other.get(&run(1)).await?, Some(entry(2)))?;
    same("lease", other.lease(&run(1)).await?, Some(at(5)))?;
    let ends = Beside { blob: None, entry: Some(entry(3)), lease: Some(None) };
    let three = following(two, &[b"three"]);
    store.append_beside(&run(1), two, &three, Durability::Sync, &ends).await?;
    same("entry at the end", other.get(&run(1)).await?, Some(entry(3)))?;
    same("lease at the end", other.lease(&run(1)).await?, None)?;
    same("records", other.read(&run(1), 0).await?.len(), 3)
}

async fn beside_a_conflict(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    append(&*store, &run(1), Version::START, &[b"one"]).await?;
    let late = Beside { blob: None, entry: Some(entry(1)), lease: Some(Some(at(5))) };
    let again = following(Version::START, &[b"another"]);
    let appended = store.append_beside(&run(1), Version::START, &again, Durability::Lazy, &late).await;
    same("late append", appended, Err(AppendError::Conflict))?;
    same("entry", store.get(&run(1)).await?, None)?;
    same("lease", store.lease(&run(1)).await?, None)
}

async fn unknown_run(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    same("records", store.read(&run(1), 0).await?, vec![])?;
    same("records above 7", store.read(&run(1), 7).await?, vec![])
}

async fn read_back(place: Arc<dyn Place>) -> Outcome {
    let (store, other) = (place.open().await?, place.open().await?);
    let first = append(&*store, &run(1), Version::START, &[b"one"]).await?;
    same("version", first, Version { ordinal: 1, hash: Sha256::of(b"one") })?;
    let second = append(&*other, &run(1), first, &[b"two"]).await?;
    same("version", second, Version { ordinal: 2, hash: Sha256::of(b"two") })?;
    let wanted = vec![record(1, b"one"), record(2, b"two")];
    same("records", store.read(&run(1), 0).await?, wanted.clone())?;
    same("records of another handle", other.read(&run(1), 0).await?, wanted.clone())?;
    same("records of a later handle", place.open().await?.read(&run(1), 0).await?, wanted)
}

async fn stale(place: Arc<dyn Place>) -> Outcome {
    let (store, other) = (place.open().await?, place.open().await?);
    let first = append(&*store, &run(1), Version::START, &[b"one"]).await?;
    append(&*other, &run(1), first, &[b"two"]).await?;
    for after in [Version::START, first] {
        let again = append(&*store, &run(1), after, &[b"late"]).await;
        same("late append", again, Err(AppendError::Conflict))?;
        let the_same = append(&*store, &run(1), after, &[if after == first { b"two" } else { b"one" }]).await;
        same("the same append again", the_same, Err(AppendError::Conflict))?;
    }
    same("records", contents(&*store, &run(1)).await?, vec![b"one".to_vec(), b"two".to_vec()])
}

async fn wrong_hash(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    let first = append(&*store, &run(1), Version::START, &[b"one"]).await?;
    let other = Sha256::of(b"another past");
    for (about, after) in
        [("another hash", Version { ordinal: 1, hash: other }), ("no hash", Version { ordinal: 1, hash: Sha256::ZERO })]
    {
        same(about, append(&*store, &run(1), after, &[b"two"]).await, Err(AppendError::Conflict))?;
    }
    let start = Version { ordinal: 0, hash: other };
    same("a start with a hash", append(&*store, &run(2), start, &[b"x"]).await, Err(AppendError::Conflict))?;
    same("records of run 2", contents(&*store, &run(2)).await?, vec![])?;
    append(&*store, &run(1), first, &[b"two"]).await?;
    Ok(())
}

/// As after a restore of yesterday's store: the caller knows more than the store does.
async fn future(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    let first = append(&*store, &run(1), Version::START, &[b"one"]).await?;
    let ahead = Version { ordinal: 4, hash: Sha256::of(b"four") };
    same("known run", append(&*store, &run(1), ahead, &[b"five"]).await, Err(AppendError::Conflict))?;
    same("unknown run", append(&*store, &run(2), first, &[b"two"]).await, Err(AppendError::Conflict))?;
    same("records", contents(&*store, &run(1)).await?, vec![b"one".to_vec()])?;
    same("journals", store.journals().await?, vec![run(1)])
}

async fn misnumbered(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    let first = append(&*store, &run(1), Version::START, &[b"one"]).await?;
    let batches: [&[u64]; 6] = [&[1], &[3], &[2, 4], &[2, 2], &[2, 3, 3], &[0]];
    for ordinals in batches {
        let records: Vec<_> = ordinals.iter().map(|ordinal| record(*ordinal, b"x")).collect();
        let outcome = store.append(&run(1), first, &records, Durability::Lazy).await;
        holds(&format!("{ordinals:?} after 1 is refused"), matches!(outcome, Err(AppendError::Store(_))))?;
    }
    let outcome = store.append(&run(2), Version::START, &[record(0, b"x")], Durability::Lazy).await;
    holds("a record 0 is refused", matches!(outcome, Err(AppendError::Store(_))))?;
    same("records", contents(&*store, &run(1)).await?, vec![b"one".to_vec()])
}

async fn batches(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    let first = append(&*store, &run(1), Version::START, &[b"one"]).await?;
    for after in [Version::START, Version { ordinal: 1, hash: Sha256::of(b"other") }] {
        let late = append(&*store, &run(1), after, &[b"late", b"later", b"latest"]).await;
        same("late batch", late, Err(AppendError::Conflict))?;
    }
    same("records", contents(&*store, &run(1)).await?, vec![b"one".to_vec()])?;
    let third = append(&*store, &run(1), first, &[b"two", b"three"]).await?;
    same("version", third, Version { ordinal: 3, hash: Sha256::of(b"three") })?;
    let first_of_two = append(&*store, &run(2), Version::START, &[b"a", b"b"]).await?;
    same("version of a first batch", first_of_two, Version { ordinal: 2, hash: Sha256::of(b"b") })?;
    let wanted = vec![b"one".to_vec(), b"two".to_vec(), b"three".to_vec()];
    same("records", contents(&*store, &run(1)).await?, wanted)
}

async fn empty(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    same("at the start", append(&*store, &run(1), Version::START, &[]).await, Ok(Version::START))?;
    same("journals", store.journals().await?, vec![])?;
    let first = append(&*store, &run(1), Version::START, &[b"one"]).await?;
    same("at the end", append(&*store, &run(1), first, &[]).await, Ok(first))?;
    same("too late", append(&*store, &run(1), Version::START, &[]).await, Err(AppendError::Conflict))
}

async fn partial_read(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    append(&*store, &run(1), Version::START, &[b"one", b"two", b"three"]).await?;
    for after in 0..=5 {
        let found: Vec<_> = store.read(&run(1), after).await?.into_iter().map(|record| record.ordinal).collect();
        same(&format!("ordinals after {after}"), found, (after + 1..=3).collect())?;
    }
    same("after the last number", store.read(&run(1), u64::MAX).await?, vec![])
}

async fn apart(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    let mut ends = [Version::START; 3];
    for round in 0..5_u8 {
        for (number, end) in (1..).zip(&mut ends) {
            *end = append(&*store, &run(number), *end, &[&[number, round]]).await?;
        }
    }
    for number in 1..=3 {
        let wanted: Vec<_> = (0..5).map(|round| vec![number, round]).collect();
        same("records", contents(&*store, &run(number)).await?, wanted)?;
    }
    Ok(())
}

async fn binary(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let samples: [&[u8]; 6] = [b"", b"\0", b"\0\0a\0", b"\xff\xfe\xc3\x28", b"'); DROP TABLE records; --", &every_byte];
    append(&*store, &run(1), Version::START, &samples).await?;
    let wanted: Vec<_> = samples.iter().map(|sample| sample.to_vec()).collect();
    same("records", contents(&*store, &run(1)).await?, wanted)
}

async fn large(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    let noise: Vec<u8> =
        (0..=64 * 1024_u32).map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let (almost, _) = noise.split_at(64 * 1024);
    let first = append(&*store, &run(1), Version::START, &[almost]).await?;
    append(&*store, &run(1), first, &[&noise, b"small", almost]).await?;
    let wanted = vec![almost.to_vec(), noise.clone(), b"small".to_vec(), almost.to_vec()];
    holds("large records come back as they were", contents(&*store, &run(1)).await? == wanted)
}

async fn durabilities(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    let mut end = Version::START;
    for number in 0..20_u8 {
        let durability = if number % 3 == 0 { Durability::Sync } else { Durability::Lazy };
        end = store.append(&run(1), end, &following(end, &[&[number]]), durability).await?;
    }
    let wanted: Vec<_> = (0..20).map(|number| vec![number]).collect();
    same("records", contents(&*place.open().await?, &run(1)).await?, wanted)
}

async fn damaged(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    let wrong = Record { ordinal: 2, hash: Sha256::of(b"two"), bytes: b"TWO".to_vec() };
    store.append(&run(1), Version::START, &[record(1, b"one"), wrong, record(3, b"x")], Durability::Lazy).await?;
    for (after, found) in [(0, true), (1, true), (2, false)] {
        let corrupt = matches!(store.read(&run(1), after).await, Err(StoreError::Corrupt(_)));
        same(&format!("damage found when reading after {after}"), corrupt, found)?;
    }
    Ok(())
}
