//! Events cut into the requests in which they are sent: one JSON object a line, compressed. It knows Axiom's bounds and
//! nothing of answers.

use std::sync::{Mutex, PoisonError};

use flate2::{Compress, CompressError, Compression, Crc, FlushCompress, Status};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use sluice_plugin::Problem;

pub(super) type Event = Map<String, Value>;

/// Events in one request: Axiom's bound.
const EVENTS: usize = 10_000;

/// Bytes in one request before it is compressed. An event that is larger goes alone.
const BYTES: usize = 2 << 20;

/// Some of the events, in their order.
pub(super) struct Batch<'a> {
    all: &'a [Event],
    first: usize,
    count: usize,
    lines: String,
}

/// All of them, one after the other. Only the one that is wanted is written down.
pub(super) fn all(events: &[Event]) -> impl Iterator<Item = Batch<'_>> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let batch = Batch::from(events, next)?;
        next += batch.count;
        Some(batch)
    })
}

/// How many bytes they are, and their digest, however they are cut.
pub(super) fn digest(events: &[Event]) -> (u64, String) {
    let mut hash = Sha256::new();
    let mut bytes = 0;
    for event in events {
        let line = line(event);
        bytes += line.len() as u64;
        hash.update(line.as_bytes());
    }
    (bytes, hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

impl<'a> Batch<'a> {
    fn from(all: &'a [Event], first: usize) -> Option<Self> {
        let rest = all.get(first..).filter(|rest| !rest.is_empty())?;
        let (mut lines, mut count) = (String::new(), 0);
        for event in rest.iter().take(EVENTS) {
            let line = line(event);
            if count > 0 && lines.len() + line.len() > BYTES {
                break;
            }
            lines.push_str(&line);
            count += 1;
        }
        Some(Self { all, first, count, lines })
    }

    /// The same in two; nothing where there is one event.
    pub(super) fn halves(&self) -> Option<[Self; 2]> {
        let half = self.count / 2;
        let part = |first: usize, count: usize| {
            let lines = self.all.get(first..first + count)?.iter().map(line).collect();
            Some(Self { all: self.all, first, count, lines })
        };
        (half > 0).then_some([part(self.first, half)?, part(self.first + half, self.count - half)?])
    }

    /// The place of its first event among all.
    pub(super) fn first(&self) -> usize {
        self.first
    }

    pub(super) fn events(&self) -> &'a [Event] {
        self.all.get(self.first..self.first + self.count).unwrap_or_default()
    }

    /// How many events there are in it and after it.
    pub(super) fn and_behind(&self) -> usize {
        self.all.len().saturating_sub(self.first)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.lines.len() as u64
    }

    /// A node has one core, and it is not there for this: what compresses a little better takes three times as long.
    pub(super) fn compressed(&self) -> Result<Vec<u8>, Problem> {
        let mut kept = COMPRESS.lock().unwrap_or_else(PoisonError::into_inner);
        let compress = kept.get_or_insert_with(|| Compress::new(Compression::fast(), false));
        let failed = |error| Problem::not_applied("internal", format!("the events cannot be compressed: {error}"));
        gzipped(compress, self.lines.as_bytes()).map_err(failed)
    }
}

/// Its tables are kept from one batch to the next: to make them takes longer than to compress one event.
static COMPRESS: Mutex<Option<Compress>> = Mutex::new(None);

/// Of a gzip member without a name and a time, made by the fastest way, on no system in particular.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

fn gzipped(compress: &mut Compress, text: &[u8]) -> Result<Vec<u8>, CompressError> {
    compress.reset();
    let mut out = Vec::with_capacity(text.len() / 2 + 256);
    out.extend_from_slice(&HEADER);
    loop {
        let rest = usize::try_from(compress.total_in()).ok().and_then(|taken| text.get(taken..)).unwrap_or_default();
        if compress.compress_vec(rest, &mut out, FlushCompress::Finish)? == Status::StreamEnd {
            break;
        }
        out.reserve(4 << 10);
    }
    let mut crc = Crc::new();
    crc.update(text);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&crc.amount().to_le_bytes());
    Ok(out)
}

/// JSON text of one line: a line's end inside a text is escaped.
fn line(event: &Event) -> String {
    let mut line = Value::Object(event.clone()).to_string();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use serde_json::json;

    use super::*;

    fn events(count: usize, size: usize) -> Vec<Event> {
        let one = |n| json!({ "n": n, "text": "x".repeat(size) }).as_object().unwrap().clone();
        (0..count).map(one).collect()
    }

    #[test]
    fn requests_are_bounded_and_in_order() {
        let check = |count: usize, size: usize, expect: &[usize]| {
            let events = events(count, size);
            let batches: Vec<Batch<'_>> = all(&events).collect();
            let counts: Vec<usize> = batches.iter().map(|batch| batch.events().len()).collect();
            assert_eq!(counts, expect, "{count} of {size}");
            let mut next = 0;
            for batch in &batches {
                assert!(batch.first() == next && (batch.bytes() <= BYTES as u64 || batch.count == 1));
                let mut text = String::new();
                GzDecoder::new(batch.compressed().unwrap().as_slice()).read_to_string(&mut text).unwrap();
                for line in text.lines() {
                    assert_eq!(serde_json::from_str::<Value>(line).unwrap()["n"], next);
                    next += 1;
                }
            }
            assert_eq!(next, count);
        };
        check(1, 10, &[1]);
        check(10_000, 1, &[10_000]);
        check(10_001, 1, &[10_000, 1]);
        check(10, 1 << 20, &[1; 10]);
        check(5, (1 << 20) - 100, &[2, 2, 1]);
        check(3, 3 << 20, &[1, 1, 1]);
        assert_eq!(all(&[]).count(), 0);
    }

    #[test]
    fn the_digest_is_of_what_is_sent() {
        let one = digest(&events(3, 5));
        assert_eq!((one.0, one.1.len()), (69, 64));
        assert_eq!(one, digest(&events(3, 5)));
        assert_ne!(one.1, digest(&events(4, 5)).1);
    }
}
