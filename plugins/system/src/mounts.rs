//! What is mounted at a path, from `/proc/self/mountinfo`: the mount that is seen there, under all that lies over others.
//!
//! It knows file systems only by their device, and does not ask them.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// How a path stands among the mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A file system of its own begins here.
    Own,
    /// Something is mounted here, and it is the file system that lies around it too: a hardened service has its folders
    /// bound onto themselves.
    Bound,
    /// Part of the file system around it.
    Part,
}

/// One line.
struct Mount<'a> {
    id: u32,
    parent: u32,
    /// `259:1`.
    device: &'a [u8],
    point: Cow<'a, [u8]>,
}

/// Of a path without links. `None` of a text that names no mount.
pub(crate) fn standing(mountinfo: &[u8], path: &Path) -> Option<Standing> {
    let mut mounts = mountinfo.split(|byte| *byte == b'\n').filter_map(Mount::read).peekable();
    mounts.peek()?;
    let mut above: Vec<Mount<'_>> = mounts.filter(|mount| path.starts_with(mount.point())).collect();
    let mut around = None;
    let mut here = outermost(&mut above);
    // From mount to mount, as a path is walked. Whatever is left lies under another and is not seen.
    while let Some(mount) = here {
        if mount.point() == path {
            return Some(topmost(mount, &mut above).standing(around.as_ref()));
        }
        here = inside(&mount, &mut above);
        around = Some(mount);
    }
    Some(Standing::Part)
}

/// What was mounted last of all that is mounted at one place.
fn topmost<'a>(mut mount: Mount<'a>, above: &mut Vec<Mount<'a>>) -> Mount<'a> {
    while let Some(over) = inside(&mount, above) {
        mount = over;
    }
    mount
}

/// The mount that no other of these holds: the root, or what takes its place where a process sees only part of the tree.
fn outermost<'a>(above: &mut Vec<Mount<'a>>) -> Option<Mount<'a>> {
    let held = |mount: &Mount<'_>| above.iter().any(|other| other.id == mount.parent && other.id != mount.id);
    let free: Vec<u32> = above.iter().filter(|mount| !held(mount)).map(|mount| mount.id).collect();
    shallowest(above, |mount| free.contains(&mount.id))
}

/// The first mount on the way down from this one.
fn inside<'a>(mount: &Mount<'a>, above: &mut Vec<Mount<'a>>) -> Option<Mount<'a>> {
    shallowest(above, |other| other.parent == mount.id)
}

/// Taken out of them, so that no circle is walked twice.
fn shallowest<'a>(above: &mut Vec<Mount<'a>>, wanted: impl Fn(&Mount<'_>) -> bool) -> Option<Mount<'a>> {
    let found = above.iter().enumerate().filter(|(_, mount)| wanted(mount));
    let (place, _) = found.min_by_key(|(_, mount)| mount.point.len())?;
    Some(above.swap_remove(place))
}

impl<'a> Mount<'a> {
    /// `36 35 259:1 / /var/lib/nats rw,noatime shared:1 - xfs /dev/nvme1n1 rw`. `None` of a line that is cut off.
    fn read(line: &'a [u8]) -> Option<Self> {
        let mut words = line.split(|byte| *byte == b' ');
        let number = |word: &[u8]| std::str::from_utf8(word).ok()?.parse().ok();
        let (id, parent) = (number(words.next()?)?, number(words.next()?)?);
        let (device, _, point) = (words.next()?, words.next()?, words.next()?);
        words.next()?;
        Some(Self { id, parent, device, point: unescaped(point) })
    }

    fn point(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.point))
    }

    fn standing(&self, around: Option<&Self>) -> Standing {
        match around {
            Some(around) if around.device == self.device => Standing::Bound,
            Some(_) | None => Standing::Own,
        }
    }
}

