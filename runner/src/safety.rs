//! Whether somebody else could have written a file: its owner, its mode, and those of the folders above it.
//!
//! It reads what the file system says and nothing of the file. A group counts as somebody else unless the user is alone
//! in it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User, geteuid};

const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// What is wrong, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub(crate) struct Unsafe {
    pub(crate) path: PathBuf,
    pub(crate) why: String,
    pub(crate) mend: String,
}

/// The first thing that lets another user write the file, put another one in its place or another one beside it.
pub(crate) fn check(file: &Path) -> Result<(), Unsafe> {
    each(file, Place::Folder)
}

/// The same for a file that stands for itself: what others put beside it does not matter.
pub(crate) fn check_alone(file: &Path) -> Result<(), Unsafe> {
    each(file, Place::Above)
}

fn each(file: &Path, folder: Place) -> Result<(), Unsafe> {
    let real = file.canonicalize().map_err(|error| unseen(file, &error))?;
    let me = Me { uid: geteuid(), alone_in };
    for (above, path) in real.ancestors().enumerate() {
        let found = fs::symlink_metadata(path).map_err(|error| unseen(path, &error))?;
        let facts = Facts { uid: found.uid(), gid: found.gid(), mode: found.mode() };
        let place = match above {
            0 => Place::File,
            1 => folder,
            _ => Place::Above,
        };
        if let Some((why, mend)) = verdict(place, facts, &me) {
            let mend = format!("{mend} {}", path.display());
            return Err(Unsafe { path: path.to_owned(), why, mend });
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Place {
    File,
    /// The folder the file is in.
    Folder,
    /// Any folder further up.
    Above,
}

#[derive(Clone, Copy)]
struct Facts {
    uid: u32,
    gid: u32,
    mode: u32,
}

struct Me {
    uid: Uid,
    alone_in: fn(u32, Uid) -> bool,
}

fn verdict(place: Place, facts: Facts, me: &Me) -> Option<(String, String)> {
    if facts.uid != 0 && facts.uid != me.uid.as_raw() {
        let mend = format!("chown {}", user_name(me.uid));
        return Some((format!("it belongs to {}", user_name(Uid::from_raw(facts.uid))), mend));
    }
    // In a sticky folder nobody can move away what is not theirs; but in the file's own folder they could add to it.
    let excused = matches!(place, Place::Above) && facts.mode & STICKY != 0;
    if excused {
        return None;
    }
    if facts.mode & OTHERS_WRITE != 0 {
        return Some(("every user can write it".to_owned(), "chmod o-w".to_owned()));
    }
    if facts.mode & GROUP_WRITES != 0 && !(me.alone_in)(facts.gid, me.uid) {
        let group = group_name(facts.gid);
        return Some((format!("the group {group} can write it, and others are in it"), "chmod g-w".to_owned()));
    }
    None
}

/// The user's own group: their primary one, under their name, with nobody else in it as far as the machine's files tell.
fn alone_in(gid: u32, uid: Uid) -> bool {
    let Ok(Some(user)) = User::from_uid(uid) else { return false };
    let Ok(Some(group)) = Group::from_gid(Gid::from_raw(gid)) else { return false };
    let nobody_else = group.mem.iter().all(|member| *member == user.name);
    user.gid.as_raw() == gid && group.name == user.name && nobody_else && !shared_as_primary(gid, uid)
}

fn shared_as_primary(gid: u32, uid: Uid) -> bool {
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    accounts.lines().any(|line| {
        let field = |at: usize| line.split(':').nth(at).and_then(|field| field.parse::<u32>().ok());
        field(3) == Some(gid) && field(2).is_some_and(|other| other != uid.as_raw())
    })
}

fn user_name(uid: Uid) -> String {
    let user = User::from_uid(uid).ok().flatten();
    user.map_or_else(|| format!("user {uid}"), |user| user.name)
}

fn group_name(gid: u32) -> String {
    let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    group.map_or_else(|| gid.to_string(), |group| group.name)
}

fn unseen(path: &Path, error: &std::io::Error) -> Unsafe {
    let why = format!("cannot be looked at: {error}");
    Unsafe { path: path.to_owned(), why, mend: "ls -ld".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_else_can_write_is_found() {
        let me = Me { uid: Uid::from_raw(1000), alone_in: |gid, _| gid == 1000 };
        let check = |place, (uid, gid, mode), expect: Option<&str>| {
            let why = verdict(place, Facts { uid, gid, mode }, &me).map(|(why, _)| why);
            assert_eq!(why.is_some(), expect.is_some(), "{uid} {gid} {mode:o}: {why:?}");
            assert!(why.unwrap_or_default().contains(expect.unwrap_or_default()), "{uid} {gid} {mode:o}");
        };
        check(Place::File, (1000, 1000, 0o100_644), None);
        check(Place::File, (0, 0, 0o100_644), None);
        check(Place::File, (1000, 1000, 0o100_664), None);
        check(Place::File, (1000, 50, 0o100_664), Some("the group"));
        check(Place::File, (1000, 1000, 0o100_646), Some("every user"));
        check(Place::File, (1001, 1000, 0o100_600), Some("belongs to"));
        check(Place::Folder, (1000, 1000, 0o040_755), None);
        check(Place::Folder, (0, 0, 0o041_777), Some("every user"));
        check(Place::Above, (0, 0, 0o041_777), None);
        check(Place::Above, (0, 0, 0o040_777), Some("every user"));
        check(Place::Above, (1001, 1000, 0o041_755), Some("belongs to"));
    }

    #[test]
    fn a_file_of_ones_own_is_safe_below_tmp() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sluice.yaml");
        fs::write(&file, "").unwrap();
        assert_eq!(check(&file), Ok(()));
        // As below /tmp itself: others may add files, and cannot touch this one.
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o1777)).unwrap();
        assert_eq!(check(&file).unwrap_err().path, folder.path().canonicalize().unwrap());
        assert_eq!(check_alone(&file), Ok(()));
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        assert!(check_alone(&file).is_err());
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        assert_eq!(check(&file).unwrap_err().path, file.canonicalize().unwrap());
    }
}
