//! What all calls of one run share, and the host each of them gets.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sluice_plugin::{
    ActionName, Call, Host, HttpRequest, HttpResponse, Level, ONLY_IN_A_RUN, PluginName, Problem, Progress, Purpose,
    Secret, SecretRef, Timestamp,
};

use crate::clock::Clock;
use crate::grants::{Grants, denied_for_good};
use crate::http::{Clients, Exchange};
use crate::private::{PrivateError, PrivateFolder};
use crate::redact::Redactor;
use crate::vault::Vault;

/// Longer log messages are cut: a plugin that logs a whole answer must not fill the disk.
const LONGEST_LOG: usize = 8 << 10;

/// Where the words of plugins go. They are redacted already, and not yet escaped for any view.
pub trait Sink: Send + Sync {
    fn log(&self, step: &str, level: Level, text: &str);

    fn progress(&self, step: &str, progress: Progress);
}

/// What a run gives its host. Nothing of it is used before a plugin asks for it.
pub struct HostParts {
    /// The run's id; names its private folder.
    pub run: String,
    /// Who acts, `ana@laptop`.
    pub actor: String,
    /// What each plugin was granted; one that is not here was granted nothing.
    pub grants: BTreeMap<PluginName, Grants>,
    pub vault: Arc<Vault>,
    /// The folder under which all runs of this user keep their private files.
    pub private_base: PathBuf,
    pub clock: Arc<dyn Clock>,
    pub sink: Arc<dyn Sink>,
}

/// One per run; cheap to clone.
#[derive(Clone)]
pub struct Shared {
    inner: Arc<Inner>,
}

struct Inner {
    run: String,
    actor: String,
    grants: BTreeMap<PluginName, Arc<Grants>>,
    nothing: Arc<Grants>,
    vault: Arc<Vault>,
    private_base: PathBuf,
    private: Mutex<Private>,
    clock: Arc<dyn Clock>,
    sink: Arc<dyn Sink>,
    clients: Clients,
}

enum Private {
    /// A plan writes nothing at all.
    Never,
    NotYet,
    Open(PrivateFolder),
    Ended,
}

/// The host of one call.
pub struct CallHost {
    shared: Arc<Inner>,
    grants: Arc<Grants>,
    action: ActionName,
    step: String,
    purpose: Purpose,
    deadline: Option<Timestamp>,
    /// The secrets that stand in this call's `with`.
    given: Vec<SecretRef>,
    /// What this very call has sealed.
    sealed: Mutex<Vec<SecretRef>>,
}

impl Shared {
    pub fn new(parts: HostParts) -> Self {
        Self::with(parts, Private::NotYet, Clients::default())
    }

    /// One to which names lead where this says.
    #[cfg(test)]
    pub(crate) fn of_names(parts: HostParts, names: crate::http::Names) -> Self {
        Self::with(parts, Private::NotYet, Clients::new(names))
    }

    /// For a plan: whatever a call is for, it writes no private file, and the refusal says that only a run does.
    pub fn of_plan(parts: HostParts) -> Self {
        Self::with(parts, Private::Never, Clients::default())
    }

    fn with(parts: HostParts, private: Private, clients: Clients) -> Self {
        let inner = Inner {
            run: parts.run,
            actor: parts.actor,
            grants: parts.grants.into_iter().map(|(plugin, grants)| (plugin, Arc::new(grants))).collect(),
            nothing: Arc::default(),
            vault: parts.vault,
            private_base: parts.private_base,
            private: Mutex::new(private),
            clock: parts.clock,
            sink: parts.sink,
            clients,
        };
        Self { inner: Arc::new(inner) }
    }

    /// `action` is the one that is called.
    pub fn for_call(&self, action: &ActionName, call: &Call) -> CallHost {
        let mut given = Vec::new();
        references(&call.with, &mut given);
        let plugin = self.inner.grants.iter().find(|(plugin, _)| plugin.as_str() == action.plugin());
        CallHost {
            grants: plugin.map_or(&self.inner.nothing, |(_, grants)| grants).clone(),
            shared: self.inner.clone(),
            action: action.clone(),
            step: call.step.clone(),
            purpose: call.purpose,
            deadline: call.deadline,
            given,
            sealed: Mutex::default(),
        }
    }

    pub fn vault(&self) -> &Vault {
        &self.inner.vault
    }

    pub fn redactor(&self) -> &Arc<Redactor> {
        self.inner.vault.redactor()
    }

    /// Removes the run's private files, for `finally` and for signals. From then on none can be written. What is still
    /// there when the last clone is dropped is removed then.
    pub fn end(&self) -> Result<(), PrivateError> {
        let mut private = self.inner.private.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*private, Private::Never) {
            return Ok(());
        }
        match std::mem::replace(&mut *private, Private::Ended) {
            Private::Open(mut folder) => folder.remove(),
            Private::Never | Private::NotYet | Private::Ended => Ok(()),
        }
    }
}

impl Inner {
    fn is_of_plan(&self) -> bool {
        matches!(*self.private.lock().unwrap_or_else(PoisonError::into_inner), Private::Never)
    }

