//! A second terminal, for a person who is played: a command runs in a terminal of its own, what it says comes out here line
//! by line, and what it asks for is typed. It knows terminals, not the product.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::process::{Command, ExitStatus};

use nix::pty::{Winsize, openpty};

use crate::background;
use crate::error::{Context, Result};
use crate::process::Proc;

const SIZE: Winsize = Winsize { ws_row: 50, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
/// Behind this the command reads.
const PROMPT: &str = "\n>";

/// Runs it to its end; once it has asked for this word, the word is typed.
pub(crate) fn answering(mut command: Command, word: &str) -> Result<ExitStatus> {
    let pty = openpty(&SIZE, None).context("a terminal")?;
    command.stdin(pty.slave.try_clone().context("a terminal")?);
    command.stdout(pty.slave.try_clone().context("a terminal")?).stderr(pty.slave);
    let mut child = command.env("TERM", "xterm").env("NO_COLOR", "1").spawn().context("starting it")?;
    // It holds the other end until the last process with it is gone.
    drop(command);
    background::beside(Proc::of(child.id()));
    let mut screen = Screen { terminal: File::from(pty.master), said: String::new(), shown: 0 };
    let read = screen.play_out(word);
    let status = child.wait().context("waiting for it")?;
    background::beside(None);
    background::end_if_told();
    read.map(|()| status)
}

struct Screen {
    terminal: File,
    said: String,
    /// How much of it has come out here.
    shown: usize,
}

impl Screen {
    fn play_out(&mut self, word: &str) -> Result<()> {
        let (mut part, mut bytes, mut typed) = ([0; 4096], Vec::new(), false);
        loop {
            let count = match self.terminal.read(&mut part) {
                // A terminal whose other end is closed is no file that has ended.
                Ok(0) => break,
                Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EIO as i32) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read.context("the terminal")?,
            };
            bytes.extend(part.iter().take(count));
            self.said = plain(&bytes.utf8_chunks().map(|part| part.valid()).collect::<String>());
            self.show();
            if !typed && asks(&self.said, word) {
                self.terminal.write_all(format!("{word}\n").as_bytes()).context("the terminal")?;
                typed = true;
            }
        }
        Ok(())
    }

    /// The lines that are whole.
    fn show(&mut self) {
        let new = self.said.get(self.shown..).unwrap_or_default();
        let Some((whole, _)) = new.rsplit_once('\n') else { return };
        whole.split('\n').for_each(|line| say!("{}", line.trim_end()));
        self.shown += whole.len() + 1;
    }
}

fn asks(said: &str, word: &str) -> bool {
    said.split_once(&format!("Type {word} ")).is_some_and(|(_, rest)| rest.contains(PROMPT))
}

/// The lines that stay: without control sequences, and without what moves while something is waited for. A line that
/// fills its row goes on in the next one.
fn plain(screen: &str) -> String {
    let mut plain = String::new();
    for line in screen.split_inclusive('\n') {
        for drawn in line.trim_end_matches('\n').split('\r') {
            rows(&without_sequences(drawn), &mut plain);
        }
        if line.ends_with('\n') {
            plain.push('\n');
        }
    }
    plain
}

fn rows(drawn: &str, plain: &mut String) {
    let drawn: Vec<char> = drawn.chars().collect();
    for row in drawn.chunks(SIZE.ws_col.into()).filter(|row| !row.first().is_some_and(|one| is_spinner(*one))) {
        plain.push_str(row.iter().collect::<String>().trim_end());
        if row.len() == usize::from(SIZE.ws_col) {
            plain.push('\n');
        }
    }
}

/// Braille, of which the moving signs are made.
fn is_spinner(one: char) -> bool {
    ('\u{2801}'..='\u{28ff}').contains(&one)
}

fn without_sequences(text: &str) -> String {
    let mut rest = text.split('\x1b');
    let mut plain = rest.next().unwrap_or_default().to_owned();
    for part in rest {
        plain.push_str(part.split_once(|one: char| one.is_ascii_alphabetic()).map_or("", |(_, after)| after));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_comes_out() {
        let row = |text: &str| format!("{text:100}");
        let moving = row("⠋ quorum  asking");
        let screen = format!(
            "\r\x1b[2K{moving}\r\x1b[2K{}{}{moving}\r\x1b[2KType it to say yes\r\n> ",
            row("✓ quorum  holds"),
            row("│ idle  passes again"),
        );
        assert_eq!(plain(&screen), "✓ quorum  holds\n│ idle  passes again\nType it to say yes\n>");
    }

    #[test]
    fn what_is_asked_is_answered() {
        let mut command = Command::new("sh");
        command.args(["-c", "test -t 0 && printf 'Type it to go on\\n> ' && read -r word && test \"$word\" = it"]);
        assert!(answering(command, "it").unwrap().success());
        let mut command = Command::new("sh");
        command.args(["-c", "exit 3"]);
        assert_eq!(answering(command, "it").unwrap().code(), Some(3));
    }
}
