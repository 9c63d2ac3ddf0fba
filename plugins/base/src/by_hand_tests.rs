//! What a person does by hand comes to the same as what the action does: both are tried, with names nobody would choose.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sluice_plugin::{ByHand, Plugin as _, Problem, Purpose};

use crate::plugin;
use crate::testing::{FakeHost, call};

fn commands(action: &str, with: &Value) -> Vec<ByHand> {
    plugin().by_hand(action, &call(Purpose::Preview, with.clone()))
}

/// Types them into a shell, one after the other.
fn type_in(folder: &Path, before: &str, commands: &[ByHand]) -> String {
    let lines: Vec<String> = commands.iter().map(ByHand::line).collect();
    let script = format!("{before}\nset -e\n{}", lines.join("\n"));
    let output = Command::new("bash").args(["-c", &script]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// All files of a folder, by name.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

async fn check(action: &str, name: &str, before: &str, with: impl Fn(String) -> Value) {
    let (by_hand, by_action) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&by_hand, &by_action] {
        fs::write(folder.path().join(name), before).unwrap();
    }
    let of = |folder: &Path| with(folder.join(name).display().to_string());
    type_in(by_hand.path(), "", &commands(action, &of(by_hand.path())));
    let asked = call(Purpose::Act, of(by_action.path()));
    plugin().run(action, &FakeHost::default(), &asked).await.unwrap();
    assert_eq!(files(by_hand.path()), files(by_action.path()), "{action} {name}");
}

#[tokio::test]
async fn a_person_comes_to_the_same() {
    for name in ["plain", "it's $(touch no) \"here\"", "-n", "two\nlines", "\u{1b}[31m"] {
        let content = "a 'b' $HOME `id`\n\\n %s\n";
        check("file", name, "old\n", |path| json!({ "path": path, "content": content })).await;
        check("file", name, "old\n", |path| json!({ "path": path, "content": "-e x\n", "mode": "0644" })).await;
        let line = json!({ "a": [1, "it's\n%s \\ $HOME"], "b": null });
        check("append_line", name, "old\n", |path| json!({ "path": path, "line": line })).await;
        for line in ["hello", "-v", "a 'b' $(id) \\n %s", "[x]*.", "old"] {
            for action in ["toy_change", "toy_append", "toy_destroy"] {
                check(action, name, "old\nhello\n-v\n", |path| json!({ "file": path, "line": line })).await;
            }
        }
    }
}

/// Answers the first request and gives all of it.
fn answering(answer: &'static [u8]) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut seen, mut part) = (String::new(), [0; 4096]);
        while !is_whole(&seen) {
            let length = stream.read(&mut part).unwrap();
            assert!(length > 0, "cut off: {seen}");
            seen.push_str(std::str::from_utf8(&part[..length]).unwrap());
        }
        stream.write_all(answer).unwrap();
        seen
    });
    (origin, server)
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// Whatever curl is given as arguments is written down first.
const SPY: &str = "curl() { printf '%s\\n' \"$@\" > arguments; command curl \"$@\"; }
SLUICE_SECRETS_TOKEN='s3cr3t-1'; SLUICE_A_KEY='s3cr3t 2'";

fn no_secret_in_arguments(folder: &Path) {
    let arguments = fs::read_to_string(folder.join("arguments")).unwrap();
    assert!(!arguments.contains("s3cr3t") && arguments.contains("it's"), "{arguments}");
}

