//! The real plugin `nats` over the world's network; the tests of the world use it too.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sluice_nats::{Line, NoLine, NoReply, Opened, Target, Wire};
use sluice_world::{Connection, NoAnswer, NoConnection, World};

/// As long as the real client waits.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) struct SimWire(pub(crate) World);

struct SimLine(Connection);

#[async_trait]
impl Wire for SimWire {
    async fn open(&self, target: Target<'_>) -> Result<Opened, NoLine> {
        let connecting = self.0.connect(target.host, target.port, target.jwt.expose(), PATIENCE);
        let connection = connecting.await.map_err(|none| match none {
            NoConnection::NameNotResolved => NoLine::NameNotResolved,
            NoConnection::Refused => NoLine::Refused,
            NoConnection::TimedOut => NoLine::TimedOut,
            NoConnection::Rejected => NoLine::Rejected,
        })?;
        let (server_name, server_id) = (connection.server_name.clone(), connection.server_id.clone());
        Ok(Opened { server_name, server_id, line: Box::new(SimLine(connection)) })
    }
}

#[async_trait]
impl Line for SimLine {
    async fn request(&self, subject: &str, body: String) -> Result<Vec<u8>, NoReply> {
        let payload = serde_json::from_str(&body).unwrap_or(Value::Null);
        let answer = self.0.request(subject, &payload, PATIENCE).await.map_err(no_reply)?;
        Ok(answer.to_string().into_bytes())
    }

    async fn gather(
        &self,
        subject: &str,
        _: String,
        take: &mut (dyn for<'m> FnMut(&'m [u8]) -> bool + Send),
    ) -> Result<(), NoReply> {
        for answer in self.0.ping(subject, PATIENCE).await.map_err(no_reply)? {
            if take(answer.to_string().as_bytes()) {
                break;
            }
        }
        Ok(())
    }
}

fn no_reply(none: NoAnswer) -> NoReply {
    match none {
        NoAnswer::NobodyServes => NoReply::NobodyServes,
        NoAnswer::TimedOut => NoReply::TimedOut,
        NoAnswer::Closed => NoReply::Other("the server closed the connection".to_owned()),
    }
}
