//! Numbers as nats-server writes them: some are -1 cast to 64 bits without sign, some may be missing or null.

use serde::{Deserialize, Deserializer};
use serde_json::Number;

/// Any number, or null, as a count. Negative ones are 0.
pub(super) fn count<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
    Ok(Option::<Number>::deserialize(input)?.as_ref().map_or(0, to_count))
}

/// Like [`count`], but keeps "not there" apart from 0.
pub(super) fn maybe<'de, D: Deserializer<'de>>(input: D) -> Result<Option<u64>, D::Error> {
    Ok(Option::<Number>::deserialize(input)?.as_ref().map(to_count))
}

/// Null where a list is meant is an empty list.
pub(super) fn list<'de, T: Deserialize<'de>, D: Deserializer<'de>>(input: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(input)?.unwrap_or_default())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and that is what is wanted"
)]
fn to_count(number: &Number) -> u64 {
    match (number.as_u64(), number.as_f64()) {
        (Some(count), _) => count,
        (None, Some(float)) => float.max(0.0) as u64,
        (None, None) => 0,
    }
}
