//! A host for tests, with a sink that remembers, and the smallest HTTP server that can misbehave.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use sluice_plugin::Attempt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::clock::SystemClock;
use crate::grants::{HttpGrant, Origin, ReadingPath};
use crate::http::Leading;

#[derive(Default)]
pub(crate) struct Remembering {
    pub(crate) lines: Mutex<Vec<String>>,
}

impl Sink for Remembering {
    fn log(&self, step: &str, level: Level, text: &str) {
        self.lines.lock().unwrap().push(format!("{step} {level:?} {text}"));
    }

    fn progress(&self, step: &str, progress: Progress) {
        let line = format!("{step} {} {}/{:?}", progress.note, progress.done, progress.total);
        self.lines.lock().unwrap().push(line);
    }
}

pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) sink: Arc<Remembering>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) shared: Shared,
}

pub(crate) fn plugin() -> PluginName {
    PluginName::parse("toy").unwrap()
}

pub(crate) fn grant(origin: &str, private: bool, read: &[&str]) -> HttpGrant {
    let read = read.iter().map(|path| ReadingPath::parse(path).unwrap()).collect();
    HttpGrant { origin: Origin::parse(origin).unwrap(), private, read, write: None }
}

/// Grants for the plugin `toy`.
pub(crate) fn bench(http: Vec<HttpGrant>, secrets: &[&str]) -> Bench {
    let secrets = secrets.iter().map(|name| (*name).to_owned()).collect();
    bench_of([(plugin(), Grants { http, secrets })])
}

pub(crate) fn bench_of<const N: usize>(grants: [(PluginName, Grants); N]) -> Bench {
    made(Shared::new, BTreeMap::from(grants))
}

/// Of one host that every name leads to, as this says each time it is asked.
pub(crate) fn bench_of_names(http: Vec<HttpGrant>, leads: impl FnMut() -> IpAddr + Send + 'static) -> Bench {
    let leads = Mutex::new(leads);
    let names = Arc::new(move |_| -> Leading {
        let found = (leads.lock().unwrap())();
        Box::pin(std::future::ready(Ok(vec![found])))
    });
    let grants = Grants { http, ..Grants::default() };
    made(|parts| Shared::of_names(parts, names), BTreeMap::from([(plugin(), grants)]))
}

fn made(shared: impl FnOnce(HostParts) -> Shared, grants: BTreeMap<PluginName, Grants>) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let sink = Arc::new(Remembering::default());
    let vault = Arc::new(Vault::new(Arc::new(Redactor::new())));
    let shared = shared(HostParts {
        run: "run-1".into(),
        actor: "ana@laptop".into(),
        grants,
        vault: vault.clone(),
        private_base: dir.path().join("sluice"),
        clock: Arc::new(SystemClock),
        sink: sink.clone(),
    });
    Bench { dir, sink, vault, shared }
}

impl Bench {
    pub(crate) fn call(&self, purpose: Purpose, with: Value) -> CallHost {
        self.call_of(&plugin(), purpose, with)
    }

    pub(crate) fn call_of(&self, plugin: &PluginName, purpose: Purpose, with: Value) -> CallHost {
        let call = Call {
            run: "run-1".into(),
            step: "roll[node-2]/check".into(),
            attempt: Attempt(1),
            purpose,
            deadline: None,
            with,
        };
        self.shared.for_call(&ActionName::parse(&format!("{plugin}.look")).unwrap(), &call)
    }

    pub(crate) fn reading(&self) -> CallHost {
        self.call(Purpose::Read, json!({}))
    }

    pub(crate) fn acting(&self) -> CallHost {
        self.call(Purpose::Act, json!({}))
    }
}

/// What arrived: `GET /path`, the headers in small letters, the body.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    pub(crate) connections: Arc<AtomicUsize>,
}

/// What the server sends: bytes as they are, and whether it hangs up after them.
pub(crate) struct Reply(pub(crate) Vec<u8>, pub(crate) bool);

pub(crate) fn ok(body: &str) -> Reply {
    status("200 OK", "", body)
}

pub(crate) fn status(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply(format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes(), false)
}

pub(crate) fn to(location: &str) -> Reply {
    status("302 Found", &format!("location: {location}\r\n"), "")
}

impl Server {
    pub(crate) async fn start<F, R>(answer: F) -> Self
    where
        F: Fn(Seen) -> R + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server =
            Self { address: listener.local_addr().unwrap(), seen: Arc::default(), connections: Arc::default() };
        let (mine, answer) = (server.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                mine.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, mine.seen.clone(), answer.clone()));
            }
        });
        server
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|seen| seen.line.clone()).collect()
    }
}

async fn serve<F, R>(mut stream: TcpStream, seen: Arc<Mutex<Vec<Seen>>>, answer: Arc<F>)
where
    F: Fn(Seen) -> R,
    R: Future<Output = Reply>,
{
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer).await {
        seen.lock().unwrap().push(request.clone());
        let Reply(bytes, hang_up) = answer(request).await;
        if stream.write_all(&bytes).await.is_err() || hang_up {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head: Vec<u8> = buffer.drain(..end).collect();
    let head = String::from_utf8(head).unwrap();
    let (line, headers) = head.split_once("\r\n").unwrap();
    let headers = headers.to_lowercase();
    let length =
        headers.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    while buffer.len() < length {
        stream.read_buf(buffer).await.ok()?;
    }
    let body = buffer.drain(..length).collect();
    Some(Seen { line: line.trim_end_matches(" HTTP/1.1").to_owned(), headers, body })
}
