//! Rows under headings, as wide as they need and no wider than the screen.

use super::text::{cut, pad, width};
use crate::screen::{Stream, Tone};

const GAP: usize = 2;
/// A column is not made narrower than this.
const NARROWEST: usize = 8;

/// Cells are plain text; `tone` colours a whole cell by row and column.
pub(crate) struct Table<'a> {
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) tone: &'a dyn Fn(usize, usize) -> Option<Tone>,
}

impl Table<'_> {
    /// Lines that end in a line break, indented by `indent`. What does not fit is taken from the widest column.
    pub(crate) fn show(&self, stream: &Stream, indent: usize) -> String {
        // What is read by a program is never cut.
        let room = if stream.terminal { stream.width.saturating_sub(indent) } else { usize::MAX };
        let widths = self.widths(room);
        let mut text = line(&self.head, &widths, indent, &|_, cell| stream.paint(Tone::Dim, cell));
        for (at, row) in self.rows.iter().enumerate() {
            let paint = |column: usize, cell: &str| match (self.tone)(at, column) {
                Some(tone) => stream.paint(tone, cell),
                None => cell.to_owned(),
            };
            text.push_str(&line(row, &widths, indent, &paint));
        }
        text
    }

    fn widths(&self, room: usize) -> Vec<usize> {
        let cell = |row: &Vec<String>, at: usize| row.get(at).map_or(0, |cell| width(cell));
        let mut widths: Vec<usize> = (0..self.head.len())
            .map(|at| self.rows.iter().chain([&self.head]).map(|row| cell(row, at)).max().unwrap_or(0))
            .collect();
        let gaps = GAP * widths.len().saturating_sub(1);
        loop {
            let total: usize = widths.iter().sum::<usize>() + gaps;
            let widest = widths.iter_mut().max().filter(|widest| **widest > NARROWEST);
            match widest {
                Some(widest) if total > room => *widest -= (total - room).min(*widest - NARROWEST).max(1),
                _ => return widths,
            }
        }
    }
}

fn line(cells: &[String], widths: &[usize], indent: usize, paint: &dyn Fn(usize, &str) -> String) -> String {
    let mut text = " ".repeat(indent);
    let last = cells.iter().rposition(|cell| !cell.is_empty()).unwrap_or(0);
    for (at, (cell, width)) in cells.iter().zip(widths).enumerate().take(last + 1) {
        let shown = cut(cell, *width);
        let fill = pad(&shown, *width).len() - shown.len();
        text.push_str(&paint(at, &shown));
        if at < last {
            text.push_str(&" ".repeat(fill + GAP));
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(rows: &[&[&str]], width: usize) -> String {
        let stream = Stream { terminal: true, color: false, unicode: true, width };
        let cells = |row: &&[&str]| row.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let mut rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
        let head = rows.remove(0);
        Table { head, rows, tone: &|_, _| None }.show(&stream, 0)
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        assert_eq!(shown(&[&["a", "b"], &["1", "two"], &["three", ""]], 80), "a      b\n1      two\nthree\n");
        assert_eq!(shown(&[&["a", "b"], &["節", "x"]], 80), "a   b\n節  x\n");
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        let text = shown(&[&["name", "why"], &["node-1", &"long ".repeat(30)]], 40);
        assert!(text.lines().all(|line| width(line) <= 40), "{text}");
        assert!(text.contains("node-1  long long"), "{text}");
    }
}
