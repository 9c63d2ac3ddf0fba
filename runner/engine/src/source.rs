//! The text of one file under the name an operator knows it by, and places in it.
//!
//! It counts lines and columns from 1, columns in characters. It does not know what the text means or where it was
//! read from.

use std::fmt;
use std::sync::Arc;

/// One file's text. Cheap to clone; every diagnostic holds one.
#[derive(Clone, PartialEq, Eq)]
pub struct Source(Arc<Text>);

#[derive(PartialEq, Eq)]
struct Text {
    name: String,
    text: String,
    /// Byte offset of the first character of each line.
    lines: Vec<usize>,
}

/// Byte offsets into a source's text, `end` excluded. Both lie on character boundaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

/// Both count from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        Self(Arc::new(Text { name: name.into(), text, lines }))
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The text at `span`; empty when the span is not of this source.
    pub fn slice(&self, span: Span) -> &str {
        self.0.text.get(span.range()).unwrap_or_default()
    }

    pub fn position(&self, offset: u32) -> Position {
        let offset = offset as usize;
        let line = self.0.lines.partition_point(|start| *start <= offset).max(1);
        let start = self.0.lines.get(line - 1).copied().unwrap_or(0);
        let before = self.0.text.get(start..offset).unwrap_or_default();
        Position { line, column: before.chars().count() + 1 }
    }

    /// The line with this number, without its line break, and the byte offset at which it starts.
    pub fn line(&self, number: usize) -> (&str, usize) {
        let start = number.checked_sub(1).and_then(|at| self.0.lines.get(at)).copied().unwrap_or(self.0.text.len());
        let end = self.0.lines.get(number).copied().unwrap_or(self.0.text.len());
        let line = self.0.text.get(start..end).unwrap_or_default();
        (line.trim_end_matches(['\n', '\r']), start)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Source({})", self.0.name)
    }
}

impl Span {
    /// Offsets beyond 4 GiB end at that bound; such files are refused long before.
    pub fn new(start: usize, end: usize) -> Self {
        let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { start: narrow(start), end: narrow(end.max(start)) }
    }

    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let source = Source::new("a.yaml", "één: 1\ntwo: ü!\n");
        let check = |offset: usize, line, column| {
            assert_eq!(source.position(offset as u32), Position { line, column }, "offset {offset}");
        };
        check(0, 1, 1);
        check(2, 1, 2);
        check(9, 2, 1);
        check(16, 2, 7);
        check(source.text().len(), 3, 1);
        check(9999, 3, 1);
    }

    #[test]
    fn lines_come_without_their_break() {
        let source = Source::new("a.yaml", "one\r\ntwo\nthree");
        assert_eq!(source.line(1), ("one", 0));
        assert_eq!(source.line(2), ("two", 5));
        assert_eq!(source.line(3), ("three", 9));
        assert_eq!(source.line(4), ("", 14));
        assert_eq!(source.line(0), ("", 14));
    }
}
