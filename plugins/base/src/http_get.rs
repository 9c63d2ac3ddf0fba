//! `base.http_get`: one GET through the host, which knows what may be reached. With `expect_status` it is usable as a
//! gate of class evidence: a status is what something says of itself.

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::{
    Action, ActionSpec, Call, Effect, GateClass, Header, Host, HttpRequest, HttpResponse, Outcome, Problem, SecretRef,
    Verdict, duration, parse_duration,
};

use crate::describe::{example, input, input_of, output, spec};

pub(crate) struct HttpGet;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// `http://` or `https://`; its origin has to be granted to `base` in the inventory.
    url: String,
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
    /// For the whole exchange, redirects included.
    #[serde(default = "ten_seconds")]
    #[schemars(schema_with = "duration::schema")]
    timeout: String,
    /// Any of these is a pass, anything else a fail. Without it there is no verdict.
    #[serde(default)]
    expect_status: Vec<u16>,
    /// A larger body is an error.
    #[serde(default = "one_mebibyte")]
    max_bytes: usize,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    status: u16,
    /// The status is one of `expect_status`, or, where none was given, from 200 to 299.
    ok: bool,
    /// The parsed document when the server says that it is JSON and it is; the text otherwise.
    body: Value,
    duration_ms: u64,
}

fn ten_seconds() -> String {
    "10s".to_owned()
}

fn one_mebibyte() -> usize {
    1 << 20
}

fn secret_headers(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "additionalProperties": { "type": "string", "x-secret": true } })
}

#[async_trait]
impl Action for HttpGet {
    fn spec(&self) -> ActionSpec {
        let mut spec = spec::<Input, Output>("http_get", "Get a URL", Effect::Read);
        spec.idempotent = true;
        spec.abilities.check = true;
        spec.gate = Some(GateClass::Evidence);
        spec.examples = vec![
            example(
                "the health of a NATS server, usable as a gate",
                json!({ "url": "http://nats-staging-node-1:8222/healthz", "timeout": "5s", "expect_status": [200] }),
                json!({ "status": 200, "ok": true, "body": { "status": "ok" }, "duration_ms": 3 }),
            ),
            example(
                "with a token",
                json!({ "url": "https://api.example.com/v1/me", "bearer": { "$secret": "secrets.example_token" } }),
                json!({ "status": 401, "ok": false, "body": "unauthorized", "duration_ms": 81 }),
            ),
        ];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        let Ok(input) = input::<Input>(with) else { return Vec::new() };
        let mut problems: Vec<Problem> = timeout(&input).err().into_iter().collect();
        // Text with an expression in it has no scheme yet.
        if !input.url.starts_with("http://") && !input.url.starts_with("https://") && !input.url.starts_with("{{") {
            problems.push(Problem::bad_input("/url", "a URL begins with http:// or https://"));
        }
        problems
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input_of(call)?;
        let request = request(host, &input)?;
        let start = host.now();
        let response = host.http(request).await.map_err(|problem| blamed(problem, "/url"))?;
        let duration_ms = u64::try_from(host.now().since(start).as_millis()).unwrap_or(u64::MAX);
        let status = response.status;
        let wanted = input.expect_status.contains(&status);
        let ok = if input.expect_status.is_empty() { (200..300).contains(&status) } else { wanted };
        let output = output(&Output { status, ok, body: body(&response), duration_ms })?;
        if input.expect_status.is_empty() {
            return Ok(Outcome::plain(output));
        }
        let verdict = if wanted { Verdict::Pass } else { Verdict::Fail };
        Ok(Outcome::judged(output, verdict, format!("the answer's status is {status}")))
    }
}

fn request(host: &dyn Host, input: &Input) -> Result<HttpRequest, Problem> {
    let mut request = HttpRequest::get(&input.url);
    request.timeout = timeout(input)?;
    request.max_body = input.max_bytes;
    request.headers = input.headers.iter().map(|(name, value)| Header::plain(name, value)).collect();
    for (name, leaf) in &input.secret_headers {
        request.headers.push(secret_header(host, name, "", leaf)?);
    }
    if let Some(leaf) = &input.bearer {
        request.headers.push(secret_header(host, "authorization", "Bearer ", leaf)?);
    }
    Ok(request)
}

/// A reference is filled in by the host; a plain text is given to it first.
fn secret_header(host: &dyn Host, name: &str, prefix: &str, leaf: &Value) -> Result<Header, Problem> {
    match SecretRef::from_json(leaf) {
        Some(reference) => Ok(Header::secret(name, prefix, reference)),
        // From here on the host treats it like any other secret: not without TLS, and not behind a redirect elsewhere.
        None => {
            let sealed = host.seal(&format!("/{name}"), host.reveal(leaf)?);
            let reference = SecretRef::from_json(&sealed).ok_or_else(|| {
                Problem::not_applied("internal", format!("the host gave no reference for header `{name}`"))
            })?;
            Ok(Header::secret(name, prefix, reference))
        }
    }
}

fn timeout(input: &Input) -> Result<std::time::Duration, Problem> {
    parse_duration(&input.timeout).map_err(|why| Problem::bad_input("/timeout", why))
}

fn body(response: &HttpResponse) -> Value {
    let is_json = response.headers.iter().any(|(name, value)| name == "content-type" && value.contains("json"));
    let parsed = if is_json { serde_json::from_slice(&response.body).ok() } else { None };
    parsed.unwrap_or_else(|| String::from_utf8_lossy(&response.body).into())
}

fn blamed(problem: Problem, pointer: &str) -> Problem {
    Problem { path: problem.path.or_else(|| Some(pointer.to_owned())), ..problem }
}
