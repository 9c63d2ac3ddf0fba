//! The NATS client as a [`Wire`], without any retry: neither a second try nor a reconnect nor another server.
//!
//! The client reconnects by default, and `max_reconnects(0)` means for ever. So one attempt is allowed and the second
//! is refused credentials, which ends it before anything is sent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Auth, AuthError, Client, ConnectErrorKind, ConnectOptions, Event, RequestErrorKind, ServerError};
use async_trait::async_trait;
use futures::StreamExt;
use sluice_plugin::Secret;
use tokio::sync::watch;

use super::address::Address;
use super::wire::{Line, NoLine, NoReply, Opened, Target, Wire};
use crate::monitor::reach::no_way;

const CONNECT_WITHIN: Duration = Duration::from_secs(2);

const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// There is no mark of the last answer, so after this much silence it ends.
const SILENCE: Duration = Duration::from_millis(500);

/// The real network.
pub(crate) struct Network;

#[async_trait]
impl Wire for Network {
    async fn open(&self, target: Target<'_>) -> Result<Opened, NoLine> {
        let line = connect(target).await?;
        let info = line.client.server_info();
        Ok(Opened { server_name: info.server_name, server_id: info.server_id, line: Box::new(line) })
    }
}

struct Open {
    client: Client,
    /// The last thing the server complained about, such as a missing right.
    complaints: watch::Receiver<String>,
}

#[async_trait]
impl Line for Open {
    async fn request(&self, subject: &str, body: String) -> Result<Vec<u8>, NoReply> {
        let mut complaints = self.complaints.clone();
        complaints.mark_unchanged();
        let asking = self.client.request(subject.to_owned(), body.into());
        tokio::select! {
            answer = tokio::time::timeout(ANSWER_WITHIN, asking) => match answer {
                Ok(Ok(message)) => Ok(message.payload.to_vec()),
                Ok(Err(error)) => Err(match error.kind() {
                    RequestErrorKind::NoResponders => NoReply::NobodyServes,
                    RequestErrorKind::TimedOut => NoReply::TimedOut,
                    RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded | RequestErrorKind::Other => {
                        NoReply::Other(error.to_string())
                    }
                }),
                Err(_) => Err(NoReply::TimedOut),
            },
            complaint = complained(&mut complaints) => Err(complaint),
        }
    }

    async fn gather(
        &self,
        subject: &str,
        body: String,
        take: &mut (dyn for<'m> FnMut(&'m [u8]) -> bool + Send),
    ) -> Result<(), NoReply> {
        let inbox = self.client.new_inbox();
        let mut complaints = self.complaints.clone();
        complaints.mark_unchanged();
        let lost = |error: &dyn std::fmt::Display| NoReply::Other(error.to_string());
        let mut answers = self.client.subscribe(inbox.clone()).await.map_err(|error| lost(&error))?;
        let publishing = self.client.publish_with_reply(subject.to_owned(), inbox, body.into());
        publishing.await.map_err(|error| lost(&error))?;
        let mut any = false;
        loop {
            let patience = if any { SILENCE } else { ANSWER_WITHIN };
            let message = tokio::select! {
                message = tokio::time::timeout(patience, answers.next()) => message,
                complaint = complained(&mut complaints) => return Err(complaint),
            };
            let Ok(Some(message)) = message else { break };
            if message.status.is_some_and(|status| status == async_nats::StatusCode::NO_RESPONDERS) {
                return Err(NoReply::NobodyServes);
            }
            any = true;
            if take(&message.payload) {
                break;
            }
        }
        if any { Ok(()) } else { Err(NoReply::TimedOut) }
    }
}

/// What the server complains about while it is asked: a missing right comes beside the answer, not as one.
async fn complained(complaints: &mut watch::Receiver<String>) -> NoReply {
    while complaints.changed().await.is_ok() {
        let text = complaints.borrow_and_update().clone();
        let lower = text.to_lowercase();
        if lower.contains("permissions violation") {
            return NoReply::NoRight(text);
        }
        if lower.contains("closed the connection") || lower.contains("authorization violation") {
            return NoReply::Other(text);
        }
    }
    std::future::pending().await
}

async fn connect(target: Target<'_>) -> Result<Open, NoLine> {
    let (complain, complaints) = watch::channel(String::new());
    let url = Address { host: target.host.to_owned(), port: target.port, tls: target.tls }.url();
    let connecting = options(target, complain).connect(url);
    match tokio::time::timeout(CONNECT_WITHIN + CONNECT_WITHIN, connecting).await {
        Ok(Ok(client)) => Ok(Open { client, complaints }),
        Ok(Err(error)) => Err(no_line(error.kind(), error.to_string())),
        Err(_) => Err(NoLine::TimedOut),
    }
}

