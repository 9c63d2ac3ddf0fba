//! A configured node: the address we know it by, the instance behind it, and the server that runs there, if one does.

use std::time::Duration;

use crate::fault::BootLine;

#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) client_port: u16,
    pub(crate) monitor_port: u16,
    /// Its instance, when its group has one that answers under the node's name.
    pub(crate) instance: Option<String>,
    pub(crate) server: Option<Server>,
    /// The way to it is broken for us.
    pub(crate) cut_off: bool,
    /// Its name leads to an address where nobody is.
    pub(crate) stale: bool,
    /// How long it will after the next instance has come.
    pub(crate) name_lags: Duration,
    /// What answers on its monitoring port and is no server of the cluster.
    pub(crate) impostor: Option<Server>,
    /// What the next server of this node calls itself.
    pub(crate) server_name: String,
    /// Whether a server will run on its next instance.
    pub(crate) boots: bool,
    /// Whether the next server finds its disk.
    pub(crate) disk: bool,
    /// Whether the events of the next instance arrive in Axiom.
    pub(crate) ships: bool,
    /// What its next start says in the log.
    pub(crate) says: BootLine,
}

#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// Another one after every start.
    pub(crate) id: String,
    pub(crate) name: String,
    /// Milliseconds since the world began, before it when negative.
    pub(crate) started: i64,
    pub(crate) power: Power,
    /// It has its disk, and so JetStream.
    pub(crate) disk: bool,
    pub(crate) api_errors: u64,
    pub(crate) api_total: u64,
    pub(crate) slow_consumers: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    /// At this part of a hundred of its speed.
    Runs(u64),
    Frozen,
}

/// What a request to a node meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meets {
    Server,
    /// The machine is there and no process listens.
    Nobody,
    /// No packet comes back.
    Silence,
}

impl Slot {
    pub(crate) fn meets(&self) -> Meets {
        match &self.server {
            _ if self.cut_off || self.stale || self.instance.is_none() => Meets::Silence,
            None => Meets::Nobody,
            Some(server) if server.power == Power::Frozen => Meets::Silence,
            Some(_) => Meets::Server,
        }
    }

    /// The server, when it does anything at all.
    pub(crate) fn running(&self) -> Option<&Server> {
        self.server.as_ref().filter(|server| server.power != Power::Frozen)
    }
}

impl Server {
    /// Parts of a hundred.
    pub(crate) fn speed(&self) -> u64 {
        match self.power {
            Power::Runs(percent) => percent,
            Power::Frozen => 0,
        }
    }
}
