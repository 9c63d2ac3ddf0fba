//! Secrets of the inventory in steps: they reach whom they are meant for, and stand nowhere else.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sluice_lab::{Lab, Options};

use crate::common::parameters;
use crate::common::sluice::{Done, Sluice};

const OF_ENV: &str = "env-correct-horse-battery-staple";
const OF_FILE: &str = "file-correct-horse-battery-staple";
const OF_SSM: &str = "ssm-correct-horse-battery-staple";

const RUNBOOK: &str = r#"
runbook: ask
inputs:
  cluster: { type: cluster }
  url: { type: string }
steps:
  - id: ask
    uses: base.http_get
    with:
      url: "{{ inputs.url }}"
      bearer: "{{ secrets.of_env }}"
      headers: { x-cluster: "{{ inputs.cluster.name }}" }
      secret_headers: { x-file: "{{ secrets.of_file }}", x-parameter: "{{ secrets.of_ssm }}" }
outputs:
  said: "{{ steps.ask.body }}"
"#;

/// One step hands a secret to a server; another one, which has none, reads what the server knows of it.
const TOLD: &str = r#"
runbook: told
inputs:
  url: { type: string }
steps:
  - id: ask
    uses: base.http_get
    with: { url: "{{ inputs.url }}", bearer: "{{ secrets.of_env }}" }
  - id: later
    uses: base.http_get
    with: { url: "{{ inputs.url }}" }
outputs:
  said: "{{ steps.later.body }}"
"#;

/// Answers every request with what it was asked, as a server that echoes would.
fn echo() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, seen) = channel();
    // Ends with the test's process.
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            let text = String::from_utf8(request).unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{text}", text.len());
            stream.write_all(head.as_bytes()).unwrap();
            let _ = sender.send(text);
        }
    });
    (address, seen)
}

/// The lab's inventory with what is added to it.
fn with_secrets(text: &str, address: SocketAddr, granted: &str) -> String {
    let plugins = format!(
        "plugins:\n  base: {{ grants: {{ http: [{{ origin: \"http://{address}\", private: true }}], secrets: [{granted}] }} }}\n"
    );
    let secrets = format!(
        "secrets:\n  of_env: {{ env: ASK_TOKEN, to: [\"http://{address}\"] }}\n  of_file: {{ file: token }}\n  \
         of_ssm: {{ ssm: /ask/token }}\n"
    );
    text.replace("plugins:\n", &plugins).replace("secrets:\n", &secrets)
}

fn ask(sluice: &Sluice, address: SocketAddr) -> Done {
    let url = format!("url=http://{address}/who");
    let done = sluice.run(&["run", "ask", "-i", "cluster=nats-staging", "-i", &url]);
    for secret in [OF_ENV, OF_FILE, OF_SSM] {
        assert!(!done.stdout.contains(secret) && !done.stderr.contains(secret), "{}", done.said());
    }
    done
}

