//! Hosts for the tests: the real one with what a plugin was granted, and everything it let out.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use sluice_host::{
    Bound, Grants, HostParts, HttpGrant, Origin, ReadingPath, Redactor, Shared, Sink, SystemClock, Vault,
};
use sluice_plugin::{
    ActionName, Attempt, Call, Level, Outcome, Plugin as _, PluginName, Preview, Problem, Progress, Purpose, Secret,
    Timestamp,
};
use sluice_wasm::WasmPlugin;

pub(crate) const SECRET: &str = "hunter22-hunter22";

#[derive(Default)]
pub(crate) struct Said(pub(crate) Mutex<Vec<String>>);

impl Sink for Said {
    fn log(&self, _: &str, _: Level, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }

    fn progress(&self, _: &str, _: Progress) {}
}

pub(crate) struct Bench {
    pub(crate) said: Arc<Said>,
    shared: Shared,
    _dir: tempfile::TempDir,
}

pub(crate) fn grant(origin: &str, private: bool, read: &[&str]) -> HttpGrant {
    let read = read.iter().map(|path| ReadingPath::parse(path).unwrap()).collect();
    HttpGrant { origin: Origin::parse(origin).unwrap(), private, read, write: None }
}

/// A run in which the plugin `attacks` was granted this.
pub(crate) fn bench(http: Vec<HttpGrant>, secrets: &[&str]) -> Bench {
    let (dir, said) = (tempfile::tempdir().unwrap(), Arc::new(Said::default()));
    let vault = Arc::new(Vault::new(Arc::new(Redactor::new())));
    vault.keep("token", Secret::new(SECRET), Bound::Granted);
    let grants = Grants { http, secrets: secrets.iter().map(|name| (*name).to_owned()).collect() };
    let shared = Shared::new(HostParts {
        run: "run-1".into(),
        actor: "ana@laptop".into(),
        grants: BTreeMap::from([(PluginName::parse("attacks").unwrap(), grants)]),
        vault,
        private_base: dir.path().join("sluice"),
        clock: Arc::new(SystemClock),
        sink: said.clone(),
    });
    Bench { said, shared, _dir: dir }
}

pub(crate) fn call(purpose: Purpose, with: Value) -> Call {
    Call { run: "run-1".into(), step: "one".into(), attempt: Attempt(1), purpose, deadline: None, with }
}

fn in_time(time: Duration) -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(now.as_millis()).unwrap()).plus(time)
}

impl Bench {
    pub(crate) async fn run(
        &self,
        plugin: &WasmPlugin,
        action: &str,
        purpose: Purpose,
        with: Value,
    ) -> Result<Outcome, Problem> {
        self.call(plugin, action, call(purpose, with)).await
    }

    /// An act, with so much time.
    pub(crate) async fn cut(
        &self,
        plugin: &WasmPlugin,
        action: &str,
        with: Value,
        time: Duration,
    ) -> Result<Outcome, Problem> {
        self.call(plugin, action, Call { deadline: Some(in_time(time)), ..call(Purpose::Act, with) }).await
    }

    /// With so much time.
    pub(crate) async fn within(&self, plugin: &WasmPlugin, action: &str, time: Duration) -> Result<Outcome, Problem> {
        let deadline = Some(in_time(time));
        self.call(plugin, action, Call { deadline, ..call(Purpose::Read, serde_json::json!({})) }).await
    }

    async fn call(&self, plugin: &WasmPlugin, action: &str, call: Call) -> Result<Outcome, Problem> {
        let name = ActionName::parse(&format!("attacks.{action}")).unwrap();
        plugin.run(action, &self.shared.for_call(&name, &call), &call).await
    }

    pub(crate) async fn preview(&self, plugin: &WasmPlugin, action: &str, with: Value) -> Result<Preview, Problem> {
        let (name, call) = (ActionName::parse(&format!("attacks.{action}")).unwrap(), call(Purpose::Preview, with));
        plugin.preview(action, &self.shared.for_call(&name, &call), &call).await
    }

    /// What a store or a screen would be given of it.
    pub(crate) fn cleaned(&self, mut value: Value) -> String {
        self.shared.redactor().json(&mut value);
        value.to_string()
    }

    pub(crate) fn logged(&self) -> Vec<String> {
        self.said.0.lock().unwrap().clone()
    }
}

/// Answers every request with this, and remembers the first lines.
pub(crate) fn server(answer: impl Fn(&str) -> String + Send + 'static) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let lines = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut text) = (stream.unwrap(), vec![0; 16 << 10]);
            let read = stream.read(&mut text).unwrap_or(0);
            let line = String::from_utf8_lossy(&text[..read]).lines().next().unwrap_or_default().to_owned();
            lines.lock().unwrap().push(line.clone());
            let _ = stream.write_all(answer(&line).as_bytes());
        }
    });
    (address, seen)
}
