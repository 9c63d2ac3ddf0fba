//! `base.http_send`: one request that changes something, sent once through the host. What the answer says is taken for
//! done only when it says so plainly; anything else leaves the outcome unknown, and `look` can find it out with a GET.
//!
//! Redirects are not followed: sending it again elsewhere is another act.

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::{
    Abilities, Action, ActionSpec, ByHand, Call, Effect, Header, Host, HttpRequest, HttpResponse, Method, Outcome,
    Preview, Problem, Reconciled, duration,
};

use crate::describe::{example, input, input_of, output, spec};
use crate::http::{self, body, content_type, headers, no_scheme, secret_headers, timeout};

pub(crate) struct HttpSend;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// `http://` or `https://`; its origin has to be granted to `base` in the inventory.
    url: String,
    #[serde(default)]
    method: Verb,
    /// The body, as JSON.
    #[serde(default)]
    json: Option<Value>,
    /// The body, as text. One of `json` and `text`, or neither.
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Headers whose whole value is a secret.
    #[serde(default)]
    #[schemars(schema_with = "secret_headers")]
    secret_headers: BTreeMap<String, Value>,
    /// A token, sent as `Authorization: Bearer <token>`.
    #[serde(default)]
    #[schemars(schema_with = "sluice_plugin::schema::secret")]
    bearer: Option<Value>,
    /// For the whole exchange.
    #[serde(default = "ten_seconds")]
    #[schemars(schema_with = "duration::schema")]
    timeout: String,
    /// Statuses that say that it was done. Without any: 200 to 299.
    #[serde(default)]
    expect_status: Vec<u16>,
    /// Statuses with which this server says that nothing was done, such as 409. Only you can know that: without any,
    /// every other status leaves the outcome unknown.
    #[serde(default)]
    refused_status: Vec<u16>,
    /// An HTML page is an answer of this server, and not of a proxy or a login page in between. Without this, a page
    /// tells nothing, neither as the answer nor as what the look finds.
    #[serde(default)]
    accept_html: bool,
    /// A larger answer is an error.
    #[serde(default = "one_mebibyte")]
    max_bytes: usize,
    /// How to find out whether it was done, when its own answer was lost.
    #[serde(default)]
    look: Option<Look>,
}

/// A GET whose answer tells. It is sent with the same headers.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Look {
    url: String,
    /// Statuses of something that is there. Without any: 200.
    #[serde(default)]
    done_status: Vec<u16>,
    /// Statuses of something that is not. Without any: 404.
    #[serde(default)]
    not_done_status: Vec<u16>,
    /// What is there is this one only if its text holds this. Where it does not, it was not done.
    #[serde(default)]
    contains: Option<String>,
}

/// No `DELETE`: what removes something is `destroy`, and this action is a `change`.
#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    #[default]
    Post,
    Put,
    Patch,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    status: u16,
    /// The parsed document when the server says that it is JSON and it is; the text otherwise.
    body: Value,
    duration_ms: u64,
    /// The answer was lost, and this is what the look found instead.
    looked: bool,
}

fn ten_seconds() -> String {
    "10s".to_owned()
}

fn one_mebibyte() -> usize {
    1 << 20
}