#[tokio::test]
async fn secrets_reach_only_whom_they_are_for() {
    let lab = Lab::up(Options::default()).await.unwrap();
    parameters::put(&lab, "/ask/token", OF_SSM, "SecureString");
    let (address, seen) = echo();
    let mut sluice = Sluice::on_with(&lab, |text| with_secrets(&text, address, "of_env, of_file, of_ssm"));
    sluice.file("runbooks/ask.yaml", RUNBOOK);
    sluice.file("token", &format!("{OF_FILE}\n"));
    // Not set: nothing has begun.
    let done = ask(&sluice, address).expect_code(2);
    assert!(done.stderr.contains("the environment variable ASK_TOKEN is not set"), "{}", done.said());
    sluice.set("ASK_TOKEN", OF_ENV);
    let done = ask(&sluice, address).expect_code(0);
    let asked = seen.recv_timeout(Duration::from_secs(10)).unwrap().to_lowercase();
    for header in [
        format!("authorization: bearer {OF_ENV}"),
        format!("x-file: {OF_FILE}"),
        format!("x-parameter: {OF_SSM}"),
        "x-cluster: nats-staging".to_owned(),
    ] {
        assert!(asked.contains(&header), "{header}: {asked}");
    }
    // What the server said of them is told without them.
    assert!(done.stdout.contains("[redacted secrets.of_env]"), "{}", done.said());
    let shown = sluice.run(&["runs", "show", "last", "--json"]).expect_code(0);
    let store = fs::read_dir(sluice.home().join(".local/state/sluice")).unwrap().flatten();
    let store: Vec<u8> =
        store.filter(|file| file.path().is_file()).flat_map(|file| fs::read(file.path()).unwrap()).collect();
    let kept = format!("{}{}", shown.stdout, String::from_utf8_lossy(&store));
    assert!(store.len() > 1000 && kept.contains("secrets.of_env") && !kept.contains("correct-horse"), "{kept}");
    // It may go to that origin and nowhere else, whatever the plugin may reach.
    let to = format!("to: [\"http://{address}\"]");
    let of = |text: String| with_secrets(&text, address, "of_env, of_file, of_ssm");
    let mut bound = Sluice::on_with(&lab, |text| of(text).replace(&to, "to: [\"https://api.example.com\"]"));
    bound.set("ASK_TOKEN", OF_ENV);
    bound.file("runbooks/ask.yaml", RUNBOOK);
    bound.file("token", OF_FILE);
    let done = ask(&bound, address).expect_code(1);
    assert!(done.stderr.contains("may not be sent to"), "{}", done.said());
    // Gone from the parameter store, and gone from the inventory's grants.
    parameters::delete(&lab, "/ask/token");
    let done = ask(&sluice, address).expect_code(1);
    assert!(done.stderr.contains("/ask/token"), "{}", done.said());
    let mut other = Sluice::on_with(&lab, |text| with_secrets(&text, address, "of_env"));
    other.set("ASK_TOKEN", OF_ENV);
    other.file("runbooks/ask.yaml", &RUNBOOK.replace("secrets.of_ssm", "secrets.of_sms"));
    let done = ask(&other, address).expect_code(2);
    for part in ["error[unknown-secret]", "did you mean `of_ssm`", "error[ungranted-secret]", "secrets: [of_file]"] {
        assert!(done.stderr.contains(part), "{part}: {}", done.said());
    }
    assert!(seen.try_recv().is_err());
}

/// Says nothing to the second request, and tells the secret to whoever comes then.
fn gossip() -> (SocketAddr, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, asked) = channel();
    thread::spawn(move || {
        let mut held = Vec::new();
        for (number, mut stream) in listener.incoming().flatten().enumerate() {
            let _ = stream.read(&mut [0; 4096]).unwrap();
            let _ = sender.send(());
            if number == 1 {
                held.push(stream);
                continue;
            }
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", OF_ENV.len());
            stream.write_all(format!("{head}{OF_ENV}").as_bytes()).unwrap();
        }
    });
    (address, asked)
}

#[test]
fn a_run_that_goes_on_takes_out_what_only_a_done_step_was_given() {
    let (address, asked) = gossip();
    let mut sluice = Sluice::alone();
    sluice.trust(&format!(
        "plugins:\n  base: {{ grants: {{ http: [{{ origin: \"http://{address}\", private: true }}], secrets: [of_env] }} }}\n\
         secrets:\n  of_env: {{ env: ASK_TOKEN, to: [\"http://{address}\"] }}\n"
    ));
    sluice.file("runbooks/told.yaml", TOLD);
    sluice.set("ASK_TOKEN", OF_ENV);
    let running = sluice.start(&["run", "told", "-i", &format!("url=http://{address}/")]);
    for _ in 0..2 {
        asked.recv_timeout(Duration::from_secs(30)).unwrap();
    }
    kill(Pid::from_raw(running.pid().try_into().unwrap()), Signal::SIGKILL).unwrap();
    running.end();
    let done = sluice.run(&["resume", "last"]).expect_code(0);
    assert!(done.stdout.contains("[redacted secrets.of_env]") && !done.said().contains(OF_ENV), "{}", done.said());
    let shown = sluice.run(&["runs", "show", "last", "--json"]).expect_code(0);
    assert!(!shown.stdout.contains(OF_ENV), "{}", shown.stdout);
}
