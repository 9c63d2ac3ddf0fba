//! A server on loopback that answers every GET at once, as the monitoring endpoint of a healthy node does. It keeps
//! connections open and counts what it answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::Outcome;

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}";

/// Ends with the process.
pub(crate) struct Server {
    address: SocketAddr,
    answered: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) fn start() -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let (address, answered) = (listener.local_addr()?, Arc::<AtomicUsize>::default());
        let counter = answered.clone();
        std::thread::spawn(move || {
            runtime.block_on(async {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, counter.clone()));
                }
            });
        });
        Ok(Self { address, answered })
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, answered: Arc<AtomicUsize>) {
    let mut buffer = [0; 4096];
    let mut filled = 0;
    while let Some(free) = buffer.get_mut(filled..).filter(|free| !free.is_empty()) {
        match stream.read(free).await {
            Ok(0) | Err(_) => return,
            Ok(read) => filled += read,
        }
        // Neither client sends a second request before the first is answered, and a GET has no body.
        if buffer.get(..filled).is_some_and(|request| request.ends_with(b"\r\n\r\n")) {
            filled = 0;
            answered.fetch_add(1, Ordering::SeqCst);
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
        }
    }
}
