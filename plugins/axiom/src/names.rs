//! Names from outside that stand in the path of a URL. There each of them is one segment, and never more than that.

use std::fmt::{self, Write as _};

/// A name, quoted for a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment(String);

impl Segment {
    /// `None` of what would be no segment of its own, however it is quoted.
    pub(crate) fn of(name: &str) -> Option<Self> {
        if matches!(name, "" | "." | "..") {
            return None;
        }
        let mut quoted = String::with_capacity(name.len());
        for byte in name.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => quoted.push(char::from(byte)),
                // Writing to a string does not fail.
                other => drop(write!(quoted, "%{other:02X}")),
            }
        }
        Some(Self(quoted))
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment() {
        let check = |name: &str, expect: Option<&str>| {
            assert_eq!(Segment::of(name).map(|segment| segment.to_string()).as_deref(), expect, "{name}");
        };
        check("nats-logs", Some("nats-logs"));
        check("a.b_c~1", Some("a.b_c~1"));
        check("a/../b", Some("a%2F..%2Fb"));
        check("a?b#c", Some("a%3Fb%23c"));
        check("%2e%2e", Some("%252e%252e"));
        check("größe", Some("gr%C3%B6%C3%9Fe"));
        check("a b\n", Some("a%20b%0A"));
        check("", None);
        check(".", None);
        check("..", None);
    }
}
