//! How busy the processors were between two readings of `/proc/stat`.
//!
//! It knows no clock: the ticks themselves say how much time went by, so a late reading is as good as a punctual one.

use schemars::JsonSchema;
use serde::Serialize;

use crate::percent::percent;

/// Since the machine was started, of all processors together: user, nice, system, idle, iowait, irq, softirq, steal.
///
/// What guests used stands in user and nice already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticks([u64; 8]);

/// Up to idle, which the oldest kernels end with.
const LEAST_COLUMNS: usize = 4;

/// Three seconds. Idle goes back a little on many machines; by more only when processors went away or counting began
/// anew.
const IDLE_MAY_GO_BACK: u64 = 300;

/// Idle, iowait and busy make 100.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Usage {
    /// Time that was neither idle nor waiting for a disk. Steal counts as busy: that capacity is gone. All processors
    /// together are 100.
    cpu_percent: f64,
    /// Idle time in which something waited for a disk.
    iowait_percent: f64,
    /// Time in which the host let another machine have the processor.
    steal_percent: f64,
}

/// Of the beginning of `/proc/stat`.
pub(crate) fn ticks(stat: &str) -> Result<Ticks, &'static str> {
    let of_all = |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with([' ', '\t']));
    let line = stat.split_inclusive('\n').find(of_all).ok_or("no line begins with `cpu `")?;
    // A number that is cut off would be another number.
    let line = line.strip_suffix('\n').ok_or("the line `cpu` is cut off")?;
    let (mut ticks, mut columns) = ([0; 8], 0);
    for (tick, column) in ticks.iter_mut().zip(line.split_ascii_whitespace().skip(1)) {
        *tick = counter(column).ok_or("the line `cpu` has a column that is no number")?;
        columns += 1;
    }
    if columns < LEAST_COLUMNS {
        return Err("the line `cpu` has fewer than four numbers");
    }
    Ok(Ticks(ticks))
}

/// Some hosts let steal fall below zero, and then the kernel prints a number that no machine lives to see.
fn counter(column: &str) -> Option<u64> {
    column.parse().ok().map(|ticks: u64| if i64::try_from(ticks).is_ok() { ticks } else { 0 })
}

