//! One line of a segment. What its item says is not known here.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An item with its number, the time it was added, and its id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry<T> {
    pub(super) n: u64,
    pub(super) time: i64,
    pub(super) id: String,
    pub(super) item: T,
}

/// With its end.
pub(super) fn encode(entry: &Entry<&Map<String, Value>>) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    Ok(line)
}

/// Without its end. `None` for what no whole entry is.
pub(super) fn decode<T: DeserializeOwned>(line: &[u8]) -> Option<Entry<T>> {
    serde_json::from_slice(line).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A line that broke off anywhere is none, also where it was not the last.
    #[test]
    fn an_entry_is_read_whole_or_not_at_all() {
        let item = json!({ "id": "a\n\u{2028}\"", "deep": [{ "x": 1.5 }], "n": null });
        let item = item.as_object().unwrap();
        let line = encode(&Entry { n: 7, time: 1_000, id: "a\n\u{2028}\"".to_owned(), item }).unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let (end, whole) = line.split_last().unwrap();
        assert_eq!((*end, decode::<Map<String, Value>>(whole).unwrap().item), (b'\n', item.clone()));
        for length in 0..whole.len() {
            assert_eq!(decode::<Value>(&whole[..length]), None, "{length}");
            let twice = [&whole[..length], whole].concat();
            assert_eq!(decode::<Value>(&twice).is_some(), length == 0, "{length}");
            let zeros = [&whole[..length], &vec![0; whole.len() - length]].concat();
            assert_eq!(decode::<Value>(&zeros), None, "{length}");
        }
    }
}
