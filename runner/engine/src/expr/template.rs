//! Text with `{{ }}` in it, split into its pieces. Knows how a piece begins; where it ends only the tokens can say.

use super::fault::{ParseCode, ParseError, Span};
use super::syntax;
use super::tree::{Piece, Template};

/// Bytes of one template.
pub const MAX_TEMPLATE: usize = 65_536;

/// Parses a leaf of a runbook. Spans are relative to `text`.
pub fn parse_template(text: &str) -> Result<Template, ParseError> {
    if text.len() > MAX_TEMPLATE {
        let message = format!("a text may have {MAX_TEMPLATE} bytes, and this has {}", text.len());
        return Err(ParseError::new(ParseCode::TooLarge, Span::new(0, text.len()), message));
    }
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(start) = find_marker(text, at) {
        push_text(&mut pieces, text, at, start);
        at = push_value(&mut pieces, text, start)?;
    }
    if pieces.is_empty() {
        return Ok(Template::Text(text.to_owned()));
    }
    push_text(&mut pieces, text, at, text.len());
    Ok(whole_or_parts(pieces))
}

fn whole_or_parts(mut pieces: Vec<Piece>) -> Template {
    match (pieces.len(), pieces.pop()) {
        (1, Some(Piece::Value(expr))) => Template::Whole(expr),
        (_, Some(last)) => {
            pieces.push(last);
            Template::Parts(pieces)
        }
        (_, None) => Template::Parts(pieces),
    }
}

/// The next `{{`, `{%` or `{#`.
fn find_marker(text: &str, from: usize) -> Option<usize> {
    let rest = text.as_bytes().get(from..)?;
    rest.windows(2).position(|pair| matches!(pair, b"{{" | b"{%" | b"{#")).map(|found| from + found)
}

fn push_text(pieces: &mut Vec<Piece>, text: &str, start: usize, end: usize) {
    match text.get(start..end) {
        Some(piece) if !piece.is_empty() => pieces.push(Piece::Text(piece.to_owned())),
        _ => {}
    }
}

/// Adds the expression whose marker is at `start`; says where the text goes on.
fn push_value(pieces: &mut Vec<Piece>, text: &str, start: usize) -> Result<usize, ParseError> {
    let inside = start + 2;
    let rest = text.get(inside..).unwrap_or_default();
    check_marker(text, start, rest)?;
    let Some((end, after)) = syntax::find_end(rest).map_err(|error| at(error, inside))? else {
        return Err(never_closed(start, rest));
    };
    let expr = syntax::parse_at(rest.get(..end).unwrap_or_default(), inside)?;
    pieces.push(Piece::Value(expr));
    Ok(inside + after)
}

fn never_closed(start: usize, rest: &str) -> ParseError {
    let hint = if rest.contains("}}") {
        "a bracket before `}}` is still open"
    } else {
        "add `}}` after the expression; the two characters themselves are `{{ '{{' }}`"
    };
    ParseError::new(ParseCode::Syntax, Span::new(start, start + 2), "`{{` is never closed").hint(hint)
}

fn check_marker(text: &str, start: usize, rest: &str) -> Result<(), ParseError> {
    let marker = text.get(start..start + 2).unwrap_or_default();
    let refused = |length: usize, message: &str, hint: &str| {
        Err(ParseError::new(ParseCode::NotAllowed, Span::new(start, start + length), message).hint(hint))
    };
    match marker {
        "{%" => refused(
            2,
            "there are no blocks `{% %}`",
            "use `when` or `for_each`; the two characters themselves are `{{ '{%' }}`",
        ),
        "{#" => refused(
            2,
            "there are no comments `{# #}`",
            "use a comment of YAML; the two characters themselves are `{{ '{#' }}`",
        ),
        _ if rest.starts_with(['-', '+']) => {
            refused(3, "white space is not trimmed by `-` or `+` at `{{`", "write `{{ `; a space makes it a sign")
        }
        _ => Ok(()),
    }
}

fn at(mut error: ParseError, by: usize) -> ParseError {
    error.span = error.span.shifted(by);
    error
}
