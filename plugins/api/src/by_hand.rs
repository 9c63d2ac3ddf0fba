//! What a person types to do by hand what an action does: commands for a shell, and what to look for after each.
//!
//! This is the one place that quotes for a shell (bash or zsh). A secret never stands in a command: a variable stands for
//! it, and where a program needs its value, it comes on standard input or in a file. Nothing here runs anything.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::secret::SecretRef;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ByHand {
    /// What goes to its standard input, joined. Empty: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input: Vec<Word>,
    /// Program and arguments. Empty: the input itself is the output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<Word>,
    /// Where what it prints goes.
    #[serde(default)]
    pub output: Output,
    /// It only prepares what other commands use: typed once, however many of them need it.
    #[serde(default)]
    pub once: bool,
    /// What a person is to look for afterwards. Small letter first, no full stop.
    pub look_for: String,
}

/// A part of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// As it is, whatever characters it has.
    Text(String),
    /// The value of this variable of the shell.
    Variable(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// To the screen.
    #[default]
    Shown,
    /// Into this variable of the shell, and not to the screen.
    Variable(String),
    /// Into this file, which only its owner can read if it is new.
    File(Word),
}

impl ByHand {
    /// `program` with these arguments.
    pub fn run<I: IntoIterator<Item = W>, W: Into<Word>>(program: &str, arguments: I, look_for: &str) -> Self {
        let program = Word::from(program);
        Self {
            input: Vec::new(),
            command: std::iter::once(program).chain(arguments.into_iter().map(Into::into)).collect(),
            output: Output::Shown,
            once: false,
            look_for: look_for.to_owned(),
        }
    }

    /// Writes this content to a file.
    pub fn write(file: Word, content: Vec<Word>, look_for: &str) -> Self {
        let (input, output) = (content, Output::File(file));
        Self { input, command: Vec::new(), output, once: false, look_for: look_for.to_owned() }
    }

    #[must_use]
    pub fn with_input(self, input: Vec<Word>) -> Self {
        Self { input, ..self }
    }

    /// Keeps what it prints in a variable.
    #[must_use]
    pub fn into_variable(self, name: &str) -> Self {
        Self { output: Output::Variable(variable(name)), ..self }
    }

    #[must_use]
    pub fn once(self) -> Self {
        Self { once: true, ..self }
    }

    /// One line for a shell, safe to paste.
    pub fn line(&self) -> String {
        let command = joined(&self.command);
        let printf = || format!("printf %s {}", joined(&self.input));
        let body = match (self.input.is_empty(), self.command.is_empty()) {
            (true, _) => command,
            (false, true) => printf(),
            (false, false) => format!("{} | {command}", printf()),
        };
        match &self.output {
            Output::Shown => body,
            Output::Variable(name) => format!("{}=$({body})", variable(name)),
            Output::File(file) => format!("(umask 077; {body} > {})", file.quoted()),
        }
    }

    /// The variables it reads.
    pub fn reads(&self) -> impl Iterator<Item = &str> {
        let file = match &self.output {
            Output::File(file) => Some(file),
            Output::Shown | Output::Variable(_) => None,
        };
        self.input.iter().chain(&self.command).chain(file).filter_map(|word| match word {
            Word::Variable(name) => Some(name.as_str()),
            Word::Text(_) => None,
        })
    }
}

impl Word {
    /// Stands for a leaf that holds a secret: a variable, never the value.
    pub fn secret(leaf: &Value) -> Self {
        Self::Variable(SecretRef::from_json(leaf).map_or_else(|| "SLUICE_SECRET".to_owned(), |secret| name(&secret)))
    }

    /// As it stands in a command line.
    pub fn quoted(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Variable(name) => format!("\"${{{}}}\"", variable(name)),
        }
    }
}

