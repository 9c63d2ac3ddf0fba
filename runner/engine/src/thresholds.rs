//! The threshold file: a team's alert table as rows. What a row means is the business of the actions that take it.
//!
//! A plain typed file, so serde-saphyr reads it straight into its type; runbooks and inventories, where every mistake is
//! told at once, go through `yaml`.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::diagnostic::{Code, Diagnostic};
use crate::source::{Source, Span};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    thresholds: Vec<Map<String, Value>>,
}

/// The rows of the file.
pub fn parse(source: &Source) -> Result<Value, Diagnostic> {
    let options = serde_saphyr::options! { with_snippet: false };
    match serde_saphyr::from_str_with_options::<File>(source.text(), options) {
        Ok(file) => Ok(Value::Array(file.thresholds.into_iter().map(Value::Object).collect())),
        Err(error) => Err(diagnostic(source, &error)),
    }
}

fn diagnostic(source: &Source, error: &serde_saphyr::Error) -> Diagnostic {
    let message = error.to_string();
    let message = message.lines().next().unwrap_or_default();
    let found = Diagnostic::error(Code::YamlSyntax, format!("the threshold file cannot be read: {message}"));
    let found = match error.location().and_then(|location| span(source, location.line(), location.column())) {
        Some(span) => found.at(source, span, ""),
        None => found.of(source),
    };
    found.help("it holds one list, `thresholds:`, with a row for each: id, field, op, value, wording, say, todo")
}

/// Line and column count from 1, columns in characters.
fn span(source: &Source, line: u64, column: u64) -> Option<Span> {
    let (text, start) = source.line(usize::try_from(line).ok()?);
    let characters = usize::try_from(column).ok()?.saturating_sub(1);
    let offset = text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    Some(Span::new(start + offset, start + offset + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_mistakes_have_a_place() {
        let check = |text: &str, expect: Result<usize, (&str, usize)>| {
            let source = Source::new("thresholds.yaml", text);
            let found = parse(&source).map(|rows| rows.as_array().unwrap().len());
            match (found, expect) {
                (Ok(rows), Ok(expect)) => assert_eq!(rows, expect, "{text}"),
                (Err(found), Err((message, line))) => {
                    assert!(found.message.contains(message), "{}", found.message);
                    let at = found.labels[0].span.range().start;
                    assert_eq!(source.position(u32::try_from(at).unwrap()).line, line, "{text}");
                }
                (found, expect) => panic!("{text}: {found:?}, not {expect:?}"),
            }
        };
        check("thresholds:\n  - { id: cpu, op: at_least, value: 80 }\n", Ok(1));
        check(include_str!("../../../runbooks/thresholds.yaml"), Ok(20));
        check("thresholds:\n  - { id: cpu, id: cpu }\n", Err(("duplicate", 2)));
        check("thresholds: []\nalerts: []\n", Err(("unknown field", 2)));
        check("thresholds:\n  - cpu\n", Err(("map", 2)));
    }
}
