//! As much HTTP as the lab needs: ask a monitoring port or the control API, and serve the latter and what stands in for
//! others. One request per connection; it knows no TLS, no redirects, no keep-alive and no compression.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::error::{Context, Error, Result};

const LARGEST: usize = 64 << 20;

/// An answer: status and body as text.
pub(crate) struct Answer {
    /// HTTP status code.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: String,
}

impl Answer {
    /// The body as JSON, if the status is 200; otherwise the error the body names.
    pub(crate) fn json(&self) -> Result<Value> {
        let value: Value = serde_json::from_str(&self.body).context(format!("not JSON (HTTP {})", self.status))?;
        match (self.status, value.get("error").and_then(Value::as_str)) {
            (200, _) => Ok(value),
            (_, Some(error)) => Err(Error::new(error)),
            (status, None) => Err(Error::new(format!("HTTP {status}: {}", self.body))),
        }
    }
}

/// GET `path`; an error when nothing was answered within `time`.
pub(crate) async fn get(address: SocketAddr, path: &str, time: Duration) -> Result<Answer> {
    ask(address, format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes(), time).await
}

/// POST JSON; the answer as JSON.
pub(crate) async fn post(address: SocketAddr, path: &str, body: &Value, time: Duration) -> Result<Value> {
    post_with(address, path, &[], body, time).await?.json()
}

/// POST JSON with headers; whatever is answered.
pub(crate) async fn post_with(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
    time: Duration,
) -> Result<Answer> {
    send(address, "POST", path, headers, body.to_string().as_bytes(), time).await
}

/// Any request; whatever is answered.
pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    time: Duration,
) -> Result<Answer> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head =
        format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    ask(address, &[head.as_bytes(), body].concat(), time).await
}

async fn ask(address: SocketAddr, request: &[u8], time: Duration) -> Result<Answer> {
    // HTTP/1.0: the other side closes, so the answer is everything up to the end.
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request).await?;
        let mut answer = Vec::new();
        stream.take(LARGEST as u64).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(time, exchange)
        .await
        .map_err(|_| Error::new(format!("http://{address}: no answer within {time:?}")))?
        .context(format!("http://{address}"))?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").context(format!("http://{address}: not an HTTP answer"))?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).context("no HTTP status")?;
    Ok(Answer { status, body: body.to_owned() })
}

/// A request as it came.
pub(crate) struct Request {
    pub(crate) method: String,
    /// With what stands behind the question mark.
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A header's value; the name in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; nothing is `{}`.
    pub(crate) fn json(&self) -> Result<Value> {
        if self.body.is_empty() { Ok(json!({})) } else { serde_json::from_slice(&self.body).context("body") }
    }
}

/// What is answered: status, headers besides those of every answer, and a JSON text.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    /// Nothing of it is sent: the connection ends where it would begin.
    pub(crate) cut: bool,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Reply { status, headers: Vec::new(), body: body.to_string(), cut: false }
    }
}

impl From<Result<Value>> for Reply {
    fn from(done: Result<Value>) -> Self {
        match done {
            Ok(value) => Reply::json(200, &value),
            Err(error) => Reply::json(500, &json!({ "error": error.to_string() })),
        }
    }
}

/// Serves until the future is dropped; each request is answered by `handle` in a task of its own.
pub(crate) async fn serve<H, F, R>(listener: TcpListener, handle: H)
where
    H: Fn(Request) -> F + Clone + Send + 'static,
    F: Future<Output = R> + Send + 'static,
    R: Into<Reply> + Send + 'static,
{
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, for one: wait rather than spin.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let handle = handle.clone();
        tokio::spawn(async move {
            // A peer that went away hears nothing; the lab goes on.
            let _ = one(stream, handle).await;
        });
    }
}

async fn one<H, F, R>(mut stream: TcpStream, handle: H) -> std::io::Result<()>
where
    H: Fn(Request) -> F,
    F: Future<Output = R>,
    R: Into<Reply>,
{
    let reply = match read_request(&mut stream).await {
        Ok(request) => handle(request).await.into(),
        Err(error) => Reply::json(400, &json!({ "error": error.to_string() })),
    };
    if reply.cut {
        return stream.shutdown().await;
    }
    let own: String = reply.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "HTTP/1.0 {} {}\r\nContent-Type: application/json\r\n{own}Content-Length: {}\r\nConnection: close\r\n\r\n",
        reply.status,
        if reply.status < 300 { "OK" } else { "Failed" },
        reply.body.len()
    );
    stream.write_all((head + &reply.body).as_bytes()).await?;
    stream.shutdown().await
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Result<Request> {
    let mut data = Vec::new();
    let mut need = None;
    let mut chunk = [0u8; 8192];
    loop {
        if need.is_some_and(|need| data.len() >= need) {
            break;
        }
        let n = stream.read(&mut chunk).await.context("reading the request")?;
        if n == 0 || data.len() > LARGEST {
            return Err(Error::new("the request is not whole"));
        }
        data.extend(chunk.iter().take(n));
        if need.is_none() {
            need = whole_length(&data);
        }
    }
    request(&data)
}

fn request(data: &[u8]) -> Result<Request> {
    let end = data.windows(4).position(|four| four == b"\r\n\r\n").context("no end of head")?;
    let head = String::from_utf8_lossy(data.get(..end).unwrap_or_default()).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (first.next().unwrap_or_default().to_owned(), first.next().context("no path")?.to_owned());
    let header = |line: &str| line.split_once(':').map(|(k, v)| (k.to_ascii_lowercase(), v.trim().to_owned()));
    let headers = lines.filter_map(header).collect();
    Ok(Request { method, path, headers, body: data.get(end + 4..).unwrap_or_default().to_vec() })
}

/// The length of head and body, once the head is there.
fn whole_length(data: &[u8]) -> Option<usize> {
    let end = data.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(data.get(..end)?).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    Some(end + length.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn asks_and_serves() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, |request| async move {
            match request.path.as_str() {
                "/echo" => request.json(),
                other => Err(Error::new(format!("no {other}"))),
            }
        }));
        let second = Duration::from_secs(5);
        let long = json!({ "long": "x".repeat(100_000) });
        assert_eq!(post(address, "/echo", &long, second).await.unwrap(), long);
        assert_eq!(post(address, "/else", &long, second).await.unwrap_err().to_string(), "no /else");
        assert_eq!(get(address, "/echo", second).await.unwrap().body, "{}");
    }
}
