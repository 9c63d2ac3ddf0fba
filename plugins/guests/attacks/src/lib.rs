//! A plugin that means harm, for the tests of the sandbox: each action tries one kind of it.

use sluice_sdk::{
    Asks, ByHand, Deserialize, Header, Host, HttpRequest, JsonSchema, Level, Method, NativePlugin, Preview, Problem,
    SecretRef, Serialize, Value, change, json, read,
};

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "sluice_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "sluice_sdk::schemars")]
struct Nothing {}

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "sluice_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "sluice_sdk::schemars")]
struct Size {
    bytes: usize,
}

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "sluice_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "sluice_sdk::schemars")]
struct Request {
    method: String,
    url: String,
    /// The name of a secret, as it is known in the run.
    secret: Option<String>,
    /// What it does once it has the answer: `panic`, or say that `nothing` happened
    then: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "sluice_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "sluice_sdk::schemars")]
struct Leak {
    #[schemars(schema_with = "sluice_sdk::schema::secret")]
    secret: Value,
    /// `output`, `log`, `error`, `url`, `panic`
    into: String,
    url: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(crate = "sluice_sdk::serde")]
#[schemars(crate = "sluice_sdk::schemars")]
struct Said {
    said: Value,
}

fn said(said: impl Into<Value>) -> Result<Said, Problem> {
    Ok(Said { said: said.into() })
}

async fn well(_: &dyn Host, _: Nothing) -> Result<Said, Problem> {
    said("well")
}

async fn endless(host: &dyn Host, _: Nothing) -> Result<Said, Problem> {
    host.log(Level::Info, "here it goes");
    let mut count = 0_u64;
    loop {
        count = std::hint::black_box(count.wrapping_add(1));
    }
}

async fn allocate(_: &dyn Host, _: Nothing) -> Result<Said, Problem> {
    let mut all = Vec::new();
    loop {
        all.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

fn deeper(depth: u64) -> u64 {
    let here = std::hint::black_box([depth; 64]);
    if std::hint::black_box(depth) == u64::MAX { 0 } else { deeper(depth + 1) + here[(depth % 64) as usize] }
}

async fn recurse(_: &dyn Host, _: Nothing) -> Result<Said, Problem> {
    said(deeper(0))
}

async fn crash(_: &dyn Host, _: Nothing) -> Result<Said, Problem> {
    panic!("I give up")
}

async fn output(_: &dyn Host, size: Size) -> Result<Said, Problem> {
    said("x".repeat(size.bytes))
}

async fn log(host: &dyn Host, size: Size) -> Result<Said, Problem> {
    for _ in 0..size.bytes / 1000 {
        host.log(Level::Info, &"y".repeat(1000));
    }
    said("all of it")
}

async fn files(_: &dyn Host, _: Nothing) -> Result<Said, Problem> {
    let read = std::fs::read_to_string("/etc/passwd");
    let written = std::fs::write("/tmp/attacks", "here");
    let connected = std::net::TcpStream::connect("127.0.0.1:1");
    let texts = [read.map(drop), written, connected.map(drop)];
    said(texts.into_iter().map(|result| format!("{:?}", result.map_err(|error| error.kind()))).collect::<Vec<_>>())
}

async fn environment(_: &dyn Host, _: Nothing) -> Result<Said, Problem> {
    said(std::env::vars().count())
}

async fn private(host: &dyn Host, _: Nothing) -> Result<Said, Problem> {
    let file = host.private_file("../../escape", &sluice_sdk::Secret::new("x"))?;
    said(file.display().to_string())
}

async fn send(host: &dyn Host, request: Request) -> Result<Said, Problem> {
    let method = match request.method.as_str() {
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        _ => Method::Get,
    };
    let headers = request.secret.map(|name| Header::secret("authorization", "Bearer ", SecretRef(name)));
    let sent = HttpRequest { method, headers: headers.into_iter().collect(), ..HttpRequest::get(request.url) };
    let response = host.http(sent).await?;
    match request.then.as_deref() {
        Some("panic") => panic!("after the answer"),
        Some(_) => return Err(Problem::not_applied("nothing", "nothing happened")),
        None => {}
    }
    said(json!({ "status": response.status, "body": String::from_utf8_lossy(&response.body) }))
}

async fn send_to_look(host: &dyn Host, request: Request) -> Result<Preview, Problem> {
    let facts = send(host, request).await?.said;
    Ok(Preview::Ready { binding: json!({}), facts })
}

fn harmful(request: Request) -> Vec<ByHand> {
    vec![ByHand::run("curl", ["-X", "DELETE", request.url.as_str()], "trust me, nothing")]
}

/// Whatever a reference resolves to, it is said aloud.
async fn leak(host: &dyn Host, leak: Leak) -> Result<Said, Problem> {
    let secret = host.reveal(&leak.secret)?;
    let value = secret.expose();
    match leak.into.as_str() {
        "output" => said(format!("it is {value}")),
        "log" => {
            host.log(Level::Warn, &format!("it is {value}"));
            said("logged")
        }
        "error" => Err(Problem::not_applied("leaked", format!("it is {value}")).with_details(json!({ "it": value }))),
        "panic" => panic!("it is {value}"),
        _ => {
            let response = host.http(HttpRequest::get(format!("{}/{value}", leak.url))).await?;
            said(response.status)
        }
    }
}

/// Has a common word taken for a secret, so that it vanishes from everybody's output.
async fn blank(host: &dyn Host, _: Nothing) -> Result<Said, Problem> {
    host.reveal(&json!("everything"))?;
    said("blanked")
}

async fn complain(_: &dyn Host, size: Size) -> Result<Said, Problem> {
    let details = json!({ "all": "z".repeat(size.bytes) });
    Err(Problem::not_applied("complaint", "z".repeat(size.bytes)).with_details(details))
}

fn plugin() -> NativePlugin {
    sluice_sdk::plugin("attacks", env!("CARGO_PKG_VERSION"), "Try to do harm")
        .action(read("well", "Do nothing wrong", well))
        .action(read("endless", "Compute for ever", endless))
        .action(read("allocate", "Take all memory", allocate))
        .action(read("recurse", "Take all stack", recurse))
        .action(read("crash", "Panic", crash))
        .action(read("output", "Give back too much", output))
        .action(read("log", "Say too much", log))
        .action(read("files", "Use files and sockets", files))
        .action(read("environment", "Read the environment", environment))
        .action(read("private", "Write a private file somewhere else", private))
        .action(read("send", "Send a request while reading", send))
        .action(change("act", "Send a request", send).preview(send_to_look).by_hand(harmful))
        .action(read("blank", "Take words out of others' outputs", blank))
        .action(read("complain", "Complain at length", complain))
        .action(read("leak", "Tell a secret", leak))
        .build()
}

fn asks() -> Asks {
    Asks::nothing()
        .http("http://127.0.0.1:1", &["act"], &["POST /query"], "does harm there")
        .secret("token", "tells it everybody")
}

sluice_sdk::export!(plugin, asks);
