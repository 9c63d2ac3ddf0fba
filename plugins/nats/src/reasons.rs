//! Why a gate does not pass, gathered until there is a verdict; and figures as a person reads them.
//!
//! What a reason means for the gate is said where it is found; nothing here knows clusters.

use sluice_plugin::Verdict;

use crate::look::{Difference, Look, Second, differences};

/// No reason is a pass.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reasons(Vec<Reason>);

#[derive(Clone, Debug)]
struct Reason {
    fails: bool,
    /// It may be gone a moment later.
    settles: bool,
    text: String,
}

impl Reasons {
    /// It is so, and looking again changes nothing.
    pub(crate) fn fail(&mut self, text: impl Into<String>) {
        self.0.push(Reason { fails: true, settles: false, text: text.into() });
    }

    /// It is so now.
    pub(crate) fn fail_now(&mut self, text: impl Into<String>) {
        self.0.push(Reason { fails: true, settles: true, text: text.into() });
    }

    /// It cannot be told now.
    pub(crate) fn unknown(&mut self, text: impl Into<String>) {
        self.0.push(Reason { fails: false, settles: true, text: text.into() });
    }

    pub(crate) fn verdict(&self) -> Verdict {
        match (self.0.is_empty(), self.0.iter().any(|reason| reason.fails)) {
            (true, _) => Verdict::Pass,
            (_, true) => Verdict::Fail,
            (_, false) => Verdict::Inconclusive,
        }
    }

    /// Nothing is gained by looking once more.
    pub(crate) fn settled(&self) -> bool {
        self.0.is_empty() || self.0.iter().any(|reason| !reason.settles)
    }

    /// What is certain first.
    pub(crate) fn texts(&self) -> Vec<String> {
        let certain = self.0.iter().filter(|reason| reason.fails);
        certain.chain(self.0.iter().filter(|reason| !reason.fails)).map(|reason| reason.text.clone()).collect()
    }

    /// The first of them, for one sentence.
    pub(crate) fn why(&self) -> String {
        const SHOWN: usize = 3;
        let texts = self.texts();
        let more = texts.len().saturating_sub(SHOWN);
        let shown: Vec<String> = texts.into_iter().take(SHOWN).collect();
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        format!("{}{more}", shown.join("; "))
    }

    /// What the two sources do not tell alike, or the second does not tell at all where it was needed. A stream that
    /// nobody holds stands on the node that is to go, when that one cannot say so itself.
    pub(crate) fn of_sources(&mut self, look: &Look) {
        let target = look.target_name();
        if let Second::Mute(why) = &look.second
            && !target.is_empty()
            && !look.target_tells_all()
        {
            self.unknown(format!(
                "{target} does not tell what it alone holds, and the connection with the credentials given tells \
                 nothing: {why}"
            ));
        }
        for difference in differences(look) {
            match difference {
                Difference::Unheld { stream } if !target.is_empty() && !look.target_tells_all() => {
                    self.fail_now(format!(
                        "stream {stream} is held by no other node that answers, so its only replicas are on {target}: \
                     replacing it loses the data"
                    ))
                }
                Difference::Unheld { stream } => {
                    self.unknown(format!("stream {stream} is in the account, and no node that answers holds it"));
                }
                Difference::Disagree(what) => self.unknown(format!("the two sources do not agree: {what}")),
            }
        }
    }
}

/// `12,000`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 consumer`, `2 consumers`.
pub(crate) fn many(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{} {thing}s", grouped(count)) }
}

/// `1.2 GB`, in units of a thousand.
pub(crate) fn size(bytes: u64) -> String {
    let units = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    for (unit, name) in units {
        if bytes >= unit {
            return format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit);
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (12_000, "12,000"), (1_234_567, "1,234,567")];
        cases.iter().for_each(|(count, text)| assert_eq!(grouped(*count), *text));
        let cases = [(999, "999 bytes"), (1_200_000_000, "1.2 GB"), (192_254, "192.2 kB"), (u64::MAX, "18446744.0 TB")];
        cases.iter().for_each(|(bytes, text)| assert_eq!(size(*bytes), *text));
        assert_eq!((many(1, "stream"), many(2, "stream")), ("1 stream".to_owned(), "2 streams".to_owned()));
    }

    #[test]
    fn what_is_certain_comes_first_and_a_certainty_ends_the_looking() {
        let mut reasons = Reasons::default();
        assert_eq!((reasons.verdict(), reasons.settled()), (Verdict::Pass, true));
        reasons.unknown("a");
        assert_eq!((reasons.verdict(), reasons.settled()), (Verdict::Inconclusive, false));
        reasons.fail_now("b");
        assert_eq!((reasons.verdict(), reasons.settled()), (Verdict::Fail, false));
        reasons.fail("c");
        assert_eq!((reasons.why().as_str(), reasons.settled()), ("b; c; a", true));
        reasons.fail("d");
        assert_eq!(reasons.why(), "b; c; d; and 1 more");
    }
}
