//! A server that writes down every request and then does with the connection as it was told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a request that changes something, after it was read whole.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    /// The connection is cut.
    Cuts,
    /// Nothing is ever answered.
    Hangs,
    Answers(&'static str),
}

pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// `look` is the answer to every GET.
    pub(crate) async fn start(then: Then, look: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, record.clone(), then, look));
            }
        });
        Self { url, seen }
    }

    /// Requests as `POST /path body`, in the order they came.
    pub(crate) fn seen(&self, method: &str) -> Vec<String> {
        self.seen.lock().unwrap().iter().filter(|line| line.starts_with(method)).cloned().collect()
    }
}

async fn serve(mut stream: TcpStream, record: Arc<Mutex<Vec<String>>>, then: Then, look: &'static str) {
    while let Some(line) = request(&mut stream).await {
        let reads = line.starts_with("GET ");
        record.lock().unwrap().push(line);
        match then {
            _ if reads => stream.write_all(look.as_bytes()).await.unwrap(),
            Then::Cuts => return,
            Then::Hangs => tokio::time::sleep(Duration::from_secs(600)).await,
            Then::Answers(answer) => {
                stream.write_all(answer.as_bytes()).await.unwrap();
                if answer.contains("connection: close") {
                    return;
                }
            }
        }
    }
}

/// The whole request, body included. `None` when the client has gone.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1");
                return Some(format!("{line} {body}").trim_end().to_owned());
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}
