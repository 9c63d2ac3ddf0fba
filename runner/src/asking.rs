//! A person at this terminal is asked: the question is shown, what was typed before it is thrown away, and one line is
//! read. A question that counts no more lets the terminal go.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::termios::{FlushArg, tcflush};
use sluice_engine::run::{Asker, Question, Reply};

use crate::screen::Stream;
use crate::views::live::RunView;
use crate::views::question::{self, Otherwise};

/// Between two looks at whether the question still counts.
const LOOK_EVERY_MS: u16 = 100;

/// More than any name.
const LONGEST: usize = 4096;

/// The person before this process, where there is one.
pub(crate) struct TerminalAsker {
    pub(crate) view: Arc<dyn RunView>,
    /// Of standard error.
    pub(crate) screen: Stream,
}

#[async_trait]
impl Asker for TerminalAsker {
    async fn ask(&self, question: Question) -> Reply {
        self.view.clear();
        crate::views::err(&question::show(&question, Otherwise::SaysNo, &self.screen));
        let mut over = Over { flag: Arc::default(), prompted: true };
        let flag = over.flag.clone();
        let line = tokio::task::spawn_blocking(move || typed_line(&flag)).await;
        over.prompted = !matches!(line, Ok(Ok(Some(_))));
        match line {
            Ok(Ok(Some(typed))) => reply(&question, typed),
            // The other end has closed, or the thread is gone: nobody said anything.
            Ok(Ok(None)) => no("the input ended without an answer"),
            Ok(Err(error)) => no(&format!("the terminal cannot be read: {error}")),
            Err(_) => no("the terminal cannot be read"),
        }
    }
}

/// Only the name itself is a yes.
pub(crate) fn reply(question: &Question, typed: String) -> Reply {
    if typed == question.typed {
        return Reply { yes: true, typed, because: None };
    }
    no(if typed.is_empty() { "nothing was typed" } else { "something else was typed" })
}

fn no(because: &str) -> Reply {
    Reply { yes: false, typed: String::new(), because: Some(because.to_owned()) }
}

/// Told when nobody waits for the answer any more.
struct Over {
    flag: Arc<AtomicBool>,
    /// The prompt still stands there, and no line was typed behind it.
    prompted: bool,
}

impl Drop for Over {
    fn drop(&mut self) {
        self.flag.store(true, Ordering::Relaxed);
        if self.prompted {
            // What is said next has a line of its own.
            crate::views::err("\n");
        }
    }
}

/// Prompts, and reads one line of what is typed from now on. `None`: the input has ended, or nobody waits any more.
pub(crate) fn typed_line(over: &AtomicBool) -> io::Result<Option<String>> {
    // What was typed or pasted before the question was there answers nothing.
    let _ = tcflush(io::stdin(), FlushArg::TCIFLUSH);
    let mut err = io::stderr().lock();
    write!(err, "> ")?;
    err.flush()?;
    drop(err);
    let stdin = io::stdin();
    let mut line = Vec::new();
    while !over.load(Ordering::Relaxed) && line.len() < LONGEST {
        let mut ready = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, LOOK_EVERY_MS) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        // Not through the buffer of the standard library: what comes after the line is not ours.
        let mut byte = [0];
        let mut file = std::fs::File::from(stdin.as_fd().try_clone_to_owned()?);
        match file.read(&mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) if byte == [b'\n'] => return Ok(Some(String::from_utf8_lossy(&line).into_owned())),
            Ok(_) => line.extend(byte),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
