//! The list of runs: entries come back as written, in the right order, under the right filter.

use std::sync::Arc;

use sluice_engine::ids::RunId;
use sluice_engine::journal::store::{Filter, IndexEntry, Page, Store, Timestamp, Version};

use super::fixture::{append, at, entry, run};
use super::{Case, Outcome, Place, Wrong, case, same};

const ALL: Page = Page { skip: 0, take: 100 };

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("an entry comes back as written", round_trip),
        case("an entry is replaced whole", rewrite),
        case("runs are listed newest first", order),
        case("runs are listed by runbook and by open or not", filters),
        case("pages follow each other", pages),
        case("open runs that wait are listed by when they are due", waiting),
        case("journals are listed from the records alone", journals),
        case("a run is heard of until it is left", leases),
    ]
}

fn ended(number: u8) -> IndexEntry {
    IndexEntry { ended: Some(at(1_000)), status: "done".into(), exit: Some(0), ..entry(number) }
}

async fn round_trip(place: Arc<dyn Place>) -> Outcome {
    let (store, other) = (place.open().await?, place.open().await?);
    same("unknown run", store.get(&run(1)).await?, None)?;
    let odd = IndexEntry {
        runbook: "größe 'n\0\"".into(),
        started: Timestamp(-1),
        ended: Some(Timestamp(i64::MAX)),
        status: String::new(),
        exit: Some(u8::MAX),
        waiting_until: Some(Timestamp(i64::MIN)),
        ordinal: u64::try_from(i64::MAX).unwrap_or(0),
        ..entry(2)
    };
    for written in [entry(1), odd] {
        store.put(&written).await?;
        same("entry", other.get(&written.run).await?, Some(written))?;
    }
    Ok(())
}

async fn rewrite(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    let parked = IndexEntry { status: "parked".into(), waiting_until: Some(at(500)), ordinal: 9, ..entry(1) };
    let corrected = IndexEntry { runbook: "replace-node".into(), started: at(-5), ordinal: 3, ..ended(1) };
    for written in [entry(1), parked, ended(1), entry(1), corrected.clone()] {
        store.put(&written).await?;
        same("entry", store.get(&run(1)).await?, Some(written))?;
    }
    same("list", store.list(&Filter::default(), ALL).await?, vec![corrected])?;
    same("waiting", store.waiting(at(9_999)).await?, vec![])
}

async fn order(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    let at_once = |number| IndexEntry { started: at(50), ..entry(number) };
    for written in [entry(3), at_once(7), entry(1), at_once(9), entry(2), at_once(8)] {
        store.put(&written).await?;
    }
    same("list", listed(&*store, &Filter::default(), ALL).await?, [9, 8, 7, 3, 2, 1].map(run).to_vec())
}

async fn filters(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    let replace = |written: IndexEntry| IndexEntry { runbook: "replace-node".into(), ..written };
    for written in [entry(1), ended(2), replace(entry(3)), replace(ended(4)), ended(5)] {
        store.put(&written).await?;
    }
    for (runbook, open, wanted) in [
        (None, None, vec![5, 4, 3, 2, 1]),
        (None, Some(true), vec![3, 1]),
        (None, Some(false), vec![5, 4, 2]),
        (Some("health-check"), None, vec![5, 2, 1]),
        (Some("replace-node"), Some(true), vec![3]),
        (Some("health-check"), Some(false), vec![5, 2]),
        (Some("replace"), None, vec![]),
        (Some("REPLACE-NODE"), None, vec![]),
        (Some("%"), None, vec![]),
        (Some(""), None, vec![]),
    ] {
        let filter = Filter { runbook: runbook.map(str::to_owned), open };
        let found = listed(&*store, &filter, ALL).await?;
        same(&format!("{filter:?}"), found, wanted.into_iter().map(run).collect())?;
    }
    Ok(())
}

async fn pages(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    for number in 1..=7 {
        store.put(&if number % 2 == 0 { ended(number) } else { entry(number) }).await?;
    }
    let open = Filter { open: Some(true), ..Filter::default() };
    for (filter, skip, take, wanted) in [
        (Filter::default(), 0, 3, vec![7, 6, 5]),
        (Filter::default(), 3, 3, vec![4, 3, 2]),
        (Filter::default(), 6, 3, vec![1]),
        (Filter::default(), 7, 3, vec![]),
        (Filter::default(), u32::MAX, u32::MAX, vec![]),
        (Filter::default(), 0, 0, vec![]),
        (Filter::default(), 5, u32::MAX, vec![2, 1]),
        (open, 1, 2, vec![5, 3]),
    ] {
        let found = listed(&*store, &filter, Page { skip, take }).await?;
        same(&format!("{filter:?}, {take} after {skip}"), found, wanted.into_iter().map(run).collect())?;
    }
    Ok(())
}

async fn waiting(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    let due = |number, time| IndexEntry { waiting_until: Some(at(time)), ..entry(number) };
    let over = IndexEntry { waiting_until: Some(at(100)), ..ended(6) };
    for written in [due(1, 300), due(2, 100), entry(3), due(5, 200), due(4, 200), over, due(7, 301)] {
        store.put(&written).await?;
    }
    for (until, wanted) in [(99, vec![]), (100, vec![2]), (200, vec![2, 4, 5]), (300, vec![2, 4, 5, 1])] {
        let found: Vec<_> = store.waiting(at(until)).await?.into_iter().map(|entry| entry.run).collect();
        same(&format!("due at {until}"), found, wanted.into_iter().map(run).collect())?;
    }
    Ok(())
}

async fn journals(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    same("journals of an empty store", store.journals().await?, vec![])?;
    store.put(&entry(9)).await?;
    for number in [2, 1, 3] {
        append(&*store, &run(number), Version::START, &[b"one", b"two"]).await?;
    }
    let mut found = store.journals().await?;
    found.sort();
    same("journals", found, [1, 2, 3].map(run).to_vec())?;
    same("an entry nobody wrote", store.get(&run(1)).await?, None)
}

async fn listed(store: &dyn Store, filter: &Filter, page: Page) -> Result<Vec<RunId>, Wrong> {
    Ok(store.list(filter, page).await?.into_iter().map(|entry| entry.run).collect())
}

async fn leases(place: Arc<dyn Place>) -> Outcome {
    let (store, other) = (place.open().await?, place.open().await?);
    same("unknown run", other.lease(&run(1)).await?, None)?;
    store.beat(&run(2), None).await?;
    for until in [5, 9, 7] {
        store.beat(&run(1), Some(at(until))).await?;
        same("lease", other.lease(&run(1)).await?, Some(at(until)))?;
    }
    store.beat(&run(2), Some(at(1))).await?;
    store.beat(&run(1), None).await?;
    same("left", other.lease(&run(1)).await?, None)?;
    same("another run", other.lease(&run(2)).await?, Some(at(1)))
}
