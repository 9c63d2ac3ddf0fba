//! The host of one simulated process: the world's time and network, and secrets and files that live in memory only.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sluice_engine::run::{Clock, Hosts};
use sluice_plugin::{
    ActionName, Call, Host, HttpRequest, HttpResponse, Level, Problem, Progress, Secret, SecretRef, Timestamp,
};

use crate::world::World;

/// Hosts of one process. What it sealed is gone with it.
#[derive(Clone)]
pub struct SimHosts {
    world: World,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    secrets: BTreeMap<String, Secret>,
    files: BTreeMap<PathBuf, Secret>,
}

/// Where a private file would be. Nothing is ever written there.
const FOLDER: &str = "/simulated";

impl SimHosts {
    pub fn new(world: World) -> Self {
        Self { world, kept: Arc::default() }
    }

    /// Private files that were written, by path.
    pub fn files(&self) -> Vec<PathBuf> {
        self.kept().files.keys().cloned().collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of a step, or of the inventory.
    fn secret(&self, reference: &SecretRef) -> Option<Secret> {
        let kept = self.kept().secrets.get(&reference.0).cloned();
        let of_inventory = || self.world.secret(reference.0.strip_prefix("secrets.")?).map(Secret::new);
        kept.or_else(of_inventory)
    }

    /// With its secrets, as it goes over the network.
    fn filled(&self, mut request: HttpRequest) -> Result<HttpRequest, Problem> {
        for header in &mut request.headers {
            if let Some(reference) = header.secret.take() {
                header.value.push_str(self.secret(&reference).ok_or_else(gone)?.expose());
            }
        }
        Ok(request)
    }

    fn cleaned(&self, text: &str) -> Option<String> {
        let kept = self.kept();
        let known = kept.secrets.values().map(Secret::expose).filter(|secret| !secret.is_empty());
        let found: Vec<&str> = known.filter(|secret| text.contains(secret)).collect();
        (!found.is_empty()).then(|| found.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***")))
    }
}

fn gone() -> Problem {
    Problem::not_applied("secret_gone", "the value of this secret is not known any more")
}

impl Hosts for SimHosts {
    fn host(&self, _: &ActionName, call: &Call) -> Box<dyn Host> {
        Box::new(SimHost { run: call.run.clone(), step: call.step.clone(), hosts: self.clone() })
    }

    fn redact(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.redact_text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.redact(item)),
            Value::Object(object) => object.values_mut().for_each(|value| self.redact(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn redact_text(&self, text: &mut String) {
        if let Some(cleaned) = self.cleaned(text) {
            *text = cleaned;
        }
    }
}

struct SimHost {
    run: String,
    step: String,
    hosts: SimHosts,
}

#[async_trait]
impl Host for SimHost {
    fn now(&self) -> Timestamp {
        self.hosts.world.clock().now()
    }

    async fn sleep(&self, time: Duration) {
        self.hosts.world.clock().sleep(time).await;
    }

    fn log(&self, _: Level, _: &str) {}

    fn progress(&self, _: Progress) {}

    async fn http(&self, request: HttpRequest) -> Result<HttpResponse, Problem> {
        self.hosts.world.http(&self.hosts.filled(request)?).await
    }

    fn reveal(&self, leaf: &Value) -> Result<Secret, Problem> {
        if let Some(text) = leaf.as_str() {
            return Ok(Secret::new(text));
        }
        let found = SecretRef::from_json(leaf).and_then(|one| self.hosts.secret(&one));
        found.ok_or_else(gone)
    }

    fn seal(&self, pointer: &str, secret: Secret) -> Value {
        let reference = SecretRef(format!("steps.{}#{pointer}", self.step));
        self.hosts.kept().secrets.insert(reference.0.clone(), secret);
        reference.to_json()
    }

    fn private_file(&self, name: &str, content: &Secret) -> Result<PathBuf, Problem> {
        let path = PathBuf::from(FOLDER).join(&self.run).join(name);
        self.hosts.kept().files.insert(path.clone(), content.clone());
        Ok(path)
    }
}
