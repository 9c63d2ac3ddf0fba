//! Names that come from outside and go into a NATS subject or a URL, parsed once.
//!
//! A stream or consumer name may not hold what would change a subject's shape: spaces, dots, wildcards, separators.

use std::fmt;

use sluice_plugin::Problem;

/// The name of a stream, fit to be one token of a subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamName(String);

impl StreamName {
    /// `pointer` is the place inside `with` that the name came from.
    pub(crate) fn parse(text: &str, pointer: &str) -> Result<Self, Problem> {
        if is_token(text) {
            return Ok(Self(text.to_owned()));
        }
        let shown: String = text.chars().take(64).flat_map(char::escape_default).collect();
        let rule = "a stream's name has no spaces, dots, `*`, `>`, slashes or control characters";
        Err(Problem::bad_input(pointer, format!("`{shown}` is not the name of a stream: {rule}")))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a consumer, fit to be one token of a subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConsumerName(String);

impl ConsumerName {
    /// None where it is no token; servers do not give such names out.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        is_token(text).then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

fn is_token(text: &str) -> bool {
    let forbidden =
        |letter: char| letter.is_whitespace() || letter.is_control() || matches!(letter, '.' | '*' | '>' | '/' | '\\');
    !text.is_empty() && text.len() <= 255 && !text.chars().any(forbidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_token_is_a_stream_name() {
        for good in ["pivot_main", "a", "ORDERS-2", "naïve"] {
            assert!(StreamName::parse(good, "/streams/0").is_ok(), "{good}");
        }
        for bad in ["", "a.b", "a b", "*", "a>", "a\tb", "a\nb", "a/b", "a\\b", "a\u{0}b", "a\u{2003}b"] {
            let problem = StreamName::parse(bad, "/streams/0").unwrap_err();
            assert_eq!(problem.path.as_deref(), Some("/streams/0"));
            assert!(!problem.message.contains('\n'), "control characters are shown escaped");
        }
        assert!(StreamName::parse(&"x".repeat(256), "").is_err());
    }
}
