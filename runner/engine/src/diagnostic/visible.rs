//! Text from outside made safe to show on a terminal: what would move, hide or reorder it is spelled out.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with control, bidirectional, zero-width and other invisible characters as `\u{..}`, and `\` kept as it is.
/// Line breaks are spelled out as well: the result is one line.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    text.chars().for_each(|char| push_visible(&mut shown, char));
    Cow::Owned(shown)
}

/// Appends one character the way [`visible`] shows it.
pub(super) fn push_visible(shown: &mut String, char: char) {
    match char {
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        _ if is_unsafe(char) => {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\\u{{{:x}}}", char as u32);
        }
        _ => shown.push(char),
    }
}

fn is_unsafe(char: char) -> bool {
    char.is_control() || reorders(char) || hides(char)
}

fn reorders(char: char) -> bool {
    matches!(char, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}')
}

/// Zero-width characters, fillers, line separators, variation selectors and tags.
fn hides(char: char) -> bool {
    matches!(
        char,
        '\u{00ad}'
            | '\u{034f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200d}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{2060}'..='\u{2065}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_hide_or_move_is_spelled_out() {
        let check = |text: &str, expect: &str| assert_eq!(visible(text), expect);
        check("plain täxt — 節", "plain täxt — 節");
        check("a\u{1b}[31mred", "a\\u{1b}[31mred");
        check("two\nlines\tand\r", "two\\nlines\\tand\\r");
        check("\u{202e}drow", "\\u{202e}drow");
        check("node\u{200b}-1", "node\\u{200b}-1");
        check("\u{9b}31m", "\\u{9b}31m");
        check("\u{e0041}", "\\u{e0041}");
        check("\u{7f}", "\\u{7f}");
    }
}
