//! What a gate's `progress` has been: whether it stands, and when it will be at zero if it goes on falling like this.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;
use sluice_plugin::Timestamp;

/// Samples that a forecast is made from.
const MOST: usize = 12;
const LEAST: usize = 3;

/// The values of one gate's `progress`, as far as they matter.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// The last value, since when nothing has moved, and when it was seen last.
    now: Option<(Value, Timestamp, Timestamp)>,
    /// The lowest number since something had to move: what is above it again has come no nearer.
    lowest: Option<f64>,
    /// The last samples in which a number fell or stood.
    falling: VecDeque<(Timestamp, f64)>,
}

impl Course {
    /// A sample without a value tells nothing. While the gate passes nothing has to move.
    pub(super) fn note(&mut self, value: Option<&Value>, at: Timestamp, passing: bool) {
        let Some(value) = value else { return };
        let since = match &self.now {
            Some((before, since, _)) if !passing && !self.moves(before, value) => *since,
            _ => {
                self.lowest = value.as_f64();
                at
            }
        };
        self.now = Some((value.clone(), since, at));
        let Some(number) = value.as_f64() else { return self.falling.clear() };
        if self.falling.back().is_some_and(|(_, before)| number > *before) {
            self.falling.clear();
        }
        self.falling.push_back((at, number));
        if self.falling.len() > MOST {
            self.falling.pop_front();
        }
    }

    /// Text moves when it is another one; a number when it falls below all before. One that rises does not: under traffic
    /// what is missing grows while nothing comes.
    fn moves(&self, before: &Value, value: &Value) -> bool {
        match (self.lowest, value.as_f64()) {
            (Some(lowest), Some(number)) => number < lowest,
            _ => before != value,
        }
    }

    pub fn value(&self) -> Option<&Value> {
        self.now.as_ref().map(|(value, ..)| value)
    }

    /// The last value, and for how long nothing has moved.
    pub(super) fn stands(&self) -> Option<(&Value, Duration)> {
        self.now.as_ref().map(|(value, since, seen)| (value, seen.since(*since)))
    }

    /// How long until zero, for a number that has fallen over several samples.
    pub fn left(&self) -> Option<Duration> {
        let ((from, high), (to, low)) = (self.falling.front()?, self.falling.back()?);
        let time = to.since(*from);
        let fell = high - low;
        if self.falling.len() < LEAST || fell <= 0.0 || *low <= 0.0 || time.is_zero() {
            return None;
        }
        Duration::try_from_secs_f64(time.as_secs_f64() * low / fell).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn course(values: &[Value]) -> Course {
        let mut course = Course::default();
        for (second, value) in (0_i64..).zip(values) {
            course.note(Some(value).filter(|value| !value.is_null()), Timestamp(second * 1000), false);
        }
        course
    }

    #[test]
    fn a_value_stands_since_it_was_first_seen() {
        let check = |values: &[Value], expect: Option<u64>| {
            let course = course(values);
            assert_eq!(course.stands().map(|(_, stood)| stood.as_secs()), expect, "{values:?}");
        };
        check(&[], None);
        check(&[json!(null)], None);
        check(&[json!(5)], Some(0));
        check(&[json!(5), json!(5), json!(5)], Some(2));
        check(&[json!(5), json!(6), json!(6)], Some(2));
        check(&[json!(5), json!(6), json!(7), json!(4)], Some(0));
        check(&[json!(5), json!(6), json!(5), json!(7)], Some(3));
        check(&[json!(5), json!(4), json!("a"), json!(9), json!(10)], Some(1));
        check(&[json!(5), json!(null), json!(5)], Some(2));
        check(&[json!("a"), json!("a"), json!("b")], Some(0));
    }

    #[test]
    fn what_falls_is_at_zero_some_time() {
        let check = |values: &[Value], expect: Option<u64>| {
            assert_eq!(course(values).left().map(|left| left.as_secs()), expect, "{values:?}");
        };
        check(&[json!(30), json!(20)], None);
        check(&[json!(40), json!(30), json!(20)], Some(2));
        check(&[json!(90), json!(40), json!(60)], None);
        check(&[json!(1), json!(40), json!(30), json!(20)], Some(2));
        check(&[json!(20), json!(20), json!(20)], None);
        check(&[json!(20), json!(10), json!(0)], None);
        check(&[json!("c"), json!("b"), json!("a")], None);
    }
}
