//! Terraform Cloud over HTTP: where it is, as whom it is asked, and what its refusals mean.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sluice_plugin::by_hand::Word;
use sluice_plugin::{
    Applied, ByHand, Header, Host, HttpRequest, HttpResponse, Method, Problem, SecretRef, Timestamp, time,
};

/// For the whole exchange.
const PATIENCE: Duration = Duration::from_secs(20);

/// Of what a service says of itself.
const LONGEST: usize = 300;

const JSON: &str = "application/vnd.api+json";

/// Where everybody's is that does not run their own.
pub(crate) fn address() -> String {
    "https://app.terraform.io".to_owned()
}

#[derive(Clone, Copy)]
pub(crate) struct Service<'a> {
    pub(crate) address: &'a str,
    pub(crate) token: &'a Value,
}

impl Service<'_> {
    /// What stands there. `to` goes on after "Terraform Cloud does not": `read the run`.
    pub(crate) async fn read<T: DeserializeOwned>(&self, host: &dyn Host, path: &str, to: &str) -> Result<T, Problem> {
        let response = host.http(self.request(host, Method::Get, path)?).await?;
        if response.status != 200 {
            return Err(self.problem(&response, host.now(), to));
        }
        serde_json::from_slice(&response.body).map_err(|error| self.no_answer(&response, &error))
    }

    /// Sends one request that does something, and nothing twice. A refusal is a problem that says whether it was done.
    pub(crate) async fn act(&self, host: &dyn Host, path: &str, comment: &str, to: &str) -> Result<(), Problem> {
        let mut request = self.request(host, Method::Post, path)?;
        request.headers.push(Header::plain("content-type", JSON));
        request.body = body(comment).into_bytes();
        let response = host.http(request).await?;
        if matches!(response.status, 200..=299) {
            return Ok(());
        }
        let problem = self.problem(&response, host.now(), to);
        Err(match response.status {
            409 => {
                let text = format!(
                    "Terraform Cloud does not {to} (HTTP 409): the run is not at a place where it can; look at its status"
                );
                Problem::not_applied("conflict", with_said(text, &response))
            }
            403 | 404 => {
                let more = "a token of an organization never may: use one of a user or a team with the right to apply";
                Problem { message: format!("{}; {more}", problem.message), ..problem }
            }
            // It was understood and refused.
            400..=499 => problem,
            // What stands before it may have given up on an answer that was on its way.
            _ => Problem { applied: Applied::Maybe, ..problem },
        })
    }

    pub(crate) fn request(&self, host: &dyn Host, method: Method, path: &str) -> Result<HttpRequest, Problem> {
        Ok(HttpRequest {
            method,
            url: self.endpoint(path),
            headers: vec![self.bearer(host)?, Header::plain("accept", JSON)],
            body: Vec::new(),
            timeout: PATIENCE,
            max_body: 4 << 20,
        })
    }

    fn endpoint(&self, path: &str) -> String {
        format!("{}/api/v2{path}", self.address.trim_end_matches('/'))
    }

    /// A comment is what is sent; without one it is read.
    pub(crate) fn by_hand(&self, path: &str, comment: Option<&str>, look_for: &str) -> ByHand {
        let (url, patience) = (self.endpoint(path), PATIENCE.as_secs().to_string());
        let (kind, body) = (format!("content-type: {JSON}"), comment.map(body));
        let body = body.iter().flat_map(|body| ["--header", &kind, "--data-binary", body]);
        let words = ["-sSg", "--max-time", &patience, "--header", "@-"].into_iter().chain(body);
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

    /// A refusal in an operator's words.
    pub(crate) fn problem(&self, response: &HttpResponse, now: Timestamp, to: &str) -> Problem {
        let status = response.status;
        let no = |code: &str, text: String| Problem::not_applied(code, with_said(text, response));
        let denied = |text: String| Problem { path: Some("/token".to_owned()), ..no("denied", text) };
        match status {
            401 => {
                denied(format!("Terraform Cloud does not {to} (HTTP 401): it does not know the token, or it has ended"))
            }
            403 => denied(format!("Terraform Cloud does not {to} (HTTP 403): the token may not")),
            404 => no(
                "not_found",
                format!(
                    "Terraform Cloud does not {to} (HTTP 404): it is not there, or the token may not see it, which it says \
                     in the same way; check the name, then what the token may do"
                ),
            ),
            429 => {
                let until = limit_ends(response, now).map_or_else(String::new, |at| {
                    format!(" before {}, in {} s", time::written(at), at.since(now).as_secs())
                });
                let text = format!("Terraform Cloud does not {to} for now (HTTP 429), too much was asked{until}");
                no("throttled", text).retryable()
            }
            500.. => no("server_error", format!("Terraform Cloud is in trouble (HTTP {status}): it did not {to}"))
                .retryable(),
            400..=499 => no("refused", format!("Terraform Cloud does not {to} (HTTP {status})")),
            _ => {
                let text = format!("{} answered with HTTP {status}: is this Terraform Cloud?", self.address);
                no("unexpected_answer", text)
            }
        }
    }

    pub(crate) fn no_answer(&self, response: &HttpResponse, error: &serde_json::Error) -> Problem {
        let what = match is_page(response) {
            true => "a web page: a proxy or a log-in stands between, or this is no Terraform Cloud".to_owned(),
            // Its own words may show what was in the answer.
            false => format!("something that is not understood (line {}, column {})", error.line(), error.column()),
        };
        Problem::not_applied("unexpected_answer", format!("{} answered with {what}", self.address))
    }
}

/// An address that a request could never be sent to.
pub(crate) fn bad_address(address: &str) -> Option<Problem> {
    let origin = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"));
    let host = origin
        .map(|rest| rest.trim_end_matches('/'))
        .filter(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@']));
    let why = "the address of Terraform Cloud is an origin, as https://app.terraform.io";
    host.is_none().then(|| Problem::bad_input("/address", why))
}

/// Looks at fields whose text is known before the run; what is filled in later cannot be judged yet.
pub(crate) fn unless_known<'a>(with: &'a Value, key: &str) -> Option<&'a str> {
    with.get(key).and_then(Value::as_str).filter(|text| !text.contains("{{"))
}

fn body(comment: &str) -> String {
    json!({ "comment": comment }).to_string()
}

/// What the service says of its trouble, as far as anybody reads it; nothing of a page.
fn with_said(text: String, response: &HttpResponse) -> String {
    let parsed: Option<Value> = serde_json::from_slice(&response.body).ok();
    let error = parsed.as_ref().and_then(|body| body.pointer("/errors/0"));
    let said = error.and_then(|error| match error {
        Value::String(text) => Some(text.as_str()),
        other => other.get("detail").or_else(|| other.get("title"))?.as_str(),
    });
    let said: String = said.unwrap_or_default().chars().take(LONGEST).collect();
    if said.is_empty() { text } else { format!("{text} (it says: {said})") }
}

fn is_page(response: &HttpResponse) -> bool {
    header(response, "content-type").is_some_and(|kind| kind.contains("html"))
        || response.body.trim_ascii_start().starts_with(b"<")
}

fn header<'a>(response: &'a HttpResponse, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim())
}

/// When the limit ends that refused a request: it says how many seconds are left, with a fraction.
fn limit_ends(response: &HttpResponse, now: Timestamp) -> Option<Timestamp> {
    let left = ["x-ratelimit-reset", "retry-after"].iter().find_map(|name| header(response, name)?.parse::<f64>().ok());
    let left = left.filter(|seconds| (0.0..3600.0).contains(seconds))?;
    Some(now.plus(Duration::from_secs_f64(left.ceil())))
}
