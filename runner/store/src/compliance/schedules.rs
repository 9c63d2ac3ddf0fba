//! Fires: one caller gets each, ever.

use std::sync::Arc;

use sluice_engine::journal::store::Store;

use super::fixture::{at, race};
use super::{Case, Outcome, Place, Wrong, case, same};

pub(super) fn cases() -> Vec<Case> {
    vec![case("a fire is claimed once, ever", once), case("of racing claims one gets the fire", racing)]
}

async fn once(place: Arc<dyn Place>) -> Outcome {
    let (store, other) = (place.open().await?, place.open().await?);
    same("first", store.claim("nightly/2026-11-22", at(0)).await?, true)?;
    for time in [0, 1, 9_000_000_000] {
        same("again", store.claim("nightly/2026-11-22", at(time)).await?, false)?;
        same("by another", other.claim("nightly/2026-11-22", at(time)).await?, false)?;
    }
    for fire in ["nightly/2026-11-23", "", "NIGHTLY/2026-11-22", "nightly/2026-11-22\0"] {
        same(fire, other.claim(fire, at(0)).await?, true)?;
    }
    same("after a new open", place.open().await?.claim("nightly/2026-11-22", at(5)).await?, false)
}

async fn racing(place: Arc<dyn Place>) -> Outcome {
    const FIRES: usize = 25;
    let mut racers = Vec::new();
    for _ in 0..4 {
        racers.push(claim_all(place.open().await?, FIRES));
    }
    let mut claimed: Vec<usize> = race(racers).await?.into_iter().flatten().collect();
    claimed.sort_unstable();
    same("claimed", claimed, (0..FIRES).collect())
}

async fn claim_all(store: Arc<dyn Store>, fires: usize) -> Result<Vec<usize>, Wrong> {
    let mut claimed = Vec::new();
    for fire in 0..fires {
        if store.claim(&format!("fire-{fire}"), at(0)).await? {
            claimed.push(fire);
        }
        tokio::task::yield_now().await;
    }
    Ok(claimed)
}
