//! Where findings are gathered while a text is read. It bounds how many are kept, so that a hostile file cannot turn
//! a megabyte into a gigabyte of messages.

use super::{Code, Diagnostic, sort};
use crate::source::{Source, Span};

/// Shown at most; the rest is counted.
const MOST: usize = 100;

/// Gathered before the best of them are chosen by their place.
const KEPT: usize = 10 * MOST;

/// The findings about one source.
pub struct Findings {
    source: Source,
    kept: Vec<Diagnostic>,
    dropped: usize,
}

impl Findings {
    pub fn new(source: &Source) -> Self {
        Self { source: source.clone(), kept: Vec::new(), dropped: 0 }
    }

    pub fn source(&self) -> &Source {
        &self.source
    }

    pub fn push(&mut self, found: Diagnostic) {
        if self.kept.len() < KEPT { self.kept.push(found) } else { self.dropped += 1 }
    }

    /// As [`Self::push`], for what is dear to make: it is not made when it would be dropped.
    pub fn push_with(&mut self, found: impl FnOnce(&Source) -> Diagnostic) {
        if self.kept.len() < KEPT {
            let found = found(&self.source);
            self.kept.push(found);
        } else {
            self.dropped += 1;
        }
    }

    /// An error at one place.
    pub fn error(&mut self, code: Code, span: Span, message: impl Into<String>, label: impl Into<String>) {
        self.push(Diagnostic::error(code, message).at(&self.source, span, label));
    }

    /// An error at one place with what to do.
    pub fn helped(&mut self, code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.push(Diagnostic::error(code, message).at(&self.source, span, "").help(help));
    }

    /// Whether something was found inside this place.
    pub fn any_within(&self, span: Span) -> bool {
        let inside = |found: &Diagnostic| {
            found.labels.first().is_some_and(|label| span.start <= label.span.start && label.span.end <= span.end)
        };
        self.kept.iter().any(inside)
    }

    pub fn any_error(&self) -> bool {
        self.kept.iter().any(Diagnostic::is_error)
    }

    /// In the order of the file.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        sort(&mut self.kept);
        let more = self.dropped + self.kept.len().saturating_sub(MOST);
        self.kept.truncate(MOST);
        if more > 0 {
            let found = Diagnostic::error(Code::TooManyErrors, format!("there are {more} more findings"));
            self.kept.push(found.of(&self.source).help("mend the ones above and check again"));
        }
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_findings_are_counted_and_not_kept() {
        let source = Source::new("a.yaml", "a".repeat(5000));
        let mut findings = Findings::new(&source);
        for at in (0..5000).rev() {
            findings.error(Code::UnknownKey, Span::new(at, at + 1), "bad", "");
        }
        let found = findings.finish();
        assert_eq!(found.len(), MOST + 1);
        assert_eq!(found.last().unwrap().message, "there are 4900 more findings");
    }
}
