//! One connection to one server, without any retry: neither a second try nor a reconnect nor another server.
//!
//! The client reconnects by default, and `max_reconnects(0)` means for ever. So one attempt is allowed and the second
//! is refused credentials, which ends it before anything is sent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Auth, AuthError, Client, ConnectErrorKind, ConnectOptions, Event, ServerError};
use sluice_plugin::Secret;
use tokio::sync::watch;

use super::address::Address;
use super::creds::UserCreds;
use crate::monitor::reach::{Kind, Unreached, no_way};

const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// An open connection.
pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) server_name: String,
    pub(crate) server_id: String,
    pub(crate) url: String,
    /// The last thing the server complained about, such as a missing right.
    pub(crate) complaints: watch::Receiver<String>,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoLink {
    Unreached(Unreached),
    /// The server does not accept these credentials.
    Rejected(String),
}

impl NoLink {
    pub(crate) fn why(&self) -> String {
        match self {
            Self::Unreached(unreached) => unreached.why.clone(),
            Self::Rejected(why) => why.clone(),
        }
    }
}

/// Connects to the first server that answers, in the order given. A server that rejects the credentials ends it: the
/// others hold the same accounts.
pub(crate) async fn first(addresses: &[Address], creds: &UserCreds) -> Result<Link, NoLink> {
    let mut last = None;
    for address in addresses {
        match one(address, creds).await {
            Err(NoLink::Unreached(unreached)) => last = Some(NoLink::Unreached(unreached)),
            other => return other,
        }
    }
    Err(last.unwrap_or_else(|| NoLink::Unreached(Unreached::new(Kind::Other, "no server was given"))))
}

async fn one(address: &Address, creds: &UserCreds) -> Result<Link, NoLink> {
    let url = address.url();
    let (complain, complaints) = watch::channel(String::new());
    let options = options(creds, complain);
    let connecting = options.connect(url.clone());
    let client = match tokio::time::timeout(CONNECT_WITHIN + CONNECT_WITHIN, connecting).await {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => return Err(no_link(address, creds, error.kind(), &error.to_string())),
        Err(_) => return Err(no_link(address, creds, ConnectErrorKind::TimedOut, "")),
    };
    let info = client.server_info();
    Ok(Link { client, server_name: info.server_name, server_id: info.server_id, url, complaints })
}

fn options(creds: &UserCreds, complain: watch::Sender<String>) -> ConnectOptions {
    let (jwt, seed) = (creds.jwt.clone(), creds.seed.clone());
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

fn no_link(address: &Address, creds: &UserCreds, kind: ConnectErrorKind, text: &str) -> NoLink {
    let at = |kind, text: &str| {
        NoLink::Unreached(Unreached::new(
            kind,
            &if text.is_empty() { address.to_string() } else { format!("{address}: {text}") },
        ))
    };
    let lower = text.to_lowercase();
    match kind {
        ConnectErrorKind::Dns => at(Kind::NameNotResolved, ""),
        ConnectErrorKind::TimedOut => at(Kind::Timeout, ""),
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            let user = if creds.claims.name.is_empty() { &creds.claims.user_key } else { &creds.claims.name };
            NoLink::Rejected(format!(
                "{address} does not accept the credentials of user {user}: expired, revoked, or of an account this cluster does not know"
            ))
        }
        ConnectErrorKind::Io if lower.contains("refused") => at(Kind::Refused, ""),
        ConnectErrorKind::Io if no_way(&lower) => at(Kind::NoWay, ""),
        ConnectErrorKind::Io
        | ConnectErrorKind::Tls
        | ConnectErrorKind::ServerParse
        | ConnectErrorKind::MaxReconnects => at(Kind::Other, text),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::{TcpListener, TcpStream};

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
        let address = Address { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port(), tls: false };
        let server = tokio::spawn(async move {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            assert_eq!(greet(&mut stream).await, ["CONNECT", "PING"]);
            (listener, stream)
        });
        let mut link = one(&address, &creds).await.map_err(|none| none.why()).unwrap();
        assert_eq!(link.server_name, "n1");
        let (listener, stream) = server.await.unwrap();
        drop(stream);
        // The client comes back once, gets no credentials, and says not a word: nothing can be sent a second time.
        let mut again = BufReader::new(listener.accept().await.unwrap().0);
        assert_eq!(greet(&mut again).await, Vec::<String>::new());
        while !link.complaints.borrow_and_update().contains("closed the connection") {
            link.complaints.changed().await.unwrap();
        }
        // Its own end closes the last way back; `accept` would wait for ever if this did not hold.
        while link.client.publish("x", "y".into()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}
