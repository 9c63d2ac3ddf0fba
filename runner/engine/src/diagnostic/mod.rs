//! What is wrong with a text, where, and what to do about it.
//!
//! A diagnostic is data: it knows no colours and no terminal; [`render`] makes text of it. Codes are durable names with a
//! page each, which `sluice explain` shows.

mod code;
mod findings;
mod nearest;
mod render;
mod visible;

pub use code::Code;
pub use findings::Findings;
pub use nearest::{did_you_mean, list, nearest};
pub use render::{Paint, render};
pub use visible::visible;

use crate::source::{Source, Span};

/// One finding. Labels are ordered: the first one is what it is about, the others help to see why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: Code,
    pub severity: Severity,
    /// Small letter first, no full stop: what is wrong.
    pub message: String,
    pub labels: Vec<Label>,
    /// What to do next.
    pub help: Option<String>,
    /// `None` when it is about no file: a value from the command line, a file that is not text.
    pub source: Option<Source>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing runs.
    Error,
    /// It runs; somebody should look all the same.
    Warning,
}

/// A place in the source and what to say beside it; the text may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

impl Diagnostic {
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, message: message.into(), labels: Vec::new(), help: None, source: None }
    }

    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Names the file without a place in it.
    #[must_use]
    pub fn of(mut self, source: &Source) -> Self {
        self.source = Some(source.clone());
        self
    }

    #[must_use]
    pub fn at(self, source: &Source, span: Span, text: impl Into<String>) -> Self {
        self.of(source).also(span, text)
    }

    /// One more place in the same file.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    pub fn is_error(&self) -> bool {
        match self.severity {
            Severity::Error => true,
            Severity::Warning => false,
        }
    }
}

/// Puts findings into the order in which a person meets them: by file, then from top to bottom.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    let place = |one: &Diagnostic| {
        let file = one.source.as_ref().map(|source| source.name().to_owned());
        (file, one.labels.first().map(|label| label.span), one.code.as_str())
    };
    diagnostics.sort_by_cached_key(place);
    diagnostics.dedup();
}
