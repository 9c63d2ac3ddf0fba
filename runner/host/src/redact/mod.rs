//! The last line before text leaves: known secrets, in every form they are likely to take, and text that looks like a
//! secret are replaced by `[redacted NAME]`.
//!
//! It does not know where text goes or where secrets come from. It is a net under the types (`Secret` cannot be shown),
//! not a replacement for them: a value cut in half, reversed or encrypted passes.

mod encodings;
mod shapes;
mod writer;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use serde_json::Value;

pub use writer::RedactingWriter;

/// Shorter values are replaced only where they are the whole text: a three-letter password would tear up every line.
pub const SHORTEST: usize = 6;

/// Keeps the known values of one run. Cheap to ask when nothing is found: two passes over the text and no allocation.
#[derive(Default)]
pub struct Redactor {
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    /// As they were added: one that is a form of another has forms of its own.
    values: BTreeSet<String>,
    /// Each form of each value, and the name to print for it.
    forms: BTreeMap<String, Arc<str>>,
    short: BTreeMap<String, Arc<str>>,
    /// One of them could stand in a number.
    in_numbers: bool,
    /// Built when first asked after a value was added.
    automaton: Option<Arc<Automaton>>,
}

/// All forms of all values, ready to be searched for at once.
struct Automaton {
    search: AhoCorasick,
    forms: Vec<(Vec<u8>, Arc<str>)>,
    longest: usize,
}

/// A stretch of text that must not leave.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
    name: Arc<str>,
    /// It looks like a secret and might go on behind the end of the text.
    grows: bool,
}

impl Redactor {
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on `value` is replaced by `[redacted NAME]`. An empty value is ignored.
    pub fn add(&self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let name: Arc<str> = name.into();
        if value.len() < SHORTEST {
            known.in_numbers |= may_stand_in_a_number(value);
            known.short.insert(value.to_owned(), name);
            return;
        }
        if !known.values.insert(value.to_owned()) {
            return;
        }
        for form in encodings::forms(value) {
            known.in_numbers |= may_stand_in_a_number(&form);
            known.forms.entry(form).or_insert_with(|| name.clone());
        }
        known.automaton = None;
    }

    /// The text without secrets; borrowed when there was none.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if let Some(name) = self.short(text) {
            return Cow::Owned(mark(&name));
        }
        match self.bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// As [`Redactor::text`], for output that need not be UTF-8. A secret split between two calls is not seen: use
    /// [`RedactingWriter`] for streams.
    pub fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let spans = self.spans(self.automaton().as_deref(), bytes);
        if spans.is_empty() { Cow::Borrowed(bytes) } else { Cow::Owned(replace(bytes, &spans)) }
    }

    /// Every text in a document, keys too. A number that holds a known value becomes text.
    pub fn json(&self, value: &mut Value) {
        let in_numbers = self.known.read().unwrap_or_else(PoisonError::into_inner).in_numbers;
        self.clean(value, in_numbers);
    }

    fn clean(&self, value: &mut Value, in_numbers: bool) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(_) if !in_numbers => {}
            Value::Number(number) => {
                if let Cow::Owned(text) = self.text(&number.to_string()) {
                    *value = Value::String(text);
                }
            }
            Value::String(text) => {
                if let Cow::Owned(clean) = self.text(text) {
                    *text = clean;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean(item, in_numbers)),
            Value::Object(fields) => self.object(fields, in_numbers),
        }
    }

    /// True when the text holds a known value or looks like a secret.
    pub fn finds(&self, text: &str) -> bool {
        matches!(self.text(text), Cow::Owned(_))
    }

    fn object(&self, fields: &mut serde_json::Map<String, Value>, in_numbers: bool) {
        fields.values_mut().for_each(|field| self.clean(field, in_numbers));
        if fields.keys().any(|key| self.finds(key)) {
            let old = std::mem::take(fields);
            fields.extend(old.into_iter().map(|(key, field)| (self.text(&key).into_owned(), field)));
        }
    }

    fn short(&self, text: &str) -> Option<Arc<str>> {
        if text.len() >= SHORTEST {
            return None;
        }
        self.known.read().unwrap_or_else(PoisonError::into_inner).short.get(text).cloned()
    }

    fn automaton(&self) -> Option<Arc<Automaton>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.automaton.is_some() || known.forms.is_empty() {
            return known.automaton.clone();
        }
        drop(known);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.automaton.is_none() {
            known.automaton = Automaton::build(&known.forms).map(Arc::new);
        }
        known.automaton.clone()
    }

    /// In order, none overlapping another.
    fn spans(&self, automaton: Option<&Automaton>, bytes: &[u8]) -> Vec<Span> {
        let mut spans = automaton.map_or_else(Vec::new, |automaton| automaton.spans(bytes));
        spans.extend(shapes::spans(bytes));
        if spans.len() > 1 {
            spans = merged(spans);
        }
        spans
    }
}

impl Automaton {
    /// `None` only when the values together are too long to be searched for, far beyond what a run can hold.
    fn build(forms: &BTreeMap<String, Arc<str>>) -> Option<Self> {
        let forms: Vec<_> = forms.iter().map(|(form, name)| (form.clone().into_bytes(), name.clone())).collect();
        // The full automaton would take megabytes for a few credentials; this one takes about their own size.
        let mut builder = AhoCorasick::builder();
        builder.match_kind(MatchKind::Standard).kind(Some(AhoCorasickKind::ContiguousNFA));
        let search = builder.build(forms.iter().map(|(form, _)| form)).ok()?;
        let longest = forms.iter().map(|(form, _)| form.len()).max().unwrap_or(0);
        Some(Self { search, forms, longest })
    }

    fn spans(&self, bytes: &[u8]) -> Vec<Span> {
        if !self.search.is_match(bytes) {
            return Vec::new();
        }
        let named = |found: aho_corasick::Match| {
            let (_, name) = self.forms.get(found.pattern().as_usize())?;
            Some(Span { start: found.start(), end: found.end(), name: name.clone(), grows: false })
        };
        self.search.find_overlapping_iter(bytes).filter_map(named).collect()
    }

    /// Where the earliest form begins that the text ends in the middle of.
    fn unfinished(&self, bytes: &[u8]) -> usize {
        let first = bytes.len().saturating_sub(self.longest.saturating_sub(1));
        let begins = |at: &usize| {
            let rest = bytes.get(*at..).unwrap_or_default();
            self.forms.iter().any(|(form, _)| form.len() > rest.len() && form.starts_with(rest))
        };
        (first..bytes.len()).find(begins).unwrap_or(bytes.len())
    }
}

/// Most values have signs in them that no number has. Nor has what only looks like a secret.
fn may_stand_in_a_number(form: &str) -> bool {
    form.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
}

/// Overlapping spans become one: two secrets that share a piece must not leave the rest of the second behind.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by(|left, right| left.start.cmp(&right.start).then(right.end.cmp(&left.end)));
    let mut out: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match out.last_mut() {
            Some(last) if span.start < last.end => {
                last.grows |= span.grows;
                last.end = last.end.max(span.end);
            }
            Some(_) | None => out.push(span),
        }
    }
    out
}

fn replace(bytes: &[u8], spans: &[Span]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for span in spans {
        out.extend_from_slice(bytes.get(from..span.start).unwrap_or_default());
        out.extend_from_slice(mark(&span.name).as_bytes());
        from = span.end;
    }
    out.extend_from_slice(bytes.get(from..).unwrap_or_default());
    out
}

fn mark(name: &str) -> String {
    format!("[redacted {name}]")
}

#[cfg(test)]
mod tests;
