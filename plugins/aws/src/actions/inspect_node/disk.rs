//! What `df` says of a path, and `mountpoint`: how full it is, and whether the disk for it is there at all.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shell::PlainPath;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Disk {
    pub(super) path: String,
    /// A file system of its own is mounted there. False: the data is on the root disk. Null where that is not known.
    pub(super) mounted: Option<bool>,
    /// Of what is used and available together, rounded up, as `df` shows it.
    pub(super) used_percent: Option<u64>,
    pub(super) total_bytes: u64,
    pub(super) used_bytes: u64,
    pub(super) available_bytes: u64,
}

/// Nothing where the path has no file system, because it is not there.
pub(super) fn read(text: &str, path: &PlainPath) -> Option<Disk> {
    let row = text.lines().find_map(row)?;
    let mountpoint = text.lines().rev().find_map(|line| line.strip_prefix("mountpoint ")?.trim().parse::<u32>().ok());
    let mounted = match mountpoint {
        Some(0) => Some(true),
        // An older one says 1.
        Some(1 | 32) => Some(false),
        // There is no such program, or it did not end.
        Some(_) | None => None,
    };
    let mounted = mounted.or_else(|| row.on.map(|on| on.trim_end_matches('/') == path.as_str().trim_end_matches('/')));
    let of = row.used.checked_add(row.available).filter(|of| *of > 0);
    let used_percent = of.and_then(|of| Some(row.used.checked_mul(100)?.div_ceil(of)));
    Some(Disk {
        path: path.as_str().to_owned(),
        mounted,
        used_percent,
        total_bytes: row.total,
        used_bytes: row.used,
        available_bytes: row.available,
    })
}

struct Row<'a> {
    total: u64,
    used: u64,
    available: u64,
    on: Option<&'a str>,
}

/// `/dev/nvme1n1 59000000000 23600000000 35400000000 40% /var/lib/nats`. What is mounted may have blanks in its name: the
/// numbers are found by the per cent after them.
fn row(line: &str) -> Option<Row<'_>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let percent =
        words.iter().position(|word| word.strip_suffix('%').is_some_and(|number| number.parse::<u64>().is_ok()))?;
    let number = |before: usize| words.get(percent.checked_sub(before)?)?.parse().ok();
    Some(Row { total: number(3)?, used: number(2)?, available: number(1)?, on: words.get(percent + 1).copied() })
}

impl Disk {
    /// `/var/lib/nats 40% used`.
    pub(super) fn said(&self) -> String {
        let percent =
            self.used_percent.map_or_else(|| "of unknown size".to_owned(), |percent| format!("{percent}% used"));
        let root = if self.mounted == Some(false) { ", NOT MOUNTED: it is on the root disk" } else { "" };
        format!("{} {percent}{root}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Filesystem 1-blocks Used Available Capacity Mounted on\n";

    #[test]
    fn a_disk_is_as_full_as_df_says_and_mounted_or_not() {
        let check = |rest: &str, expect: Option<(Option<bool>, Option<u64>, u64)>| {
            let path = PlainPath::try_from("/var/lib/nats".to_owned()).unwrap();
            let found = read(&format!("{HEAD}{rest}"), &path);
            assert_eq!(found.map(|disk| (disk.mounted, disk.used_percent, disk.total_bytes)), expect, "{rest}");
        };
        let nvme = "/dev/nvme1n1 1000 400 600 40% /var/lib/nats\n";
        check(&format!("{nvme}mountpoint 0\n"), Some((Some(true), Some(40), 1000)));
        check("/dev/root 1000 400 600 40% /\nmountpoint 32\n", Some((Some(false), Some(40), 1000)));
        check("/dev/root 1000 400 600 40% /\nmountpoint 1\n", Some((Some(false), Some(40), 1000)));
        // Without the program, what df says counts.
        check(&format!("{nvme}mountpoint 127\n"), Some((Some(true), Some(40), 1000)));
        check("/dev/root 1000 400 600 40% /\n", Some((Some(false), Some(40), 1000)));
        // Rounded up, and of what root may not use nothing is counted.
        check("/dev/x 1000 1 899 1% /\nmountpoint 0", Some((Some(true), Some(1), 1000)));
        check("a b 1000 900 0 100% /\nmountpoint 0", Some((Some(true), Some(100), 1000)));
        check("none 0 0 0 0% /\nmountpoint 0", Some((Some(true), None, 0)));
        check(
            "tmpfs 18446744073709551615 18446744073709551615 1 99% /\nmountpoint 0",
            Some((Some(true), None, u64::MAX)),
        );

        check("df: /var/lib/nats: No such file or directory\nmountpoint 1\n", None);
        check("", None);
        check("50%\n", None);
        check("x -1 a b 5% /\n", None);
    }
}