/// Blanks, tabs, line ends and backslashes stand there as `\040` and the like.
fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    let (mut plain, mut rest) = (Vec::with_capacity(text.len()), text);
    while let [first, after @ ..] = rest {
        let (byte, left) = octal(rest).unwrap_or((*first, after));
        plain.push(byte);
        rest = left;
    }
    Cow::Owned(plain)
}

/// The byte that is written here as a backslash and three digits, and what follows.
fn octal(text: &[u8]) -> Option<(u8, &[u8])> {
    let [b'\\', high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', rest @ ..] = text else { return None };
    Some((((high - b'0') << 6) | ((middle - b'0') << 3) | (low - b'0'), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOT: &str = "27 1 259:1 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw";

    fn check(lines: &[&str], path: &str, expect: Option<Standing>) {
        assert_eq!(standing(lines.join("\n").as_bytes(), Path::new(path)), expect, "{path} in {lines:#?}");
    }

    #[test]
    fn a_path_is_a_mount_point_or_part_of_what_is_around() {
        let node = [
            "22 27 0:21 / /proc rw,nosuid - proc proc rw",
            ROOT,
            "60 27 259:3 / /var/lib/nats rw,noatime shared:30 - xfs /dev/nvme1n1 rw,attr2",
            "",
        ];
        check(&node, "/var/lib/nats", Some(Standing::Own));
        check(&node, "/", Some(Standing::Own));
        check(&node, "/proc", Some(Standing::Own));
        for part in ["/var/lib", "/var/lib/nats/jetstream", "/var/lib/nats2", "/var/lib/nat", "/proc/1"] {
            check(&node, part, Some(Standing::Part));
        }
        check(&[ROOT], "/var/lib/nats", Some(Standing::Part));
        // Without optional fields, and with three.
        check(&["27 1 259:1 / / rw - ext4 x rw"], "/", Some(Standing::Own));
        check(&["27 1 259:1 / / rw shared:1 master:2 propagate_from:3 - ext4 x rw"], "/", Some(Standing::Own));
    }

    #[test]
    fn names_are_written_in_octal() {
        let at = |point: &str| format!("60 27 259:3 / {point} rw - xfs /dev/nvme1n1 rw");
        check(&[ROOT, &at(r"/srv/two\040words")], "/srv/two words", Some(Standing::Own));
        check(&[ROOT, &at(r"/srv/a\011b\012c\134d\043")], "/srv/a\tb\nc\\d#", Some(Standing::Own));
        check(&[ROOT, &at(r"/srv/\303\244")], "/srv/ä", Some(Standing::Own));
        check(&[ROOT, &at("/srv/ä")], "/srv/ä", Some(Standing::Own));
        check(&[ROOT, &at(r"/srv/\400")], r"/srv/\400", Some(Standing::Own));
        check(&[ROOT, &at(r"/srv/\04")], r"/srv/\04", Some(Standing::Own));
        check(&[ROOT, &at(r"/srv/\134040")], r"/srv/\040", Some(Standing::Own));
        check(&[ROOT, &at(r"/var/lib/nats//deleted")], "/var/lib/nats", Some(Standing::Part));
    }

    #[test]
    fn a_binding_is_as_good_as_what_is_bound() {
        let nvme = "50 27 259:3 / /mnt/nvme rw - xfs /dev/nvme1n1 rw";
        let bound = "60 27 259:3 /nats /var/lib/nats rw - xfs /dev/nvme1n1 rw";
        check(&[ROOT, nvme, bound], "/var/lib/nats", Some(Standing::Own));
        // What a hardened service sees of a folder of the root.
        let itself = "60 27 259:1 /var/lib/nats /var/lib/nats rw - ext4 /dev/nvme0n1p1 rw";
        check(&[ROOT, itself], "/var/lib/nats", Some(Standing::Bound));
        // And of one that is mounted: the same over it once more.
        let mounted = "55 27 259:3 / /var/lib/nats rw - xfs /dev/nvme1n1 rw";
        let again = "60 55 259:3 / /var/lib/nats rw - xfs /dev/nvme1n1 rw";
        check(&[ROOT, mounted, again], "/var/lib/nats", Some(Standing::Own));
    }

    #[test]
    fn what_lies_under_another_mount_is_not_seen() {
        let nats = "50 27 259:3 / /var/lib/nats rw - xfs /dev/nvme1n1 rw";
        // Over the same place: the one on top counts.
        let over = "60 50 0:40 / /var/lib/nats rw - tmpfs tmpfs rw";
        check(&[ROOT, nats, over], "/var/lib/nats", Some(Standing::Own));
        check(&[ROOT, over, nats], "/var/lib/nats", Some(Standing::Own));
        let root_over = "60 50 259:1 /empty /var/lib/nats rw - ext4 /dev/nvme0n1p1 rw";
        check(&[ROOT, nats, root_over], "/var/lib/nats", Some(Standing::Bound));
        // Over a folder above it: what is seen there is a folder of that one.
        let var = "60 27 259:4 / /var rw - ext4 /dev/nvme2n1 rw";
        check(&[ROOT, nats, var], "/var/lib/nats", Some(Standing::Part));
        check(&[ROOT, var, nats], "/var/lib/nats", Some(Standing::Part));
        // And mounted on that one.
        let on_var = "70 60 259:3 / /var/lib/nats rw - xfs /dev/nvme1n1 rw";
        check(&[ROOT, var, on_var], "/var/lib/nats", Some(Standing::Own));
        check(&[ROOT, nats, var, on_var], "/var/lib/nats", Some(Standing::Own));
        // The root itself lies over the first one.
        let first = "1 1 0:2 / / rw - rootfs rootfs rw";
        check(&[first, ROOT, nats], "/var/lib/nats", Some(Standing::Own));
        check(&[first, ROOT], "/", Some(Standing::Own));
        check(&[nats, ROOT, first], "/var/lib", Some(Standing::Part));
    }

    #[test]
    fn where_only_part_of_the_tree_is_seen_it_holds_too() {
        let nats = "60 40 259:3 / /var/lib/nats rw - xfs /dev/nvme1n1 rw";
        check(&[nats], "/var/lib/nats", Some(Standing::Own));
        check(&[nats], "/var/lib", Some(Standing::Part));
        check(&["70 40 259:1 / /var rw - ext4 x rw", nats], "/var/lib/nats", Some(Standing::Part));
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        for text in ["", "\n\n", "garbage", "27 1 259:1 / /", "27 x 259:1 / / rw - ext4 x rw", "\0\0\0"] {
            check(&[text], "/", None);
        }
        // A circle that no kernel makes, a line that is cut off behind good ones.
        let circle = ["27 28 1:1 / / rw - a b rw", "28 27 1:1 / / rw - a b rw"];
        check(&circle, "/x", Some(Standing::Part));
        check(&[ROOT, "60 27 259:3 / /var/lib/nats"], "/var/lib/nats", Some(Standing::Part));
        check(&["x", ROOT], "/", Some(Standing::Own));
    }

    fn escaped(name: &[u8]) -> Vec<u8> {
        let one = |byte: &u8| match byte {
            b' ' | b'\t' | b'\n' | b'\\' | b'#' => format!("\\{byte:03o}").into_bytes(),
            byte => vec![*byte],
        };
        name.iter().flat_map(one).collect()
    }

    proptest! {
        #[test]
        fn any_name_is_read_back(name: Vec<u8>) {
            let escaped = escaped(&name);
            prop_assert_eq!(unescaped(&escaped), Cow::from(&name));
        }

        #[test]
        fn any_text_can_be_read(text: Vec<u8>, lines in "([0-3] [0-3] [0-2]:1 / (/|/a|/a/b) rw\n){0,8}") {
            for path in ["/", "/a", "/a/b"] {
                let _ = (standing(&text, Path::new(path)), standing(lines.as_bytes(), Path::new(path)));
            }
        }
    }
}
