//! Content by hash: the same bytes back, however often they were put.

use std::sync::Arc;

use sluice_engine::ids::Sha256;

use super::{Case, Outcome, Place, case, holds, same};

pub(super) fn cases() -> Vec<Case> {
    vec![case("a blob comes back by its hash", round_trip), case("a blob is put again without harm", again)]
}

async fn round_trip(place: Arc<dyn Place>) -> Outcome {
    let (store, other) = (place.open().await?, place.open().await?);
    let unknown = Sha256::of(b"nobody put this");
    same("unknown blob", store.get_blob(&unknown).await?, None)?;
    same("unknown blob", store.has_blob(&unknown).await?, false)?;
    let megabyte: Vec<u8> = (0..1024 * 1024_u32).map(|number| number.to_be_bytes()[2]).collect();
    let samples: [&[u8]; 4] = [b"", b"snapshot", b"\0\xff\0", &megabyte];
    for bytes in samples {
        let hash = store.put_blob(bytes).await?;
        same("hash", hash, Sha256::of(bytes))?;
        same("it is there", other.has_blob(&hash).await?, true)?;
        holds("the blob is read as it was put", other.get_blob(&hash).await?.as_deref() == Some(bytes))?;
    }
    Ok(())
}

async fn again(place: Arc<dyn Place>) -> Outcome {
    let (store, other) = (place.open().await?, place.open().await?);
    let hash = store.put_blob(b"snapshot").await?;
    for handle in [&store, &other, &store] {
        same("hash", handle.put_blob(b"snapshot").await?, hash)?;
        same("bytes", handle.get_blob(&hash).await?, Some(b"snapshot".to_vec()))?;
    }
    Ok(())
}
