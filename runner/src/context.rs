//! What the verbs share, each part made when the first of them asks for it: inventory, registry, store, runtime.

use std::cell::{Cell, OnceCell};
use std::path::PathBuf;
use std::sync::Arc;

use sluice_engine::journal::Store;
use sluice_engine::registry::Registry;
use sluice_host::{Redactor, sweep};
use sluice_store::SqliteStore;

use crate::error::{CommandError, Result, visible_lines};
use crate::inventory::{self, Found};
use crate::screen::{Screen, Tone};
use crate::trust::{self, Trust};
use crate::verbs::Global;
use crate::{AroundStore, components, owners, paths, plugins, views};

pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) screen: Screen,
    /// Of the whole process: what one run knows to be secret is kept out of every log line too.
    pub(crate) redactor: Arc<Redactor>,
    around_store: AroundStore,
    found: OnceCell<Option<Found>>,
    trusted: OnceCell<bool>,
    /// That it is not trusted has been said.
    told: Cell<bool>,
    registry: OnceCell<Arc<Registry>>,
    actor: OnceCell<String>,
}

impl Context {
    pub(crate) fn new(global: Global, screen: Screen, around_store: AroundStore) -> Self {
        Self {
            global,
            screen,
            redactor: Arc::new(Redactor::new()),
            around_store,
            found: OnceCell::new(),
            trusted: OnceCell::new(),
            told: Cell::new(false),
            registry: OnceCell::new(),
            actor: OnceCell::new(),
        }
    }

    /// The same with nothing looked at yet. What is known to be secret stays known.
    pub(crate) fn anew(&self) -> Self {
        let fresh = Self::new(self.global.clone(), self.screen.clone(), self.around_store);
        Self { redactor: self.redactor.clone(), ..fresh }
    }

    /// The inventory that counts from here, trusted or not. Good for looking only.
    pub(crate) fn inventory(&self) -> Result<Option<&Found>> {
        if self.found.get().is_none() {
            let found = inventory::find(self.global.inventory.as_deref())?;
            return Ok(self.found.get_or_init(|| found).as_ref());
        }
        Ok(self.found.get().and_then(Option::as_ref))
    }

    /// The inventory, if it is there and trusted. One that is not counts for nothing, and a line says so.
    pub(crate) fn trusted_inventory(&self) -> Result<Option<&Found>> {
        let Some(found) = self.inventory()? else { return Ok(None) };
        let trusted = self.is_trusted(found)?;
        if !trusted && !self.told.replace(true) {
            self.note(&format!(
                "the inventory {} is not trusted and not used; {}",
                found.shown(),
                trust::command(found)
            ));
        }
        Ok(trusted.then_some(found))
    }

    /// Whether the inventory that counts from here is trusted as it is, and safe from others.
    pub(crate) fn is_trusted(&self, found: &Found) -> Result<bool> {
        if let Some(trusted) = self.trusted.get() {
            return Ok(*trusted);
        }
        let trusted = trust::safe(found).is_ok() && trust::state(found)? == Trust::Trusted;
        Ok(*self.trusted.get_or_init(|| trusted))
    }

    pub(crate) fn registry(&self) -> Result<Arc<Registry>> {
        if let Some(registry) = self.registry.get() {
            return Ok(registry.clone());
        }
        let registry = Arc::new(plugins::registry(components::own(self))?);
        Ok(self.registry.get_or_init(|| registry).clone())
    }

    /// Where runs are kept: where the trusted inventory says, else in the user's state folder.
    pub(crate) fn store_folder(&self) -> Result<PathBuf> {
        let found = self.trusted_inventory()?;
        match found.and_then(|found| Some((found, found.inventory.store.path.as_deref()?))) {
            Some((found, path)) => paths::expand(path, found.folder()),
            None => paths::state(),
        }
    }

    pub(crate) fn store(&self) -> Result<Arc<dyn Store>> {
        let folder = self.store_folder()?;
        let store = SqliteStore::open(&folder).map_err(|error| {
            CommandError::from(error)
                .hint(format!("runs are kept in {}; `sluice doctor` looks closer", folder.display()))
        })?;
        Ok((self.around_store)(Arc::new(store)))
    }

    /// What killed processes left behind goes first, whatever was asked for.
    pub(crate) fn sweep_private(&self) {
        for base in paths::all_private() {
            match sweep(&base) {
                Ok(swept) => {
                    if !swept.gone.is_empty() {
                        let count = views::text::many(swept.gone.len(), "run");
                        self.note(&format!("removed the private files that {count} left behind when killed"));
                    }
                    for left in swept.left {
                        self.note(&format!("private files of a killed run are left, remove them by hand: {left}"));
                    }
                }
                Err(error) => self.note(&format!("private files of killed runs could not be removed: {error}")),
            }
        }
    }

    /// One thread: what is waited for is outside, and a store of SQLite is called inline. What still hangs in the system
    /// afterwards (a silent name server) is not waited for.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| CommandError::failed(format!("cannot wait for events: {error}")))?;
        let done = runtime.block_on(work);
        runtime.shutdown_background();
        Ok(done)
    }

    /// Who acts: `ana@laptop`. The machine's word, no proof.
    pub(crate) fn actor(&self) -> String {
        self.actor.get_or_init(Self::asked_actor).clone()
    }

    fn asked_actor() -> String {
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
        let name = user.map_or_else(|| nix::unistd::geteuid().to_string(), |user| user.name);
        format!("{name}@{}", owners::hostname())
    }

    /// One line for the person at the terminal.
    pub(crate) fn note(&self, text: &str) {
        views::err(&format!("{} {}\n", self.screen.err.paint(Tone::Warn, "note:"), visible_lines(text)));
    }
}
