//! Reads the lines of one instance's start out of a log group, page by page to the end.
//!
//! A page may be empty and still not be the last. What the service is asked to leave out is left out here once more.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::Problem;
use sluice_plugin::inventory::Bootstrap;

use super::says::{Says, says};
use crate::clients::ClientSet;
use crate::logs::{FILTER, goes_in_circles, phrase};

/// Of more lines than this nobody learns anything.
const MOST_LINES: usize = 10;

/// A longer line is cut: it goes into a journal.
const LONGEST: usize = 400;

/// Which lines count.
pub(super) struct Wanted<'a> {
    pub(super) prefix: &'a str,
    pub(super) instance: &'a str,
    /// Milliseconds since 1970 in UTC.
    pub(super) since: i64,
    pub(super) bootstrap: &'a Bootstrap,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    /// Milliseconds since 1970 in UTC.
    pub(super) at: i64,
    pub(super) stream: String,
    pub(super) text: String,
    pub(super) says: Says,
}

/// Newest first.
pub(super) async fn lines(aws: &ClientSet, group: &str, wanted: &Wanted<'_>) -> Result<Vec<Line>, Problem> {
    let (mut lines, mut token) = (Vec::new(), None::<String>);
    loop {
        let request = aws.logs.client.filter_log_events().log_group_name(group).log_stream_name_prefix(wanted.prefix);
        let request = request.start_time(wanted.since).filter_pattern(phrase(&wanted.bootstrap.phrase));
        let answer = request.set_next_token(token.clone()).send().await;
        let answer = answer.map_err(|error| aws.problem(&aws.logs, FILTER, group, &error))?;
        for event in answer.events() {
            let (stream, at) = (event.log_stream_name().unwrap_or_default(), event.timestamp().unwrap_or(i64::MIN));
            if at >= wanted.since && wanted.stream(stream) {
                lines.extend(wanted.of_message(event.message().unwrap_or_default(), stream, at));
            }
        }
        match answer.next_token {
            Some(next) if token.as_ref() == Some(&next) => return Err(goes_in_circles(group)),
            Some(next) if !next.is_empty() => token = Some(next),
            _ => break,
        }
    }
    // What came later in the same millisecond is the newer one.
    lines.reverse();
    lines.sort_by_key(|line: &Line| std::cmp::Reverse(line.at));
    lines.truncate(MOST_LINES);
    Ok(lines)
}

impl Wanted<'_> {
    /// Of this node, and not of another instance, where the stream's name tells.
    fn stream(&self, stream: &str) -> bool {
        let Some(rest) = stream.strip_prefix(self.prefix) else { return false };
        instance_in(rest).is_none_or(|named| named == self.instance)
    }

    fn of_message(&self, message: &str, stream: &str, at: i64) -> Vec<Line> {
        let with_phrase = message.lines().filter(|line| line.contains(&self.bootstrap.phrase));
        let line = |text: &str| Line {
            at,
            stream: stream.to_owned(),
            text: text.trim().chars().take(LONGEST).collect(),
            says: says(text, self.bootstrap),
        };
        with_phrase.map(line).collect()
    }
}

/// `i-` and at least eight hexadecimal digits, as a whole word.
fn instance_in(stream: &str) -> Option<&str> {
    let starts = stream.match_indices("i-").map(|(at, _)| at);
    let whole = starts.filter(|at| !stream.get(..*at).is_some_and(|before| before.ends_with(char::is_alphanumeric)));
    whole.filter_map(|at| stream.get(at..)).find_map(|rest| {
        let digits = rest.bytes().skip(2).take_while(u8::is_ascii_hexdigit).count();
        (digits >= 8).then(|| rest.get(..2 + digits)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_found_in_a_stream_and_a_word_is_none() {
        let check = |stream: &str, expect: Option<&str>| assert_eq!(instance_in(stream), expect, "{stream}");
        check("i-0123456789abcdef0", Some("i-0123456789abcdef0"));
        check("2026/i-0123456789abcdef0/1", Some("i-0123456789abcdef0"));
        check("i-0123abcd", Some("i-0123abcd"));
        check("i-0123", None);
        check("wifi-0123abcdef", None);
        check("2026-11-22", None);
        check("", None);
    }
}