    fn private_file(&self, name: &str, content: &Secret) -> Result<PathBuf, PrivateError> {
        let mut private = self.private.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*private, Private::NotYet) {
            *private = Private::Open(PrivateFolder::create(&self.private_base, &self.run)?);
        }
        match &*private {
            Private::Open(folder) => folder.write(name, content.expose().as_bytes()),
            Private::Never | Private::NotYet | Private::Ended => Err(PrivateError::Ended),
        }
    }
}

impl CallHost {
    /// A secret of the inventory has to be granted to the plugin; one that another step made, given to this call.
    fn may_use(&self, reference: &SecretRef) -> Result<(), Problem> {
        if let Some(name) = Vault::inventory_name(reference) {
            return self.grants.secret(&self.action, name);
        }
        if self.given.contains(reference) || self.sealed().contains(reference) {
            return Ok(());
        }
        let message = format!(
            "plugin {} may not use {}: it does not stand in this step's `with`",
            self.action.plugin(),
            reference.0
        );
        Err(denied_for_good(message))
    }

    fn sealed(&self) -> MutexGuard<'_, Vec<SecretRef>> {
        self.sealed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever only looks, ahead or back, writes nowhere; and a plan does not even where a run would.
    fn may_write_private(&self) -> Result<(), Problem> {
        let refused = |code, why: &str| Err(Problem::not_applied(code, format!("no private file is written {why}")));
        match self.purpose {
            Purpose::Preview => refused("denied", "to look ahead"),
            Purpose::Reconcile => refused("denied", "to look whether something happened"),
            Purpose::Read | Purpose::Act if self.shared.is_of_plan() => {
                refused(ONLY_IN_A_RUN, "by a plan: this step is made in the run")
            }
            Purpose::Read | Purpose::Act => Ok(()),
        }
    }

    /// What is left until the deadline, if there is one, and never more than was asked for.
    fn within_deadline(&self, time: Duration) -> Duration {
        self.deadline.map_or(time, |deadline| time.min(deadline.since(self.shared.clock.now())))
    }

    fn clean(&self, mut problem: Problem) -> Problem {
        let redactor = self.shared.vault.redactor();
        problem.message = redactor.text(&problem.message).into_owned();
        problem.details.iter_mut().for_each(|details| redactor.json(details));
        problem
    }
}

#[async_trait]
impl Host for CallHost {
    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    fn actor(&self) -> &str {
        &self.shared.actor
    }

    async fn sleep(&self, time: Duration) {
        self.shared.clock.sleep(time).await;
    }

    fn log(&self, level: Level, message: &str) {
        let text = self.shared.vault.redactor().text(message);
        match cut(&text, LONGEST_LOG) {
            Some(short) => {
                let rest = text.len() - short.len();
                self.shared.sink.log(&self.step, level, &format!("{short} [{rest} more bytes]"));
            }
            None => self.shared.sink.log(&self.step, level, &text),
        }
    }

    fn progress(&self, mut progress: Progress) {
        progress.note = self.shared.vault.redactor().text(&progress.note).into_owned();
        self.shared.sink.progress(&self.step, progress);
    }

    async fn http(&self, request: HttpRequest) -> Result<HttpResponse, Problem> {
        let exchange = Exchange {
            action: &self.action,
            grants: &self.grants,
            purpose: self.purpose,
            clients: &self.shared.clients,
            vault: &self.shared.vault,
            may_use: &|reference| self.may_use(reference),
        };
        let limit = self.within_deadline(request.timeout);
        exchange.send(request, limit).await.map_err(|problem| self.clean(problem))
    }

    fn reveal(&self, leaf: &Value) -> Result<Secret, Problem> {
        if let Some(text) = leaf.as_str() {
            self.shared.vault.redactor().add("value", text);
            return Ok(Secret::new(text));
        }
        let reference = SecretRef::from_json(leaf).ok_or_else(|| {
            Problem::not_applied("bad_input", "a secret is a text or a reference, and this is neither")
        })?;
        self.may_use(&reference)?;
        self.shared.vault.reveal(&reference)
    }

    fn seal(&self, pointer: &str, secret: Secret) -> Value {
        let reference = self.shared.vault.seal(&self.step, pointer, secret);
        let leaf = reference.to_json();
        self.sealed().push(reference);
        leaf
    }

    fn private_file(&self, name: &str, content: &Secret) -> Result<PathBuf, Problem> {
        self.may_write_private()?;
        // A creds file is a secret as a whole, and so are its lines. A name or an address in a file of its own is none:
        // redacting it would garble every path and every message that holds it.
        if self.shared.vault.redactor().finds(content.expose()) {
            self.shared.vault.redactor().add(name, content.expose());
        }
        let written = self.shared.private_file(name, content);
        written.map_err(|error| self.clean(Problem::not_applied("private_file", error.to_string())))
    }
}

fn references(value: &Value, found: &mut Vec<SecretRef>) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(fields) => match SecretRef::from_json(value) {
            Some(reference) => found.push(reference),
            None => fields.values().for_each(|field| references(field, found)),
        },
    }
}

/// The beginning of a text that is too long, cut between two characters.
fn cut(text: &str, most: usize) -> Option<&str> {
    if text.len() <= most {
        return None;
    }
    text.get(..text.floor_char_boundary(most))
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