/// The error says why these two say nothing. The later reading is good for the next in any case.
pub(crate) fn usage(before: Ticks, now: Ticks) -> Result<Usage, &'static str> {
    let (Ticks([_, _, _, idle_before, ..]), Ticks([_, _, _, idle_now, ..])) = (before, now);
    if idle_before.saturating_sub(idle_now) > IDLE_MAY_GO_BACK {
        return Err("the counters went back: no percentages until the next sample");
    }
    let mut passed = [0; 8];
    for ((passed, before), now) in passed.iter_mut().zip(before.0).zip(now.0) {
        // Iowait and steal do go back, and that is no time.
        *passed = u128::from(now.saturating_sub(before));
    }
    let [_, _, _, idle, iowait, _, _, steal] = passed;
    let total: u128 = passed.iter().sum();
    let of_total = |part| percent(part, total).ok_or("no tick has been counted since the sample before");
    Ok(Usage {
        cpu_percent: of_total(total - idle - iowait)?,
        iowait_percent: of_total(iowait)?,
        steal_percent: of_total(steal)?,
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_line_of_all_processors_is_read() {
        let check = |stat: &str, expect: Result<[u64; 8], &str>| assert_eq!(ticks(stat), expect.map(Ticks), "{stat:?}");
        check("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 0 0 0 0\n", Ok([1, 2, 3, 4, 5, 6, 7, 8]));
        check("cpu\t1 2 3 4 5 6 7 8\n", Ok([1, 2, 3, 4, 5, 6, 7, 8]));
        check("cpu  1 2 3 4 5 6 7 8 9 10 11 what comes one day\n", Ok([1, 2, 3, 4, 5, 6, 7, 8]));
        check("cpu0 9 9 9 9\ncpu  1 2 3 4\n", Ok([1, 2, 3, 4, 0, 0, 0, 0]));
        // 2.4, 2.5.41, 2.6.0, 2.6.11
        check("cpu  1 2 3 4\nintr 1\n", Ok([1, 2, 3, 4, 0, 0, 0, 0]));
        check("cpu  1 2 3 4 5\n", Ok([1, 2, 3, 4, 5, 0, 0, 0]));
        check("cpu  1 2 3 4 5 6 7\n", Ok([1, 2, 3, 4, 5, 6, 7, 0]));
        check("cpu  1 2 3 4 5 6 7 8\n", Ok([1, 2, 3, 4, 5, 6, 7, 8]));
        let most = i64::MAX as u64;
        check(&format!("cpu  {most} 0 0 4 5 6 7 8\n"), Ok([most, 0, 0, 4, 5, 6, 7, 8]));
        check("cpu  1 2 3 4 5 6 7 18446744073709551615\n", Ok([1, 2, 3, 4, 5, 6, 7, 0]));
        check("", Err("no line begins with `cpu `"));
        check("\n\n\n", Err("no line begins with `cpu `"));
        check("cpu0 1 2 3 4 5 6 7 8\n", Err("no line begins with `cpu `"));
        check("cpus 1 2 3 4\n", Err("no line begins with `cpu `"));
        check("\u{fffd}\u{fffd}\0\u{1}", Err("no line begins with `cpu `"));
        check("cpu  1 2 3\n", Err("the line `cpu` has fewer than four numbers"));
        check("cpu  \n", Err("the line `cpu` has fewer than four numbers"));
        check("cpu  1 2 3 4 5 6 7 8", Err("the line `cpu` is cut off"));
        check("cpu  1 2 3", Err("the line `cpu` is cut off"));
        check("cpu  1 2 x 4 5 6 7 8\n", Err("the line `cpu` has a column that is no number"));
        check("cpu  1 2 3 4 5 6 7 -8\n", Err("the line `cpu` has a column that is no number"));
        check("cpu  1 2 3 4.5 5 6 7 8\n", Err("the line `cpu` has a column that is no number"));
        check("cpu  99999999999999999999 2 3 4\n", Err("the line `cpu` has a column that is no number"));
    }

    /// The sum stands first, and one reading is enough for it however many processors there are.
    #[test]
    fn many_processors_are_one_line() {
        let mut stat = "cpu  256000 0 128000 12800000 640 0 1280 0 0 0\n".to_owned();
        for cpu in 0..128 {
            writeln!(stat, "cpu{cpu} 2000 0 1000 100000 5 0 10 0 0 0").unwrap();
        }
        assert_eq!(ticks(&stat), Ok(Ticks([256_000, 0, 128_000, 12_800_000, 640, 0, 1280, 0])));
    }

    #[test]
    fn two_readings_are_what_passed_between_them() {
        let check = |before: [u64; 8], now: [u64; 8], expect: Result<(f64, f64, f64), &str>| {
            let expect = expect.map(|(cpu_percent, iowait_percent, steal_percent)| Usage {
                cpu_percent,
                iowait_percent,
                steal_percent,
            });
            assert_eq!(usage(Ticks(before), Ticks(now)), expect, "{before:?} {now:?}");
        };
        let back = Err("the counters went back: no percentages until the next sample");
        let nothing = Err("no tick has been counted since the sample before");
        let old = [1000, 50, 500, 9000, 100, 5, 20, 10];
        // One processor in 30 s: 3000 ticks.
        check(old, [1060, 50, 530, 11_893, 112, 5, 25, 10], Ok((3.17, 0.4, 0.0)));
        check(old, [1000, 50, 500, 12_000, 100, 5, 20, 10], Ok((0.0, 0.0, 0.0)));
        check(old, [4000, 50, 500, 9000, 100, 5, 20, 10], Ok((100.0, 0.0, 0.0)));
        check(old, [1000, 50, 500, 9000, 3100, 5, 20, 10], Ok((0.0, 100.0, 0.0)));
        // Steal is busy time.
        check(old, [1000, 50, 500, 11_700, 100, 5, 20, 310], Ok((10.0, 0.0, 10.0)));
        check(old, [1001, 51, 501, 9001, 101, 6, 21, 11], Ok((75.0, 12.5, 12.5)));
        // Nothing passed, or a clock of the kernel stands still.
        check(old, old, nothing);
        check([0; 8], [0; 8], nothing);
        // Steal and iowait go back, alone and together; what is left makes the whole.
        check(old, [1100, 50, 500, 9100, 100, 5, 20, 3], Ok((50.0, 0.0, 0.0)));
        check(old, [1100, 50, 500, 9100, 0, 5, 20, 0], Ok((50.0, 0.0, 0.0)));
        check(old, [1000, 50, 500, 9000, 90, 5, 20, 9], nothing);
        // Idle goes back a little, exactly as far as it may, and farther.
        check(old, [1100, 50, 500, 8999, 100, 5, 20, 10], Ok((100.0, 0.0, 0.0)));
        check(old, [1100, 50, 500, 8700, 100, 5, 20, 10], Ok((100.0, 0.0, 0.0)));
        check(old, [1100, 50, 500, 8699, 100, 5, 20, 10], back);
        check(old, [10, 0, 5, 90, 1, 0, 0, 0], back);
        check(old, [0; 8], back);
        // All that fits into the numbers.
        let most = u64::MAX;
        check([0; 8], [most; 8], Ok((75.0, 12.5, 12.5)));
        check([0; 8], [0, 0, 0, most, 0, 0, 0, most], Ok((50.0, 0.0, 50.0)));
        check([most; 8], [0; 8], back);
        // 128 processors in 30 s.
        check([0; 8], [96_000, 0, 0, 288_000, 0, 0, 0, 0], Ok((25.0, 0.0, 0.0)));
    }

    /// Steal fell below zero: it is nothing while that lasts, and no alarm when it ends.
    #[test]
    fn steal_below_zero_is_none() {
        let read = |steal: &str, idle: u64| ticks(&format!("cpu  0 0 0 {idle} 0 0 0 {steal} 0 0\n")).unwrap();
        let readings = [read("40", 0), read("18446744073709551576", 100), read("5", 200), read("25", 280)];
        let seen: Vec<_> =
            readings.windows(2).map(|two| usage(two[0], two[1]).map(|usage| usage.steal_percent)).collect();
        assert_eq!(seen, [Ok(0.0), Ok(4.76), Ok(20.0)]);
    }

    /// `guest` is inside `user`: a machine that does nothing but run guests is as busy as it is, and not twice.
    #[test]
    fn guests_are_counted_once() {
        let before = ticks("cpu  1000 200 0 1000 0 0 0 0 900 200\n").unwrap();
        let now = ticks("cpu  1300 300 0 1600 0 0 0 0 1200 300\n").unwrap();
        assert_eq!(usage(before, now).map(|usage| usage.cpu_percent), Ok(40.0));
    }

    proptest! {
        #[test]
        fn percentages_are_percentages(before: [u64; 8], now: [u64; 8], near: [u8; 8], close: bool) {
            let mut now = now;
            if close {
                for ((now, before), near) in now.iter_mut().zip(before).zip(near) {
                    *now = before.wrapping_add(u64::from(near)).wrapping_sub(20);
                }
            }
            if let Ok(Usage { cpu_percent, iowait_percent, steal_percent }) = usage(Ticks(before), Ticks(now)) {
                for share in [cpu_percent, iowait_percent, steal_percent] {
                    prop_assert!((0.0..=100.0).contains(&share), "{share}");
                }
                // Each is rounded.
                prop_assert!(cpu_percent + iowait_percent <= 100.011, "{cpu_percent} {iowait_percent}");
                prop_assert!(steal_percent <= cpu_percent, "{steal_percent} {cpu_percent}");
            }
        }

        #[test]
        fn any_text_can_be_read(text: String, line in "cpu[ \t0-9a-z.-]{0,60}\n?") {
            let _ = (ticks(&text), ticks(&line));
        }
    }
}
