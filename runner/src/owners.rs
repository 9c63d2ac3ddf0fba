//! Which process owns a run, and whether it still lives: by host, pid and the moment the process started.

use std::fs;
use std::io::Read as _;

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

    /// The boot's id tells machines apart; names do not: they change with the network, and containers share them.
    fn is_alive(&self, owner: &Owner) -> Alive {
        let (Some(mine), Some(theirs)) = (Start::parse(&self.me.started), Start::parse(&owner.started)) else {
            return if owner.host == self.me.host { by_signal(owner.pid) } else { Alive::CannotTell };
        };
        if mine.boot != theirs.boot {
            // This machine, restarted since; or another one.
            return if owner.host == self.me.host { Alive::No } else { Alive::CannotTell };
        }
        // Another container of this machine: its pids mean nothing here.
        if theirs.space.is_some_and(|space| mine.space != Some(space)) {
            return Alive::CannotTell;
        }
        let now = started(owner.pid);
        let same = now.as_deref().and_then(Start::parse).is_some_and(|now| now.ticks == theirs.ticks);
        if same { Alive::Yes } else { Alive::No }
    }
}

/// `<boot id>/<ticks>/<pid namespace>`; the first release wrote no namespace.
#[derive(PartialEq, Eq)]
struct Start<'a> {
    boot: &'a str,
    ticks: &'a str,
    space: Option<&'a str>,
}

impl<'a> Start<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split('/');
        let (boot, ticks) = (parts.next()?, parts.next()?);
        Some(Self { boot, ticks, space: parts.next() })
    }
}

pub(crate) fn hostname() -> String {
    gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_else(|| "localhost".to_owned())
}

/// A small file in which the system tells something of a process. It has no size, and is read at once.
pub(crate) fn of_system(path: &str) -> Option<String> {
    let mut text = vec![0; 4096];
    let mut length = 0;
    let mut file = fs::File::open(path).ok()?;
    loop {
        match file.read(text.get_mut(length..)?).ok()? {
            0 => break,
            read => length += read,
        }
    }
    text.truncate(length);
    String::from_utf8(text).ok()
}

/// A later process with the same pid, or the same pid after a restart of the machine, differs. `None` when there is no
/// such process, or only what is left of one that has ended.
fn started(pid: u32) -> Option<String> {
    let boot = of_system("/proc/sys/kernel/random/boot_id")?;
    let stat = of_system(&format!("/proc/{pid}/stat"))?;
    let space = fs::read_link("/proc/self/ns/pid").ok();
    let space = space.as_ref().and_then(|space| space.to_str()).and_then(|space| space.strip_prefix("pid:"));
    let space = space.map(|space| format!("/{}", space.trim_matches(['[', ']']))).unwrap_or_default();
    Some(format!("{}/{}{space}", boot.trim(), ticks(&stat)?))
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
        let me = || here.me();
        let started = me().started;
        let [boot, ticks, space] = started.split('/').collect::<Vec<_>>()[..] else { panic!("{started}") };
        check(me(), Alive::Yes);
        check(Owner { started: "another boot/1".into(), ..me() }, Alive::No);
        check(Owner { pid: 4_194_305, ..me() }, Alive::No);
        check(Owner { started: format!("{boot}/1/{space}"), ..me() }, Alive::No);
        // The name of a machine changes under a process.
        check(Owner { host: "elsewhere".into(), ..me() }, Alive::Yes);
        check(Owner { host: "elsewhere".into(), pid: 4_194_305, ..me() }, Alive::No);
        check(Owner { host: "elsewhere".into(), started: "another boot/1".into(), ..me() }, Alive::CannotTell);
        // What the first release wrote, and what another container of this machine would.
        check(Owner { started: format!("{boot}/{ticks}"), ..me() }, Alive::Yes);
        check(Owner { started: format!("{boot}/{ticks}/1"), ..me() }, Alive::CannotTell);
        check(Owner { started: String::new(), ..me() }, Alive::Yes);
        check(Owner { started: String::new(), host: "elsewhere".into(), ..me() }, Alive::CannotTell);
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
