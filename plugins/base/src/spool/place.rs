//! A place in a spool, as text that goes out with what was read and comes back when it arrived. It names the item before
//! it too, so that a text from another spool, or from before a loss, is not taken for a place in this one.

use std::fmt;

use super::names::{Mark, number};

/// Behind an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The number of the item that follows.
    pub(super) next: u64,
    /// The first number of the segment that holds the item before it.
    pub(super) segment: u64,
    /// Where that item's line ends.
    pub(super) offset: u64,
    /// Of that item's id; `None` where nothing was read.
    pub(super) mark: Option<Mark>,
}

impl Place {
    /// Before all items there ever were.
    pub(crate) fn is_first(&self) -> bool {
        self.next == 0
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let next = number(parts.next()?)?;
        let segment = number(parts.next()?)?;
        let offset = number(parts.next()?)?;
        let mark = match parts.next()? {
            "none" => None,
            mark => Some(Mark::parse(mark)?),
        };
        let place = Self { next, segment, offset, mark };
        (place.to_string() == text).then_some(place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { next, segment, offset, mark } = self;
        match mark {
            Some(mark) => write!(out, "{next}-{segment}-{offset}-{mark}"),
            None => write!(out, "{next}-{segment}-{offset}-none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_no_other_way() {
        let mark = Some(Mark::of("a"));
        for place in [
            Place { next: 0, segment: 0, offset: 0, mark: None },
            Place { next: 12, segment: 3, offset: 4567, mark },
            Place { next: (1 << 53) - 1, segment: 1, offset: 2, mark },
        ] {
            assert_eq!(Place::parse(&place.to_string()), Some(place));
        }
        for other in [
            "",
            "12",
            "1-2-3",
            "1-2-3-",
            "1-2-3-4",
            "1-2-3-none-",
            "01-2-3-none",
            "+1-2-3-none",
            "-1-2-3-none",
            " 1-2-3-none",
            "1-2-3-CA978112CA1BBDCA",
            "9007199254740992-0-0-none",
        ] {
            assert_eq!(Place::parse(other), None, "{other}");
        }
    }
}
