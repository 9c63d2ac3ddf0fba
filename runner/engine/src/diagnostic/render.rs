//! A diagnostic as text for a terminal: header, place, the lines with carets, help. It decides no policy: whether there
//! are colours is the caller's choice.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar as _;

use super::visible::push_visible;
use super::{Diagnostic, Label, Severity, visible};
use crate::source::{Position, Source};

/// Characters of a message: it may quote a name from the file, of any length.
const LONGEST: usize = 600;

/// Columns of source text shown at most; longer lines are cut around the caret.
const WINDOW: usize = 110;

/// Whether to use ANSI colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    Plain,
    Ansi,
}

/// Several lines, ending with a line break. Text from the file is escaped.
pub fn render(diagnostic: &Diagnostic, paint: Paint) -> String {
    let mut out = String::new();
    let (word, tone) = match diagnostic.severity {
        Severity::Error => ("error", RED),
        Severity::Warning => ("warning", YELLOW),
    };
    let title = paint.with(tone, &format!("{word}[{}]", diagnostic.code));
    line(&mut out, &format!("{title}: {}", paint.with(BOLD, &shortened(&diagnostic.message))));
    let gutter = diagnostic.source.as_ref().map_or(1, |source| place(&mut out, diagnostic, source, paint));
    if let Some(help) = &diagnostic.help {
        for (at, part) in help.lines().enumerate() {
            let head = if at == 0 { "= help:" } else { "       " };
            line(&mut out, &format!("{:gutter$} {} {}", "", paint.with(BLUE, head), shortened(part)));
        }
    }
    out
}

/// One line of text from anywhere, safe to show and of a bearable length.
fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST) {
        None => visible(text),
        Some((end, _)) => Cow::Owned(format!("{}...", visible(text.get(..end).unwrap_or_default()))),
    }
}

/// Writes `--> file:line:column` and the labelled lines; gives the width of the line numbers.
fn place(out: &mut String, diagnostic: &Diagnostic, source: &Source, paint: Paint) -> usize {
    let name = visible(source.name());
    let Some(first) = diagnostic.labels.first() else {
        line(out, &format!(" {} {name}", paint.with(BLUE, "-->")));
        return 1;
    };
    let Position { line: row, column } = source.position(first.span.start);
    let rows: Vec<usize> = diagnostic.labels.iter().map(|label| source.position(label.span.start).line).collect();
    let gutter = rows.iter().max().map_or(1, |row| row.to_string().len());
    line(out, &format!("{:gutter$}{} {name}:{row}:{column}", "", paint.with(BLUE, "-->")));
    let bar = paint.with(BLUE, "|");
    line(out, &format!("{:gutter$} {bar}", ""));
    let mut shown = None;
    for (at, (label, row)) in diagnostic.labels.iter().zip(rows).enumerate() {
        let cut = Cut::new(source, row, label);
        if shown != Some(row) {
            let number = paint.with(BLUE, &format!("{row:>gutter$} |"));
            line(out, &format!("{number} {}", cut.text));
            shown = Some(row);
        }
        let (mark, tone) = if at == 0 { ("^", tone(diagnostic.severity)) } else { ("-", BLUE) };
        let carets = format!("{:pad$}{} {}", "", mark.repeat(cut.carets), shortened(&label.text), pad = cut.before);
        line(out, &format!("{:gutter$} {bar} {}", "", paint.with_keeping_indent(tone, carets.trim_end())));
    }
    gutter
}

/// One line of the source as shown, with the columns of the carets under it.
struct Cut {
    text: String,
    before: usize,
    carets: usize,
}

impl Cut {
    fn new(source: &Source, row: usize, label: &Label) -> Self {
        let (text, start) = source.line(row);
        let from = (label.span.start as usize).saturating_sub(start);
        let to = (label.span.end as usize).saturating_sub(start).min(text.len());
        let (mut shown, mut before, mut until) = (String::new(), None, None);
        let mut width = 0;
        // Only the neighbourhood of the caret is laid out, so that a line of a megabyte costs nothing.
        let (left, right) = (floor(text, from.saturating_sub(4 * WINDOW)), ceil(text, from + 4 * WINDOW));
        let mut columns = Vec::new();
        for (at, char) in text.get(left..right).unwrap_or_default().char_indices() {
            let at = at + left;
            if at >= from {
                before.get_or_insert(width);
            }
            if at >= to {
                until.get_or_insert(width);
            }
            let length = shown.len();
            push_shown(&mut shown, char);
            columns.push((length, width));
            width +=
                shown.get(length..).unwrap_or_default().chars().map(|char| char.width().unwrap_or(1)).sum::<usize>();
        }
        let before = before.unwrap_or(width);
        let carets = until.unwrap_or(width).saturating_sub(before).max(1);
        Self { text: shown, before, carets }.windowed(&columns, width, left > 0, right < text.len())
    }

