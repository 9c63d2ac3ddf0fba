//! How many tasks ran or waited for a processor or a disk, from `/proc/loadavg`, over one, five and fifteen minutes.

use schemars::JsonSchema;
use serde::Serialize;

use crate::percent::rounded;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Load {
    /// Over one minute. A machine of one processor has none left from 1 on.
    load_1: f64,
    /// Over five minutes.
    load_5: f64,
    /// Over fifteen minutes.
    load_15: f64,
}

/// Beyond this it is no number of tasks.
const MOST: f64 = 1e9;

pub(crate) fn load(loadavg: &str) -> Result<Load, &'static str> {
    let mut words = loadavg.split_ascii_whitespace();
    let mut next = || {
        let load: f64 = words.next()?.parse().ok()?;
        (0.0..=MOST).contains(&load).then(|| rounded(load))
    };
    let (Some(load_1), Some(load_5), Some(load_15)) = (next(), next(), next()) else {
        return Err("it does not begin with three numbers");
    };
    Ok(Load { load_1, load_5, load_15 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn three_numbers_are_read() {
        let check = |text: &str, expect: Option<(f64, f64, f64)>| {
            let expect = expect.map(|(load_1, load_5, load_15)| Load { load_1, load_5, load_15 });
            assert_eq!(load(text).ok(), expect, "{text:?}");
        };
        check("0.20 0.18 0.12 1/80 11206\n", Some((0.2, 0.18, 0.12)));
        check("3 2 1", Some((3.0, 2.0, 1.0)));
        check("1234.56 0.00 0.00 3/90000 4194303\n", Some((1234.56, 0.0, 0.0)));
        check("0.126 0.124 0 1/1 1\n", Some((0.13, 0.12, 0.0)));
        check("", None);
        check("0.20 0.18", None);
        check("0.20 0.18 x 1/80 1", None);
        check("nan 0.18 0.12", None);
        check("inf 0.18 0.12", None);
        check("1e400 0.18 0.12", None);
        check("1e300 0.18 0.12", None);
        check("-1 0.18 0.12", None);
        check("1/80 0.18 0.12", None);
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text: String, numbers in "[0-9.e+ -]{0,30}") {
            for text in [text, numbers] {
                let finite = |load: Load| [load.load_1, load.load_5, load.load_15].iter().all(|load| load.is_finite());
                prop_assert!(load(&text).ok().is_none_or(finite));
            }
        }
    }
}
