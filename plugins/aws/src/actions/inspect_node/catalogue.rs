//! The catalogue: every command that `aws.inspect_node` can send, and the script that runs those that are wanted.
//!
//! All of them read. None follows a log, asks a question or opens a pager, and none may take longer than its share of the
//! time. What a command prints is kept from its end, so that all of it together stays below what AWS keeps.

use std::fmt::Write as _;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Input;
use super::sections::{self, Section};
use crate::shell::Unit;

/// AWS keeps 24,000 characters; a byte is a character at most.
const MOST_BYTES: usize = 23_500;

/// What stands around a section: its name and a nonce, twice.
const AROUND: usize = 260;

/// These say what they have to say in so much.
const DISK_BYTES: usize = 600;
const SERVICE_BYTES: usize = 400;

/// Nobody waits longer for one command.
const LONGEST_COMMAND: Duration = Duration::from_secs(20);

/// For the way to the node and the start of the shell.
const BESIDE_COMMANDS: Duration = Duration::from_secs(5);

const BOOTSTRAP_LOG: &str = "/var/log/nats-bootstrap.log";

/// A section as it is asked for; `logs` are as many as there are units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Wanted {
    /// What systemd says of the units.
    Services,
    /// Size and use of the disk of JetStream, and whether it is mounted.
    Disk,
    /// The end of the log of the node's start.
    Bootstrap,
    /// The end of the journal of each unit.
    Logs,
    /// Report of the servers' JetStream; where the NATS context is.
    Jetstream,
    /// Report of the servers' connections; where the NATS context is.
    Connections,
    /// The streams of the account; where the NATS context is.
    Streams,
}

/// What is there whole comes first: a node that answers slowly says that much.
const ALL: [Wanted; 7] = [
    Wanted::Services,
    Wanted::Disk,
    Wanted::Bootstrap,
    Wanted::Logs,
    Wanted::Jetstream,
    Wanted::Connections,
    Wanted::Streams,
];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LeftOut {
    pub(super) name: Wanted,
    pub(super) why: String,
}

/// What is sent for one call, in this order.
pub(super) struct Catalogue {
    entries: Vec<Entry>,
    pub(super) left_out: Vec<LeftOut>,
    home: String,
}

struct Entry {
    name: String,
    /// Lines of `sh`. Each command that may hang stands behind `limited`.
    body: String,
    /// Where it is known that more is not needed.
    bytes: Option<usize>,
}