/// The secret reaches the server, and no program's arguments.
#[test]
fn a_url_is_asked_for_real() {
    let (origin, server) = answering(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nhi");
    let with = json!({
        "url": format!("{origin}/a?b=c&d={{e}}[1-2]"), "expect_status": [201, 204],
        "headers": { "x-a": "it's", "x-none": "" },
        "bearer": { "$secret": "secrets.token" }, "secret_headers": { "x-key": { "$secret": "steps.a#/key" } },
    });
    let commands = commands("http_get", &with);
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(type_in(folder.path(), SPY, &commands), "hi\n201\n");
    let seen = server.join().unwrap();
    assert!(seen.starts_with("GET /a?b=c&d={e}[1-2] HTTP/1.1\r\n"), "{seen}");
    for header in ["x-a: it's", "x-none:", "authorization: Bearer s3cr3t-1", "x-key: s3cr3t 2"] {
        assert!(seen.contains(&format!("{header}\r\n")), "{header}: {seen}");
    }
    no_secret_in_arguments(folder.path());
    assert!(commands[0].look_for.contains("201 or 204"));
}

/// A redirect is not followed with a secret in a header: the place it leads to would get it.
#[test]
fn no_secret_is_carried_elsewhere() {
    let answer = b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n";
    for action in ["http_get", "http_send"] {
        let (origin, server) = answering(answer);
        let with = json!({ "url": origin, "headers": { "x-a": "it's" }, "bearer": { "$secret": "secrets.token" } });
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(type_in(folder.path(), SPY, &commands(action, &with)), "\n302\n", "{action}");
        assert!(server.join().unwrap().contains("Bearer s3cr3t-1"), "{action}");
        no_secret_in_arguments(folder.path());
    }
}

/// The request a person sends is the one the action sends, but for the names of the two programs.
#[tokio::test]
async fn a_request_is_sent_as_the_action_sends_it() {
    let check = async |more: Value, look_for: &[&str]| {
        let (origin, server) = answering(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nhi");
        let mut with = json!({ "url": format!("{origin}/a?b=c&d={{e}}[1-2]"), "headers": { "x-a": "it's" } });
        with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let no_answer = Problem::maybe_applied("timeout", "no answer");
        let host = FakeHost { answer: Some(Err(no_answer)), ..FakeHost::default() };
        plugin().run("http_send", &host, &call(Purpose::Act, with.clone())).await.unwrap_err();
        let asked = host.requests.into_inner().unwrap().pop().unwrap();
        let commands = commands("http_send", &with);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(type_in(folder.path(), SPY, &commands[..1]), "hi\n201\n");
        let seen = server.join().unwrap();
        let (head, body) = seen.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(&format!("{} /a?b=c&d={{e}}[1-2] HTTP/1.1", json!(asked.method).as_str().unwrap())),
            "{head}"
        );
        assert_eq!(body.as_bytes(), asked.body, "{with}");
        let typed = |name: &str| {
            let mut found = head.lines().filter_map(|line| line.split_once(": "));
            found.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        assert_eq!(typed("x-a").as_deref(), Some("it's"), "{head}");
        let sent = asked.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-type"));
        assert_eq!(typed("content-type"), sent.map(|header| header.value.clone()), "{with}: {head}");
        for part in look_for {
            assert!(commands.iter().any(|command| command.look_for.contains(part)), "{part}: {commands:?}");
        }
        no_secret_in_arguments(folder.path());
    };
    check(json!({}), &["from 200 to 299", "never send it twice"]).await;
    check(json!({ "method": "PUT", "json": { "a": "it's\n%s \\ $HOME" } }), &[]).await;
    check(json!({ "method": "PATCH", "text": "@/etc/passwd\n\n" }), &[]).await;
    check(json!({ "text": "a=b", "headers": { "x-a": "it's", "Content-Type": "text/csv" } }), &[]).await;
    let look = json!({ "url": "http://127.0.0.1:1/b", "contains": "roll-7" });
    check(json!({ "refused_status": [409], "look": look }), &["409: not done", "roll-7"]).await;
}

/// What a person sees of a spool is what is in it.
#[tokio::test]
async fn a_spool_is_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("it's $(touch no)").display().to_string();
    let items: Vec<Value> = (0..4).map(|id| json!({ "id": id.to_string() })).collect();
    let add = call(Purpose::Act, json!({ "folder": folder, "items": items }));
    plugin().run("spool_add", &FakeHost::default(), &add).await.unwrap();
    let shown = type_in(dir.path(), "", &commands("spool_peek", &json!({ "folder": folder, "most": 3 })));
    assert!(shown.contains("cursor.0.0.none"), "{shown}");
    let lines = shown.lines().filter(|line| line.starts_with('{'));
    let found: Vec<Value> = lines.map(|line| serde_json::from_str::<Value>(line).unwrap()["item"].clone()).collect();
    assert_eq!(found, items[..3]);
}

/// Each shipped action can say what a person does, but for the toy that only acts a part, for what only makes one value
/// of others, and for what changes a spool: there a hand would do harm.
#[test]
fn every_action_has_commands() {
    let plugin = plugin();
    for action in &plugin.describe().actions {
        let operation = action.name.operation();
        for example in &action.examples {
            let found = !commands(operation, &example.with).is_empty();
            assert_eq!(
                found,
                !["toy", "join", "spool_add", "spool_drop"].contains(&operation),
                "{operation}: {}",
                example.summary
            );
        }
    }
}