#[async_trait]
impl Action for HttpSend {
    fn spec(&self) -> ActionSpec {
        let mut spec =
            spec::<Input, Output>("http_send", "Send a request that changes something, once", Effect::Change);
        spec.abilities = Abilities { check: true, preview: true, reconcile: true };
        spec.examples = vec![
            example(
                "a note to a chat, which nobody can look for",
                json!({ "url": "https://chat.example.com/hooks/a", "json": { "text": "node-2 is back" } }),
                json!({ "status": 200, "body": "ok", "duration_ms": 81, "looked": false }),
            ),
            example(
                "a record that can be found again",
                json!({
                    "url": "https://api.example.com/v1/silences/roll-7", "method": "PUT",
                    "json": { "for": "1h" }, "bearer": { "$secret": "secrets.example_token" },
                    "look": { "url": "https://api.example.com/v1/silences/roll-7" },
                }),
                json!({ "status": 201, "body": { "id": "roll-7" }, "duration_ms": 40, "looked": false }),
            ),
        ];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        let Ok(input) = input::<Input>(with) else { return Vec::new() };
        let mut problems: Vec<Problem> = timeout(&input.timeout).err().into_iter().collect();
        problems.extend(no_scheme(&input.url, "/url"));
        problems.extend(input.look.iter().filter_map(|look| no_scheme(&look.url, "/look/url")));
        if input.json.is_some() && input.text.is_some() {
            problems.push(Problem::bad_input("/text", "the body is either `json` or `text`"));
        }
        let both = input.refused_status.iter().find(|status| input.says_done(**status));
        problems.extend(both.map(|status| {
            Problem::bad_input(
                "/refused_status",
                format!("{status} cannot say both that it was done and that it was not"),
            )
        }));
        problems
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input_of(call)?;
        let request = input.request(host)?;
        let start = host.now();
        let response = host.http(request).await?;
        let duration_ms = u64::try_from(host.now().since(start).as_millis()).unwrap_or(u64::MAX);
        input.judge(&response)?;
        let found = Output { status: response.status, body: body(&response), duration_ms, looked: false };
        output(&found).map(Outcome::plain)
    }

    async fn preview(&self, _host: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        let input: Input = input_of(call)?;
        let binding = json!({
            "method": input.method, "url": input.url, "json": input.json, "text": input.text,
            "headers": input.headers,
        });
        Ok(Preview::Ready { binding, facts: json!({}) })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input_of::<Input>(call) else { return Vec::new() };
        input.send_by_hand().into_iter().chain(input.look_by_hand()).collect()
    }

    async fn reconcile(&self, host: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        let input: Input = input_of(call)?;
        let Some(look) = &input.look else {
            let evidence = json!({ "why": "the step has no `look`, so nothing could be asked" });
            return Ok(Reconciled::CannotTell { evidence });
        };
        let mut request = HttpRequest::get(&look.url);
        request.timeout = timeout(&input.timeout)?;
        request.max_body = input.max_bytes;
        request.headers = input.all_headers(host)?;
        let start = host.now();
        let response = host.http(request).await?;
        let duration_ms = u64::try_from(host.now().since(start).as_millis()).unwrap_or(u64::MAX);
        let seen = body(&response);
        let evidence = json!({ "url": look.url, "status": response.status, "body": seen });
        let says = if input.is_strange(&response) { None } else { look.says(&response) };
        Ok(match says {
            Some(true) => {
                let found = Output { status: response.status, body: seen, duration_ms, looked: true };
                Reconciled::Done { output: output(&found)?, evidence }
            }
            Some(false) => Reconciled::NotDone { evidence },
            None => Reconciled::CannotTell { evidence },
        })
    }
}

impl Input {
    fn all_headers(&self, host: &dyn Host) -> Result<Vec<Header>, Problem> {
        headers(host, &self.headers, &self.secret_headers, self.bearer.as_ref())
    }

    fn request(&self, host: &dyn Host) -> Result<HttpRequest, Problem> {
        let mut headers = self.all_headers(host)?;
        let (body, kind) = self.content()?;
        headers.extend(kind.map(|kind| Header::plain("content-type", kind)));
        let timeout = timeout(&self.timeout)?;
        let method = match self.method {
            Verb::Post => Method::Post,
            Verb::Put => Method::Put,
            Verb::Patch => Method::Patch,
        };
        let body = body.into_bytes();
        Ok(HttpRequest { method, url: self.url.clone(), headers, body, timeout, max_body: self.max_bytes })
    }

    /// The body, and what it is said to be where no header says it.
    fn content(&self) -> Result<(String, Option<&'static str>), Problem> {
        let (body, kind) = match (&self.json, &self.text) {
            (Some(_), Some(_)) => return Err(Problem::bad_input("/text", "the body is either `json` or `text`")),
            (Some(json), None) => (json.to_string(), Some("application/json")),
            (None, Some(text)) => (text.clone(), Some("text/plain; charset=utf-8")),
            (None, None) => (String::new(), None),
        };
        Ok((body, kind.filter(|_| !self.gives_type())))
    }

    fn gives_type(&self) -> bool {
        self.headers.keys().chain(self.secret_headers.keys()).any(|name| name.eq_ignore_ascii_case("content-type"))
    }

