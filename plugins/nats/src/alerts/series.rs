//! The samples of one node in the order of time, and what can be asked of them. A sample is an event as `collect-metrics` makes
//! it, nested or with dotted names as a log store gives it back.

use std::time::Duration;

use serde_json::{Map, Value};
use sluice_plugin::Timestamp;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) at: Timestamp,
    pub(crate) fields: Map<String, Value>,
}

/// The newest comes last.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series(Vec<Sample>);

impl Series {
    pub(crate) fn new(mut samples: Vec<Sample>) -> Self {
        samples.sort_by_key(|sample| sample.at);
        Self(samples)
    }

    pub(crate) fn newest(&self) -> Option<&Sample> {
        self.0.last()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those of the last `time`, the one in force when it began with them. Nothing where the series does not reach that far
    /// back: what was before the first sample is not known.
    pub(crate) fn within(&self, time: Duration) -> Option<&[Sample]> {
        let newest = self.newest()?.at;
        let from = self.0.iter().rposition(|sample| newest.since(sample.at) >= time)?;
        self.0.get(from..)
    }

    /// The same of all there is.
    pub(crate) fn all(&self) -> &[Sample] {
        &self.0
    }
}

impl Sample {
    /// A number, or a text that is nothing but one.
    pub(crate) fn figure(&self, field: &str) -> Option<f64> {
        match self.value(field)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.value(field)?.as_str()
    }

    fn value(&self, field: &str) -> Option<&Value> {
        self.fields.get(field).or_else(|| {
            let mut parts = field.split('.');
            let first = self.fields.get(parts.next()?)?;
            parts.try_fold(first, |value, part| value.get(part))
        })
    }
}

/// How much a counter grew from the first of these to the last. One that fell began anew at 0, so all of it is growth.
/// Samples without the field are passed over. Nothing where fewer than two have it.
pub(crate) fn growth(samples: &[Sample], field: &str) -> Option<f64> {
    let figures: Vec<f64> = samples.iter().filter_map(|sample| sample.figure(field)).collect();
    let steps = figures.iter().zip(figures.iter().skip(1));
    let grown = steps.map(|(before, now)| if now < before { *now } else { now - before });
    (figures.len() > 1).then(|| grown.sum())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) fn at(second: i64, fields: Value) -> Sample {
        Sample { at: Timestamp(second * 1000), fields: fields.as_object().unwrap().clone() }
    }

    #[test]
    fn fields_are_found_nested_and_dotted() {
        let check = |fields: Value, expect: Option<f64>| {
            assert_eq!(at(0, fields.clone()).figure("jsz.api.errors"), expect, "{fields}");
        };
        check(json!({ "jsz": { "api": { "errors": 3 } } }), Some(3.0));
        check(json!({ "jsz.api.errors": 3.5 }), Some(3.5));
        check(json!({ "jsz.api.errors": "4" }), Some(4.0));
        check(json!({ "jsz": { "api.errors": 3 } }), None);
        check(json!({ "jsz.api.errors": "error: 200" }), None);
        check(json!({ "jsz": null }), None);
        check(json!({}), None);
    }

    #[test]
    fn a_counter_that_fell_began_anew() {
        let check = |figures: &[Option<i64>], expect: Option<f64>| {
            let samples = figures.iter().zip(0..).map(|(figure, second)| match figure {
                Some(figure) => at(second, json!({ "c": figure })),
                None => at(second, json!({})),
            });
            assert_eq!(growth(&samples.collect::<Vec<_>>(), "c"), expect, "{figures:?}");
        };
        check(&[], None);
        check(&[Some(7)], None);
        check(&[Some(7), Some(7)], Some(0.0));
        check(&[Some(7), None, Some(9)], Some(2.0));
        check(&[Some(7), Some(2), Some(3)], Some(3.0));
        check(&[Some(7), Some(0), Some(0)], Some(0.0));
        check(&[None, Some(1), None], None);
    }

    #[test]
    fn a_window_has_what_was_in_force_when_it_began() {
        let series = Series::new([0, 30, 60, 90].map(|second| at(second, json!({}))).into());
        let check = |seconds: u64, expect: Option<usize>| {
            let found = series.within(Duration::from_secs(seconds)).map(<[Sample]>::len);
            assert_eq!(found, expect, "{seconds}");
        };
        check(0, Some(1));
        check(20, Some(2));
        check(30, Some(2));
        check(60, Some(3));
        check(90, Some(4));
        check(91, None);
    }
}
