//! What went wrong with one request, sorted: no credentials, no connection, a page that is no AWS answer, AWS's own no.
//!
//! It takes the SDK's generic error apart once, so that nothing else has to be generic. It writes no sentence for a
//! person; `problem` does that.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ssm::config::http::HttpResponse;
use aws_sdk_ssm::error::{ConnectorError, ProvideErrorMetadata, SdkError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// They could not be had, or (without a cause) there are none. Nothing was sent.
    Credentials { cause: Option<String> },
    /// Refused, unknown name, TLS, time-out.
    Unreachable { cause: String },
    /// A web page: a proxy, a captive portal, a stand-in, or a service in trouble.
    Page { status: u16, title: String },
    /// The service's own error, or an answer nobody could read (then without a code).
    Answer { status: u16, code: Option<String>, message: String },
    /// The request was never built.
    Local { cause: String },
}

impl Failure {
    pub(crate) fn of<E>(error: &SdkError<E>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        if let Some(failure) = without_credentials(error) {
            return failure;
        }
        match error {
            SdkError::ConstructionFailure(_) => Self::Local { cause: causes(error.source()) },
            SdkError::DispatchFailure(failure) if failure.is_user() => Self::Local { cause: causes(error.source()) },
            SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) => {
                Self::Unreachable { cause: causes(error.source()) }
            }
            SdkError::ResponseError(answer) => {
                page(answer.raw()).unwrap_or_else(|| unread(answer.raw(), error.source()))
            }
            SdkError::ServiceError(answer) => {
                page(answer.raw()).unwrap_or_else(|| said(answer.raw(), answer.err(), error.source()))
            }
            other => Self::Local { cause: causes(Some(other)) },
        }
    }
}

fn said(raw: &HttpResponse, error: &dyn ProvideErrorMetadata, source: Option<&(dyn Error + 'static)>) -> Failure {
    match error.code() {
        Some(code) => Failure::Answer {
            status: raw.status().as_u16(),
            code: Some(code.to_owned()),
            message: error.message().map(tidy).unwrap_or_default(),
        },
        None => unread(raw, source),
    }
}

/// The SDK's first words, "unhandled error", tell nobody anything.
fn unread(raw: &HttpResponse, source: Option<&(dyn Error + 'static)>) -> Failure {
    let source = source.map(|error| error.source().unwrap_or(error));
    Failure::Answer { status: raw.status().as_u16(), code: None, message: causes(source) }
}

/// A failure to get credentials, wherever the SDK wrapped it.
fn without_credentials(error: &(dyn Error + 'static)) -> Option<Failure> {
    let found = chain(Some(error)).find(|link| link.downcast_ref::<CredentialsError>().is_some())?;
    let cause = causes(Some(found));
    // Signing in needs the network too: then logging in again is the wrong advice.
    let provider_failed = matches!(found.downcast_ref(), Some(CredentialsError::ProviderError(_)));
    let no_connection = chain(found.source()).any(|link| link.downcast_ref::<ConnectorError>().is_some());
    if provider_failed && no_connection {
        return Some(Failure::Unreachable { cause: format!("credentials could not be fetched: {cause}") });
    }
    if matches!(found.downcast_ref(), Some(CredentialsError::CredentialsNotLoaded(_))) {
        let why = causes(found.source());
        return Some(Failure::Credentials { cause: Some(why).filter(|why| !why.is_empty()) });
    }
    Some(Failure::Credentials { cause: Some(cause) })
}

fn page(raw: &HttpResponse) -> Option<Failure> {
    let text = String::from_utf8_lossy(raw.body().bytes()?);
    let start = text.trim_start().get(..15).unwrap_or_else(|| text.trim_start()).to_ascii_lowercase();
    let named_html = raw.headers().get("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    if !(named_html || start.starts_with("<!doctype html") || start.starts_with("<html")) {
        return None;
    }
    Some(Failure::Page { status: raw.status().as_u16(), title: title(&text) })
}

fn title(page: &str) -> String {
    let inside = page.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    inside.map(|(title, _)| tidy(title)).unwrap_or_default()
}

fn chain<'a>(first: Option<&'a (dyn Error + 'static)>) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(first, |&error| error.source())
}

/// The chain of errors as one line. Many links repeat the next one, so a text that is already there is left out.
fn causes(first: Option<&(dyn Error + 'static)>) -> String {
    let mut line = String::new();
    for text in chain(first).map(|error| tidy(&error.to_string())) {
        if line.contains(&text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    shorten(&line)
}

/// One line without the opaque block that EC2 appends to a refusal, of a length that can be read.
fn tidy(text: &str) -> String {
    let text = text.split_once("Encoded authorization failure message").map_or(text, |(before, _)| before);
    let words: Vec<_> = text.split_whitespace().collect();
    shorten(words.join(" ").trim_end_matches('.'))
}

fn shorten(text: &str) -> String {
    const LONGEST: usize = 300;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} ...", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_short_line_without_opaque_blocks() {
        let check = |text: &str, expect: &str| assert_eq!(tidy(text), expect);
        check("You are not authorized.\nEncoded authorization failure message: x9f", "You are not authorized");
        check("  a\t b\n", "a b");
        check(&"é".repeat(301), &format!("{} ...", "é".repeat(300)));
    }

    #[test]
    fn a_page_is_known_by_its_title() {
        let check = |page: &str, expect: &str| assert_eq!(title(page), expect);
        check("<!doctype html><title>500 Internal\n Server Error</title>", "500 Internal Server Error");
        check("<html><body>oops", "");
        check("<title>never ended", "");
    }
}