fn options(target: Target<'_>, complain: watch::Sender<String>) -> ConnectOptions {
    let (jwt, seed) = (target.jwt.clone(), target.seed.clone());
    let used = AtomicBool::new(false);
    let answer = move |nonce: Vec<u8>| {
        let first = !used.swap(true, Ordering::Relaxed);
        std::future::ready(if first {
            signed(&jwt, &seed, &nonce)
        } else {
            Err(AuthError::new("this connection is not made again"))
        })
    };
    let complain = Arc::new(Mutex::new(complain));
    ConnectOptions::with_auth_callback(answer)
        .name("sluice")
        .connection_timeout(CONNECT_WITHIN)
        .request_timeout(None)
        .max_reconnects(1)
        .ignore_discovered_servers()
        .event_callback(move |event| {
            if let Some(text) = complaint(&event)
                && let Ok(complain) = complain.lock()
            {
                // Nobody listens once the link is gone.
                let _ = complain.send(text);
            }
            std::future::ready(())
        })
}

fn signed(jwt: &Secret, seed: &Secret, nonce: &[u8]) -> Result<Auth, AuthError> {
    let pair = nkeys::KeyPair::from_seed(seed.expose()).map_err(|_| AuthError::new("the seed is damaged"))?;
    let mut auth = Auth::new();
    auth.jwt = Some(jwt.expose().to_owned());
    auth.signature = Some(pair.sign(nonce).map_err(|_| AuthError::new("the seed cannot sign"))?);
    Ok(auth)
}

fn complaint(event: &Event) -> Option<String> {
    match event {
        Event::ServerError(ServerError::Other(text)) => Some(text.clone()),
        Event::ServerError(ServerError::AuthorizationViolation) => Some("authorization violation".to_owned()),
        Event::Disconnected | Event::Closed => Some("the server closed the connection".to_owned()),
        Event::ServerError(ServerError::SlowConsumer(_))
        | Event::Connected
        | Event::LameDuckMode
        | Event::Draining
        | Event::SlowConsumer(_)
        | Event::ClientError(_) => None,
    }
}

fn no_line(kind: ConnectErrorKind, text: String) -> NoLine {
    let lower = text.to_lowercase();
    match kind {
        ConnectErrorKind::Dns => NoLine::NameNotResolved,
        ConnectErrorKind::TimedOut => NoLine::TimedOut,
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => NoLine::Rejected,
        ConnectErrorKind::Io if lower.contains("refused") => NoLine::Refused,
        ConnectErrorKind::Io if no_way(&lower) => NoLine::NoWay,
        ConnectErrorKind::Io
        | ConnectErrorKind::Tls
        | ConnectErrorKind::ServerParse
        | ConnectErrorKind::MaxReconnects => NoLine::Other(text),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::{TcpListener, TcpStream};

    use super::super::creds::UserCreds;
    use super::super::creds::tests::minted;
    use super::*;

    const INFO: &str = r#"INFO {"server_id":"N","server_name":"n1","version":"2.15.1","max_payload":1048576,"headers":true,"auth_required":true,"nonce":"abc"}"#;

    /// Greets, and reads lines until the client is content or gone; the lines, by their first word.
    async fn greet(stream: &mut BufReader<TcpStream>) -> Vec<String> {
        stream.get_mut().write_all(format!("{INFO}\r\n").as_bytes()).await.unwrap();
        let mut words = Vec::new();
        let mut line = String::new();
        while stream.read_line(&mut line).await.is_ok_and(|length| length > 0) {
            words.extend(line.split_whitespace().next().map(str::to_owned));
            if line.starts_with("PING") {
                stream.get_mut().write_all(b"PONG\r\n").await.unwrap();
                break;
            }
            line.clear();
        }
        words
    }

    #[tokio::test]
    async fn a_lost_connection_is_not_made_again() {
        let (jwt, seed) = minted(None);
        let creds = UserCreds::parse(&Secret::new(jwt), &Secret::new(seed), "").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            assert_eq!(greet(&mut stream).await, ["CONNECT", "PING"]);
            (listener, stream)
        });
        let target = Target { host: "127.0.0.1", port, tls: false, jwt: &creds.jwt, seed: &creds.seed };
        let mut line = connect(target).await.map_err(|none| format!("{none:?}")).unwrap();
        assert_eq!(line.client.server_info().server_name, "n1");
        let (listener, stream) = server.await.unwrap();
        drop(stream);
        // The client comes back once, gets no credentials, and says not a word: nothing can be sent a second time.
        let mut again = BufReader::new(listener.accept().await.unwrap().0);
        assert_eq!(greet(&mut again).await, Vec::<String>::new());
        while !line.complaints.borrow_and_update().contains("closed the connection") {
            line.complaints.changed().await.unwrap();
        }
        // Its own end closes the last way back; `accept` would wait for ever if this did not hold.
        while line.client.publish("x", "y".into()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}
