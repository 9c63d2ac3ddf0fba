//! Sections: how the script keeps what several commands print apart, and how that is read again.
//!
//! A line that opens or closes a section bears a nonce of this one call. A line of a log cannot, as nobody there knew it
//! when it was written; whatever else a log holds is text.

use std::iter::Peekable;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    /// `services`, `logs/nats`, ...
    pub(super) name: String,
    /// Of its command; 124 when its time was over. Null where nothing says how it ended.
    pub(super) exit: Option<i64>,
    /// The end of what it printed, errors too.
    pub(super) text: String,
    /// It printed more than is here.
    pub(super) cut: bool,
    /// So much it printed in all; null where nothing says so.
    pub(super) bytes: Option<u64>,
}

/// One section of the script: what `body` prints, its last `keep` bytes, between two lines. The exit code and the count of
/// all bytes come out on descriptor 3, what is kept on 4, and what is counted gets from `tee` to `tail` on 5.
pub(super) fn framed(name: &str, body: &str, (nonce, keep): (&str, usize)) -> String {
    format!(
        "printf '%s begin %s\\n' {nonce} '{name}'\n\
         {{ seen=$( {{ {{ {{ ( {body}\n) 2>&1 </dev/null 3>&- 4>&- 5>&-; echo $? >&3; }} |\n\
         tee /dev/fd/5 | wc -c >&3; }} 5>&1 | tail -c {keep} >&4; }} 3>&1 ); }} 4>&1\n\
         printf '\\n%s end %s %s\\n' {nonce} '{name}' \"$(echo $seen)\"\n"
    )
}

/// What was printed for these sections, in their order, of which so many bytes were kept. One whose lines are missing is
/// told as cut.
pub(super) fn read<'a>(sections: impl Iterator<Item = (&'a str, usize)>, printed: &str, nonce: &str) -> Vec<Section> {
    let mut lines = printed.split('\n').peekable();
    sections.map(|(name, keep)| Section::next((name, keep), &mut lines, nonce)).collect()
}

impl Section {
    fn next<'a>((name, keep): (&str, usize), lines: &mut Peekable<impl Iterator<Item = &'a str>>, nonce: &str) -> Self {
        let (begin, end) = (format!("{nonce} begin {name}"), format!("{nonce} end {name} "));
        let is_ours = |line: &&str| line.strip_prefix(nonce).is_some_and(|rest| rest.starts_with(' '));
        // Between sections only a shell in trouble says anything.
        while lines.next_if(|line| !is_ours(line)).is_some() {}
        let nothing = Self { name: name.to_owned(), exit: None, text: String::new(), cut: true, bytes: None };
        if lines.next_if(|line| *line == begin).is_none() {
            return nothing;
        }
        let mut text = Vec::new();
        while let Some(line) = lines.next_if(|line| !is_ours(line)) {
            text.push(line);
        }
        let text = text.join("\n");
        let ending = lines.next_if(|line| line.starts_with(&end)).and_then(|line| line.strip_prefix(&end));
        let Some((exit, bytes)) = ending.map(numbers) else { return Self { text, ..nothing } };
        // Bytes that are no text came as other bytes, so what is here is not what was kept.
        let cut = bytes.is_none_or(|bytes| usize::try_from(bytes).is_ok_and(|bytes| bytes > keep));
        Self { exit, cut, bytes, text, ..nothing }
    }

    /// What is wrong with it, for the summary.
    pub(super) fn complaint(&self) -> Option<String> {
        match self.exit {
            Some(0) => None,
            Some(124) => Some(format!("{} took too long", self.name)),
            Some(code) => Some(format!("{} exited with {code}", self.name)),
            None => Some(format!("{} did not come whole", self.name)),
        }
    }
}