    /// Cuts the text to the window, keeping the caret in it.
    fn windowed(self, columns: &[(usize, usize)], width: usize, more_left: bool, more_right: bool) -> Self {
        if width <= WINDOW && !more_left && !more_right {
            return self;
        }
        let from = self.before.saturating_sub(WINDOW / 3);
        let (start, skipped) = columns.iter().copied().find(|(_, column)| *column >= from).unwrap_or((0, 0));
        let end = columns.iter().copied().find(|(_, column)| *column >= skipped + WINDOW).map(|(at, _)| at);
        let head = if start > 0 || more_left { "..." } else { "" };
        let tail = if end.is_some() || more_right { "..." } else { "" };
        let middle = self.text.get(start..end.unwrap_or(self.text.len())).unwrap_or_default();
        let before = self.before - skipped + head.len();
        let carets = self.carets.min((WINDOW + head.len()).saturating_sub(before)).max(1);
        Self { text: format!("{head}{middle}{tail}"), before, carets }
    }
}

/// A tab becomes an arrow: it has a width then, and where it is the mistake one sees it.
fn push_shown(shown: &mut String, char: char) {
    if char == '\t' { shown.push('→') } else { push_visible(shown, char) }
}

fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}

fn ceil(text: &str, at: usize) -> usize {
    text.ceil_char_boundary(at)
}

fn tone(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => RED,
        Severity::Warning => YELLOW,
    }
}

fn line(out: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}", text.trim_end());
}

const RED: &str = "1;31";
const YELLOW: &str = "1;33";
const BLUE: &str = "1;34";
const BOLD: &str = "1";

impl Paint {
    fn with(self, tone: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Ansi => format!("\x1b[{tone}m{text}\x1b[0m"),
        }
    }

    fn with_keeping_indent(self, tone: &str, text: &str) -> String {
        let rest = text.trim_start();
        let indent = text.len() - rest.len();
        format!("{:indent$}{}", "", self.with(tone, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Code;
    use super::*;
    use crate::source::Span;

    fn shown(text: &str, start: usize, end: usize) -> String {
        let source = Source::new("a.yaml", text);
        render(&Diagnostic::error(Code::UnknownKey, "bad").at(&source, Span::new(start, end), "here"), Paint::Plain)
    }

    #[test]
    fn carets_stand_under_what_is_meant() {
        let check = |text: &str, start, end, expect: &str| {
            let shown = shown(text, start, end);
            let tail: Vec<&str> = shown.lines().skip(3).collect();
            assert_eq!(tail.join("\n"), expect);
        };
        check("a: b\n", 3, 4, "1 | a: b\n  |    ^ here");
        check("節: b\n", 5, 6, "1 | 節: b\n  |     ^ here");
        check("\ta: b\n", 1, 2, "1 | →a: b\n  |  ^ here");
        check("a: \u{202e}b\n", 6, 7, "1 | a: \\u{202e}b\n  |            ^ here");
        check("a: b\n", 5, 5, "2 |\n  | ^ here");
        check("a: |\n  x\n  y\n", 3, 13, "1 | a: |\n  |    ^ here");
    }

    #[test]
    fn long_lines_are_cut_around_the_caret() {
        let text = format!("{}X{}", "a".repeat(500_000), "b".repeat(500_000));
        let shown = shown(&text, 500_000, 500_001);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines.iter().all(|line| line.len() < 130), "{lines:?}");
        let column = lines[3].find('X').unwrap();
        assert_eq!(lines[4].find('^'), Some(column));
        assert!(lines[3].starts_with("1 | ...a") && lines[3].ends_with("b..."), "{}", lines[3]);
    }

    #[test]
    fn colours_are_only_there_when_asked_for() {
        let source = Source::new("a\u{1b}.yaml", "a: b\n");
        let one = Diagnostic::error(Code::UnknownKey, "b\u{1b}ad")
            .at(&source, Span::new(0, 1), "he\u{7}re")
            .also(Span::new(3, 4), "there")
            .help("do\nthis");
        assert!(!render(&one, Paint::Plain).contains('\x1b'));
        let painted = render(&one, Paint::Ansi);
        assert!(painted.contains("\x1b[1;31m^ he\\u{7}re\x1b[0m"), "{painted}");
        assert_eq!(
            render(&one, Paint::Plain),
            "error[unknown-key]: b\\u{1b}ad\n --> a\\u{1b}.yaml:1:1\n  |\n1 | a: b\n  | ^ he\\u{7}re\n  |    - there\n  = help: do\n          this\n"
        );
    }
}
