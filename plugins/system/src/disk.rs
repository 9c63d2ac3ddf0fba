//! How full a file system is, by the rule of `df`: what only the superuser may fill is neither used nor to be had.
//!
//! Whether it is the file system that was meant is said by the mounts; where it is not, the figures are those of another.

use std::io::ErrorKind;
use std::path::Path;

use nix::sys::statvfs::{Statvfs, statvfs};
use schemars::JsonSchema;
use serde::Serialize;

use crate::errors::Errors;
use crate::mounts::{Standing, standing};
use crate::percent::percent;
use crate::read;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Disk {
    /// Used, of what is used and available together. `df` shows the next whole number.
    disk_used_percent: f64,
    disk_total_bytes: u64,
    disk_used_bytes: u64,
    /// To those who are not the superuser.
    disk_available_bytes: u64,
}

/// What was seen of a path.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) figures: Option<Disk>,
    pub(crate) mounted: Option<bool>,
    pub(crate) errors: Errors,
}

/// What the file system says, in blocks.
#[derive(Clone, Copy, Debug)]
struct Blocks {
    size: u64,
    total: u64,
    free: u64,
    available: u64,
}

/// More mounts than this has no machine that anybody looks at.
const MOST_OF_MOUNTS: usize = 1 << 20;

/// Hangs as long as the file system does.
pub(crate) fn look(proc_root: &Path, path: &Path) -> Seen {
    let mut seen = Seen::default();
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(error) => {
            seen.mounted = (error.kind() == ErrorKind::NotFound).then_some(false);
            seen.errors.add("disk", path, error);
            return seen;
        }
    };
    let figures = statvfs(&real).map_err(|error| std::io::Error::from(error).to_string());
    let figures = figures.and_then(|stat| Blocks::of(&stat).figures().map_err(str::to_owned));
    seen.figures = seen.errors.part("disk", path, figures);
    seen.look_at_mounts(proc_root, path, &real);
    seen
}

