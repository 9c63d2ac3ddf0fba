//! What becomes of a value: another one, or the same with a part of it replaced.

use sluice_plugin::Problem;

use super::Input;
use crate::hcl::{is_one_expression, quoted};

/// A change whose texts are filled in.
pub(super) struct Change {
    what: What,
    expect: Option<String>,
}

enum What {
    Value(String),
    Part { from: String, to: String },
}

impl Change {
    pub(super) fn of(input: &Input) -> Result<Self, Problem> {
        let fill = |text: &str| filled(text, input);
        let what = match (&input.value, &input.replace) {
            (Some(value), None) => What::Value(one_value(fill(value)?)?),
            (None, Some(replace)) => What::Part { from: fill(&replace.from)?, to: one_line(fill(&replace.to)?)? },
            _ => return Err(one_of_two()),
        };
        all_used(input)?;
        Ok(Self { what, expect: input.expect.as_deref().map(fill).transpose()? })
    }

    /// The new value. It is the old one where everything is as wanted.
    pub(super) fn applied(&self, current: &str) -> Result<String, Problem> {
        match &self.expect {
            Some(expect) if expect != current => self.unless_done(current, expect),
            _ => self.what.applied(current),
        }
    }

    fn unless_done(&self, current: &str, expect: &str) -> Result<String, Problem> {
        if self.what.applied(expect)? == current {
            return Ok(current.to_owned());
        }
        let message = format!(
            "the value is `{current}` and not `{expect}`: somebody has changed it; look at who did and why before it is \
             changed again"
        );
        Err(Problem { path: Some("/expect".to_owned()), ..Problem::not_applied("unexpected_value", message) })
    }
}

impl What {
    fn applied(&self, current: &str) -> Result<String, Problem> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Part { from, to } => part(current, from, to),
        }
    }
}

fn part(current: &str, from: &str, to: &str) -> Result<String, Problem> {
    // One of the two may be a part of the other, which then says nothing of its own.
    let (all_from, all_to) = (places(current, from), places(current, to));
    let inside = |at: usize, part: &str, wholes: &[usize], whole: &str| {
        wholes.iter().any(|start| *start <= at && at + part.len() <= start + whole.len())
    };
    let found: Vec<usize> = all_from.iter().copied().filter(|at| !inside(*at, from, &all_to, to)).collect();
    let done: Vec<usize> =
        all_to.iter().copied().filter(|at| from == to || !inside(*at, to, &all_from, from)).collect();
    let refused = |code: &str, message: String| {
        Err(Problem { path: Some("/replace/from".to_owned()), ..Problem::not_applied(code, message) })
    };
    match (found.as_slice(), done.as_slice()) {
        ([at], []) => {
            let (head, tail) = (current.get(..*at), current.get(at + from.len()..));
            Ok([head.unwrap_or_default(), to, tail.unwrap_or_default()].concat())
        }
        ([], [_]) => Ok(current.to_owned()),
        ([], _) => {
            let message = format!("`{from}` does not stand in the value `{current}`; look at what was changed there");
            refused("no_match", message)
        }
        (several, _) => {
            let message = format!(
                "`{from}` stands {} times in the value `{current}`, and `{to}` {} times; write a longer piece that stands \
                 there once",
                several.len(),
                done.len()
            );
            refused("several_matches", message)
        }
    }
}

/// Where a text stands, also where it overlaps itself. The empty one stands nowhere.
fn places(text: &str, part: &str) -> Vec<usize> {
    let stands = |(at, _): (usize, char)| text.get(at..).filter(|rest| rest.starts_with(part)).map(|_| at);
    if part.is_empty() { Vec::new() } else { text.char_indices().filter_map(stands).collect() }
}

fn one_value(value: String) -> Result<String, Problem> {
    match is_one_expression(&value) {
        Ok(()) => Ok(value),
        Err(why) => Err(bad_value("/value", format!("`{}` is not one HCL expression: {why}", value.escape_debug()))),
    }
}

fn one_line(text: String) -> Result<String, Problem> {
    if text.chars().any(char::is_control) {
        return Err(bad_value(
            "/replace/to",
            "it holds a line end or another control character; write it on one line".into(),
        ));
    }
    Ok(text)
}

/// With its strings in it. What was put in is not looked at again.
fn filled(text: &str, input: &Input) -> Result<String, Problem> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('@') {
        filled.push_str(before);
        let named = after.split_once('@').and_then(|(name, rest)| Some((name, input.strings.get(name)?, rest)));
        let Some((name, string, behind)) = named else {
            filled.push('@');
            rest = after;
            continue;
        };
        filled.push_str(&quoted(string).ok_or_else(|| odd_string(name))?);
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn odd_string(name: &str) -> Problem {
    let message = format!("the string `{name}` holds `${{`, `%{{` or a control character, and no name does");
    Problem::bad_input(&format!("/strings/{name}"), message)
}

/// A name that stands nowhere is one that was mistyped.
fn all_used(input: &Input) -> Result<(), Problem> {
    let replace = input.replace.as_ref();
    let texts = [input.value.as_ref(), replace.map(|replace| &replace.from), replace.map(|replace| &replace.to)];
    let texts: Vec<&String> = texts.into_iter().flatten().chain(&input.expect).collect();
    let unused = |name: &&String| !texts.iter().any(|text| text.contains(&format!("@{name}@")));
    match input.strings.keys().find(unused) {
        None => Ok(()),
        Some(name) => {
            let message = format!("`@{name}@` stands in no text; write it where the string belongs, or leave it out");
            Err(Problem::bad_input(&format!("/strings/{name}"), message))
        }
    }
}

pub(super) fn one_of_two() -> Problem {
    Problem::bad_input("", "write either `value`, for the whole value, or `replace`, for a part of it")
}

fn bad_value(pointer: &str, message: String) -> Problem {
    Problem { path: Some(pointer.to_owned()), ..Problem::not_applied("bad_value", message) }
}
