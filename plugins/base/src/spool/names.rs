//! What the files of a spool are called. A segment is named by the number of its first item, and the name of the cursor
//! says all that a cursor says: to move it is one rename. Nothing here touches a file.

use std::fmt;

use sha2::{Digest, Sha256};

/// Numbers that JSON keeps exactly.
pub(super) const MOST: u64 = 1 << 53;

/// An id, short. Equal ones have equal marks; that two others have is as good as impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(u64);

/// Where the first item stands that still waits, and which one was written last when that was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The number of that item: everything below is gone.
    pub(super) next: u64,
    /// Where it begins in its segment. A hint: its number decides.
    pub(super) offset: u64,
    pub(super) last: Option<Mark>,
}

/// A file of the spool, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Segment(u64),
    Cursor(Cursor),
}

impl Name {
    /// `None` for a file that is not the spool's.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let parsed = match name.strip_suffix(".ndjson") {
            Some(first) => Self::Segment(number(first)?),
            None => Self::Cursor(cursor(name.strip_prefix("cursor.")?)?),
        };
        // One name for one thing: no signs, no zeros more or fewer.
        (parsed.to_string() == name).then_some(parsed)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(first) => write!(out, "{first:016}.ndjson"),
            Self::Cursor(Cursor { next, offset, last: Some(mark) }) => write!(out, "cursor.{next}.{offset}.{mark}"),
            Self::Cursor(Cursor { next, offset, last: None }) => write!(out, "cursor.{next}.{offset}.none"),
        }
    }
}

impl Mark {
    pub(crate) fn of(id: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(id.as_bytes()).into();
        Self(digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        u64::from_str_radix(text, 16).ok().map(Self).filter(|mark| mark.to_string() == text)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

pub(super) fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number| *number < MOST)
}

fn cursor(text: &str) -> Option<Cursor> {
    let mut parts = text.split('.');
    let next = number(parts.next()?)?;
    let offset = number(parts.next()?)?;
    let last = match parts.next()? {
        "none" => None,
        mark => Some(Mark::parse(mark)?),
    };
    parts.next().is_none().then_some(Cursor { next, offset, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written_and_no_other_way() {
        let check = |name: &str, expect: Option<Name>| {
            assert_eq!(Name::parse(name), expect, "{name}");
            if let Some(expect) = expect {
                assert_eq!(expect.to_string(), name);
            }
        };
        let at = |next, offset, last| Some(Name::Cursor(Cursor { next, offset, last }));
        check("0000000000000000.ndjson", Some(Name::Segment(0)));
        check("0000000000000012.ndjson", Some(Name::Segment(12)));
        check("9007199254740991.ndjson", Some(Name::Segment(MOST - 1)));
        check("cursor.0.0.none", at(0, 0, None));
        check("cursor.12.345.00000000000000ff", at(12, 345, Some(Mark(255))));
        for other in [
            "",
            "12.ndjson",
            "+000000000000012.ndjson",
            "000000000000000a.ndjson",
            "9007199254740992.ndjson",
            "0000000000000012.ndjson.1",
            "rejected.ndjson",
            "cursor",
            "cursor.1",
            "cursor.1.2",
            "cursor.01.2.none",
            "cursor.1.2.none.3",
            "cursor.1.2.ff",
            "cursor.1.2.00000000000000FF",
            "cursor.1.2.0000000000000000ff",
            "cursor.-1.2.none",
            "cursor.99999999999999999999.2.none",
        ] {
            check(other, None);
        }
    }

    #[test]
    fn a_mark_is_the_beginning_of_a_digest() {
        assert_eq!(Mark::of("").to_string(), "e3b0c44298fc1c14");
        assert_ne!(Mark::of("a"), Mark::of("b"));
    }
}
