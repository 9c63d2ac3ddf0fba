//! For tests: Run Command of Systems Manager over the groups of a small cluster, as a test says that it answers.
//!
//! Where a test wants it, the text that was sent is run by this machine's own shell, with programs that the test wrote.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::standin::{Answer, Request, StandIn};
use crate::standin_cloud::{self as cloud, Group};

pub(crate) const ID: &str = "0831e1a8-a1ac-4257-a1fd-c831bb48d1bb";

pub(crate) struct Commands {
    pub(crate) groups: Vec<Group>,
    /// What the agent of every instance says; none is registered without.
    pub(crate) ping: Option<&'static str>,
    /// Instead of taking a command.
    pub(crate) send: Option<Answer>,
    /// What each look at the command sees, the last one from then on.
    pub(crate) looks: Vec<Look>,
    /// What is in the history, page by page.
    pub(crate) history: Vec<Vec<Value>>,
}

#[derive(Clone)]
pub(crate) enum Look {
    Says(Answer),
    /// It is over, and this machine's shell says how, where these programs come before its own. Of what it printed so many
    /// characters are kept.
    Runs(BTreeMap<&'static str, String>, usize),
}

impl Commands {
    /// A node that is there, and a command that ends well.
    pub(crate) fn well() -> Self {
        Self {
            groups: vec![Group::well(1), Group::well(2)],
            ping: Some("Online"),
            send: None,
            looks: vec![Look::Says(ended("Success", 0, "out", "err"))],
            history: vec![Vec::new()],
        }
    }

    pub(crate) fn seen(looks: impl IntoIterator<Item = Answer>) -> Self {
        Self { looks: looks.into_iter().map(Look::Says).collect(), ..Self::well() }
    }

    pub(crate) fn running(programs: &[(&'static str, &str)], kept: usize) -> Self {
        let programs = programs.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        Self { looks: vec![Look::Runs(programs, kept)], ..Self::well() }
    }

    pub(crate) fn but(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) async fn start(self) -> StandIn {
        let sent = Mutex::new(String::new());
        StandIn::start(move |request, nth| self.answer(request, nth, &sent)).await
    }

    fn answer(&self, request: &Request, nth: usize, sent: &Mutex<String>) -> Answer {
        let body = || serde_json::from_str::<Value>(&request.body).unwrap();
        match request.operation.as_str() {
            "DescribeInstanceInformation" => self.agents(&body()),
            "SendCommand" => {
                *sent.lock().unwrap() = body()["Parameters"]["commands"][0].as_str().unwrap().to_owned();
                let taken = json!({ "Command": { "CommandId": ID, "Status": "Pending" } });
                self.send.clone().unwrap_or_else(|| Answer::json(&taken))
            }
            "GetCommandInvocation" => match &self.looks[(nth - 1).min(self.looks.len() - 1)] {
                Look::Says(answer) => answer.clone(),
                Look::Runs(programs, kept) => run(&sent.lock().unwrap(), programs, *kept),
            },
            "CancelCommand" => Answer::json(&json!({})),
            "ListCommands" => {
                let mut page = json!({ "Commands": self.history[nth - 1] });
                if nth < self.history.len() {
                    page["NextToken"] = json!(format!("t{nth}"));
                }
                Answer::json(&page)
            }
            _ => cloud::answer(&self.groups, request),
        }
    }

    fn agents(&self, body: &Value) -> Answer {
        let id = &body["Filters"][0]["Values"][0];
        let one = |ping: &&str| {
            json!({
                "InstanceId": id, "PingStatus": ping, "LastPingDateTime": 1_795_370_086.927, "AgentVersion": "3.3.1",
                "PlatformName": "Amazon Linux", "PlatformVersion": "2023",
            })
        };
        Answer::json(&json!({ "InstanceInformationList": self.ping.iter().map(one).collect::<Vec<_>>() }))
    }
}

/// A look at a command, by its status details, without spaces as AWS also writes them.
pub(crate) fn looked(status: &str, details: &str, code: i32) -> Answer {
    invocation(status, details, code, ("", ""))
}

/// One that ended by itself.
pub(crate) fn ended(status: &str, code: i32, stdout: &str, stderr: &str) -> Answer {
    invocation(status, status, code, (stdout, stderr))
}

pub(crate) fn invocation(status: &str, details: &str, code: i32, (stdout, stderr): (&str, &str)) -> Answer {
    let begun = if code >= 0 { "2026-11-22T17:54:46.927Z" } else { "" };
    Answer::json(&json!({
        "CommandId": ID, "InstanceId": "i-1", "Status": status, "StatusDetails": details, "ResponseCode": code,
        "StandardOutputContent": stdout, "StandardErrorContent": stderr, "ExecutionStartDateTime": begun,
    }))
}

/// What AWS says of a command that its lists do not have yet.
pub(crate) fn not_listed() -> Answer {
    Answer::json_error(400, "InvocationDoesNotExist", "")
}

fn run(text: &str, programs: &BTreeMap<&str, String>, kept: usize) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    for (name, program) in programs {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{program}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let output = Command::new("sh").args(["-c", text]).env_clear().env("PATH", path).output().unwrap();
    let stdout: String = String::from_utf8_lossy(&output.stdout).chars().take(kept).collect();
    let code = output.status.code().unwrap();
    ended(if code == 0 { "Success" } else { "Failed" }, code, &stdout, &String::from_utf8_lossy(&output.stderr))
}
