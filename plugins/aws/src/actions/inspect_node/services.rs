//! What `systemctl show` says of units, by unit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::moment;
use crate::shell::Unit;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    pub(super) unit: String,
    /// `loaded`, `not-found`, `masked`; null where systemd said nothing of it.
    pub(super) loaded: Option<String>,
    /// `active`, `failed`, `inactive`, ...
    pub(super) active: Option<String>,
    /// `running`, `dead`, ...
    pub(super) sub: Option<String>,
    /// Of its main process.
    pub(super) pid: Option<u32>,
    /// How often systemd started it again by itself.
    pub(super) restarts: Option<u64>,
    /// Since when its main process runs, or when it ran last. RFC 3339.
    pub(super) since: Option<String>,
}

/// Properties of one unit.
type Block<'a> = Vec<(&'a str, &'a str)>;

pub(super) fn read(text: &str, units: &[Unit]) -> Vec<Service> {
    let blocks: Vec<Block<'_>> = text.split("\n\n").map(block).collect();
    let mut services: Vec<Service> = Vec::new();
    for unit in units.iter().map(Unit::as_str) {
        if services.iter().all(|service| service.unit != unit) {
            let of_unit = blocks.iter().find(|block| is_of(block, unit));
            services.push(Service::of(unit, of_unit.map_or(&[], Vec::as_slice)));
        }
    }
    services
}

fn block(text: &str) -> Block<'_> {
    text.lines().filter_map(|line| line.split_once('=')).collect()
}

/// A unit may have several names; without a type a service is meant.
fn is_of(block: &[(&str, &str)], unit: &str) -> bool {
    let names = block.iter().filter(|(key, _)| matches!(*key, "Id" | "Names"));
    let mut names = names.flat_map(|(_, names)| names.split_whitespace());
    names.any(|name| name == unit || name.strip_suffix(".service") == Some(unit))
}

impl Service {
    fn of(unit: &str, block: &[(&str, &str)]) -> Self {
        let value = |wanted: &str| {
            let found = block.iter().find(|(key, _)| *key == wanted).map(|(_, value)| value.trim());
            found.filter(|value| !value.is_empty())
        };
        let text = |wanted: &str| value(wanted).map(str::to_owned);
        Self {
            unit: unit.to_owned(),
            loaded: text("LoadState"),
            active: text("ActiveState"),
            sub: text("SubState"),
            pid: value("MainPID").and_then(|pid| pid.parse().ok()).filter(|pid| *pid != 0),
            restarts: value("NRestarts").and_then(|restarts| restarts.parse().ok()),
            since: value("ExecMainStartTimestamp").and_then(moment_of).map(moment::written),
        }
    }

    /// `nats active (running)`.
    pub(super) fn said(&self) -> String {
        let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
        let restarts = match self.restarts {
            Some(0) | None => String::new(),
            Some(1) => ", restarted once".to_owned(),
            Some(times) => format!(", restarted {times} times"),
        };
        match self.loaded.as_deref() {
            Some("loaded") | None => format!("{} {} ({}{restarts})", self.unit, known(&self.active), known(&self.sub)),
            Some(loaded) => format!("{} {loaded}", self.unit),
        }
    }
}

/// `Sun 2026-11-22 17:54:46 UTC`: the shell on the node was told to write UTC.
fn moment_of(text: &str) -> Option<i64> {
    let (_, rest) = text.split_once(' ')?;
    moment::read_spaced(rest.strip_suffix(" UTC")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(names: &[&str]) -> Vec<Unit> {
        names.iter().map(|name| Unit::try_from((*name).to_owned()).unwrap()).collect()
    }

    const RUNNING: &str = "Id=nats.service\nNames=nats.service nats-server.service\nLoadState=loaded\n\
         ActiveState=active\nSubState=running\nMainPID=812\nNRestarts=3\n\
         ExecMainStartTimestamp=Sun 2026-11-22 17:54:46 UTC\n";
    const MISSING: &str = "MainPID=0\nNRestarts=0\nId=fluent-bit.service\nNames=fluent-bit.service\n\
         LoadState=not-found\nActiveState=inactive\nSubState=dead\nExecMainStartTimestamp=\n";

    #[test]
    fn units_are_found_by_any_of_their_names() {
        let text = format!("{RUNNING}\n{MISSING}");
        let found = read(&text, &units(&["fluent-bit", "nats-server", "nats", "nats", "other"]));
        let running = |unit: &str| Service {
            unit: unit.into(),
            loaded: Some("loaded".into()),
            active: Some("active".into()),
            sub: Some("running".into()),
            pid: Some(812),
            restarts: Some(3),
            since: Some("2026-11-22T17:54:46.000Z".into()),
        };
        let missing = Service {
            loaded: Some("not-found".into()),
            active: Some("inactive".into()),
            sub: Some("dead".into()),
            pid: None,
            restarts: Some(0),
            since: None,
            ..running("fluent-bit")
        };
        let unknown = Service {
            loaded: None,
            active: None,
            sub: None,
            pid: None,
            restarts: None,
            since: None,
            ..running("other")
        };
        assert_eq!(found, [missing, running("nats-server"), running("nats"), unknown]);
        let said: Vec<String> = found.iter().map(Service::said).collect();
        let nats = "active (running, restarted 3 times)";
        let nats = [format!("nats-server {nats}"), format!("nats {nats}")];
        assert_eq!(said, ["fluent-bit not-found", &nats[0], &nats[1], "other unknown (unknown)"]);
    }

    #[test]
    fn what_is_no_property_is_no_harm() {
        for text in ["", "Failed to get properties: Unit name a@.service is not valid\n", "=\n\n==", "Id="] {
            let found = read(text, &units(&["nats"]));
            assert_eq!((found.len(), &found[0].active), (1, &None), "{text}");
        }
        assert_eq!(moment_of("n/a"), None);
        assert_eq!(moment_of("Sun 2026-11-22 17:54:46 CET"), None);
    }
}
