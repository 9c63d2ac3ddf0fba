//! Which process owns a run, and whether it still lives: by host, pid and the moment the process started.

use std::fs;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, gethostname};
use sluice_engine::journal::Owner;
use sluice_engine::run::{Alive, Owners};

/// The processes of this machine.
pub(crate) struct Processes {
    me: Owner,
}

impl Processes {
    pub(crate) fn new() -> Self {
        let pid = std::process::id();
        let host = hostname();
        Self { me: Owner { host, pid, started: started(pid).unwrap_or_default() } }
    }
}

impl Owners for Processes {
    fn me(&self) -> Owner {
        self.me.clone()
    }

    fn is_alive(&self, owner: &Owner) -> Alive {
        if owner.host != self.me.host {
            return Alive::CannotTell;
        }
        if self.me.started.is_empty() || owner.started.is_empty() {
            return by_signal(owner.pid);
        }
        match started(owner.pid) {
            Some(started) if started == owner.started => Alive::Yes,
            Some(_) | None => Alive::No,
        }
    }
}

pub(crate) fn hostname() -> String {
    gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_else(|| "localhost".to_owned())
}

/// `<boot id>/<ticks>`: a later process with the same pid, or the same pid after a restart of the machine, differs.
/// `None` when there is no such process, or only what is left of one that has ended.
fn started(pid: u32) -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(format!("{}/{}", boot.trim(), ticks(&stat)?))
}

/// The 22nd field; the second is a name in brackets that may hold anything.
fn ticks(stat: &str) -> Option<&str> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let status = fields.next()?;
    // A zombie does nothing any more.
    if matches!(status, "Z" | "X") {
        return None;
    }
    fields.nth(18)
}

/// Where there is no /proc, a pid that exists is taken for the owner's: waiting too long is the safe mistake.
fn by_signal(pid: u32) -> Alive {
    let Ok(pid) = i32::try_from(pid) else { return Alive::No };
    match kill(Pid::from_raw(pid), None) {
        Err(Errno::ESRCH) => Alive::No,
        Ok(()) | Err(_) => Alive::Yes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_a_later_one() {
        let here = Processes::new();
        let check = |owner: Owner, expect: Alive| assert_eq!(here.is_alive(&owner), expect, "{owner:?}");
        check(here.me(), Alive::Yes);
        check(Owner { started: "another boot/1".into(), ..here.me() }, Alive::No);
        check(Owner { pid: 4_194_305, ..here.me() }, Alive::No);
        check(Owner { host: "elsewhere".into(), ..here.me() }, Alive::CannotTell);
    }

    #[test]
    fn the_start_is_found_behind_any_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20";
        assert_eq!(ticks(&format!("42 (sh) {rest}")), Some("777"));
        assert_eq!(ticks(&format!("42 (a) b (c) {rest}")), Some("777"));
        assert_eq!(ticks("42 (sh) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777"), None);
        assert_eq!(ticks(""), None);
    }
}
