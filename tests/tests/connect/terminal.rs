//! `sluice` on a terminal of its own, and a person who reads and types there. Made with Python, which the lab needs too.

use std::path::Path;

use serde_json::{Value, json};

use crate::common::sluice::{Done, Running, SHIPPED, Sluice};

/// What the person does, one thing after the other.
pub(super) enum Step {
    /// Waits until this stands on the screen, after what was seen before.
    Sees(&'static str),
    Types(&'static str),
    /// Sends this to `sluice` alone.
    Signals(&'static str),
    /// Closes the terminal.
    HangsUp,
}

/// Everything on the screen goes to standard output; its exit code is that of `sluice`.
const PERSON: &str = r#"
import json, os, pty, signal, sys
steps, command = json.loads(sys.argv[1]), sys.argv[2:]
pid, screen = pty.fork()
if pid == 0:
    os.environ.update(TERM="xterm", SHELL="/bin/sh", PS1="$ ")
    os.execv(command[0], command)
new = b""
def read():
    global new
    try:
        part = os.read(screen, 65536)
    except OSError:
        part = b""
    sys.stdout.buffer.write(part)
    sys.stdout.flush()
    new += part
    return part != b""
for what, text in steps:
    if what == "sees":
        while text.encode() not in new:
            if not read():
                break
        new = new.partition(text.encode())[2]
    elif what == "types":
        os.write(screen, text.encode())
    elif what == "signals":
        os.kill(pid, getattr(signal, text))
    else:
        os.close(screen)
        screen = None
while screen is not None and read():
    pass
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(code if code >= 0 else 128 - code)
"#;

pub(super) fn run(sluice: &Sluice, arguments: &[&str], steps: &[Step]) -> Done {
    let steps: Vec<Value> = steps.iter().map(step).collect();
    let steps = json!(steps).to_string();
    let all = [&["-c", PERSON, &steps, SHIPPED][..], arguments].concat();
    Running::new(sluice.program(Path::new("python3"), &all)).end()
}

fn step(step: &Step) -> Value {
    match step {
        Step::Sees(text) => json!(["sees", text]),
        Step::Types(text) => json!(["types", text]),
        Step::Signals(name) => json!(["signals", name]),
        Step::HangsUp => json!(["hangs up", ""]),
    }
}
