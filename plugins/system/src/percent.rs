//! Percentages as they are logged: with two decimals, and never outside of 0 to 100.

/// `None` of a whole that is nothing.
#[expect(clippy::cast_precision_loss, reason = "two decimals are left of it")]
pub(crate) fn percent(part: u128, whole: u128) -> Option<f64> {
    (whole > 0).then(|| rounded(100.0 * part as f64 / whole as f64).clamp(0.0, 100.0))
}

/// To two decimals.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_share_has_two_decimals() {
        let check = |part, whole, expect| assert_eq!(percent(part, whole), expect, "{part} of {whole}");
        check(0, 0, None);
        check(5, 0, None);
        check(0, 3, Some(0.0));
        check(1, 3, Some(33.33));
        check(2, 3, Some(66.67));
        check(3, 3, Some(100.0));
        check(1, 1_000_000, Some(0.0));
        check(9, 3, Some(100.0));
        check(u128::MAX, u128::MAX, Some(100.0));
    }

    proptest! {
        #[test]
        fn a_share_is_within_0_and_100(part: u128, whole: u128) {
            prop_assert!(percent(part, whole).is_none_or(|share| (0.0..=100.0).contains(&share)));
        }
    }
}
