//! APL, first step: a query's text as words. It knows quotes, numbers, spans of time and signs; not what they mean.

use jiff::SignedDuration;

use crate::error::{Context, Error, Result};

/// One word of a query.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    /// Bare: an operator, a function, a field.
    Bare(String),
    /// `['a name']`.
    Name(String),
    /// `"text"`.
    Text(String),
    Number(f64),
    /// `5m`.
    Span(SignedDuration),
    Sign(&'static str),
}

const SIGNS: [&str; 18] =
    ["==", "!=", "=~", "!~", "<=", ">=", "<", ">", "(", ")", ",", "|", "=", "-", "!", "+", "*", "/"];
const UNITS: [(&str, f64); 5] = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)];

/// The words of a query.
pub(super) fn split(text: &str) -> Result<Vec<Word>> {
    let (mut rest, mut words) = (text.trim_start(), Vec::new());
    while let Some(first) = rest.chars().next() {
        let word;
        (word, rest) = match first {
            '/' if rest.starts_with("//") => {
                rest = rest.split_once('\n').map_or("", |(_, after)| after).trim_start();
                continue;
            }
            '[' => name(rest)?,
            '"' | '\'' => quoted(rest).map(|(text, rest)| (Word::Text(text), rest))?,
            '0'..='9' => number(rest)?,
            'A'..='Z' | 'a'..='z' | '_' => bare(rest),
            _ => sign(rest)?,
        };
        words.push(word);
        rest = rest.trim_start();
    }
    Ok(words)
}

fn name(text: &str) -> Result<(Word, &str)> {
    let inner = text.strip_prefix('[').unwrap_or(text).trim_start();
    let (name, rest) = quoted(inner)?;
    let rest = rest.trim_start().strip_prefix(']').context("a name in brackets ends with ]")?;
    Ok((Word::Name(name), rest))
}

/// A quoted text and what stands behind it.
fn quoted(text: &str) -> Result<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\'')).context("a quote is missing")?;
    let (mut value, mut chars) = (String::new(), text.char_indices().skip(1));
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((value, text.get(at + 1..).unwrap_or_default())),
            '\\' => value.push(match chars.next().map(|(_, c)| c) {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('u') => {
                    let code: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                    let code = u32::from_str_radix(&code, 16).ok().filter(|_| code.len() == 4);
                    code.and_then(char::from_u32).context("unknown escape \\u")?
                }
                Some(c @ ('\\' | '"' | '\'')) => c,
                other => return Err(Error::new(format!("unknown escape \\{}", other.unwrap_or(' ')))),
            }),
            '\n' => break,
            c => value.push(c),
        }
    }
    Err(Error::new("a text has no closing quote"))
}

fn number(text: &str) -> Result<(Word, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let value: f64 = digits.parse().context(digits)?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let (unit, after) = rest.split_at(end);
    match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, seconds)) => {
            let span = SignedDuration::try_from_secs_f64(value * seconds).context("span")?;
            Ok((Word::Span(span), after))
        }
        None if unit.is_empty() => Ok((Word::Number(value), after)),
        None => Err(Error::new(format!("unknown number {digits}{unit}"))),
    }
}

/// A span of time alone: `15m`.
pub(super) fn span(text: &str) -> Result<SignedDuration> {
    match split(text)?.as_slice() {
        [Word::Span(span)] => Ok(*span),
        _ => Err(Error::new(format!("{text:?} is no span of time"))),
    }
}

fn bare(text: &str) -> (Word, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (Word::Bare(word.to_owned()), rest)
}

fn sign(text: &str) -> Result<(Word, &str)> {
    let found = SIGNS.into_iter().find_map(|sign| Some((Word::Sign(sign), text.strip_prefix(sign)?)));
    found.ok_or_else(|| Error::new(format!("unexpected {:?}", text.chars().next().unwrap_or(' '))))
}
