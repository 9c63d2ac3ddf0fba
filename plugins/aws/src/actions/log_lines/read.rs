//! Reads the lines of one node out of a log group, page by page to the end.
//!
//! A page may be empty and still not be the last. What the service is asked to leave out is left out here once more.

use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use sluice_plugin::Problem;

use super::cursor::Cursor;
use crate::action::text;
use crate::clients::ClientSet;
use crate::logs::{FILTER, Phrase, goes_in_circles, is_gone};

/// Which lines count. Times are milliseconds since 1970 in UTC.
pub(super) struct Wanted<'a> {
    pub(super) prefix: &'a str,
    pub(super) phrase: Option<&'a Phrase>,
    pub(super) from: i64,
    pub(super) to: Option<i64>,
    pub(super) limit: usize,
    /// With it the oldest lines after it are wanted, without it the newest of all.
    pub(super) after: Option<&'a Cursor>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) at: i64,
    pub(super) id: String,
    pub(super) stream: String,
    pub(super) message: String,
}

#[derive(Debug, Default)]
pub(super) struct Found {
    /// Oldest first.
    pub(super) given: Vec<Event>,
    /// Older ones that are not given.
    pub(super) left_out: u64,
    /// The time of the oldest of newer ones that are not given.
    pub(super) waiting: Option<i64>,
    /// What will not be given any more, though it lies after `from`.
    passed: Vec<(i64, String)>,
}

/// Nothing where there is no such group.
pub(super) async fn events(aws: &ClientSet, group: &str, wanted: &Wanted<'_>) -> Result<Option<Found>, Problem> {
    let (mut found, mut token) = (Found::default(), None::<String>);
    loop {
        let request = aws.logs.client.filter_log_events().log_group_name(group).log_stream_name_prefix(wanted.prefix);
        let request = request.start_time(wanted.from).set_end_time(wanted.to);
        let request = request.set_filter_pattern(wanted.phrase.map(Phrase::as_pattern));
        let answer = match request.set_next_token(token.clone()).send().await {
            Ok(answer) => answer,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(aws.problem(&aws.logs, FILTER, group, &error)),
        };
        for event in answer.events().iter().filter_map(|event| wanted.event(event)) {
            found.take(event, wanted);
        }
        match answer.next_token {
            Some(next) if token.as_ref() == Some(&next) => return Err(goes_in_circles(group)),
            Some(next) if !next.is_empty() => token = Some(next),
            _ => break,
        }
    }
    found.keep(wanted);
    Ok(Some(found))
}

impl Wanted<'_> {
    fn event(&self, event: &FilteredLogEvent) -> Option<Event> {
        let (stream, message) = (event.log_stream_name().unwrap_or_default(), event.message().unwrap_or_default());
        let at = event.timestamp()?;
        let in_time = at >= self.from && self.to.is_none_or(|to| at <= to);
        if !in_time || !stream.starts_with(self.prefix) || self.phrase.is_some_and(|phrase| !phrase.is_in(message)) {
            return None;
        }
        // Without an id it is known by what it says.
        let id = text(event.event_id())
            .unwrap_or_else(|| format!("{stream} {}", message.chars().take(60).collect::<String>()));
        Some(Event { at, id, stream: stream.to_owned(), message: message.to_owned() })
    }
}

impl Found {
    fn take(&mut self, event: Event, wanted: &Wanted<'_>) {
        if wanted.after.is_some_and(|after| after.has_shown(&event.id)) {
            self.passed.push((event.at, event.id));
            return;
        }
        self.given.push(event);
        // However much there is, only so much is held.
        if self.given.len() >= wanted.limit.saturating_mul(2) {
            self.keep(wanted);
        }
    }

    /// The newest, or with a cursor the oldest: what came first stays first among those of one moment.
    fn keep(&mut self, wanted: &Wanted<'_>) {
        self.given.sort_by_key(|event| event.at);
        let over = self.given.len().saturating_sub(wanted.limit);
        if over == 0 {
            return;
        }
        if wanted.after.is_some() {
            let waiting = self.given.split_off(wanted.limit).first().map(|event| event.at);
            self.waiting = self.waiting.into_iter().chain(waiting).min();
        } else {
            self.left_out = self.left_out.saturating_add(u64::try_from(over).unwrap_or(u64::MAX));
            self.passed.extend(self.given.drain(..over).map(|event| (event.at, event.id)));
        }
    }

    pub(super) fn next(&self, wanted: &Wanted<'_>) -> Cursor {
        let given = self.given.iter().map(|event| (event.at, event.id.clone()));
        Cursor::after(wanted.from, given.chain(self.passed.iter().cloned()).collect(), self.waiting)
    }
}
