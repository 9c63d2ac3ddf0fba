//! The network of a world: HTTP to the nodes' monitoring ports, and NATS connections with credentials.
//!
//! Nothing here leaves the process. An address that is no node's does not resolve.

use std::time::Duration;

use serde_json::Value;
use sluice_plugin::{HttpRequest, HttpResponse, Problem};

use crate::serve;
use crate::setup::User;
use crate::state::State;
use crate::state::node::{Meets, Slot};
use crate::world::World;

/// Why there is no NATS connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoConnection {
    NameNotResolved,
    Refused,
    TimedOut,
    /// The server does not know the user.
    Rejected,
}

/// Why a question over a NATS connection has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    NobodyServes,
    TimedOut,
    /// The server is gone.
    Closed,
}

/// An open NATS connection to one server.
#[derive(Clone)]
pub struct Connection {
    world: World,
    user: User,
    host: String,
    pub server_name: String,
    pub server_id: String,
}

enum Reply {
    Answer(u16, Value),
    Nobody,
    Silence,
    NoName,
}

impl World {
    /// A request to a monitoring port, as a host sends it for a plugin.
    pub(crate) async fn http(&self, request: &HttpRequest) -> Result<HttpResponse, Problem> {
        if let Some(answer) = self.axiom(request).await {
            return Ok(answer);
        }
        let Some((host, port, path)) = parts(&request.url) else {
            return Err(unreached(request, "other", "the world has no such address"));
        };
        let what = format!("{} {}", request.method.as_str(), request.url);
        let reply = self
            .call(what, |state| match serve::at_monitor(state, host, port) {
                None => Reply::NoName,
                Some(slot) => match (slot.meets(), slot.running(), &slot.impostor) {
                    (Meets::Nobody, _, Some(impostor)) => {
                        let (status, body) = serve::impostor(state, slot, impostor, path);
                        Reply::Answer(status, body)
                    }
                    (Meets::Server, Some(server), _) => {
                        let (status, body) = serve::monitoring(state, server, path);
                        Reply::Answer(status, body)
                    }
                    (Meets::Nobody, ..) => Reply::Nobody,
                    (Meets::Silence | Meets::Server, ..) => Reply::Silence,
                },
            })
            .await;
        match reply {
            Reply::Answer(status, body) => {
                let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
                Ok(HttpResponse { status, headers, body: body.to_string().into_bytes() })
            }
            Reply::Nobody => Err(unreached(request, "refused", "connection refused")),
            Reply::NoName => Err(unreached(request, "name", "the name does not resolve")),
            Reply::Silence => {
                self.clock().sleep(request.timeout).await;
                Err(unreached(request, "timeout", "no answer in time"))
            }
        }
    }

    /// Opens a NATS connection with a user's JWT.
    pub async fn connect(
        &self,
        host: &str,
        port: u16,
        jwt: &str,
        patience: Duration,
    ) -> Result<Connection, NoConnection> {
        let met = self
            .call(format!("connect nats://{host}:{port}"), |state| {
                let Some(slot) = at_client(state, host, port) else { return Err(NoConnection::NameNotResolved) };
                match (slot.meets(), slot.running()) {
                    (Meets::Server, Some(server)) => {
                        let user = state.setup.users.iter().find(|user| user.jwt == jwt).cloned();
                        Ok((server.name.clone(), server.id.clone(), user.ok_or(NoConnection::Rejected)?))
                    }
                    (Meets::Nobody, _) => Err(NoConnection::Refused),
                    (Meets::Silence | Meets::Server, _) => Err(NoConnection::TimedOut),
                }
            })
            .await;
        if matches!(met, Err(NoConnection::TimedOut)) {
            self.clock().sleep(patience).await;
        }
        let (server_name, server_id, user) = met?;
        Ok(Connection { world: self.clone(), user, host: host.to_owned(), server_name, server_id })
    }
}

impl Connection {
    /// A question with one answer: the JetStream API, or who the user is.
    pub async fn request(&self, subject: &str, payload: &Value, patience: Duration) -> Result<Value, NoAnswer> {
        self.over(subject, patience, |state, user, over| serve::ask(state, over, user, subject, payload)).await
    }

    /// A question that every server answers for itself.
    pub async fn ping(&self, subject: &str, patience: Duration) -> Result<Vec<Value>, NoAnswer> {
        self.over(subject, patience, |state, user, _| serve::ping(state, user, subject)).await
    }

    async fn over<T>(
        &self,
        subject: &str,
        patience: Duration,
        answer: impl FnOnce(&mut State, &User, &str) -> Result<T, serve::Refused>,
    ) -> Result<T, NoAnswer> {
        let said = self
            .world
            .call(format!("nats {subject}"), |state| {
                let here = state.slots.iter().find(|slot| slot.host == self.host);
                let same = |slot: &&Slot| slot.server.as_ref().is_some_and(|server| server.id == self.server_id);
                let Some(slot) = here.filter(same) else { return Err(NoAnswer::Closed) };
                if slot.meets() != Meets::Server {
                    return Err(NoAnswer::TimedOut);
                }
                answer(state, &self.user, &self.server_name).map_err(|refused| match refused {
                    serve::Refused::NobodyServes => NoAnswer::NobodyServes,
                    serve::Refused::Silence => NoAnswer::TimedOut,
                })
            })
            .await;
        if matches!(said, Err(NoAnswer::TimedOut)) {
            self.world.clock().sleep(patience).await;
        }
        said
    }
}

fn at_client<'a>(state: &'a State, host: &str, port: u16) -> Option<&'a Slot> {
    state.slots.iter().find(|slot| slot.host == host && slot.client_port == port)
}

/// Host, port and the path with its query. Only plain HTTP with a port: that is what nodes offer.
fn parts(url: &str) -> Option<(&str, u16, &str)> {
    let rest = url.strip_prefix("http://")?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (host, port) = authority.rsplit_once(':')?;
    Some((host, port.parse().ok()?, path))
}

/// As the runner's host says it: the kind stands in the details.
fn unreached(request: &HttpRequest, kind: &str, why: &str) -> Problem {
    let message = format!("{} {}: {why}", request.method.as_str(), request.url);
    let problem = Problem::not_applied("unreachable", message).retryable();
    problem.with_details(serde_json::json!({ "kind": kind }))
}