/// The exit code, then how many bytes there were.
fn numbers(text: &str) -> (Option<i64>, Option<u64>) {
    let mut numbers = text.split_whitespace();
    (numbers.next().and_then(|code| code.parse().ok()), numbers.next().and_then(|bytes| bytes.parse().ok()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const NONCE: &str = "5f0c5e2f7f4b4f0b8d5a3c1e9b7a6d42";

    fn section(name: &str, exit: Option<i64>, text: &str, cut: bool, bytes: Option<u64>) -> Section {
        Section { name: name.into(), exit, text: text.into(), cut, bytes }
    }

    /// What the shells of nodes make of a script is what is read again.
    #[test]
    fn shells_and_this_program_agree() {
        let check = |body: &str, keep: usize, expect: Section| {
            let other = framed("other", "echo same; exit 3", (NONCE, 100));
            let script = format!("{}{other}", framed("one", body, (NONCE, keep)));
            for shell in ["sh", "bash"] {
                let mut command = Command::new(shell);
                let command = command.args(["-c", &script]).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
                let output = command.output().unwrap();
                let printed = String::from_utf8_lossy(&output.stdout);
                assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell}: {script}");
                let found = read([("one", keep), ("other", 100)].into_iter(), &printed, NONCE);
                let other = section("other", Some(3), "same\n", false, Some(5));
                assert_eq!(found, [expect.clone(), other], "{shell}: {script}");
            }
        };
        check("echo a; echo b >&2", 100, section("one", Some(0), "a\nb\n", false, Some(4)));
        check("printf a", 100, section("one", Some(0), "a", false, Some(1)));
        check("true", 100, section("one", Some(0), "", false, Some(0)));
        check("(exit 7)", 100, section("one", Some(7), "", false, Some(0)));
        check("exit 7; echo no", 100, section("one", Some(7), "", false, Some(0)));
        check("printf '\\n\\na\\n\\n'", 100, section("one", Some(0), "\n\na\n\n", false, Some(5)));
        check("printf 1234567890", 4, section("one", Some(0), "7890", true, Some(10)));
        check("printf 1234567890", 10, section("one", Some(0), "1234567890", false, Some(10)));
        check("yes | head -c 1000000; exit 9", 4, section("one", Some(9), "y\ny\n", true, Some(1_000_000)));
        check("cat", 100, section("one", Some(0), "", false, Some(0)));
        check("printf '\\377'", 100, section("one", Some(0), "\u{fffd}", false, Some(1)));
        check("printf 'a\\000b'", 100, section("one", Some(0), "a\0b", false, Some(3)));
        check("nothing-of-this-name 2>/dev/null", 100, section("one", Some(127), "", false, Some(0)));
    }

    /// A log may hold whatever somebody wrote into it, but not what nobody knew.
    #[test]
    fn a_line_of_a_log_is_no_border() {
        let forged = [
            "00000000000000000000000000000000 end one 0 0",
            "00000000000000000000000000000000 begin two",
            &NONCE[..31],
            &format!(" {NONCE} end one 0 0"),
            &format!("{NONCE}x end one 0 0"),
            "$(echo hi) `id` '; rm -rf /",
        ];
        let printed = format!(
            "sh: complains\n{NONCE} begin one\n{}\n{NONCE} end one 0 9999\n{NONCE} begin two\nb\n{NONCE} end two 1 2",
            forged.join("\n")
        );
        let found = read([("one", 10_000), ("two", 10_000)].into_iter(), &printed, NONCE);
        let one = section("one", Some(0), &forged.join("\n"), false, Some(9999));
        assert_eq!(found, [one, section("two", Some(1), "b", false, Some(2))]);
    }

    #[test]
    fn what_does_not_come_whole_is_told() {
        let check = |printed: &str, expect: &[Section]| {
            assert_eq!(read([("one", 10), ("two", 10)].into_iter(), printed, NONCE), expect, "{printed}");
        };
        let (one, two) = (section("one", None, "", true, None), section("two", None, "", true, None));
        check("", &[one.clone(), two.clone()]);
        check("sh: 1: Syntax error", &[one.clone(), two.clone()]);
        let begun = format!("{NONCE} begin one\na\nb");
        check(&begun, &[section("one", None, "a\nb", true, None), two.clone()]);
        let second = format!("{NONCE} begin two\nb\n{NONCE} end two 0 1\n");
        check(&second, &[one.clone(), section("two", Some(0), "b", false, Some(1))]);
        let strange = format!("{NONCE} begin one\na\n{NONCE} end one x y\n{second}");
        check(&strange, &[section("one", None, "a", true, None), section("two", Some(0), "b", false, Some(1))]);
        let unended = format!("{NONCE} begin one\na\n{second}");
        check(&unended, &[section("one", None, "a", true, None), section("two", Some(0), "b", false, Some(1))]);
    }
}
