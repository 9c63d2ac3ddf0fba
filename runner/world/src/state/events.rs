//! What nodes send to Axiom: an event every few seconds while an instance lives, and a moment on the way.

use super::State;

/// Between two events of one instance, in milliseconds.
const EVERY: i64 = 10_000;

/// From a node until a query finds it.
const UNDER_WAY: i64 = 3_000;

/// Sends the events of one instance.
#[derive(Clone, Debug)]
pub(crate) struct Shipper {
    pub(crate) node: String,
    pub(crate) instance: String,
    /// The first, in milliseconds since the world began.
    pub(crate) from: i64,
    pub(crate) until: Option<i64>,
}

impl Shipper {
    /// How many events that are not older than `since` can be found at `now`, and when the last of them was.
    pub(crate) fn found(&self, since: i64, now: i64) -> (i64, Option<i64>) {
        let arrived = now - UNDER_WAY;
        let end = self.until.map_or(arrived, |until| until.min(arrived));
        let last = self.from + (end - self.from).div_euclid(EVERY) * EVERY;
        let first =
            self.from + (since - self.from).max(0).unsigned_abs().div_ceil(EVERY.unsigned_abs()).cast_signed() * EVERY;
        let count = if last < first { 0 } else { (last - first) / EVERY + 1 };
        (count, (count > 0).then_some(last))
    }
}

impl State {
    pub(super) fn ship(&mut self, node: &str, instance: &str) {
        let from = self.signed();
        self.shippers.push(Shipper { node: node.to_owned(), instance: instance.to_owned(), from, until: None });
    }

    /// No more events of these.
    pub(super) fn stop_shipping(&mut self, of: impl Fn(&Shipper) -> bool) {
        let now = self.signed();
        for shipper in self.shippers.iter_mut().filter(|shipper| of(shipper)) {
            shipper.until.get_or_insert(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_when_they_have_arrived() {
        let shipper = |until| Shipper { node: String::new(), instance: String::new(), from: 1_000, until };
        assert_eq!(shipper(None).found(0, 3_999), (0, None));
        assert_eq!(shipper(None).found(0, 4_000), (1, Some(1_000)));
        assert_eq!(shipper(None).found(0, 25_000), (3, Some(21_000)));
        assert_eq!(shipper(None).found(11_001, 25_000), (1, Some(21_000)));
        assert_eq!(shipper(Some(12_000)).found(0, 90_000), (2, Some(11_000)));
        assert_eq!(shipper(Some(12_000)).found(20_000, 90_000), (0, None));
    }
}
