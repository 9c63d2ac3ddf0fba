//! CloudWatch Logs as several actions ask it: where the lines of a node are, and the one way in which a text that is
//! looked for gets into a pattern or a query.

use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata;
use schemars::JsonSchema;
use serde::Deserialize;
use sluice_plugin::Problem;
use sluice_plugin::inventory::{CloudWatchLogs, Cluster, Node};

pub(crate) const FILTER: &str = "logs:FilterLogEvents";

pub(crate) const LOG_GROUP_ARN: &str =
    "arn:aws:logs:{cluster.aws.region}:{cluster.aws.account}:log-group:{cluster.logs.cloudwatch.group}:*";

/// A longer message is cut: nobody reads a line of a megabyte.
const LONGEST: usize = 4000;

/// A text that a line must hold as it stands, in this writing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("minLength" = 1, "maxLength" = 200))]
pub(crate) struct Phrase(String);

impl Phrase {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() || text.chars().count() > 200 {
            return Err("a text to look for has 1 to 200 characters, and not only blanks".to_owned());
        }
        if text.chars().any(char::is_control) {
            let shown = text.escape_debug();
            return Err(format!(
                "`{shown}` is no text to look for: lines hold no line feeds or other control characters"
            ));
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// As a pattern of `FilterLogEvents`.
    pub(crate) fn as_pattern(&self) -> String {
        phrase(&self.0)
    }

    /// As a condition of Logs Insights.
    pub(crate) fn as_regex(&self) -> String {
        regex(&self.0)
    }

    pub(crate) fn is_in(&self, message: &str) -> bool {
        message.contains(&self.0)
    }
}

impl TryFrom<String> for Phrase {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

/// The one way to ask `FilterLogEvents` for a text as it stands: in double quotes.
pub(crate) fn phrase(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The one way to ask Insights for a text as it stands: between slashes, and with nothing in it that means anything else.
pub(crate) fn regex(text: &str) -> String {
    format!("/{}/", escaped(text))
}

/// The same for the beginning of a text.
pub(crate) fn regex_of_start(text: &str) -> String {
    format!("/^{}/", escaped(text))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        // Before a letter or digit a backslash would give it a meaning.
        if char.is_ascii_punctuation() && !matches!(char, '-' | '_') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

/// Where the lines of this node are: the group, and how the names of its streams begin.
pub(crate) fn of_node<'a>(cluster: &'a Cluster, node: &Node) -> Result<(&'a CloudWatchLogs, &'a str), Problem> {
    let unknown = || {
        let message = format!("the inputs do not say where the logs of {} are; start a new run", node.name);
        Problem::bad_input("/cluster/logs", message)
    };
    let logs = of_cluster(cluster).map_err(|_| unknown())?;
    let prefix = logs.stream_prefixes.get(&node.name).ok_or_else(unknown)?;
    Ok((logs, prefix))
}

pub(crate) fn of_cluster(cluster: &Cluster) -> Result<&CloudWatchLogs, Problem> {
    cluster.logs.as_ref().map(|logs| &logs.cloudwatch).ok_or_else(|| {
        let message = format!("the inputs do not say where the logs of {} are; start a new run", cluster.name);
        Problem::bad_input("/cluster/logs", message)
    })
}

pub(crate) fn is_gone(error: &impl ProvideErrorMetadata) -> bool {
    error.code() == Some("ResourceNotFoundException")
}

/// Said as an answer: that there is no such group tells something.
pub(crate) fn no_group(group: &str, place: &str) -> String {
    format!(
        "there is no log group {group} in {place}: nothing was ever written to it, or it was deleted; see \
         `logs.cloudwatch.group` of the cluster in the inventory"
    )
}

/// The end of what is said where no line was found.
pub(crate) const PROVES_NOTHING: &str =
    "a group keeps its lines only for a time, a day or a few, so that there is none proves nothing about earlier";

pub(crate) fn shortened(message: &str) -> String {
    let message = message.trim_end_matches(['\r', '\n']);
    match message.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} ...", message.get(..end).unwrap_or(message)),
        None => message.to_owned(),
    }
}

pub(crate) fn goes_in_circles(group: &str) -> Problem {
    let message = format!("CloudWatch Logs gave the same page of {group} twice; try again");
    Problem::not_applied("bad_answer", message).retryable()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_stays_one_phrase() {
        let check = |text: &str, pattern: &str, regex: &str| {
            let phrase = Phrase::parse(text).unwrap();
            assert_eq!((phrase.as_pattern().as_str(), phrase.as_regex().as_str()), (pattern, regex));
        };
        check("Axiom ingest check", "\"Axiom ingest check\"", "/Axiom ingest check/");
        check("a \"b\" \\c", "\"a \\\"b\\\" \\\\c\"", "/a \\\"b\\\" \\\\c/");
        check("a/ | limit 1", "\"a/ | limit 1\"", "/a\\/ \\| limit 1/");
        check("'; rm -rf /", "\"'; rm -rf /\"", "/\\'\\; rm -rf \\//");
        check("$(id) `id`", "\"$(id) `id`\"", "/\\$\\(id\\) \\`id\\`/");
        check(".*^$+?[]{}()|", "\".*^$+?[]{}()|\"", "/\\.\\*\\^\\$\\+\\?\\[\\]\\{\\}\\(\\)\\|/");
        check("200 ok, täxt", "\"200 ok, täxt\"", "/200 ok\\, täxt/");
        check("%re%", "\"%re%\"", "/\\%re\\%/");
        assert_eq!(regex_of_start("lab-node-1-bootstrap-"), "/^lab-node-1-bootstrap-/");
    }

    #[test]
    fn what_is_no_text_to_look_for_is_refused_in_one_line() {
        for text in ["", "  ", "a\nb", "a\r", "a\0b", "\u{1b}[2J", &"a".repeat(201)] {
            let why = Phrase::parse(text).unwrap_err();
            assert!(!why.contains(['\n', '\u{1b}']), "{why}");
        }
        assert!(Phrase::parse(&"é".repeat(200)).is_ok());
    }

    #[test]
    fn a_message_is_of_a_length_that_can_be_read() {
        assert_eq!(shortened("a\n\n"), "a");
        assert_eq!(shortened(&"é".repeat(4001)), format!("{} ...", "é".repeat(4000)));
    }
}
