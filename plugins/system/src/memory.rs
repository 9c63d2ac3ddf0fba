//! How much memory is in use, from `/proc/meminfo`: all that could not be had by a program that asked for it.
//!
//! What the kernel caches of files is not in use. Limits of control groups are not known here.

use schemars::JsonSchema;
use serde::Serialize;

use crate::percent::percent;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Memory {
    mem_used_percent: f64,
    mem_total_bytes: u64,
    /// Total without what is available.
    mem_used_bytes: u64,
    /// What could be had without swapping; the cache of files is part of it.
    mem_available_bytes: u64,
}

pub(crate) fn memory(meminfo: &str) -> Result<Memory, &'static str> {
    let [mut total, mut available, mut free, mut buffers, mut cached, mut shared] = [None; 6];
    for line in meminfo.lines() {
        let Some((name, amount)) = line.split_once(':') else { continue };
        let wanted = match name {
            "MemTotal" => &mut total,
            "MemAvailable" => &mut available,
            "MemFree" => &mut free,
            "Buffers" => &mut buffers,
            "Cached" => &mut cached,
            "Shmem" => &mut shared,
            _ => continue,
        };
        *wanted = bytes(amount);
    }
    let total = total.filter(|total| *total > 0).ok_or("no MemTotal")?;
    // Kernels before 3.14 leave the estimate to whoever reads it. Shared memory is cached, and cannot be given away.
    let estimate = |free: u64| {
        let cached = buffers.unwrap_or(0).saturating_add(cached.unwrap_or(0)).saturating_sub(shared.unwrap_or(0));
        free.saturating_add(cached)
    };
    let available = available.or_else(|| free.map(estimate)).ok_or("no MemAvailable and no MemFree")?;
    // More is available than there is where a container is shown its own total.
    let used = total.saturating_sub(available);
    let share = percent(used.into(), total.into()).ok_or("no MemTotal")?;
    Ok(Memory { mem_used_percent: share, mem_total_bytes: total, mem_used_bytes: used, mem_available_bytes: available })
}

/// Of `  3883544 kB`; that means KiB. An amount without its unit is one that was cut off.
fn bytes(amount: &str) -> Option<u64> {
    let kibibytes: u64 = amount.trim_start().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 4 GiB, of which the kernel keeps some for itself; the cache is full of streams.
    const GRAVITON: &str = "MemTotal:        3883544 kB\nMemFree:          118204 kB\nMemAvailable:    2264104 kB\n\
        Buffers:           41280 kB\nCached:          2180512 kB\nSwapCached:            0 kB\nActive:           985604 kB\n\
        Active(anon):          4 kB\nShmem:              1096 kB\nHugePages_Total:       0\nDirectMap4k:       12345 kB\n";

    fn check(meminfo: &str, expect: Result<(f64, u64, u64, u64), &str>) {
        let expect = expect.map(|(mem_used_percent, mem_total_bytes, mem_used_bytes, mem_available_bytes)| Memory {
            mem_used_percent,
            mem_total_bytes,
            mem_used_bytes,
            mem_available_bytes,
        });
        assert_eq!(memory(meminfo), expect, "{meminfo:?}");
    }

    #[test]
    fn what_is_not_available_is_used() {
        let kib = |total: u64, used: u64, available: u64| (total * 1024, used * 1024, available * 1024);
        let fine = |share: f64, (total, used, available)| Ok((share, total, used, available));
        check(GRAVITON, fine(41.7, kib(3_883_544, 1_619_440, 2_264_104)));
        check("MemAvailable: 25 kB\nMemTotal: 100 kB\n", fine(75.0, kib(100, 75, 25)));
        check("MemTotal: 100 kB\nMemAvailable: 0 kB\n", fine(100.0, kib(100, 100, 0)));
        check("MemTotal: 100 kB\nMemAvailable: 100 kB", fine(0.0, kib(100, 0, 100)));
        // More than there is, and only as large as a number can be.
        check("MemTotal: 100 kB\nMemAvailable: 150 kB\n", fine(0.0, kib(100, 0, 150)));
        let most = u64::MAX;
        check(
            &format!("MemTotal: {most} kB\nMemAvailable: {} kB\n", most / 2048),
            Ok((50.0, most, most - (most / 2048) * 1024, (most / 2048) * 1024)),
        );
    }

    #[test]
    fn an_old_kernel_is_estimated() {
        let kib = |share, used: u64, available: u64| Ok((share, 1000 * 1024, used * 1024, available * 1024));
        let old = "MemTotal: 1000 kB\nMemFree: 100 kB\n";
        check(&format!("{old}Buffers: 50 kB\nCached: 300 kB\nShmem: 30 kB\n"), kib(58.0, 580, 420));
        check(&format!("{old}Buffers: 50 kB\nCached: 300 kB\n"), kib(55.0, 550, 450));
        check(old, kib(90.0, 900, 100));
        // More is shared than is cached; the cache is larger than all there is.
        check(&format!("{old}Cached: 10 kB\nShmem: 30 kB\n"), kib(90.0, 900, 100));
        check(&format!("{old}Cached: 5000 kB\n"), kib(0.0, 0, 5100));
        check(&format!("{old}Cached: {} kB\n", u64::MAX), Ok((0.0, 1000 * 1024, 0, u64::MAX)));
    }

    #[test]
    fn what_is_missing_is_said() {
        check("", Err("no MemTotal"));
        check("\0\u{fffd}:::\n:\n", Err("no MemTotal"));
        check("MemAvailable: 5 kB\n", Err("no MemTotal"));
        check("MemTotal: 0 kB\nMemAvailable: 0 kB\n", Err("no MemTotal"));
        check("MemTotal: many kB\nMemAvailable: 5 kB\n", Err("no MemTotal"));
        check("MemTotal: 5 MB\nMemAvailable: 5 kB\n", Err("no MemTotal"));
        check("MemTotal: 99999999999999999999 kB\nMemAvailable: 5 kB\n", Err("no MemTotal"));
        check("MemTotal: 5 kB\n", Err("no MemAvailable and no MemFree"));
        check("MemTotal: 5 kB\nMemAvailable: -1 kB\n", Err("no MemAvailable and no MemFree"));
        // The rest is cut off.
        check("MemTotal:        3883544 kB\nMemFree:       1182", Err("no MemAvailable and no MemFree"));
        check("MemTotal:        388", Err("no MemTotal"));
    }

    proptest! {
        #[test]
        fn used_is_a_percentage(amounts: [Option<u64>; 6]) {
            let names = ["MemTotal", "MemAvailable", "MemFree", "Buffers", "Cached", "Shmem"];
            let line = |(name, amount): (&str, Option<u64>)| amount.map(|amount| format!("{name}: {amount} kB\n"));
            let meminfo: String = names.into_iter().zip(amounts).filter_map(line).collect();
            if let Ok(memory) = memory(&meminfo) {
                prop_assert!((0.0..=100.0).contains(&memory.mem_used_percent), "{memory:?}");
                prop_assert!(memory.mem_used_bytes <= memory.mem_total_bytes, "{memory:?}");
            }
        }

        #[test]
        fn any_text_can_be_read(text: String, end in 0..GRAVITON.len()) {
            let _ = (memory(&text), memory(&GRAVITON[..end]));
        }
    }
}
