//! From a place inside a text's value back to the file, so that an expression in the middle of a scalar gets its carets.

use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

use super::{Kind, Node, Style};
use crate::source::{Source, Span};

/// Where the bytes `range` of the text's value stand in the source. The whole node when they cannot be told apart, or
/// when it is no text.
pub fn place(source: &Source, node: &Node, range: Range<usize>) -> Span {
    let Kind::Text(text) = &node.kind else { return node.span };
    let raw = source.slice(node.span);
    let aligned = Aligned::new(raw, text.style).find(&text.value, range);
    aligned.map_or(node.span, |(start, end)| {
        let base = node.span.start as usize;
        Span::new(base + start, base + end)
    })
}

/// Walks over the text as written, giving the place of one character of the value after the other.
struct Aligned<'a> {
    raw: &'a str,
    style: Style,
    written: Peekable<CharIndices<'a>>,
}

impl<'a> Aligned<'a> {
    fn new(raw: &'a str, style: Style) -> Self {
        let mut aligned = Self { raw, style, written: raw.char_indices().peekable() };
        match style {
            Style::Plain => {}
            Style::Single | Style::Double => {
                aligned.written.next();
            }
            Style::Block => aligned.skip_header(),
        }
        aligned
    }

    fn skip_header(&mut self) {
        if self.raw.starts_with(['|', '>']) {
            while self.written.next_if(|(_, char)| *char != '\n').is_some() {}
        }
    }

    fn find(mut self, value: &str, range: Range<usize>) -> Option<(usize, usize)> {
        let (mut start, mut end) = (None, 0);
        for (at, char) in value.char_indices() {
            if at >= range.end && start.is_some() {
                break;
            }
            let (from, to) = self.next_of(char)?;
            if at >= range.start {
                start.get_or_insert(from);
                end = to;
            }
        }
        // A range behind the last character points at the end of the text.
        let start = start.or_else(|| self.written.peek().map(|(at, _)| *at))?;
        Some((start, end.max(start)))
    }

    /// The place of the next character of the value, which must be `wanted`.
    fn next_of(&mut self, wanted: char) -> Option<(usize, usize)> {
        self.skip_escaped_break();
        if wanted.is_whitespace() && self.style != Style::Double {
            return self.white();
        }
        self.skip_folding(wanted);
        let (at, char) = self.written.next()?;
        match (self.style, char) {
            (Style::Double, '\\') => self.skip_escape()?,
            (Style::Single, '\'') if wanted == '\'' => {
                self.written.next_if(|(_, next)| *next == '\'')?;
            }
            (Style::Double, '\n' | '\r') if wanted.is_whitespace() => {}
            _ if char == wanted => {}
            _ => return None,
        }
        Some((at, self.here()))
    }

    /// One white character of the value may be any run of white as written: lines are folded and unindented.
    fn white(&mut self) -> Option<(usize, usize)> {
        let (at, _) = self.written.next_if(|(_, char)| char.is_whitespace())?;
        Some((at, self.here()))
    }

    fn skip_folding(&mut self, wanted: char) {
        if !wanted.is_whitespace() {
            while self.written.next_if(|(_, char)| char.is_whitespace()).is_some() {}
        }
    }

    /// A backslash at the end of a line stands for nothing, with the indentation of the next line.
    fn skip_escaped_break(&mut self) {
        let Some((at, _)) = self.written.peek() else { return };
        let rest = self.raw.get(*at..).unwrap_or_default();
        if self.style == Style::Double && (rest.starts_with("\\\n") || rest.starts_with("\\\r")) {
            self.written.next();
            while self.written.next_if(|(_, char)| char.is_whitespace()).is_some() {}
        }
    }

    /// Behind a backslash: how much belongs to it.
    fn skip_escape(&mut self) -> Option<()> {
        let (_, kind) = self.written.next()?;
        let digits = match kind {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        for _ in 0..digits {
            self.written.next()?;
        }
        Some(())
    }

    fn here(&mut self) -> usize {
        self.written.peek().map_or(self.raw.len(), |(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use crate::diagnostic::Findings;

    #[test]
    fn finds_the_same_characters_in_the_file() {
        let check = |text: &str, wanted: &str, expect: &str| {
            let source = Source::new("a.yaml", text);
            let node = parse(&source, &mut Findings::new(&source)).unwrap();
            let Kind::Map(map) = &node.kind else { panic!("{text}") };
            let node = &map.get("k").unwrap().value;
            let Kind::Text(value) = &node.kind else { panic!("{text}") };
            let at = value.value.find(wanted).unwrap();
            assert_eq!(source.slice(place(&source, node, at..at + wanted.len())), expect, "{text}");
        };
        check("k: a b {{ c }}\n", "c", "c");
        check("k: \"a {{ c }} d\"\n", "c", "c");
        check("k: 'it''s {{ c }}'\n", "c", "c");
        check("k: 'it''s {{ c }}'\n", "'", "''");
        check("k: \"tab \\t \\u00e9 {{ c }}\"\n", "c", "c");
        check("k: |\n  a\n  b {{ c }}\n", "c", "c");
        check("k: >-\n  a\n  b {{ cee }}\n  d\n", "cee", "cee");
        check("k: a\n  b {{ c }}\n", "c", "c");
        check("k: \"a\n  b {{ c }}\"\n", "c", "c");
        check("k: \"a \\\n  b {{ c }}\"\n", "c", "c");
    }

    #[test]
    fn what_is_no_text_is_pointed_at_whole() {
        let source = Source::new("a.yaml", "k: 12\n");
        let node = Node { span: Span::new(3, 5), kind: Kind::Int(12) };
        assert_eq!(place(&source, &node, 0..1), node.span);
    }
}
