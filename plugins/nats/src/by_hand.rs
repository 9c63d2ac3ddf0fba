//! The commands with which a person does what this plugin does: curl for the nodes' endpoints, nats for the rest.
//!
//! Credentials go into a file of the person's own; how a word is quoted is the contract's affair.

use sluice_plugin::ByHand;
use sluice_plugin::by_hand::Word;
use sluice_plugin::inventory::{Cluster, Node};

use crate::link::address::{Address, Urls};
use crate::link::creds::CredsInput;
use crate::monitor::read::JSZ;

/// One endpoint of a node. A failing answer is shown as well: it says why.
pub(crate) fn endpoint(node: &Node, path: &str, look_for: &str) -> ByHand {
    let url = format!("{}{path}", node.monitor_url());
    ByHand::run("curl", ["-sSg".to_owned(), "--max-time".to_owned(), "5".to_owned(), url], look_for)
}

/// This endpoint of every node.
pub(crate) fn endpoints(cluster: &Cluster, path: &str, look_for: &str) -> Vec<ByHand> {
    cluster.nodes.iter().map(|node| endpoint(node, path, look_for)).collect()
}

/// The Raft view of every node: streams, consumers, the meta group.
pub(crate) fn raft(cluster: &Cluster, look_for: &str) -> Vec<ByHand> {
    endpoints(cluster, JSZ, look_for)
}

/// The `nats` command with these credentials.
pub(crate) struct Nats {
    servers: String,
    /// The file that the preparations below fill.
    creds: Word,
    /// Typed once, before the first command.
    prepare: Vec<ByHand>,
}

impl Nats {
    /// Nothing where the address is none.
    pub(crate) fn new(urls: &Urls, creds: &CredsInput) -> Option<Self> {
        let servers = urls.parse("").ok()?.iter().map(Address::url).collect::<Vec<_>>().join(",");
        let (jwt, seed) = (Word::secret(&creds.jwt), Word::secret(&creds.seed));
        let name = match &jwt {
            Word::Variable(name) => format!("{name}_CREDS"),
            Word::Text(_) => return None,
        };
        let creds = Word::Variable(name.clone());
        let make = ByHand::run("mktemp", [] as [&str; 0], "nothing: it makes an empty file that only you can read");
        let look_for = "nothing; remove it when you are done: rm -f and the name in this variable";
        let write = ByHand::write(creds.clone(), content(jwt, seed), look_for);
        Some(Self { servers, creds, prepare: vec![make.into_variable(&name).once(), write.once()] })
    }

    /// The preparations, and then these commands, each with what to look for.
    pub(crate) fn commands(self, commands: &[(&[&str], &str)]) -> Vec<ByHand> {
        let one = |(arguments, look_for): &(&[&str], &str)| {
            let start = ["--server".into(), Word::from(self.servers.as_str()), "--creds".into(), self.creds.clone()];
            let words = start.into_iter().chain(arguments.iter().map(|word| Word::from(*word)));
            ByHand::run("nats", words, look_for)
        };
        let commands: Vec<ByHand> = commands.iter().map(one).collect();
        self.prepare.into_iter().chain(commands).collect()
    }
}

/// A creds file, as every client reads it. Its markers are in parts: whole, they look like a secret that has to be
/// redacted from whatever is shown.
fn content(jwt: Word, seed: Word) -> Vec<Word> {
    vec![
        "-----".into(),
        "BEGIN NATS USER JWT".into(),
        "-----\n".into(),
        jwt,
        "\n------END NATS USER JWT------\n\n-----".into(),
        "BEGIN USER NKEY SEED".into(),
        "-----\n".into(),
        seed,
        "\n------END USER NKEY SEED------\n".into(),
    ]
}

