//! The way to NATS servers, as a seam: the product goes there with the NATS client (`client`), a simulated world answers
//! itself. What is asked, and what is made of the answers, is the same code either way.

use async_trait::async_trait;
use sluice_plugin::Secret;

/// Opens connections.
#[async_trait]
pub trait Wire: Send + Sync {
    /// One connection to one server, tried once; when it is lost it is not made again.
    async fn open(&self, target: Target<'_>) -> Result<Opened, NoLine>;
}

/// An open connection, on which questions are asked. A question is sent once.
#[async_trait]
pub trait Line: Send + Sync {
    /// A question with one answer. An answer may say that it was refused: that is an answer.
    async fn request(&self, subject: &str, body: String) -> Result<Vec<u8>, NoReply>;

    /// A question that several servers answer, until `take` has enough or nobody says more. No answer at all is
    /// [`NoReply::TimedOut`].
    async fn gather(
        &self,
        subject: &str,
        body: String,
        take: &mut (dyn for<'m> FnMut(&'m [u8]) -> bool + Send),
    ) -> Result<(), NoReply>;
}

/// Where to, and as whom.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub host: &'a str,
    pub port: u16,
    pub tls: bool,
    pub jwt: &'a Secret,
    pub seed: &'a Secret,
}

pub struct Opened {
    pub server_name: String,
    pub server_id: String,
    pub line: Box<dyn Line>,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoLine {
    NameNotResolved,
    Refused,
    NoWay,
    TimedOut,
    /// The server does not accept the credentials.
    Rejected,
    Other(String),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoReply {
    /// These credentials may not ask this.
    NoRight(String),
    /// Nobody serves this subject for this account.
    NobodyServes,
    TimedOut,
    Other(String),
}
