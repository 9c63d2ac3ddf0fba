//! What a node's next instances are to do wrong, until the lab is cleared, and what such a boot writes into its log.
//! It knows words and lines; machines are the server's and the cloud's.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::server::Setup;

/// How a server does not come up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum NoBoot {
    /// Nothing is started, and no line is written
    #[default]
    Silence,
    /// The server is started and ends at once
    Crash,
}

/// What is wrong with the line that says how a boot went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// It is not written
    Missing,
    /// It says that it went wrong
    Failing,
}

/// Orders to the instances of one node that boot from now on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Orders {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) no_boot: Option<NoBoot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) moves: Option<Moves>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) no_disk: Option<NoDisk>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<Line>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) axiom_silent: bool,
}

/// The server boots where nobody looks for it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Moves {
    /// Seconds until its name leads there.
    pub(crate) found_after: Option<f64>,
}

/// The disk is not mounted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct NoDisk {
    /// The server runs all the same, without JetStream.
    pub(crate) runs: bool,
}

impl Orders {
    /// How the server is to be started; `None`: not at all.
    pub(crate) fn setup(&self) -> Option<Setup> {
        match (self.no_boot, self.no_disk) {
            (Some(NoBoot::Silence), _) => None,
            (Some(NoBoot::Crash), _) | (None, Some(NoDisk { runs: false })) => Some(Setup::Broken),
            (None, Some(NoDisk { runs: true })) => Some(Setup::NoJetStream),
            (None, None) => Some(Setup::Whole),
        }
    }

    /// What a boot writes. The text is a guess: the seed names only "Axiom ingest check".
    pub(crate) fn lines(&self, name: &str, instance: &str) -> Vec<String> {
        let disk = match self.no_disk {
            None => format!("[bootstrap] {name} on {instance}: NVMe mounted at /var/lib/nats"),
            Some(_) => {
                format!("[bootstrap] {name} on {instance}: ERROR: no NVMe device found, /var/lib/nats is not mounted")
            }
        };
        let service = match self.setup() {
            None => return Vec::new(),
            Some(Setup::Broken) => "[bootstrap] nats.service failed: exit code 1",
            Some(Setup::NoJetStream) => "[bootstrap] nats.service started without JetStream",
            Some(Setup::Whole) => "[bootstrap] nats.service started",
        };
        let check = match self.line {
            None => Some("[bootstrap] Axiom ingest check: OK (HTTP 200)"),
            Some(Line::Failing) => Some("[bootstrap] Axiom ingest check: FAILED (HTTP 403)"),
            Some(Line::Missing) => None,
        };
        [Some(disk.as_str()), Some(service), check].into_iter().flatten().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_says_what_went_wrong() {
        let last = |orders: &Orders| orders.lines("n", "i-1").last().cloned();
        assert!(last(&Orders::default()).unwrap().ends_with("check: OK (HTTP 200)"));
        assert!(last(&Orders { line: Some(Line::Failing), ..Orders::default() }).unwrap().contains("FAILED"));
        assert!(!last(&Orders { line: Some(Line::Missing), ..Orders::default() }).unwrap().contains("Axiom"));
        assert_eq!(last(&Orders { no_boot: Some(NoBoot::Silence), ..Orders::default() }), None);
        let dead = Orders { no_disk: Some(NoDisk { runs: false }), ..Orders::default() };
        assert!(dead.lines("n", "i-1")[0].contains("not mounted") && dead.setup() == Some(Setup::Broken));
    }
}
