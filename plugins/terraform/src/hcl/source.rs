//! A file's text, and what the parser makes of it, with places that hold in the text as it came.
//!
//! The parser is given the text without a byte order mark, which it refuses, and with every line end as LF, so that a
//! file is understood the same whoever saved it.

use std::ops::Range;

use hcl_edit::Span as _;
use hcl_edit::expr::Expression;
use hcl_edit::parser::{parse_body, parse_expr};
use hcl_edit::structure::Body;
use sluice_plugin::Problem;

const MARK: char = '\u{feff}';

pub(crate) struct Source<'a> {
    text: &'a str,
    pub(crate) body: Body,
    /// Bytes before what was parsed.
    skipped: usize,
    /// Where, in what was parsed, a line ends that had a CR before its LF.
    shortened: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, Problem> {
        let bare = text.strip_prefix(MARK).unwrap_or(text);
        let plain = bare.replace("\r\n", "\n");
        if let Some(at) = plain.find('\r') {
            let line = line_at(&plain, at);
            let message = format!(
                "line {line} holds a carriage return that ends no line, which Terraform takes for no line end either; save \
                 the file with one kind of line end"
            );
            return Err(Problem::not_applied("not_hcl", message));
        }
        let body = parse_body(&plain).map_err(|error| not_hcl(&error))?;
        let returns = bare.match_indices("\r\n").enumerate();
        let shortened = returns.map(|(before, (at, _))| at - before).collect();
        Ok(Self { text, body, skipped: text.len() - bare.len(), shortened })
    }

    /// The bytes of an expression of this file, in the text as it came.
    pub(crate) fn range(&self, expression: &Expression) -> Result<Range<usize>, Problem> {
        let range = expression.span().map(|span| self.original(span.start)..self.original(span.end));
        range.filter(|range| self.text.get(range.clone()).is_some()).ok_or_else(no_span)
    }

    pub(crate) fn text_of(&self, expression: &Expression) -> Result<&'a str, Problem> {
        self.text.get(self.range(expression)?).ok_or_else(no_span)
    }

    fn original(&self, at: usize) -> usize {
        self.skipped + at + self.shortened.partition_point(|end| *end < at)
    }
}

/// Whether this text is one expression from its first byte to its last, and on one line: nothing beside it, no comment
/// before or after it.
pub(crate) fn is_one_expression(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err("it holds a line end or another control character; write it on one line".to_owned());
    }
    let expression = parse_expr(text).map_err(|error| error.message().to_owned())?;
    let whole = expression.span() == Some(0..text.len());
    whole.then_some(()).ok_or_else(|| "there is something before or after the expression".to_owned())
}

/// Counted from 1.
pub(crate) fn line_at(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn not_hcl(error: &hcl_edit::parser::Error) -> Problem {
    let (line, column) = (error.location().line(), error.location().column());
    let message = format!(
        "the text is not HCL: line {line}, column {column}: {}; mend it there, `terraform validate` says the same",
        error.message()
    );
    Problem::not_applied("not_hcl", message).with_details(serde_json::json!({ "line": line, "column": column }))
}

fn no_span() -> Problem {
    Problem::not_applied("internal", "the parser does not say where the value stands; change it by hand")
}
