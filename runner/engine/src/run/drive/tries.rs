//! How often in a row something came to nothing, by the step it is about. The last try counts as it is.

use std::collections::BTreeMap;

use crate::machine::path::Path;

#[derive(Default)]
pub(super) struct Tries(BTreeMap<Path, u32>);

impl Tries {
    /// One more came to nothing: whether there is another, of `most` in all.
    pub(super) fn again(&mut self, step: &Path, most: u32) -> bool {
        let tries = self.0.entry(step.clone()).or_default();
        *tries += 1;
        let again = *tries < most;
        if !again {
            self.0.remove(step);
        }
        again
    }

    /// It came to something: the next time counts from the beginning.
    pub(super) fn forget(&mut self, step: &Path) {
        self.0.remove(step);
    }
}
