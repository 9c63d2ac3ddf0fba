//! A lab, a user who connects to it, and the secrets that must stay where they belong.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use sluice_lab::{Lab, Options};

pub(super) use super::scan::files;
use super::scan::{Secrets, Watch, in_files, new_in_shared_folders};
use crate::common::parameters;
use crate::common::sluice::{Done, Running, Sluice};

const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough to be told from anything else.
const AWS_SECRET: &str = "wJalrXUtnFEMI+K7MDENG/bPxRfiCYzLabSecretKey";
pub(super) const PREFIX: &str = "/nats-cluster/nats-staging";
/// Writes its pid and waits for a file `go`, so that a test can look at the session from outside.
pub(super) const HOLD: &str = "echo $$ > pid; mv pid ready; until [ -e go ]; do sleep 0.05; done";

pub(super) struct World {
    pub(super) lab: Lab,
    pub(super) sluice: Sluice,
    pub(super) secrets: Secrets,
    /// The secrets of NATS alone: our own process has the one of AWS in its environment.
    pub(super) of_nats: Secrets,
    pub(super) admin: User,
    pub(super) messenger: User,
    since: SystemTime,
}

pub(super) struct User {
    pub(super) jwt: String,
    pub(super) seed: String,
}

impl User {
    async fn of(lab: &Lab, name: &str) -> Self {
        let text = lab.creds(name).await.unwrap();
        let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
        Self { jwt: line("eyJ"), seed: line("SU") }
    }
}

impl World {
    pub(super) async fn new() -> Self {
        let since = SystemTime::now();
        let lab = Lab::up(Options::default()).await.unwrap();
        let (admin, messenger) = (User::of(&lab, "admin").await, User::of(&lab, "messenger").await);
        let of_nats = [
            ("admin's jwt", admin.jwt.as_str()),
            ("admin's seed", &admin.seed),
            ("messenger's jwt", &messenger.jwt),
            ("messenger's seed", &messenger.seed),
        ];
        let all = [&of_nats[..], &[("secret key of aws", AWS_SECRET)]].concat();
        let (of_nats, secrets) = (Secrets::new(&of_nats), Secrets::new(&all));
        let sluice = user(&lab, |inventory| inventory);
        Self { lab, sluice, secrets, of_nats, admin, messenger, since }
    }

    /// Runs connect to its end, looks at all processes meanwhile, and at everything afterwards.
    #[track_caller]
    pub(super) fn connect(&self, more: &[&str]) -> Done {
        let watch = Watch::begin(&self.of_nats);
        let done = self.start(more).end();
        assert_eq!(watch.end().into_iter().collect::<Vec<_>>(), Vec::<String>::new());
        self.clean(&done);
        done
    }

    pub(super) fn start(&self, more: &[&str]) -> Running {
        self.sluice.start(&[&["run", "connect", "-i", "cluster=nats-staging"], more].concat())
    }

    /// Connects with this after `--`, and returns once the command runs.
    #[track_caller]
    pub(super) fn hold(&self, more: &[&str], command: &str) -> (Running, u32) {
        for name in ["ready", "go"] {
            // Of the time before.
            let _ = fs::remove_file(self.sluice.home().join(name));
        }
        let running = self.start(&[more, &["--", "sh", "-c", command]].concat());
        (running, self.ready())
    }

    /// The pid that [`HOLD`] wrote.
    #[track_caller]
    pub(super) fn ready(&self) -> u32 {
        let path = self.sluice.home().join("ready");
        until("the session runs", || path.exists());
        fs::read_to_string(path).unwrap().trim().parse().unwrap()
    }

    pub(super) fn go(&self) {
        self.sluice.file("go", "");
    }

    /// Nothing is left of the run, and what it said and wrote holds no secret.
    #[track_caller]
    pub(super) fn clean(&self, done: &Done) {
        self.no_secret_in("stdout", done.stdout.as_bytes());
        self.no_secret_in("stderr", done.stderr.as_bytes());
        self.nothing_left();
    }