impl Seen {
    fn look_at_mounts(&mut self, proc_root: &Path, path: &Path, real: &Path) {
        let place = proc_root.join("self/mountinfo");
        let mut buffer = Vec::with_capacity(16 * 1024);
        let standing = match read::beginning(&place, MOST_OF_MOUNTS, &mut buffer) {
            Ok(mountinfo) => standing(mountinfo, real).ok_or_else(|| "no line names a mount".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let Some(standing) = self.errors.part("mounts", &place, standing) else { return };
        self.mounted = Some(standing == Standing::Own);
        let not_mounted = match standing {
            Standing::Own => return,
            Standing::Bound => "what is mounted there is a folder of the file system around it",
            Standing::Part => "it is not a mount point",
        };
        let whose = "the NVMe is not mounted, and the figures are those of the file system around it";
        self.errors.add("disk", path, format_args!("{not_mounted}: {whose}"));
    }
}

impl Blocks {
    fn of(stat: &Statvfs) -> Self {
        Self {
            size: wide(stat.fragment_size()),
            total: wide(stat.blocks()),
            free: wide(stat.blocks_free()),
            available: wide(stat.blocks_available()),
        }
    }

    fn figures(self) -> Result<Disk, &'static str> {
        let bytes = |blocks: u64| blocks.saturating_mul(self.size);
        let used = self.total.saturating_sub(self.free);
        // Below zero where the superuser has filled what was reserved for him.
        let available = if i64::try_from(self.available).is_ok() { self.available } else { 0 };
        let share = percent(used.into(), u128::from(used) + u128::from(available));
        match share {
            Some(disk_used_percent) if self.total > 0 && self.size > 0 => Ok(Disk {
                disk_used_percent,
                disk_total_bytes: bytes(self.total),
                disk_used_bytes: bytes(used),
                disk_available_bytes: bytes(available),
            }),
            Some(_) | None => Err("the file system there has no blocks"),
        }
    }
}

/// Of a number that is narrower on some machines.
fn wide(number: impl TryInto<u64>) -> u64 {
    number.try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_system_is_as_full_as_df_says() {
        let check = |(size, total, free, available): (u64, u64, u64, u64), expect: Option<(f64, u64, u64, u64)>| {
            let blocks = Blocks { size, total, free, available };
            let expect = expect.map(|(percent, total, used, available)| Disk {
                disk_used_percent: percent,
                disk_total_bytes: total,
                disk_used_bytes: used,
                disk_available_bytes: available,
            });
            assert_eq!(blocks.figures().ok(), expect, "{blocks:?}");
        };
        // Most of it is reserved; `df` says 23 %.
        let reserved = (4096, 66_053_021, 60_729_622, 18_498_073);
        check(reserved, Some((22.35, 270_553_174_016, 21_804_642_304, 75_768_107_008)));
        // ext4 with the usual 5 %: full for everybody but the superuser, who then fills the rest.
        check((4096, 1000, 500, 450), Some((52.63, 4_096_000, 2_048_000, 1_843_200)));
        check((4096, 1000, 50, 0), Some((100.0, 4_096_000, 3_891_200, 0)));
        check((4096, 1000, 0, 0), Some((100.0, 4_096_000, 4_096_000, 0)));
        check((4096, 1000, 30, u64::MAX - 19), Some((100.0, 4_096_000, 3_973_120, 0)));
        // XFS reserves nothing.
        check((4096, 1000, 750, 750), Some((25.0, 4_096_000, 1_024_000, 3_072_000)));
        check((512, 1000, 1000, 1000), Some((0.0, 512_000, 0, 512_000)));
        // A quota: less is to be had than is free.
        check((1, 1000, 900, 100), Some((50.0, 1000, 100, 100)));
        // More is free than there is.
        check((1, 1000, 1100, 1100), Some((0.0, 1000, 0, 1100)));
        // What only pretends to be a file system, and one that is all reserved.
        check((4096, 0, 0, 0), None);
        check((0, 1000, 500, 500), None);
        check((4096, 0, 0, 10), None);
        check((4096, 1000, 1000, 0), None);
        let most = u64::MAX;
        check((4096, most, 0, 0), Some((100.0, most, most, 0)));
        check((most, most, most / 2, most / 2), Some((50.0, most, most, most)));
    }

    proptest! {
        #[test]
        fn used_is_a_percentage(size: u64, total: u64, free: u64, available: u64) {
            if let Ok(disk) = (Blocks { size, total, free, available }).figures() {
                prop_assert!((0.0..=100.0).contains(&disk.disk_used_percent), "{disk:?}");
                prop_assert!(disk.disk_used_bytes <= disk.disk_total_bytes, "{disk:?}");
            }
        }
    }

    struct Desk(tempfile::TempDir);

    impl Desk {
        /// With `PATH` in the text for the folder that is looked at.
        fn new(mountinfo: Option<&str>) -> Self {
            let desk = Self(tempfile::tempdir().unwrap());
            fs::create_dir_all(desk.root().join("self")).unwrap();
            fs::create_dir(desk.disk()).unwrap();
            let real = desk.disk().canonicalize().unwrap().display().to_string().replace(' ', "\\040");
            if let Some(text) = mountinfo {
                fs::write(desk.root().join("self/mountinfo"), text.replace("PATH", &real)).unwrap();
            }
            desk
        }

        fn root(&self) -> std::path::PathBuf {
            self.0.path().join("proc")
        }

        fn disk(&self) -> std::path::PathBuf {
            self.0.path().join("the disk")
        }
    }

    const ROOT: &str = "27 1 259:1 / / rw - ext4 /dev/nvme0n1p1 rw\n";

    #[test]
    fn a_disk_that_is_not_mounted_is_flagged_and_the_figures_stay() {
        let check = |mountinfo: Option<&str>, mounted: Option<bool>, said: Option<&str>| {
            let desk = Desk::new(mountinfo);
            let seen = look(&desk.root(), &desk.disk());
            assert_eq!((seen.mounted, seen.figures.is_some()), (mounted, true), "{mountinfo:?}");
            let lines = seen.errors.into_lines();
            assert_eq!(lines.len(), said.iter().count(), "{lines:?}");
            assert!(said.is_none_or(|said| lines[0].contains(said)), "{lines:?}");
        };
        let with = |line: &str| format!("{ROOT}{line}\n");
        check(Some(&with("60 27 259:3 / PATH rw - xfs /dev/nvme1n1 rw")), Some(true), None);
        let not = "the disk: it is not a mount point: the NVMe is not mounted";
        check(Some(ROOT), Some(false), Some(not));
        let bound = "60 27 259:1 /x PATH rw - ext4 /dev/nvme0n1p1 rw";
        check(Some(&with(bound)), Some(false), Some("a folder of the file system around it: the NVMe is not mounted"));
        check(Some(""), None, Some("self/mountinfo: no line names a mount"));
        check(None, None, Some("self/mountinfo: No such file"));
    }

    #[test]
    fn links_are_followed_and_what_is_missing_is_not_mounted() {
        let desk = Desk::new(Some(&format!("{ROOT}60 27 259:3 / PATH rw - xfs /dev/nvme1n1 rw\n")));
        let link = desk.0.path().join("link");
        std::os::unix::fs::symlink(desk.disk(), &link).unwrap();
        assert_eq!(look(&desk.root(), &link).mounted, Some(true));
        let seen = look(&desk.root(), &desk.disk().join("missing"));
        assert_eq!((seen.mounted, seen.figures), (Some(false), None));
        let lines = seen.errors.into_lines();
        assert!(lines.len() == 1 && lines[0].contains("missing: No such file"), "{lines:?}");
        // Not a folder on the way: nobody can say what is mounted there.
        fs::write(desk.disk().join("file"), "").unwrap();
        let seen = look(&desk.root(), &desk.disk().join("file/below"));
        assert_eq!((seen.mounted, seen.figures), (None, None));
    }
}
