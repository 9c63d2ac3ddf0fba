//! What looks like a secret whoever made it: tokens with a known beginning, keys and PEM blocks.
//!
//! Each shape is narrow enough not to tear up ordinary text; a secret without a shape is only found when it is known.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::Span;

/// One alternative per shape. [`name`] tells them apart by their first byte.
static SHAPES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?x-u)
        eyJ[A-Za-z0-9_-]{17,}(?:\.[A-Za-z0-9_-]*){0,4}
        | S[UAONCX][A-Z2-7]{56}
        | A(?:KIA|SIA)[A-Z0-9]{16}
        | x(?:ox[a-z]|app)-[A-Za-z0-9-]{10,}
        | -----BEGIN[\ ][A-Z0-9\ ]{1,60}-----(?s:.*?)(?:-----END[\ ][A-Z0-9\ ]{1,60}-----+|\z)",
    )
    .ok()
});

/// The beginning of any shape, up to the end of the text.
static BEGINNINGS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?x-u)(?:
        e | ey | eyJ[A-Za-z0-9_-]{0,16}
        | S | S[UAONCX][A-Z2-7]{0,55}
        | A | AK | AS | AKI | ASI | A(?:KIA|SIA)[A-Z0-9]{0,15}
        | x | xo | xa | xap | xox | xox[a-z] | xapp | x(?:ox[a-z]|app)-[A-Za-z0-9-]{0,9}
        | -{1,5} | -----[A-Z0-9\ ]{1,66}-{0,4}
        )\z",
    )
    .ok()
});

/// Longer than the longest unfinished beginning.
const WINDOW: usize = 96;

pub(super) fn spans(bytes: &[u8]) -> impl Iterator<Item = Span> {
    // Most text holds none, and compiling the pattern takes longer than a short run.
    let shapes = if may_hold(bytes) { SHAPES.as_ref() } else { None };
    let found = shapes.into_iter().flat_map(move |shapes| shapes.find_iter(bytes));
    found.map(move |found| Span {
        start: found.start(),
        end: found.end(),
        name: name(found.as_bytes()).into(),
        grows: found.end() == bytes.len(),
    })
}

/// False when no shape can begin anywhere in these bytes.
fn may_hold(bytes: &[u8]) -> bool {
    let begins = |at: usize, beginnings: &[&[u8]]| {
        let rest = bytes.get(at..).unwrap_or_default();
        beginnings.iter().any(|beginning| rest.starts_with(beginning))
    };
    bytes.iter().enumerate().any(|(at, byte)| match byte {
        b'e' => begins(at, &[b"eyJ"]),
        b'S' => begins(at, &[b"SU", b"SA", b"SO", b"SN", b"SC", b"SX"]),
        b'A' => begins(at, &[b"AKIA", b"ASIA"]),
        b'x' => begins(at, &[b"xox", b"xapp-"]),
        b'-' => begins(at, &[b"-----BEGIN "]),
        _ => false,
    })
}

/// Where the earliest shape begins that the text ends in the middle of, before it is long enough to be one.
pub(super) fn unfinished(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(WINDOW);
    let tail = bytes.get(from..).unwrap_or_default();
    let found = BEGINNINGS.as_ref().and_then(|beginnings| beginnings.find(tail));
    found.map_or(bytes.len(), |found| from + found.start())
}

/// How many of these bytes still belong to a shape that was already replaced because it grew too long to be kept.
pub(super) fn rest_of(shape: &str, bytes: &[u8]) -> Option<usize> {
    if shape != PEM {
        return bytes.iter().position(|byte| !byte.is_ascii_alphanumeric() && !b"_-.".contains(byte));
    }
    let end = b"-----END";
    bytes.windows(end.len()).position(|window| window == end)
}

pub(super) const PEM: &str = "pem";

fn name(found: &[u8]) -> &'static str {
    match found.first() {
        Some(b'e') => "jwt",
        Some(b'S') => "nkey_seed",
        Some(b'A') => "aws_key_id",
        Some(b'x') => "slack_token",
        Some(_) | None => PEM,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_compile() {
        assert!(SHAPES.is_some() && BEGINNINGS.is_some());
    }

    /// Cut anywhere, a shape's beginning is recognised as one: nothing of it is written too early.
    #[test]
    fn every_prefix_of_a_shape_is_unfinished() {
        let seed = format!("SU{}", "A2".repeat(28));
        let jwt = "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5";
        let pem = "-----BEGIN RSA PRIVATE KEY-----";
        for shape in [
            seed.as_str(),
            jwt,
            "AKIAIOSFODNN7EXAMPLE",
            "ASIAIOSFODNN7EXAMPLE",
            "xoxb-1234567890-ab",
            "xapp-1-A0B1C2D3E4",
            pem,
        ] {
            for cut in 1..shape.len() {
                let text = format!("one two: {}", &shape[..cut]);
                let complete = spans(text.as_bytes()).any(|span| span.grows);
                assert!(complete || unfinished(text.as_bytes()) <= 9, "{text}");
            }
            assert_eq!(spans(shape.as_bytes()).map(|span| span.start).next(), Some(0), "{shape}");
        }
    }
}