    /// `curl` with the same headers, and these words before the URL.
    fn curl(&self, words: &[&str], url: &str, look_for: &str) -> Option<ByHand> {
        let time = timeout(&self.timeout).ok()?.as_secs_f64().to_string();
        let (headers, secret) = http::by_hand(&self.headers, &self.secret_headers, self.bearer.as_ref());
        let start = ["-sSg", "--max-time", &time].into_iter().chain(words.iter().copied()).map(str::to_owned);
        let end = ["--write-out", "\\n%{http_code}\\n", "--", url].map(str::to_owned);
        let words: Vec<String> = start.chain(headers).chain(end).collect();
        Some(ByHand::run("curl", words, look_for).with_input(secret))
    }

    fn send_by_hand(&self) -> Option<ByHand> {
        let (body, kind) = self.content().ok()?;
        let kind = match kind {
            Some(kind) => format!("content-type: {kind}"),
            // Otherwise curl says that it is a form.
            None => "content-type:".to_owned(),
        };
        let method = json!(self.method);
        let mut words = vec!["--request", method.as_str()?, "--data-raw", &body];
        if !self.gives_type() {
            words.extend(["--header", &kind]);
        }
        let done = listed(&self.expect_status).unwrap_or_else(|| "from 200 to 299".to_owned());
        let refused =
            listed(&self.refused_status).map(|statuses| format!("; {statuses}: not done")).unwrap_or_default();
        let look_for =
            format!("at the end the status: {done}{refused}; after anything else find out first, never send it twice");
        self.curl(&words, &self.url, &look_for)
    }

    fn look_by_hand(&self) -> Option<ByHand> {
        let look = self.look.as_ref()?;
        let done = listed(&look.done_status).unwrap_or_else(|| "200".to_owned());
        let holds = look.contains.as_ref().map(|text| format!(" and this text: {text}")).unwrap_or_default();
        let not_done = listed(&look.not_done_status).unwrap_or_else(|| "404".to_owned());
        let look_for = format!("at the end the status: {done}{holds}, then it was done; {not_done}, then it was not");
        self.curl(&[], &look.url, &look_for)
    }

    fn says_done(&self, status: u16) -> bool {
        match self.expect_status.as_slice() {
            [] => (200..300).contains(&status),
            wanted => wanted.contains(&status),
        }
    }

    /// A page, where this server gives none: something in between may have answered in its place.
    fn is_strange(&self, response: &HttpResponse) -> bool {
        let page =
            content_type(response).is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"));
        page && !self.accept_html
    }

    /// A proof, either way, or `maybe`.
    fn judge(&self, response: &HttpResponse) -> Result<(), Problem> {
        let status = response.status;
        let line = format!("{} {}", json!(self.method).as_str().unwrap_or_default(), self.url);
        let details = json!({ "status": status, "body": body(response) });
        if self.refused_status.contains(&status) {
            let message = format!("{line}: refused with status {status}");
            return Err(Problem::not_applied("refused", message).with_details(details));
        }
        if !self.says_done(status) {
            let message = format!("{line}: status {status} does not tell whether it was done");
            return Err(Problem::maybe_applied("unexpected_status", message).with_details(details));
        }
        if self.is_strange(response) {
            let message = format!(
                "{line}: an HTML page came back, which may be of a proxy or a login page in between; \
                 if it is this server's own, say `accept_html: true`"
            );
            return Err(Problem::maybe_applied("html", message).with_details(details));
        }
        Ok(())
    }
}

impl Look {
    fn says(&self, response: &HttpResponse) -> Option<bool> {
        let among = |statuses: &[u16], usual| match statuses {
            [] => response.status == usual,
            some => some.contains(&response.status),
        };
        if among(&self.done_status, 200) {
            let text = String::from_utf8_lossy(&response.body);
            return Some(self.contains.as_ref().is_none_or(|wanted| text.contains(wanted.as_str())));
        }
        among(&self.not_done_status, 404).then_some(false)
    }
}

/// `201 or 204`.
fn listed(statuses: &[u16]) -> Option<String> {
    let listed: Vec<String> = statuses.iter().map(ToString::to_string).collect();
    (!listed.is_empty()).then(|| listed.join(" or "))
}
