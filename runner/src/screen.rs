//! What standard output and standard error are: a terminal or not, how wide, with colours and Unicode or without.
//!
//! Found out once, at the start. Nothing below looks at the environment for this again.

use std::env;
use std::io::{self, IsTerminal};

use clap::ValueEnum;
use sluice_engine::diagnostic::Paint;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    Always,
    Never,
}

/// Both streams.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    pub(crate) out: Stream,
    pub(crate) err: Stream,
    /// A person can answer: standard input is a terminal too.
    pub(crate) input: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) terminal: bool,
    pub(crate) color: bool,
    pub(crate) unicode: bool,
    /// In columns.
    pub(crate) width: usize,
}

/// What a colour means. Which one it is stands in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Warn,
    Accent,
    Strong,
    Dim,
}

/// For streams whose width nobody knows.
const WIDTH: usize = 100;

impl Screen {
    pub(crate) fn of_process(color: Color) -> Self {
        let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let wanted = |terminal: bool| match color {
            Color::Auto => terminal && !set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb"),
            Color::Always => true,
            Color::Never => false,
        };
        let unicode = speaks_unicode(|name| env::var(name).ok());
        let stream = |terminal: bool, width: Option<usize>| Stream {
            terminal,
            color: wanted(terminal),
            unicode,
            width: width.or_else(columns).unwrap_or(WIDTH).max(40),
        };
        let size = |size: Option<(terminal_size::Width, terminal_size::Height)>| size.map(|(width, _)| width.0.into());
        Self {
            out: stream(io::stdout().is_terminal(), size(terminal_size::terminal_size_of(io::stdout()))),
            err: stream(io::stderr().is_terminal(), size(terminal_size::terminal_size_of(io::stderr()))),
            input: io::stdin().is_terminal(),
        }
    }
}

impl Stream {
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Warn => "33",
            Tone::Accent => "36",
            Tone::Strong => "1",
            Tone::Dim => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    pub(crate) fn engine_paint(&self) -> Paint {
        if self.color { Paint::Ansi } else { Paint::Plain }
    }
}

fn columns() -> Option<usize> {
    env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns > 0)
}

/// The first of these that is set decides, as in every other program.
fn speaks_unicode(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &&str| variable(name).is_some_and(|value| !value.is_empty());
    let name = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find(set);
    let value = name.and_then(&variable).unwrap_or_default().to_ascii_lowercase();
    value.contains("utf-8") || value.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_decides_about_unicode() {
        let check = |set: &[(&str, &str)], expect: bool| {
            let variable = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(speaks_unicode(variable), expect, "{set:?}");
        };
        check(&[], false);
        check(&[("LANG", "en_US.UTF-8")], true);
        check(&[("LANG", "C.utf8")], true);
        check(&[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")], false);
        check(&[("LANG", "C"), ("LC_CTYPE", "de_DE.UTF-8")], true);
        check(&[("LANG", "C"), ("LC_ALL", "")], false);
    }
}
