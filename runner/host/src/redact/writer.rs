//! A writer that redacts a stream, wherever its pieces are cut.
//!
//! What might be the beginning of a secret is held back until the next bytes decide it; everything else goes on at
//! once. `flush` does not let go of what is held: only `finish` or dropping the writer does.

use std::io::{self, Write};
use std::sync::Arc;

use super::{Automaton, Redactor, replace, shapes};

/// What looks like one endless secret is replaced when it reached this length, and swallowed from there on.
const MOST_HELD: usize = 64 << 10;

pub struct RedactingWriter<W: Write> {
    redactor: Arc<Redactor>,
    /// `None` only after `finish`.
    inner: Option<W>,
    held: Vec<u8>,
    /// The shape that was replaced before its end was seen, and how much of it was dropped since.
    swallowing: Option<(Arc<str>, usize)>,
}

impl<W: Write> RedactingWriter<W> {
    pub fn new(inner: W, redactor: Arc<Redactor>) -> Self {
        Self { redactor, inner: Some(inner), held: Vec::new(), swallowing: None }
    }

    /// Writes what was held and gives the inner writer back.
    pub fn finish(mut self) -> io::Result<W> {
        self.pass_on(true)?;
        self.inner.take().ok_or_else(|| io::Error::other("the writer is finished"))
    }

    fn pass_on(&mut self, last: bool) -> io::Result<()> {
        self.swallow();
        if self.swallowing.is_some() {
            return Ok(());
        }
        let automaton = self.redactor.automaton();
        let spans = self.redactor.spans(automaton.as_deref(), &self.held);
        let unfinished = automaton.as_deref().map_or(self.held.len(), |known| known.unfinished(&self.held));
        let mut cut = if last { self.held.len() } else { whole(&self.held, &spans, unfinished) };
        if self.held.len() - cut > most_held(automaton.as_deref()) {
            // Never inside of a known value: that would let it pass in two halves.
            cut = unfinished;
            let growing = spans.last().filter(|span| span.grows);
            self.swallowing = growing.map(|span| (span.name.clone(), 0));
        }
        let before: Vec<_> = spans.into_iter().filter(|span| span.start < cut).collect();
        let ready = self.held.get(..cut).unwrap_or_default();
        let clean = if before.is_empty() { ready.to_vec() } else { replace(ready, &before) };
        self.held.drain(..cut);
        match &mut self.inner {
            Some(inner) if !clean.is_empty() => inner.write_all(&clean),
            Some(_) | None => Ok(()),
        }
    }

    /// Drops what still belongs to a secret that was already replaced. A block that never ends is given up after a
    /// while, or one line that looks like its beginning would silence everything after it.
    fn swallow(&mut self) {
        let Some((shape, dropped)) = self.swallowing.take() else { return };
        match shapes::rest_of(&shape, &self.held) {
            Some(end) => drop(self.held.drain(..end)),
            None if dropped + self.held.len() > 4 * MOST_HELD => self.held.clear(),
            None => {
                // The end mark of a block may be cut in two.
                let keep = if *shape == *shapes::PEM { self.held.len().min(7) } else { 0 };
                let gone = self.held.len() - keep;
                self.held.drain(..gone);
                self.swallowing = Some((shape, dropped + gone));
            }
        }
    }
}

/// How much can be written now: up to where something begins whose end is not there yet.
fn whole(bytes: &[u8], spans: &[super::Span], unfinished: usize) -> usize {
    let mut cut = unfinished.min(shapes::unfinished(bytes));
    for span in spans.iter().rev() {
        if span.grows || (span.start < cut && cut < span.end) {
            cut = cut.min(span.start);
        }
    }
    cut
}

fn most_held(automaton: Option<&Automaton>) -> usize {
    automaton.map_or(MOST_HELD, |known| MOST_HELD.max(2 * known.longest))
}

impl<W: Write> Write for RedactingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        self.pass_on(false)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl<W: Write> Drop for RedactingWriter<W> {
    fn drop(&mut self) {
        // Nobody is left to hear of an error.
        let _ = self.pass_on(true).and_then(|()| self.flush());
    }
}
