//! A question to the person at the terminal. Only a whole word counts as a yes.

use std::io::{self, BufRead as _, Write as _};

use nix::sys::termios::{FlushArg, tcflush};

/// Shows the question on standard error and reads one line. What was typed before the question does not answer it.
pub(crate) fn yes(question: &str) -> io::Result<bool> {
    // Not a terminal: then there is no queue to flush.
    let _ = tcflush(io::stdin(), FlushArg::TCIFLUSH);
    let mut err = io::stderr().lock();
    write!(err, "{question} [type yes] ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim_end_matches(['\r', '\n']) == "yes")
}
