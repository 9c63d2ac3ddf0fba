//! What private folders promise: who can read, what is left behind, what is refused.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use super::*;

fn base() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("sluice");
    (dir, base)
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o777
}

#[test]
fn files_are_readable_by_this_user_alone() {
    let (_dir, base) = base();
    let folder = PrivateFolder::create(&base, "run-1").unwrap();
    let path = folder.write("nats/admin.creds", b"secret").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"secret");
    assert_eq!(mode(&path), 0o600);
    for folder in [&base, folder.path(), path.parent().unwrap()] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
}

#[test]
fn writing_again_replaces_and_leaves_nothing_else() {
    let (_dir, base) = base();
    let folder = PrivateFolder::create(&base, "run-1").unwrap();
    folder.write("a", b"a long first content").unwrap();
    let path = folder.write("a", b"second").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"second");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_link_is_replaced_and_never_followed() {
    let (dir, base) = base();
    let outside = dir.path().join("outside");
    std::fs::write(&outside, "untouched").unwrap();
    let folder = PrivateFolder::create(&base, "run-1").unwrap();
    symlink(&outside, folder.path().join("file")).unwrap();
    symlink(dir.path(), folder.path().join("folder")).unwrap();
    folder.write("file", b"secret").unwrap();
    assert!(folder.write("folder/new", b"secret").is_err());
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "untouched");
    assert!(!dir.path().join("new").exists());
}

#[test]
fn nothing_is_left_after_remove_and_drop() {
    let (_dir, base) = base();
    let mut folder = PrivateFolder::create(&base, "run-1").unwrap();
    let path = folder.write("a/b", b"secret").unwrap();
    folder.remove().unwrap();
    folder.remove().unwrap();
    assert!(!path.exists() && !folder.path().exists());
    assert!(folder.write("a", b"too late").is_err());
    let second = PrivateFolder::create(&base, "run-1").unwrap();
    let path = second.path().to_owned();
    drop(second);
    assert!(!path.exists());
}

#[test]
fn a_sweep_takes_what_nobody_holds_and_leaves_the_rest() {
    let (dir, base) = base();
    assert_eq!(sweep(&base).unwrap().gone, Vec::<PathBuf>::new());
    let living = PrivateFolder::create(&base, "living").unwrap();
    living.write("a", b"secret").unwrap();
    let dead = base.join("dead-1-0");
    std::fs::create_dir_all(dead.join("nats")).unwrap();
    std::fs::write(dead.join("nats/creds"), "left behind").unwrap();
    // Whoever may not read it may still remove what lies beside it, and it.
    std::fs::create_dir_all(dead.join("closed/inner")).unwrap();
    std::fs::set_permissions(dead.join("closed"), std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    symlink(dir.path(), base.join("link")).unwrap();
    assert_eq!(sweep(&base).unwrap().gone, std::slice::from_ref(&dead));
    assert!(living.path().join("a").exists() && !dead.exists() && dir.path().exists());
    assert!(base.join(sluice_plugin::PRIVATE_MARK).exists());
}

/// Run by `a_killed_process_leaves_what_the_next_sweep_removes` in a process of its own.
#[test]
fn helper_that_holds_a_folder() {
    let Ok(base) = std::env::var("SLUICE_TEST_HOLD") else { return };
    let folder = PrivateFolder::create(Path::new(&base), "held").unwrap();
    folder.write("creds", b"secret").unwrap();
    println!("\nheld {}", folder.path().display());
    std::thread::park();
}

#[test]
fn a_killed_process_leaves_what_the_next_sweep_removes() {
    use std::io::{BufRead, BufReader};
    let (_dir, base) = base();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["private::tests::helper_that_holds_a_folder", "--exact", "--nocapture"])
        .env("SLUICE_TEST_HOLD", &base)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let held = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("held ").map(PathBuf::from)).unwrap();
    assert_eq!(sweep(&base).unwrap().gone, Vec::<PathBuf>::new());
    assert!(held.join("creds").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(held.join("creds").exists());
    assert_eq!(sweep(&base).unwrap().gone, std::slice::from_ref(&held));
    assert!(!held.exists());
}

#[test]
fn many_creators_and_sweepers_do_not_disturb_each_other() {
    let (_dir, base) = base();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let base = &base;
            scope.spawn(move || {
                for _ in 0..50 {
                    let folder = PrivateFolder::create(base, &format!("run-{worker}")).unwrap();
                    let path = folder.write("a", b"secret").unwrap();
                    sweep(base).unwrap();
                    assert!(path.exists());
                }
            });
        }
    });
    assert_eq!(std::fs::read_dir(&base).unwrap().count(), 1);
}

#[test]
fn an_unsafe_base_is_refused_with_what_to_do() {
    let check = |prepare: &dyn Fn(&Path, &Path), expect: &str| {
        let (dir, base) = base();
        prepare(dir.path(), &base);
        let error = PrivateFolder::create(&base, "run-1").err().unwrap().to_string();
        assert!(error.contains(expect), "{error}");
    };
    let chmod = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    check(
        &|_, base| {
            std::fs::create_dir(base).unwrap();
            chmod(base, 0o755);
        },
        "(mode 755); `chmod 700` it",
    );
    check(&|dir, base| symlink(dir, base).unwrap(), "something else");
    check(&|_, base| std::fs::write(base, "").unwrap(), "");
    check(&|dir, _| chmod(dir, 0o777), "others can write in it (mode 777)");
}

#[test]
fn names_that_lead_out_are_refused() {
    let (_dir, base) = base();
    for run in ["", "..", "a/b"] {
        assert!(PrivateFolder::create(&base, run).is_err(), "{run}");
    }
    let folder = PrivateFolder::create(&base, "run-1").unwrap();
    for name in ["../a", "/tmp/a", "a/../../b", ""] {
        assert!(matches!(folder.write(name, b""), Err(PrivateError::Name(_))), "{name}");
    }
}