    #[track_caller]
    pub(super) fn no_secret_in(&self, what: &str, bytes: &[u8]) {
        let found = self.secrets.in_bytes(bytes);
        assert!(found.is_empty(), "{what} holds {found:?}: {}", String::from_utf8_lossy(bytes));
    }

    #[track_caller]
    pub(super) fn nothing_left(&self) {
        assert_eq!(self.left(), Vec::<String>::new());
    }

    /// Every secret in any file, the journal's database first of all, and every file of a run but its journal.
    pub(super) fn left(&self) -> Vec<String> {
        let home = self.sluice.home();
        let private = files(home).into_iter().filter(|path| is_private(path));
        let runs = [home.join("run/sluice"), home.join(".local/state/sluice/private"), home.join("tmp")];
        let folders = runs.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
        let folders = folders.map(|entry| entry.path()).filter(|path| path.is_dir());
        let left = private.chain(folders).map(|path| format!("{} is left", path.display()));
        self.found_in_files().into_iter().chain(left).collect()
    }

    pub(super) fn found_in_files(&self) -> Vec<String> {
        let shared = new_in_shared_folders(self.since);
        let mut found = in_files(&self.secrets, &[self.sluice.home()]);
        let inside = |path: &PathBuf| self.secrets.in_bytes(&fs::read(path).unwrap_or_default());
        found.extend(shared.iter().filter(|path| !inside(path).is_empty()).map(|path| path.display().to_string()));
        found
    }

    /// Writes a parameter of the lab's parameter store.
    pub(super) fn put(&self, name: &str, value: &str) {
        let kind = if name.ends_with("nats_host") { "String" } else { "SecureString" };
        parameters::put(&self.lab, &format!("{PREFIX}{name}"), value, kind);
    }

    pub(super) fn delete(&self, name: &str) {
        parameters::delete(&self.lab, &format!("{PREFIX}{name}"));
    }

    /// All parameters as the lab made them.
    pub(super) fn restore(&self) {
        let host = self.lab.plan().nats_host();
        for (place, user) in [("/admin", &self.admin), ("/services/messenger", &self.messenger)] {
            self.put(&format!("{place}/nats_admin_jwt"), &user.jwt);
            self.put(&format!("{place}/nats_admin_nkey_seed"), &user.seed);
        }
        self.put("/services/facebox/nats_host", &host);
        self.put("/services/messenger/nats_host", &host);
    }
}

/// A user of the lab who keeps everything below HOME.
pub(super) fn user(lab: &Lab, edit: impl FnOnce(String) -> String) -> Sluice {
    let mut sluice = Sluice::on_with(lab, edit);
    for (variable, name) in [("XDG_RUNTIME_DIR", "run"), ("TMPDIR", "tmp")] {
        let folder = sluice.home().join(name);
        fs::DirBuilder::new().mode(0o700).create(&folder).unwrap();
        sluice.set(variable, &folder.display().to_string());
    }
    sluice.set("AWS_SECRET_ACCESS_KEY", AWS_SECRET);
    sluice
}

fn is_private(path: &std::path::Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let of_tmp = path.parent().is_some_and(|folder| folder.ends_with("tmp"));
    of_tmp
        || name.ends_with(".creds")
        || name == "context.txt"
        || path.components().any(|part| part.as_os_str() == "nats-sluice")
}

/// Waits for something outside to become true.
#[track_caller]
pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A server that takes connections and never says a word.
pub(super) struct Mute {
    pub(super) address: SocketAddr,
    taken: Receiver<TcpStream>,
}

impl Mute {
    pub(super) fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, taken) = channel();
        // Ends with the test's process, or when nobody wants to hear of connections any more.
        thread::spawn(move || listener.incoming().flatten().try_for_each(|stream| sender.send(stream)));
        Self { address, taken }
    }

    /// Waits for somebody to connect, and for the first bytes where they come first.
    pub(super) fn wait(&self) -> TcpStream {
        self.taken.recv_timeout(PATIENCE).unwrap()
    }
}