/// The address of a cluster's clients.
pub(crate) fn urls_of(cluster: &Cluster) -> Urls {
    Urls::Many(cluster.nodes.iter().map(Node::client_url).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::path::Path;
    use std::process::Command;
    use std::sync::mpsc::channel;

    use serde_json::{Value, json};
    use sluice_plugin::{Attempt, Call, Plugin as _, Purpose};

    use super::*;

    fn commands(action: &str, with: &Value) -> Vec<ByHand> {
        let (run, step) = ("run-1".to_owned(), "try".to_owned());
        let purpose = Purpose::Preview;
        let call = Call { run, step, attempt: Attempt(1), purpose, deadline: None, with: with.clone() };
        crate::plugin().by_hand(action, &call)
    }

    fn type_in(folder: &Path, before: &str, commands: &[ByHand]) -> String {
        let lines: Vec<String> = commands.iter().map(ByHand::line).collect();
        let script = format!("set -e\nexport TMPDIR={}\n{before}\n{}", folder.display(), lines.join("\n"));
        let output = Command::new("bash").args(["-c", &script]).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Answers every request with the line it began with.
    fn server() -> (u16, std::sync::mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, seen) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, mut request) = (stream.unwrap(), vec![0; 4096]);
                let length = stream.read(&mut request).unwrap();
                let line = String::from_utf8_lossy(&request[..length]).lines().next().unwrap_or_default().to_owned();
                let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", line.len());
                stream.write_all(format!("{head}{line}").as_bytes()).unwrap();
                // Nobody listens any more once the test is over.
                let _ = sender.send(line);
            }
        });
        (port, seen)
    }

    #[test]
    fn the_health_of_a_cluster_is_asked_for_real() {
        let (port, seen) = server();
        let node = |number: u8| {
            json!({
                "number": number, "name": format!("n{number}"), "cluster": "c", "host": "127.0.0.1", "group": "g",
                "ports": { "client": 4222, "cluster": 6222, "monitor": port }, "aws": null
            })
        };
        let cluster = json!({
            "name": "c", "labels": {}, "nodes": [node(1), node(2), node(3)], "aws": null, "ssm_prefix": "/c",
            "streams": [], "services": {}, "creds": { "admin": { "jwt": "/j", "seed": "/s" }, "system": null }
        });
        let commands = commands("cluster_health", &json!({ "cluster": cluster, "thresholds": [] }));
        let folder = tempfile::tempdir().unwrap();
        let said = type_in(folder.path(), "", &commands);
        let seen: Vec<String> = seen.try_iter().collect();
        for path in ["/healthz", "/varz", JSZ, "/connz?limit=1"] {
            let line = format!("GET {path} HTTP/1.1");
            assert_eq!(seen.iter().filter(|seen| **seen == line).count(), 3, "{line}: {seen:?}");
            assert_eq!(said.matches(&line).count(), 3, "{said}");
        }
        assert_eq!(seen.len(), 12);
        assert!(commands.iter().all(|command| !command.look_for.is_empty()));
    }

    /// The steps of `connect`, with a `nats` that tells what it was given.
    #[test]
    fn credentials_are_in_a_file_and_on_no_command_line() {
        let leaf = |key: &str| json!({ "$secret": format!("steps.params#/secrets/{key}") });
        let creds = json!({ "jwt": leaf("jwt"), "seed": leaf("seed") });
        let urls = json!(["nats://n1:4222", "nats://n2:4222"]);
        let mut all = commands("whoami", &json!({ "urls": urls, "creds": creds }));
        all.extend(commands("stream_list", &json!({ "urls": urls, "creds": creds, "streams": ["pivot_main"] })));
        all.extend(commands("context", &json!({ "url": urls, "jwt": leaf("jwt"), "seed": leaf("seed") })));
        let folder = tempfile::tempdir().unwrap();
        let before = "nats() { echo \"nats $*\"; cp \"$4\" creds; stat -c %a \"$4\"; }\n\
                      SLUICE_PARAMS_SECRETS_JWT=eyJ.s3cr3t SLUICE_PARAMS_SECRETS_SEED=SUs3cr3t";
        let said = type_in(folder.path(), before, &all);
        assert!(!said.contains("s3cr3t"), "{said}");
        let asked = |words: &str| {
            said.lines().any(|line| {
                line.starts_with("nats --server nats://n1:4222,nats://n2:4222 --creds /") && line.ends_with(words)
            })
        };
        for words in [" account info", " stream ls", " stream info pivot_main", " server report jetstream", " rtt"] {
            assert!(asked(words), "{words}: {said}");
        }
        assert!(said.lines().filter(|line| !line.starts_with("nats")).all(|mode| mode == "600"), "{said}");
        let made = fs::read_to_string(folder.path().join("creds")).unwrap();
        let lines: Vec<&str> = made.lines().collect();
        assert_eq!((lines[1], lines[5]), ("eyJ.s3cr3t", "SUs3cr3t"), "{made}");
        assert_eq!(lines[0], "-----BEGIN NATS USER JWT-----");
    }

    /// A secret that stands in plain text is not printed either.
    #[test]
    fn every_action_has_commands_without_secrets() {
        let plugin = crate::plugin();
        // It looks at nothing but what it is given.
        let actions = plugin.describe().actions.iter().filter(|action| action.name.as_str() != "nats.alerts");
        for action in actions {
            for example in &action.examples {
                let found = commands(action.name.operation(), &example.with);
                assert!(!found.is_empty(), "{}: {}", action.name, example.summary);
            }
        }
        let plain = commands("whoami", &json!({ "urls": "a", "creds": { "jwt": "eyJplain", "seed": "SUplain" } }));
        assert!(!plain.is_empty() && plain.iter().all(|command| !command.line().contains("plain")), "{plain:?}");
    }
}
