//! The ledger's book: which messages the cluster acknowledged and which came out at a durable consumer. One bit each,
//! so that an hour of load fits in a few MB. It knows numbers; sending and reading are elsewhere.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// No more messages than this are sent in one lab: two sets of bits of 4 MB.
pub(crate) const LARGEST: u64 = 1 << 25;

/// A set of message numbers.
#[derive(Default)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// Adds a number; false when it was in the set already.
    pub(crate) fn add(&mut self, n: u64) -> bool {
        let (word, bit) = place(n);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let Some(word) = self.0.get_mut(word) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    pub(crate) fn has(&self, n: u64) -> bool {
        let (word, bit) = place(n);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// The numbers of this set that `other` lacks, ascending.
    pub(crate) fn without(&self, other: &Bits) -> Vec<u64> {
        let words = self.0.iter().enumerate();
        let left = words.map(|(i, word)| (i as u64, word & !other.0.get(i).copied().unwrap_or(0)));
        let one_by_one =
            |(i, word): (u64, u64)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |b| i * 64 + b);
        left.flat_map(one_by_one).collect()
    }
}

fn place(n: u64) -> (usize, u64) {
    (usize::try_from(n / 64).unwrap_or(usize::MAX), 1 << (n % 64))
}

/// What was sent, acknowledged and delivered in this lab so far.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) acked: Bits,
    pub(crate) delivered: Bits,
    /// Acknowledged messages that stay in the stream, delivered or not.
    pub(crate) kept: Bits,
    pub(crate) next: u64,
    refused: u64,
    redelivered: u64,
    last_ack: Option<Instant>,
    longest_gap: Duration,
    last_error: Option<String>,
}

impl Book {
    /// The next message's number; `None` when the book is full.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let n = self.next;
        (n < LARGEST).then(|| self.next += 1).map(|()| n)
    }

    pub(crate) fn ack(&mut self, n: u64) {
        let now = Instant::now();
        let gap = self.last_ack.map_or(Duration::ZERO, |last| now - last);
        self.longest_gap = self.longest_gap.max(gap);
        self.last_ack = Some(now);
        self.acked.add(n);
    }

    /// Between loads there are no acknowledgements, and that is no gap.
    pub(crate) fn pause(&mut self) {
        self.last_ack = None;
    }

    /// Gaps count from now on.
    pub(crate) fn forget_gaps(&mut self) {
        (self.last_ack, self.longest_gap) = (None, Duration::ZERO);
    }

    /// Sent, and no acknowledgement came: it may be in the stream or not, so it proves nothing.
    pub(crate) fn refuse(&mut self, error: String) {
        self.refused += 1;
        self.last_error = Some(error);
    }

    pub(crate) fn deliver(&mut self, n: u64) {
        if !self.delivered.add(n) {
            self.redelivered += 1;
        }
    }

    pub(crate) fn counts(&self, sending: bool) -> Counts {
        // A gap that has not ended is one too.
        let open = self.last_ack.filter(|_| sending).map_or(Duration::ZERO, |last| last.elapsed());
        Counts {
            sending,
            sent: self.next,
            acked: self.acked.count(),
            refused: self.refused,
            delivered: self.delivered.count(),
            redelivered: self.redelivered,
            longest_gap_ms: u64::try_from(self.longest_gap.max(open).as_millis()).unwrap_or(u64::MAX),
            last_error: self.last_error.clone(),
        }
    }
}

/// The state of the load.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Whether the publisher runs.
    pub sending: bool,
    /// Messages given to the client.
    pub sent: u64,
    /// Messages the server acknowledged as stored.
    pub acked: u64,
    /// Messages without an acknowledgement; what became of them is unknown.
    pub refused: u64,
    /// Different messages that came out at a durable consumer.
    pub delivered: u64,
    /// Deliveries beyond the first.
    pub redelivered: u64,
    /// The longest time without an acknowledgement while sending.
    pub longest_gap_ms: u64,
    /// Why the last one was refused.
    pub last_error: Option<String>,
}

/// What an audit found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Audit {
    /// The counts the audit began with.
    pub counts: Counts,
    /// Acknowledged messages that were delivered, or found in the stream; those that stay there were found there.
    pub there: u64,
    /// Messages looked for in the stream and found: those not delivered yet, and those that stay.
    pub in_stream: u64,
    /// Acknowledged messages that are not there.
    pub lost: u64,
    /// The first ten of them.
    pub first_lost: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits() {
        let (mut a, mut b) = (Bits::default(), Bits::default());
        for n in [0, 1, 63, 64, 1000] {
            assert!(a.add(n));
        }
        assert!(!a.add(64) && a.has(1000) && !a.has(999) && !a.has(LARGEST));
        b.add(63);
        assert_eq!((a.count(), a.without(&b)), (5, vec![0, 1, 64, 1000]));
        assert_eq!(b.without(&a), Vec::<u64>::new());
    }

    #[test]
    fn only_acknowledged_messages_count() {
        let mut book = Book::default();
        let numbers: Vec<u64> = std::iter::from_fn(|| book.number()).take(3).collect();
        book.ack(numbers[0]);
        book.refuse("no responders".into());
        book.deliver(numbers[0]);
        book.deliver(numbers[0]);
        let counts = book.counts(false);
        assert_eq!((counts.sent, counts.acked, counts.refused, counts.redelivered), (3, 1, 1, 1));
        book.next = LARGEST;
        assert_eq!(book.number(), None);
    }
}
