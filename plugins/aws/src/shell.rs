//! Words for a node's shell (POSIX `sh`): the one place that quotes for it, and the names from outside that may stand there.
//!
//! It knows no command. The contract's own quoting is for the shell of a person, which reads more than this one.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A systemd unit, without its type where that is `.service`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = "^[A-Za-z0-9@_][A-Za-z0-9@._-]{0,63}$"))]
pub(crate) struct Unit(String);

/// A path that begins at the root and needs nothing to be explained: no `..`, no blank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = "^/[A-Za-z0-9/._-]{0,254}$"))]
pub(crate) struct PlainPath(String);

/// A name of a context of the program `nats`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = "^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$"))]
pub(crate) struct ContextName(String);

/// A text as one word, whatever characters it has but NUL, which no name here can hold.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

impl Unit {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Result<Self, String> {
        // One that begins with a dash would be an option.
        match plain(text, "@._-", 64) && !text.starts_with(['-', '.']) {
            true => Ok(Self(text.to_owned())),
            false => Err(wrong(text, "unit: up to 64 letters, digits and `@._-`, the first a letter or a digit")),
        }
    }
}

impl PlainPath {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Result<Self, String> {
        let climbs = text.split('/').any(|part| part == "..");
        match text.starts_with('/') && plain(text, "/._-", 255) && !climbs {
            true => Ok(Self(text.to_owned())),
            false => Err(wrong(text, "plain path: `/`, letters, digits and `._-`, from the root, without `..`")),
        }
    }
}

impl ContextName {
    fn parse(text: &str) -> Result<Self, String> {
        match plain(text, "._-", 64) && !text.starts_with(['-', '.']) {
            true => Ok(Self(text.to_owned())),
            false => Err(wrong(text, "context: up to 64 letters, digits and `._-`, the first a letter or a digit")),
        }
    }
}

fn plain(text: &str, besides: &str, longest: usize) -> bool {
    let allowed = |char: char| char.is_ascii_alphanumeric() || besides.contains(char);
    !text.is_empty() && text.len() <= longest && text.chars().all(allowed)
}

fn wrong(text: &str, wanted: &str) -> String {
    let shown: String = text.chars().take(80).collect();
    format!("`{}` is no {wanted}", shown.escape_debug())
}

macro_rules! word {
    ($name:ident) => {
        impl $name {
            /// As it stands in a command line.
            pub(crate) fn quoted(&self) -> String {
                quoted(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                Self::parse(&text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
    };
}

word!(Unit);
word!(PlainPath);
word!(ContextName);

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What would be more than a word if anybody let it.
    const ATTACKS: &[&str] = &[
        "'; rm -rf /",
        "a\nb",
        "a\n",
        "$(id)",
        "`id`",
        "a b",
        "a;b",
        "a&b",
        "a|b",
        "a>b",
        "*",
        "~",
        "a\\b",
        "a\"b",
        "a\u{0}b",
        "é",
        "{{ssm:/a}}",
        "",
    ];

    #[test]
    fn names_are_names_and_nothing_else() {
        let check = |text: &str, [unit, path, context]: [bool; 3]| {
            assert_eq!(Unit::parse(text).is_ok(), unit, "unit {text:?}");
            assert_eq!(PlainPath::parse(text).is_ok(), path, "path {text:?}");
            assert_eq!(ContextName::parse(text).is_ok(), context, "context {text:?}");
        };
        for attack in ATTACKS {
            check(attack, [false; 3]);
            check(&format!("/{attack}"), [false, attack.is_empty(), false]);
        }
        check("nats", [true, false, true]);
        check("fluent-bit", [true, false, true]);
        check("getty@tty1.service", [true, false, false]);
        check("--follow", [false; 3]);
        check("-f", [false; 3]);
        check(".hidden", [false; 3]);
        check(&"u".repeat(64), [true, false, true]);
        check(&"u".repeat(65), [false; 3]);
        check("/var/lib/nats", [false, true, false]);
        check("/", [false, true, false]);
        check("/mnt/a..b/c_d-e", [false, true, false]);
        check("/var/../etc", [false; 3]);
        check("/..", [false; 3]);
        check("var/lib", [false; 3]);
        check("//-x", [false, true, false]);
        check(&format!("/{}", "p".repeat(255)), [false; 3]);
    }

    #[test]
    fn what_is_wrong_with_a_name_is_said_in_one_line() {
        let why = Unit::parse("a\nb").unwrap_err();
        assert!(why.contains("`a\\nb` is no unit") && !why.contains('\n'), "{why}");
    }

    /// What the shell of a node makes of a word is what was put into it.
    #[test]
    fn a_shell_reads_back_what_was_meant() {
        for text in ATTACKS.iter().filter(|text| !text.contains('\0')) {
            let line = format!("printf '<%s>' {}", quoted(text));
            let output = Command::new("sh").args(["-c", &line]).env_clear().output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("<{text}>"), "{line}");
        }
    }
}
