//! `base.http_get`: one GET through the host, which knows what may be reached. With `expect_status` it is usable as a
//! gate of class evidence: a status is what something says of itself.

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::{
    Action, ActionSpec, ByHand, Call, Effect, GateClass, Host, HttpRequest, Outcome, Problem, Verdict, duration,
};

use crate::describe::{example, input, input_of, output, spec};
use crate::http::{self, body, headers, no_scheme, secret_headers, timeout};

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
        let mut problems: Vec<Problem> = timeout(&input.timeout).err().into_iter().collect();
        problems.extend(no_scheme(&input.url, "/url"));
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

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input_of::<Input>(call) else { return Vec::new() };
        let Ok(time) = timeout(&input.timeout) else { return Vec::new() };
        let (headers, secret) = http::by_hand(&input.headers, &input.secret_headers, input.bearer.as_ref());
        // curl would carry the secrets of a header along to whatever it is sent on to.
        let start = if secret.is_empty() { "-sSgL" } else { "-sSg" };
        let mut words = vec![start.to_owned(), "--max-time".to_owned(), time.as_secs_f64().to_string()];
        words.extend(headers);
        words.extend(["--write-out", "\\n%{http_code}\\n", "--", &input.url].map(str::to_owned));
        let wanted: Vec<String> = input.expect_status.iter().map(ToString::to_string).collect();
        let wanted = if wanted.is_empty() { "from 200 to 299".to_owned() } else { wanted.join(" or ") };
        vec![ByHand::run("curl", words, &format!("at the end the status: {wanted}")).with_input(secret)]
    }
}

fn request(host: &dyn Host, input: &Input) -> Result<HttpRequest, Problem> {
    let mut request = HttpRequest::get(&input.url);
    request.timeout = timeout(&input.timeout)?;
    request.max_body = input.max_bytes;
    request.headers = headers(host, &input.headers, &input.secret_headers, input.bearer.as_ref())?;
    Ok(request)
}

fn blamed(problem: Problem, pointer: &str) -> Problem {
    Problem { path: problem.path.or_else(|| Some(pointer.to_owned())), ..problem }
}
