//! Text on a screen of fixed columns: widths, cuts, breaks, and numbers as people say them.

use std::time::Duration;

use sluice_engine::diagnostic::visible;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// Filled up with blanks.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// At most so many columns; what was cut is marked.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (mut shown, mut used) = (String::new(), 0);
    for char in text.chars() {
        used += char.width().unwrap_or(0);
        if used + 3 > columns {
            break;
        }
        shown.push(char);
    }
    shown + "..."
}

/// Broken at blanks into lines of at most so many columns. A word longer than that stands alone.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && width(&line) + 1 + width(word) > columns {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// A word that is longer than a line, in pieces of at most so many columns.
pub(crate) fn broken(line: &str, columns: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for char in line.chars() {
        let wide = char.width().unwrap_or(0);
        if used + wide > columns && used > 0 {
            pieces.push(String::new());
            used = 0;
        }
        used += wide;
        if let Some(piece) = pieces.last_mut() {
            piece.push(char);
        }
    }
    pieces
}

/// Text of several lines that others have written, each behind a bar; whatever else is in it is escaped.
pub(crate) fn quoted(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("│ {}\n", visible(&line.replace('\t', "    ")))).collect()
}

/// `0.3 s`, `12 s`, `2 min 5 s`, `3 h 10 min`, `2 d 4 h`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let two = |large: u64, unit: &str, small: u64, rest: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {rest}"),
    };
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// `512 B`, `4.2 MB`; powers of a thousand.
pub(crate) fn bytes(count: f64) -> String {
    let mut value = count;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if value < 1000.0 || unit == "TB" {
            return if unit == "B" { format!("{value:.0} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1000.0;
    }
    String::new()
}

/// The same without tenths, which flicker where a time is drawn again and again.
pub(crate) fn whole(time: Duration) -> String {
    if time.as_secs() < 10 { format!("{} s", time.as_secs()) } else { duration(time) }
}

/// `12,000`
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 step`, `3 steps`
pub(crate) fn many(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_as_people_do() {
        let check = |millis: u64, expect: &str| assert_eq!(duration(Duration::from_millis(millis)), expect);
        check(0, "0.0 s");
        check(340, "0.3 s");
        check(9_999, "10.0 s");
        check(10_000, "10 s");
        check(60_000, "1 min");
        check(125_000, "2 min 5 s");
        check(3_600_000, "1 h");
        check(11_400_000, "3 h 10 min");
        check(187_200_000, "2 d 4 h");
    }

    #[test]
    fn numbers_have_their_marks() {
        let check = |number: u64, expect: &str| assert_eq!(count(number), expect);
        check(0, "0");
        check(999, "999");
        check(1000, "1,000");
        check(1_234_567, "1,234,567");
        assert_eq!(bytes(512.0), "512 B");
        assert_eq!(bytes(4_200_000.0), "4.2 MB");
        assert_eq!(bytes(1e15), "1000.0 TB");
    }

    #[test]
    fn text_is_cut_and_broken_by_columns() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abc...");
        assert_eq!(cut("節節節節", 6), "節...");
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("averylongword b", 4), ["averylongword", "b"]);
        assert_eq!(broken("abcdefg", 3), ["abc", "def", "g"]);
        assert_eq!(broken("節節節", 3), ["節", "節", "節"]);
        assert_eq!(broken("", 3), [""]);
        assert_eq!(pad("節", 4), "節  ");
    }
}