impl From<&str> for Word {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Word {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// The variable that stands for a secret: `steps.params#/secrets/jwt` is `SLUICE_PARAMS_SECRETS_JWT`.
pub fn name(secret: &SecretRef) -> String {
    let bare = secret.0.strip_prefix("steps.").unwrap_or(&secret.0).replace("#/", "_");
    format!("SLUICE_{}", variable(&bare).to_ascii_uppercase())
}

/// A text as one word of a shell's command line, as it is where that needs nothing.
pub fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,=".contains(&byte);
    // zsh looks up a word that begins with `=`.
    if !text.is_empty() && !text.starts_with('=') && text.bytes().all(plain) {
        return text.to_owned();
    }
    if !text.chars().any(is_unseen) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut quoted = String::from("$'");
    for char in text.chars() {
        match char {
            // No argument can hold it, and a shell would cut the word off here.
            '\0' => quoted.push('\u{2400}'),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\\' => quoted.push_str("\\\\"),
            // History is looked up even here by some shells once a quote has confused them.
            '\'' | '!' => push_bytes(char, &mut quoted),
            _ if is_unseen(char) => push_bytes(char, &mut quoted),
            _ => quoted.push(char),
        }
    }
    quoted + "'"
}

fn push_bytes(char: char, quoted: &mut String) {
    for byte in char.encode_utf8(&mut [0; 4]).bytes() {
        // Three digits, so that none that follows is taken for one of them. Writing to a string does not fail.
        let _ = write!(quoted, "\\{byte:03o}");
    }
}

/// What a terminal would obey or not show.
fn is_unseen(char: char) -> bool {
    let hides = matches!(
        char,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    );
    char.is_control() || hides
}

fn joined(words: &[Word]) -> String {
    words.iter().map(Word::quoted).collect::<Vec<_>>().join(" ")
}

/// Only what can be a variable's name, wherever the text came from.
fn variable(text: &str) -> String {
    let fits = |char: char| if char.is_ascii_alphanumeric() { char } else { '_' };
    let name: String = text.chars().map(fits).collect();
    if name.starts_with(|first: char| first.is_ascii_digit()) || name.is_empty() { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_quoted() {
        let check = |text: &str, expect: &str| assert_eq!(quoted(text), expect);
        check("/srv/sluice.yaml", "/srv/sluice.yaml");
        check("/srv/our files/sluice.yaml", "'/srv/our files/sluice.yaml'");
        check("it's", r"'it'\''s'");
        check("$(id)", "'$(id)'");
        check("`id`", "'`id`'");
        check("roll[node-2]/x", "'roll[node-2]/x'");
        check("~root", "'~root'");
        check("=ls", "'=ls'");
        check("a=b", "a=b");
        check("-rf", "-rf");
        check("", "''");
        check("täxt", "'täxt'");
        check("two\nlines", r"$'two\nlines'");
        check("a\u{1b}[31m'!\\", r"$'a\033[31m\047\041\\'");
        check("\u{202e}x", r"$'\342\200\256x'");
        check("a\0b", "$'a\u{2400}b'");
    }

    /// What a shell makes of a line is what was put into it.
    #[test]
    fn a_shell_reads_back_what_was_meant() {
        let nasty = [
            "plain",
            "",
            " ",
            "a b",
            "'",
            "''",
            "\"",
            "\\",
            "\\'",
            "$HOME",
            "${HOME}",
            "$(echo no)",
            "`echo no`",
            "!!",
            "a!b'c",
            "*",
            "?",
            "[a]",
            "{a,b}",
            "~",
            "#no",
            "a;b",
            "a&b",
            "a|b",
            ">no",
            "\n",
            "a\nb\n\nc",
            "\t",
            "\r",
            "\u{1b}[2J",
            "\u{7f}",
            "\u{202e}abc",
            "\u{200b}1",
            "\u{85}9",
            "é",
            "節",
            "😀",
            "-n",
            "--",
            "%s",
            "\\n",
            "\n'!\\1",
        ];
        for text in nasty {
            let line = format!("printf '<%s>' {}", quoted(text));
            assert_eq!(shell(&line), format!("<{text}>"), "{line}");
        }
    }

    fn shell(line: &str) -> String {
        let output = Command::new("bash").args(["-c", line]).env_clear().output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn secrets_are_variables_and_on_no_command_line() {
        let leaf = json!({ "$secret": "steps.params#/secrets/jwt" });
        assert_eq!(Word::secret(&leaf), Word::Variable("SLUICE_PARAMS_SECRETS_JWT".into()));
        assert_eq!(Word::secret(&json!("in plain text")).quoted(), "\"${SLUICE_SECRET}\"");
        let fetched = ByHand::run("printf", ["s3cr3t"], "").into_variable("SLUICE_PARAMS_SECRETS_JWT").once();
        let sent = ByHand::run("cat", ["-"], "").with_input(vec!["Bearer ".into(), Word::secret(&leaf)]);
        assert_eq!(fetched.line(), "SLUICE_PARAMS_SECRETS_JWT=$(printf s3cr3t)");
        assert_eq!(sent.line(), "printf %s 'Bearer ' \"${SLUICE_PARAMS_SECRETS_JWT}\" | cat -");
        assert_eq!(sent.reads().collect::<Vec<_>>(), ["SLUICE_PARAMS_SECRETS_JWT"]);
        assert_eq!(shell(&format!("{}\n{}", fetched.line(), sent.line())), "Bearer s3cr3t");
    }

    #[test]
    fn a_file_is_written_for_its_owner_alone() {
        let path = std::env::temp_dir().join(format!("sluice by-hand {}", std::process::id()));
        let hand = ByHand::write(path.display().to_string().into(), vec!["a\n".into(), "b'\n".into()], "");
        assert_eq!(shell(&hand.line()), "");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\nb'\n");
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(mode & 0o777, 0o600);
    }

    /// A saved plan may have been altered by somebody: what stands where a name belongs is no command.
    #[test]
    fn a_name_cannot_be_a_command() {
        let bad = Word::Variable("x}\"; touch /tmp/no; \"".into());
        assert_eq!(bad.quoted(), "\"${x____touch__tmp_no___}\"");
        let hand = ByHand::run("true", ["a"], "").into_variable("1;id");
        assert_eq!(hand.line(), "_1_id=$(true a)");
    }
}
