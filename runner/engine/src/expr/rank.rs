//! Which of several keys is the lowest: numbers, texts, or truths, where false comes before true.

use std::cmp::Ordering;

use serde_json::Value;

use super::number;

/// The place of the lowest key, the first of equals; nothing for no keys. The error says which place does not go with
/// the first one, and why.
pub fn lowest(keys: &[Value]) -> Result<Option<usize>, (usize, String)> {
    let mut best: Option<(usize, Value)> = None;
    let first = keys.first().map(ranked);
    for (place, key) in keys.iter().enumerate() {
        let key = ranked(key);
        let cannot = |cause: super::fault::Cause<_>| (place, cause.message);
        // Each goes with the first, so all go with each other.
        number::order(first.as_ref().unwrap_or(&key), &key).map_err(cannot)?;
        let is_lower = match &best {
            Some((_, best)) => number::order(&key, best).map_err(cannot)? == Ordering::Less,
            None => true,
        };
        if is_lower {
            best = Some((place, key));
        }
    }
    Ok(best.map(|(place, _)| place))
}

fn ranked(key: &Value) -> Value {
    key.as_bool().map_or_else(|| key.clone(), |truth| Value::from(u8::from(truth)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_lowest_is_found() {
        let check = |keys: Value, expect: Result<Option<usize>, usize>| {
            let found = lowest(keys.as_array().unwrap()).map_err(|(place, _)| place);
            assert_eq!(found, expect, "{keys}");
        };
        check(json!([]), Ok(None));
        check(json!([3, 1, 2]), Ok(Some(1)));
        check(json!([3, 1.5, 2]), Ok(Some(1)));
        check(json!([1, 1, 0, 0]), Ok(Some(2)));
        check(json!(["b", "a"]), Ok(Some(1)));
        check(json!([true, false, false]), Ok(Some(1)));
        check(json!([1, "a"]), Err(1));
        check(json!([null]), Err(0));
        check(json!([1, null]), Err(1));
        check(json!([[1]]), Err(0));
    }
}
