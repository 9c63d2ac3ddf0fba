//! What can be wrong with Axiom, from the faults. It knows neither requests nor events.

use std::collections::BTreeSet;

/// How it is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Away {
    /// Nobody listens.
    Refuses,
    /// Whoever connects is cut off after asking.
    Cuts,
}

/// The default is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble {
    /// Everything is refused for its rate.
    pub(crate) limited: bool,
    /// Everything is answered with 503.
    pub(crate) broken: bool,
    pub(crate) away: Option<Away>,
    /// Events with one of these fields, or one inside it, are not stored.
    pub(crate) rejects: BTreeSet<String>,
    /// So many more requests are done, and their answers lost.
    pub(crate) loses: u32,
}

impl Away {
    pub(crate) fn new(cut: bool) -> Self {
        if cut { Away::Cuts } else { Away::Refuses }
    }
}

impl Trouble {
    /// The field because of which an event is not stored.
    pub(super) fn rejected<'a>(&self, fields: impl IntoIterator<Item = &'a String>) -> Option<&str> {
        let inside = |field: &String, bad: &String| {
            field.strip_prefix(bad.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let fields: Vec<&String> = fields.into_iter().collect();
        self.rejects.iter().find(|bad| fields.iter().any(|field| inside(field, bad))).map(String::as_str)
    }

    /// Whether the answer of this one is to be lost.
    pub(super) fn loses_one(&mut self) -> bool {
        let loses = self.loses > 0;
        self.loses = self.loses.saturating_sub(1);
        loses
    }

    /// Each in words that go on after "Axiom".
    pub(super) fn told(&self) -> Vec<String> {
        let mut told = Vec::new();
        told.extend(self.limited.then(|| "refuses everything for its rate".to_owned()));
        told.extend(self.broken.then(|| "answers everything with 503".to_owned()));
        told.extend(self.away.map(|away| match away {
            Away::Refuses => "refuses connections".to_owned(),
            Away::Cuts => "cuts connections".to_owned(),
        }));
        told.extend(self.rejects.iter().map(|field| format!("stores no events with the field {field}")));
        told.extend((self.loses > 0).then(|| format!("loses the next {} answers", self.loses)));
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_rejected_with_all_that_is_in_it() {
        let mut trouble = Trouble::default();
        trouble.rejects.insert("jsz.api".into());
        let check = |field: &str, rejected: bool| {
            assert_eq!(trouble.rejected(&["host".to_owned(), field.to_owned()]).is_some(), rejected, "{field}");
        };
        check("jsz.api", true);
        check("jsz.api.errors", true);
        check("jsz.apis", false);
        check("jsz", false);
    }
}