impl Catalogue {
    pub(super) fn of(input: &Input) -> Self {
        let wanted = ALL.into_iter().filter(|one| input.sections.is_empty() || input.sections.contains(one));
        let (mut entries, mut left_out) = (Vec::new(), Vec::new());
        for one in wanted {
            match entries_of(one, input) {
                Ok(more) => entries.extend(more),
                Err(why) => left_out.push(LeftOut { name: one, why }),
            }
        }
        Self { entries, left_out, home: input.nats_context.home.quoted() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The whole text for the node. `nonce`: nobody who writes into a log there can know it.
    pub(super) fn script(&self, nonce: &str, timeout: Duration) -> String {
        let seconds = self.seconds_each(timeout);
        let mut script = format!(
            "export LC_ALL=C TZ=UTC HOME={} PATH=\"$PATH:/usr/local/bin\"\n\
             limited() {{ timeout -k 1 {seconds} \"$@\"; }}\n",
            self.home
        );
        for (entry, keep) in self.entries.iter().zip(self.shares()) {
            script.push_str(&sections::framed(&entry.name, &entry.body, (nonce, keep)));
        }
        script.push_str("exit 0\n");
        script
    }

    /// The same commands without what keeps their output apart, for a person.
    pub(super) fn plain(&self) -> String {
        let mut text = format!("export LC_ALL=C TZ=UTC HOME={}\nlimited() {{ \"$@\"; }}\n", self.home);
        for entry in &self.entries {
            // Writing to a string does not fail.
            let _ = writeln!(text, "echo '== {}'\n{}", entry.name, entry.body);
        }
        text
    }

    pub(super) fn read(&self, nonce: &str, printed: &str) -> Vec<Section> {
        let entries = self.entries.iter().map(|entry| entry.name.as_str()).zip(self.shares());
        sections::read(entries, printed, nonce)
    }

    /// `disk` has two commands.
    fn seconds_each(&self, timeout: Duration) -> u64 {
        let commands = u64::try_from(self.entries.len() + 1).unwrap_or(u64::MAX);
        let share = timeout.saturating_sub(BESIDE_COMMANDS).as_secs() / commands;
        share.clamp(1, LONGEST_COMMAND.as_secs())
    }

    /// How many bytes of each are kept.
    fn shares(&self) -> Vec<usize> {
        let around = self.entries.len() * AROUND;
        let small: usize = self.entries.iter().filter_map(|entry| entry.bytes).sum();
        let large = self.entries.iter().filter(|entry| entry.bytes.is_none()).count().max(1);
        let share = MOST_BYTES.saturating_sub(around + small) / large;
        self.entries.iter().map(|entry| entry.bytes.unwrap_or(share)).collect()
    }
}

fn entries_of(wanted: Wanted, input: &Input) -> Result<Vec<Entry>, String> {
    let one = |name: &str, body: String, bytes: Option<usize>| vec![Entry { name: name.to_owned(), body, bytes }];
    let lines = input.lines;
    Ok(match wanted {
        Wanted::Services => {
            let named: Vec<String> = units(input)?.into_iter().map(Unit::quoted).collect();
            let fields = "Id,Names,LoadState,ActiveState,SubState,MainPID,NRestarts,ExecMainStartTimestamp";
            let body = format!("limited systemctl show --no-pager -p {fields} -- {}", named.join(" "));
            one("services", body, Some(SERVICE_BYTES * named.len()))
        }
        Wanted::Disk => {
            let path = input.disk.quoted();
            let body = format!(
                "limited df -B1 -P -- {path}; of_df=$?\n\
                 limited mountpoint -q {path}; echo \"mountpoint $?\"\n\
                 (exit \"$of_df\")"
            );
            one("disk", body, Some(DISK_BYTES))
        }
        Wanted::Bootstrap => one("bootstrap", format!("limited tail -n {lines} -- {BOOTSTRAP_LOG}"), None),
        Wanted::Logs => {
            let journal = |unit: &Unit| Entry {
                name: format!("logs/{unit}"),
                body: format!("limited journalctl -u {} -n {lines} --no-pager -o short-iso", unit.quoted()),
                bytes: None,
            };
            units(input)?.into_iter().map(journal).collect()
        }
        Wanted::Jetstream => one("jetstream", nats(input, "server report jetstream")?, None),
        Wanted::Connections => one("connections", nats(input, "server report connections")?, None),
        Wanted::Streams => one("streams", nats(input, "stream ls")?, None),
    })
}

/// The context that is selected there is everybody's, so it is named.
fn nats(input: &Input, words: &str) -> Result<String, String> {
    let context = &input.nats_context;
    if context.node != input.node.number {
        return Err(format!("the NATS context `{}` is on node {} (`nats_context`)", context.name, context.node));
    }
    Ok(format!("limited nats --context {} {words}", context.name.quoted()))
}

/// Each once: a section is known by its name.
fn units(input: &Input) -> Result<Vec<&Unit>, String> {
    let mut units: Vec<&Unit> = Vec::new();
    for unit in &input.units {
        if !units.contains(&unit) {
            units.push(unit);
        }
    }
    if units.is_empty() { Err("`units` names none".to_owned()) } else { Ok(units) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn catalogue(change: serde_json::Value) -> Catalogue {
        let mut with = json!({ "node": crate::standin_cloud::node(1) });
        with.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        Catalogue::of(&serde_json::from_value(with).unwrap())
    }

    fn names(catalogue: &Catalogue) -> Vec<&str> {
        catalogue.entries.iter().map(|entry| entry.name.as_str()).collect()
    }

    #[test]
    fn what_is_wanted_is_sent_and_what_is_not_to_be_had_is_told() {
        let check = |change: serde_json::Value, expect: &[&str], left_out: &[Wanted]| {
            let catalogue = catalogue(change);
            assert_eq!(names(&catalogue), expect);
            assert_eq!(catalogue.left_out.iter().map(|one| one.name).collect::<Vec<_>>(), left_out);
        };
        let logs = ["logs/nats", "logs/nats-monitor", "logs/fluent-bit"];
        let everywhere = [&["services", "disk", "bootstrap"][..], &logs].concat();
        let all = [&everywhere[..], &["jetstream", "connections", "streams"]].concat();
        check(json!({}), &all, &[]);
        let elsewhere = json!({ "nats_context": { "node": 2 } });
        check(elsewhere, &everywhere, &[Wanted::Jetstream, Wanted::Connections, Wanted::Streams]);
        check(json!({ "sections": ["streams", "services"] }), &["services", "streams"], &[]);
        check(json!({ "sections": ["logs"], "units": ["nats", "nats"] }), &["logs/nats"], &[]);
        check(json!({ "sections": ["logs", "disk"], "units": [] }), &["disk"], &[Wanted::Logs]);
    }

    #[test]
    fn every_command_is_one_of_these() {
        let catalogue = catalogue(json!({ "units": ["nats"], "lines": 7 }));
        let bodies: Vec<&str> = catalogue.entries.iter().map(|entry| entry.body.as_str()).collect();
        let fields = "Id,Names,LoadState,ActiveState,SubState,MainPID,NRestarts,ExecMainStartTimestamp";
        let expect = [
            &format!("limited systemctl show --no-pager -p {fields} -- 'nats'"),
            "limited df -B1 -P -- '/var/lib/nats'; of_df=$?\nlimited mountpoint -q '/var/lib/nats'; echo \"mountpoint $?\"\n\
             (exit \"$of_df\")",
            "limited tail -n 7 -- /var/log/nats-bootstrap.log",
            "limited journalctl -u 'nats' -n 7 --no-pager -o short-iso",
            "limited nats --context 'pivot' server report jetstream",
            "limited nats --context 'pivot' server report connections",
            "limited nats --context 'pivot' stream ls",
        ];
        assert_eq!(bodies, expect);
    }

    #[test]
    fn all_of_it_stays_below_what_aws_keeps_and_one_alone_may_have_it_all() {
        let many: Vec<String> = (0..8).map(|nth| format!("{nth}{}", "u".repeat(63))).collect();
        let check = |change: serde_json::Value, least: usize| {
            let shares = catalogue(change).shares();
            let whole = shares.iter().sum::<usize>() + shares.len() * AROUND;
            assert!(whole <= MOST_BYTES, "{shares:?}");
            assert!(shares.iter().all(|share| *share >= least), "{shares:?}");
        };
        check(json!({}), 400);
        check(json!({ "units": many }), 600);
        check(json!({ "sections": ["bootstrap"] }), 23_000);
        check(json!({ "sections": ["logs"], "units": ["nats"] }), 23_000);
    }

    #[test]
    fn all_commands_together_are_over_in_time() {
        let check = |change: serde_json::Value, seconds: u64, each: u64| {
            let catalogue = catalogue(change);
            assert_eq!(catalogue.seconds_each(Duration::from_secs(seconds)), each);
        };
        check(json!({}), 60, 5);
        check(json!({}), 10, 1);
        check(json!({ "sections": ["streams"] }), 60, 20);
    }
}
