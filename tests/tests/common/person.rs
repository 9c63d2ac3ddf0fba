//! `sluice` on a terminal of its own, and a person there who reads and types while the test looks at the world.
//! Made with Python, which the lab needs too.

use std::io::{Read, Write};
use std::path::Path;
use std::process::ChildStdin;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::sluice::{Done, Running, SHIPPED, Sluice};

/// Of the terminal.
const COLUMNS: usize = 240;

/// Carries keys from its standard input to a terminal and what is on the terminal to its standard output; its exit code
/// is that of the command.
const TERMINAL: &str = r#"
import fcntl, os, pty, select, struct, sys, termios
pid, screen = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 240, 0, 0))
    os.environ.update(TERM="xterm", NO_COLOR="1")
    os.execv(sys.argv[1], sys.argv[1:])
ends = [screen, 0]
while True:
    ready = select.select(ends, [], [])[0]
    if 0 in ready:
        keys = os.read(0, 65536)
        ends = ends if keys else [screen]
        os.write(screen, keys)
    if screen in ready:
        try:
            part = os.read(screen, 65536)
        except OSError:
            part = b""
        if not part:
            break
        os.write(1, part)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(code if code >= 0 else 128 - code)
"#;

/// Somebody at a terminal where `sluice` runs. Dropped, the terminal is closed.
pub(crate) struct Person {
    running: Running,
    keys: ChildStdin,
    screen: Arc<Screen>,
    reader: JoinHandle<()>,
    /// How much of the screen has been read.
    read: usize,
}

/// What was on the screen so far, as text.
#[derive(Default)]
struct Screen {
    text: Mutex<(String, bool)>,
    more: Condvar,
}

impl Person {
    pub(crate) fn starts(sluice: &Sluice, arguments: &[&str]) -> Self {
        let all = [&["-c", TERMINAL, SHIPPED][..], arguments].concat();
        // One that other users of the machine may run too, where there is one.
        let python = Path::new("/usr/bin/python3");
        let python = if python.exists() { python } else { Path::new("python3") };
        let (running, keys, from) = Running::by_hand(sluice.program(python, &all));
        let screen = Arc::new(Screen::default());
        let reader = std::thread::spawn({
            let screen = screen.clone();
            move || screen.fill(from)
        });
        Self { running, keys, screen, reader, read: 0 }
    }

    /// Waits until this stands on the screen, after what was seen before.
    #[track_caller]
    pub(crate) fn sees(&mut self, text: &str) -> &mut Self {
        self.sees_within(text, Duration::from_secs(240))
    }

    #[track_caller]
    pub(crate) fn sees_within(&mut self, text: &str, patience: Duration) -> &mut Self {
        let began = Instant::now();
        let mut shown = self.screen.text.lock().unwrap();
        loop {
            // Some of what was read may have been drawn over.
            let read = shown.0.floor_char_boundary(self.read);
            if let Some(at) = shown.0[read..].find(text) {
                self.read = read + at + text.len();
                break;
            }
            let left = patience.checked_sub(began.elapsed()).filter(|_| !shown.1);
            let Some(left) = left else { panic!("`{text}` does not come:\n{}", shown.0) };
            shown = self.screen.more.wait_timeout(shown, left).unwrap().0;
        }
        drop(shown);
        self
    }

    pub(crate) fn types(&mut self, keys: &str) -> &mut Self {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
        self
    }

    /// All that was on the screen so far.
    pub(crate) fn shown(&self) -> String {
        self.screen.text.lock().unwrap().0.clone()
    }

    /// Whether the screen will show nothing more.
    pub(crate) fn is_over(&self) -> bool {
        self.screen.text.lock().unwrap().1
    }

    /// Waits until `sluice` ends; its standard output is the screen.
    pub(crate) fn end(self) -> Done {
        self.end_within(Duration::from_secs(300))
    }

    pub(crate) fn end_within(self, patience: Duration) -> Done {
        let Self { running, keys, screen, reader, .. } = self;
        let mut done = running.end_within(patience);
        drop(keys);
        reader.join().unwrap();
        done.stdout = screen.text.lock().unwrap().0.clone();
        done
    }
}

impl Screen {
    fn fill(&self, mut from: impl Read) {
        let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
        loop {
            let count = from.read(&mut part).unwrap_or(0);
            bytes.extend(&part[..count]);
            let mut text = self.text.lock().unwrap();
            *text = (plain(&bytes), count == 0);
            drop(text);
            self.more.notify_all();
            if count == 0 {
                return;
            }
        }
    }
}

/// What a terminal would show by now, from its first line on: without control sequences and without what was drawn over.
/// What is half there is left out for now.
fn plain(bytes: &[u8]) -> String {
    let whole: String = bytes.utf8_chunks().map(|part| part.valid()).collect();
    let (mut text, mut row, mut column, mut chars) = (String::new(), 0, 0, whole.chars().peekable());
    while let Some(one) = chars.next() {
        match one {
            '\r' if chars.peek() == Some(&'\n') => {}
            // The row is drawn anew.
            '\r' => {
                text.truncate(row);
                column = 0;
            }
            '\x1b' => {
                chars.next_if_eq(&'[');
                chars.by_ref().find(|c| c.is_ascii_alphabetic());
            }
            '\n' => {
                text.push('\n');
                (row, column) = (text.len(), 0);
            }
            _ => {
                if column == COLUMNS {
                    text.truncate(text.trim_end_matches(' ').len().max(row));
                    text.push('\n');
                    (row, column) = (text.len(), 0);
                }
                text.push(one);
                column += 1;
            }
        }
    }
    text
}
