//! The disk under the store is full, for real: nothing is done that cannot be written down first, and with room again the run
//! comes to its end. With the table of faults, by its command; it takes root, who may mount a small disk.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sluice_lab::Options;

use super::site::{PATIENCE, Site, says, side_by_side};
use crate::common::person::Person;

#[test]
#[ignore = "by a command: it takes minutes, and root"]
fn a_full_disk_does_not_lose_what_was_done() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: a_full_disk_does_not_lose_what_was_done needs root, to mount a small disk");
        return;
    }
    side_by_side(&[("full while the question waits", before), ("full when the instance is gone", after)], &[]);
}

/// A disk of a few megabytes in memory, for the store alone.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn under(site: &mut Site) -> Self {
        let folder = site.user.home().join("small");
        fs::create_dir(&folder).unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs"]).arg(&folder).status();
        assert!(mount.unwrap().success(), "no small disk");
        site.user.set("XDG_STATE_HOME", &folder.display().to_string());
        // What is trusted is kept there too.
        let digest = site.user.run(&["trust", "--print-digest"]).expect_code(0).stdout;
        site.user.run(&["trust", "--digest", digest.trim()]).expect_code(0);
        Self(folder)
    }

    fn rest(&self) -> PathBuf {
        self.0.join("rest")
    }

    fn fill(&self) {
        let mut file = File::create(self.rest()).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn has_room(&self) {
        fs::remove_file(self.rest()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args([Path::new("-l"), &self.0]).status();
    }
}

fn before() {
    let mut site = Site::new(Options::default());
    let disk = SmallDisk::under(&mut site);
    let mut person = site.asked(2);
    disk.fill();
    person.types(&format!("{}\n", site.name(2)));
    let done = person.end_within(PATIENCE);
    assert_eq!(done.code, Some(1), "{}", done.said());
    says(&done.stdout, &["is full"]);
    site.nothing_ended();
    disk.has_room();
    site.says_yes(&["resume", "last"], 2).end_within(PATIENCE * 2).expect_code(0);
    site.ended(&[2]);
}

fn after() {
    let mut site = Site::new(Options::default());
    let disk = SmallDisk::under(&mut site);
    let mut person = site.asked(2);
    person.types(&format!("{}\n", site.name(2)));
    site.until("the instance is ended", |site| !site.terminations().is_empty());
    disk.fill();
    let done = person.end_within(PATIENCE * 2);
    assert_eq!(done.code, Some(1), "{}", done.said());
    says(&done.stdout, &["is full"]);
    disk.has_room();
    let resumed = Person::starts(&site.user, &["resume", "last"]).end_within(PATIENCE * 2).expect_code(0);
    says(&resumed.stdout, &["replace-node done"]);
    site.ended(&[2]);
}
