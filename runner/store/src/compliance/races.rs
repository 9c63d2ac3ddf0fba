//! Several writers on one journal: each ordinal has exactly one of them.

use std::sync::Arc;

use sluice_engine::journal::store::{AppendError, Store};

use super::fixture::{append, contents, end, race, run};
use super::{Case, Outcome, Place, Wrong, case, same};

const RACERS: u8 = 4;

/// How long the journal gets.
const LENGTH: u64 = 120;

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("of racing appends one wins each ordinal", singles),
        case("of racing batches one wins each place, whole", batches),
    ]
}

async fn singles(place: Arc<dyn Place>) -> Outcome {
    winners(place, 1).await
}

async fn batches(place: Arc<dyn Place>) -> Outcome {
    winners(place, 3).await
}

/// Who says to have won an ordinal must be who is read there.
async fn winners(place: Arc<dyn Place>, size: usize) -> Outcome {
    let mut racers = Vec::new();
    for racer in 0..RACERS {
        racers.push(append_until_long(place.open().await?, racer, size));
    }
    let mut won: Vec<(u64, u8)> = race(racers).await?.into_iter().flatten().collect();
    won.sort_unstable();
    let records = contents(&*place.open().await?, &run(1)).await?;
    let read: Vec<_> = (1..).zip(records.iter().map(|bytes| bytes.first().copied().unwrap_or(u8::MAX))).collect();
    same("length", read.len() as u64, LENGTH)?;
    same("winners", read, won)
}

/// The ordinals this racer has won.
async fn append_until_long(store: Arc<dyn Store>, racer: u8, size: usize) -> Result<Vec<(u64, u8)>, Wrong> {
    let mut won = Vec::new();
    let mut seen = end(&*store, &run(1)).await?;
    while seen.ordinal < LENGTH {
        let content = [racer];
        match append(&*store, &run(1), seen, &vec![&content[..]; size]).await {
            Ok(after) => {
                won.extend((seen.ordinal + 1..=after.ordinal).map(|ordinal| (ordinal, racer)));
                seen = after;
            }
            Err(AppendError::Conflict) => seen = end(&*store, &run(1)).await?,
            Err(other) => return Err(other.into()),
        }
        // Gives the others their turn where tasks share a thread.
        tokio::task::yield_now().await;
    }
    Ok(won)
}
