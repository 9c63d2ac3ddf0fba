//! Axiom over HTTP: where it is, as whom it is asked, and what all of its answers have in common.
//!
//! It knows neither queries nor events nor monitors.

use std::time::Duration;

use serde_json::Value;
use sluice_plugin::by_hand::Word;
use sluice_plugin::{ByHand, Header, Host, HttpRequest, HttpResponse, Method, Problem, SecretRef, Timestamp};

use sluice_plugin::time;

/// For the whole exchange.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Of what a service says of itself.
const LONGEST: usize = 300;

/// Too many requests; 430 is Axiom's own, of a budget for queries or ingest that is used up.
pub(crate) const THROTTLED: [u16; 2] = [429, 430];

#[derive(Clone, Copy)]
pub(crate) struct Service<'a> {
    pub(crate) url: &'a str,
    pub(crate) token: &'a Value,
}

impl Service<'_> {
    /// `path` begins with a slash.
    pub(crate) fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.url.trim_end_matches('/'))
    }

    /// Without a body.
    pub(crate) fn request(&self, host: &dyn Host, method: Method, path: &str) -> Result<HttpRequest, Problem> {
        Ok(HttpRequest {
            method,
            url: self.endpoint(path),
            headers: vec![self.bearer(host)?, Header::plain("accept", "application/json")],
            body: Vec::new(),
            timeout: PATIENCE,
            max_body: 1 << 20,
        })
    }

    /// `method` is curl's own choice where there is none: GET, or POST with a body.
    pub(crate) fn by_hand(&self, method: Option<Method>, path: &str, body: Option<&str>, look_for: &str) -> ByHand {
        let (url, patience) = (self.endpoint(path), PATIENCE.as_secs().to_string());
        let method = method.into_iter().flat_map(|method| ["--request", method.as_str()]);
        let json = "content-type: application/json";
        let body = body.into_iter().flat_map(|body| ["--header", json, "--data-binary", body]);
        let words = ["-sSg", "--max-time", &patience, "--header", "@-"].into_iter().chain(method).chain(body);
        let words = words.chain(["--write-out", "\\n%{http_code}\\n", "--", &url]).map(str::to_owned);
        // A program's arguments can be read by everybody on the machine.
        let header = vec!["authorization: Bearer ".into(), Word::secret(self.token), "\n".into()];
        ByHand::run("curl", words, look_for).with_input(header)
    }

    /// A reference is filled in by the host; a plain text is given to it first.
    fn bearer(&self, host: &dyn Host) -> Result<Header, Problem> {
        let reference = match SecretRef::from_json(self.token) {
            Some(reference) => reference,
            None => {
                let sealed = host.seal("/token", host.reveal(self.token)?);
                SecretRef::from_json(&sealed)
                    .ok_or_else(|| Problem::not_applied("internal", "the host gave no reference for the token"))?
            }
        };
        Ok(Header::secret("authorization", "Bearer ", reference))
    }
}

/// A URL that a request could never be sent to.
pub(crate) fn bad_url(url: &str) -> Option<Problem> {
    let fine = url.starts_with("https://") || url.starts_with("http://");
    (!fine).then(|| Problem::bad_input("/url", "the address of Axiom begins with `https://`, as https://api.axiom.co"))
}

/// What the service says of its trouble, as far as anybody reads it; nothing of a page.
pub(crate) fn said(response: &HttpResponse) -> String {
    let parsed: Option<Value> = serde_json::from_slice(&response.body).ok();
    let message = parsed.as_ref().and_then(|body| body.get("message").or_else(|| body.get("error"))?.as_str());
    message.unwrap_or_default().chars().take(LONGEST).collect()
}

/// The sentence, with what the service says behind it.
pub(crate) fn with_said(text: String, response: &HttpResponse) -> String {
    let said = said(response);
    if said.is_empty() { text } else { format!("{text} (it says: {said})") }
}

pub(crate) fn is_page(response: &HttpResponse) -> bool {
    header(response, "content-type").is_some_and(|kind| kind.contains("html"))
        || response.body.trim_ascii_start().starts_with(b"<")
}

/// What it is, when it is no answer of Axiom.
pub(crate) fn what_came(response: &HttpResponse, error: &serde_json::Error, wanted: &str) -> String {
    match is_page(response) {
        true => "a web page: a proxy or a log-in stands between, or this is no Axiom".to_owned(),
        false => format!("no {wanted} ({error})"),
    }
}

/// A header's value; the name in small letters.
pub(crate) fn header<'a>(response: &'a HttpResponse, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim())
}

/// When the limit ends that refused a request, as far as the service says. `scopes` are those that can have: `ratelimit`.
pub(crate) fn limit_ends(response: &HttpResponse, scopes: &[&str], now: Timestamp) -> Option<Timestamp> {
    let reset = |scope: &&str| {
        let number = |part: &str| header(response, &format!("x-{scope}-{part}"))?.parse::<i64>().ok();
        // Each answer names all limits; of one with something left there is nothing to wait for.
        let used_up = number("remaining").is_none_or(|left| left <= 0);
        number("reset").filter(|_| used_up)?.checked_mul(1000).map(Timestamp)
    };
    let wait = header(response, "retry-after").and_then(|value| value.parse().ok());
    let told = wait.map(|seconds| now.plus(Duration::from_secs(seconds)));
    scopes.iter().filter_map(reset).chain(told).filter(|at| *at > now).max()
}

/// ` before 2026-11-22T17:55:34.000Z, in 34 s`, or nothing.
pub(crate) fn until(ends: Option<Timestamp>, now: Timestamp) -> String {
    ends.map_or_else(String::new, |at| format!(" before {}, in {} s", time::written(at), at.since(now).as_secs()))
}
