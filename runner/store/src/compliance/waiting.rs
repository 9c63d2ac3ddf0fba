//! Waiting for records: who is woken, and who is not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_engine::journal::store::{Store, Version};

use super::fixture::{append, run};
use super::{Case, Outcome, Place, case, holds, same};

/// Longer than any machine takes; a case that uses it up has failed.
const LONG: Duration = Duration::from_secs(20);

/// For waits that are to end with nothing.
const SHORT: Duration = Duration::from_millis(60);

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("waiting ends at once when the record is there", there_already),
        case("waiting ends with patience", patience),
        case("waiting ends by an append through the same handle", same_handle),
        case("waiting ends by an append through another handle", other_handle),
        case("waiting goes on through appends to other runs", other_run),
        case("several wait at once", several),
    ]
}

async fn there_already(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    append(&*store, &run(1), Version::START, &[b"one", b"two"]).await?;
    for (after, there) in [(0, true), (1, true), (2, false), (9, false), (u64::MAX, false)] {
        let found = store.changed(&run(1), after, Duration::ZERO).await?;
        same(&format!("a record above {after}"), found, there)?;
    }
    same("with patience", store.changed(&run(1), 1, Duration::MAX).await?, true)
}

async fn patience(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    same("nothing came", store.changed(&run(1), 0, SHORT).await?, false)
}

async fn same_handle(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    woken(store.clone(), store).await
}

async fn other_handle(place: Arc<dyn Place>) -> Outcome {
    woken(place.open().await?, place.open().await?).await
}

async fn woken(waiter: Arc<dyn Store>, writer: Arc<dyn Store>) -> Outcome {
    let mut end = Version::START;
    for round in 0..5 {
        let run = run(1);
        let mut waiting = waiter.changed(&run, end.ordinal, LONG);
        // Lets the waiter look before the append; then again gives it time to sleep.
        tokio::select! {
            biased;
            early = &mut waiting => same("something came", Some(early?), None)?,
            () = tokio::time::sleep(Duration::from_millis(10 * round)) => {}
        }
        let appended = Instant::now();
        end = append(&*writer, &run, end, &[b"news"]).await?;
        same("something came", waiting.await?, true)?;
        holds("the append was noticed before patience was over", appended.elapsed() < LONG / 2)?;
    }
    Ok(())
}

async fn other_run(place: Arc<dyn Place>) -> Outcome {
    let (waiter, writer) = (place.open().await?, place.open().await?);
    let waiting = tokio::spawn(async move { waiter.changed(&run(1), 0, SHORT).await });
    let mut end = Version::START;
    while !waiting.is_finished() {
        end = append(&*writer, &run(2), end, &[b"not for you"]).await?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    same("something came", waiting.await??, false)
}

async fn several(place: Arc<dyn Place>) -> Outcome {
    let (one, other) = (place.open().await?, place.open().await?);
    let mut waiting = Vec::new();
    for number in 0..6_u8 {
        let store = if number % 2 == 0 { one.clone() } else { other.clone() };
        waiting.push(tokio::spawn(async move { store.changed(&run(number % 3), 0, LONG).await }));
    }
    for number in 0..3 {
        append(&*one, &run(number), Version::START, &[b"news"]).await?;
    }
    for waiter in waiting {
        same("something came", waiter.await??, true)?;
    }
    Ok(())
}
