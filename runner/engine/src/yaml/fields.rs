//! Reading a tree strictly: this mapping has these keys and no others, this value is a number from here to there.
//! Everything wrong becomes a finding and reading goes on. It knows no runbook and no inventory.

use std::time::Duration;

use sluice_plugin::parse_duration;

use super::{Entry, Kind, Map, Node};
use crate::diagnostic::{Code, Diagnostic, Findings, did_you_mean, list, nearest};
use crate::source::{Source, Span};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

/// A mapping whose keys were compared with those that are allowed.
pub struct Fields<'a> {
    map: &'a Map,
    span: Span,
    /// "a step", for messages.
    what: &'static str,
    /// Keys that an unknown one was probably meant to be: they are not reported as missing as well.
    meant: Vec<String>,
}

impl<'a> Fields<'a> {
    /// Reports unknown keys. `None` when the node is no mapping, which is reported as well.
    pub fn open(node: &'a Node, what: &'static str, allowed: &[&str], findings: &mut Findings) -> Option<Self> {
        let map = map(node, what, findings)?;
        let mut meant = Vec::new();
        for entry in map.iter().filter(|entry| !allowed.contains(&entry.key.name.as_str())) {
            findings.push_with(|source| {
                let near = nearest(&entry.key.name, allowed.iter().copied());
                meant.extend(near.map(str::to_owned));
                unknown_key(entry, what, allowed, near, source)
            });
        }
        Some(Self { map, span: node.span, what, meant })
    }

    pub fn get(&self, name: &str) -> Option<&'a Node> {
        self.entry(name).map(|entry| &entry.value)
    }

    pub fn entry(&self, name: &str) -> Option<&'a Entry> {
        self.map.get(name)
    }

    /// Reports a key that is not there.
    pub fn require(&self, name: &str, findings: &mut Findings) -> Option<&'a Node> {
        let found = self.get(name);
        if found.is_none() && !self.is_meant(name) {
            findings.error(Code::MissingKey, self.head(findings), format!("{} needs `{name}`", self.what), "");
        }
        found
    }

    /// Whether an unknown key looks like this one misspelt.
    pub fn is_meant(&self, name: &str) -> bool {
        self.meant.iter().any(|meant| meant == name)
    }

    /// The first key: enough to find a block of any length.
    pub fn head(&self, findings: &Findings) -> Span {
        let first = self.map.iter().next().map_or(self.span, |entry| entry.key.span);
        let starts_with_brace = findings.source().slice(self.span).starts_with('{');
        if starts_with_brace { first_line(findings, self.span) } else { first }
    }

    pub fn iter(&self) -> impl Iterator<Item = &'a Entry> + use<'a> {
        self.map.0.iter()
    }
}

fn first_line(findings: &Findings, span: Span) -> Span {
    let text = findings.source().slice(span);
    Span::new(span.start as usize, span.start as usize + text.lines().next().map_or(0, str::len))
}

fn unknown_key(entry: &Entry, what: &str, allowed: &[&str], near: Option<&str>, source: &Source) -> Diagnostic {
    let name = &entry.key.name;
    let found = Diagnostic::error(Code::UnknownKey, format!("`{name}` is not a key of {what}"));
    let label = near.map(|near| format!("did you mean `{near}`?")).unwrap_or_default();
    let found = found.at(source, entry.key.span, label);
    found.help(format!("{what} may have {}", list(allowed.iter().copied(), "and")))
}

/// `what` must be `wanted`, and is something else.
pub fn wrong_type(node: &Node, what: &str, wanted: &str, findings: &mut Findings) {
    if !node.is_broken() {
        let message = format!("{what} must be {wanted}, and this is {}", node.describe());
        findings.error(Code::WrongType, node.span, message, "");
    }
}

pub fn map<'a>(node: &'a Node, what: &str, findings: &mut Findings) -> Option<&'a Map> {
    match &node.kind {
        Kind::Map(map) => Some(map),
        _ => {
            wrong_type(node, what, "a mapping", findings);
            None
        }
    }
}

pub fn seq<'a>(node: &'a Node, what: &str, findings: &mut Findings) -> Option<&'a [Node]> {
    match &node.kind {
        Kind::Seq(items) => Some(items),
        _ => {
            if !node.is_broken() {
                let message = format!("{what} must be a list, and this is {}", node.describe());
                findings.helped(Code::WrongType, node.span, message, "begin each of its entries with `- `");
            }
            None
        }
    }
}

pub fn text<'a>(node: &'a Node, what: &str, findings: &mut Findings) -> Option<&'a str> {
    match &node.kind {
        Kind::Text(text) => Some(&text.value),
        Kind::Int(_) | Kind::Float(_) | Kind::Bool(_) => {
            let message = format!("{what} must be text, and this is {}", node.describe());
            let written = findings.source().slice(node.span).to_owned();
            findings.helped(Code::WrongType, node.span, message, format!("put it into quotes: \"{written}\""));
            None
        }
        Kind::Null | Kind::Seq(_) | Kind::Map(_) | Kind::Broken => {
            wrong_type(node, what, "text", findings);
            None
        }
    }
}

pub fn boolean(node: &Node, what: &str, findings: &mut Findings) -> Option<bool> {
    match &node.kind {
        Kind::Bool(value) => Some(*value),
        _ => {
            wrong_type(node, what, "`true` or `false`", findings);
            None
        }
    }
}

/// A whole number within the range, both ends allowed.
pub fn integer(node: &Node, what: &str, range: (i64, i64), findings: &mut Findings) -> Option<i64> {
    let (least, most) = range;
    match &node.kind {
        Kind::Int(value) if (least..=most).contains(value) => Some(*value),
        Kind::Int(_) => {
            findings.error(Code::BadValue, node.span, format!("{what} must be from {least} to {most}"), "");
            None
        }
        _ => {
            wrong_type(node, what, "a whole number", findings);
            None
        }
    }
}

/// `30s`. Zero is refused: nothing here waits for no time at all.
pub fn duration(node: &Node, what: &str, findings: &mut Findings) -> Option<Spanned<Duration>> {
    let wrong = |message: String, findings: &mut Findings| {
        findings.error(Code::BadDuration, node.span, message, "");
        None
    };
    match &node.kind {
        Kind::Text(text) => match parse_duration(&text.value) {
            Ok(Duration::ZERO) => wrong(format!("{what} must be longer than zero"), findings),
            Ok(value) => Some(Spanned { value, span: node.span }),
            Err(why) => wrong(format!("{what}: {why}"), findings),
        },
        Kind::Int(number) => {
            wrong(format!("{what}: `{number}` has no unit; write `{number}s` or `{number}m`"), findings)
        }
        _ => {
            wrong_type(node, what, "a duration such as `30s`", findings);
            None
        }
    }
}

/// One of the words, as the value that belongs to it.
pub fn word<T: Copy>(node: &Node, what: &str, words: &[(&str, T)], findings: &mut Findings) -> Option<Spanned<T>> {
    let written = text(node, what, findings)?;
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == written) {
        return Some(Spanned { value: *value, span: node.span });
    }
    let names = || words.iter().map(|(word, _)| *word);
    let label = did_you_mean(written, names()).unwrap_or_default();
    let message = format!("{what} must be {}, and this is `{written}`", list(names(), "or"));
    findings.error(Code::BadValue, node.span, message, label);
    None
}

impl<T> Spanned<T> {
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: change(self.value), span: self.span }
    }
}
