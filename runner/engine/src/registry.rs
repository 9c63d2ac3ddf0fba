//! Actions by name. The engine knows plugins only through this; the runner fills it in one place.
//!
//! A plugin is made when the first of its actions is named, an action described when it is: a runbook pays for nothing it does not use.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::Validator;
use serde_json::Value;
use sluice_plugin::{ActionName, ActionSpec, Plugin, PluginName, Problem};

use crate::fit::plainly_fits_a_call;
use crate::ids::Sha256;
use crate::runbook::Actions;

type Maker = Box<dyn Fn() -> Result<Arc<dyn Plugin>, String> + Send + Sync>;

/// What a plugin is made of that is not part of this program. A run keeps it, and goes on with what it kept.
pub trait Component: Send + Sync {
    /// Of its bytes, as somebody pinned it.
    fn sha256(&self) -> Sha256;

    fn bytes(&self) -> Result<Vec<u8>, String>;

    /// The plugin in these bytes, if this is their digest.
    fn plugin(&self, bytes: &[u8], sha256: Sha256) -> Result<Arc<dyn Plugin>, String>;
}

/// All plugins of this process.
#[derive(Clone, Default)]
pub struct Registry {
    plugins: BTreeMap<PluginName, Arc<Entry>>,
}

struct Entry {
    component: Option<Arc<dyn Component>>,
    make: Maker,
    made: OnceLock<Result<Loaded, String>>,
}

struct Loaded {
    plugin: Arc<dyn Plugin>,
    /// Those that were named so far.
    actions: Mutex<HashMap<String, Arc<Action>>>,
}

/// An action, ready to be called.
pub struct Action {
    pub spec: ActionSpec,
    pub plugin: Arc<dyn Plugin>,
    input: OnceLock<Result<Validator, String>>,
    output: OnceLock<Result<Validator, String>>,
    contract: OnceLock<Sha256>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("two plugins are called `{0}`")]
pub struct Duplicate(PluginName);

impl Registry {
    /// Adds a plugin. `make` is called at most once, and must give a plugin of this name.
    pub fn add(
        &mut self,
        name: PluginName,
        make: impl Fn() -> Arc<dyn Plugin> + Send + Sync + 'static,
    ) -> Result<(), Duplicate> {
        self.insert(name, Entry::new(None, Box::new(move || Ok(make()))))
    }

    /// The same for one that lives in a file. It may turn out to be none: then its actions are unknown, and this is said.
    pub fn add_component(&mut self, name: PluginName, component: Arc<dyn Component>) -> Result<(), Duplicate> {
        self.insert(name, Entry::of(component, |component| Ok((component.bytes()?, component.sha256()))))
    }

    fn insert(&mut self, name: PluginName, entry: Entry) -> Result<(), Duplicate> {
        if self.plugins.contains_key(&name) {
            return Err(Duplicate(name));
        }
        self.plugins.insert(name, Arc::new(entry));
        Ok(())
    }

    /// The components in which these actions live.
    pub fn components<'a>(
        &self,
        actions: impl Iterator<Item = &'a ActionName>,
    ) -> BTreeMap<PluginName, Arc<dyn Component>> {
        let named = actions.filter_map(|name| PluginName::parse(name.plugin()).ok());
        named
            .filter_map(|name| Some((self.component(&name)?.clone(), name)))
            .map(|(found, name)| (name, found))
            .collect()
    }

    pub fn component(&self, name: &PluginName) -> Option<&Arc<dyn Component>> {
        self.plugins.get(name)?.component.as_ref()
    }

    /// The same with other bytes of a component: those that a run kept.
    pub fn put(&mut self, name: &PluginName, bytes: Vec<u8>, sha256: Sha256) {
        if let Some(component) = self.component(name).cloned() {
            let entry = Entry::of(component, move |_| Ok((bytes.clone(), sha256)));
            self.plugins.insert(name.clone(), Arc::new(entry));
        }
    }

    pub fn action(&self, name: &ActionName) -> Option<Arc<Action>> {
        self.loaded(name)?.action(name.operation())
    }

    fn entry(&self, name: &ActionName) -> Option<&Entry> {
        self.plugins.get(&PluginName::parse(name.plugin()).ok()?).map(|entry| &**entry)
    }

    fn loaded(&self, name: &ActionName) -> Option<&Loaded> {
        self.entry(name)?.loaded().as_ref().ok()
    }

    /// Every plugin that could be made, made now if it was not before.
    pub fn plugins(&self) -> impl Iterator<Item = &Arc<dyn Plugin>> {
        self.plugins.values().filter_map(|entry| Some(&entry.loaded().as_ref().ok()?.plugin))
    }

    /// Those that could not be made, and why.
    pub fn failed(&self) -> impl Iterator<Item = (&PluginName, &str)> {
        self.plugins.iter().filter_map(|(name, entry)| Some((name, entry.loaded().as_ref().err()?.as_str())))
    }
}

/// What the checker asks.
impl Actions for Registry {
    fn spec(&self, name: &ActionName) -> Option<&ActionSpec> {
        self.loaded(name)?.plugin.action(name.operation())
    }

    fn names(&self) -> Vec<ActionName> {
        self.plugins().flat_map(|plugin| plugin.describe().actions.iter().map(|spec| spec.name.clone())).collect()
    }

    fn why_not(&self, name: &ActionName) -> Option<&str> {
        self.entry(name)?.loaded().as_ref().err().map(String::as_str)
    }

    fn check(&self, name: &ActionName, with: &Value) -> Vec<Problem> {
        self.action(name).map_or_else(Vec::new, |action| action.plugin.check(name.operation(), with))
    }
}

impl Entry {
    fn new(component: Option<Arc<dyn Component>>, make: Maker) -> Self {
        Self { component, make, made: OnceLock::new() }
    }

    fn of(
        component: Arc<dyn Component>,
        bytes: impl Fn(&dyn Component) -> Result<(Vec<u8>, Sha256), String> + Send + Sync + 'static,
    ) -> Self {
        let from = component.clone();
        let make = move || bytes(&*from).and_then(|(bytes, sha256)| from.plugin(&bytes, sha256));
        Self::new(Some(component), Box::new(make))
    }

    fn loaded(&self) -> &Result<Loaded, String> {
        self.made.get_or_init(|| Ok(Loaded { plugin: (self.make)()?, actions: Mutex::default() }))
    }
}

impl Loaded {
    fn action(&self, operation: &str) -> Option<Arc<Action>> {
        let mut actions = self.actions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(action) = actions.get(operation) {
            return Some(action.clone());
        }
        let action = Arc::new(Action::new(self.plugin.action(operation)?.clone(), self.plugin.clone()));
        actions.insert(operation.to_owned(), action.clone());
        Some(action)
    }
}

impl Action {
    fn new(spec: ActionSpec, plugin: Arc<dyn Plugin>) -> Self {
        Self { spec, plugin, input: OnceLock::new(), output: OnceLock::new(), contract: OnceLock::new() }
    }

    /// What is wrong with this `with`, each with a JSON pointer. Secret references stand for strings.
    pub fn input_errors(&self, with: &Value) -> Vec<(String, String)> {
        errors(&self.input, &self.spec.input, with)
    }

    /// What is wrong with this output.
    pub fn output_errors(&self, output: &Value) -> Vec<(String, String)> {
        errors(&self.output, &self.spec.output, output)
    }

    /// The digest of what a resumed run relies on. Made once: what is done every second begins with it every time.
    pub fn contract(&self) -> Sha256 {
        *self.contract.get_or_init(|| contract(&self.spec))
    }
}

fn contract(spec: &ActionSpec) -> Sha256 {
    let contract = serde_json::json!([
        spec.name.as_str(),
        spec.effect,
        spec.idempotent,
        spec.gate,
        spec.ephemeral,
        spec.input,
        spec.output,
        spec.revision,
    ]);
    Sha256::of(contract.to_string().as_bytes())
}

fn errors(cell: &OnceLock<Result<Validator, String>>, schema: &Value, instance: &Value) -> Vec<(String, String)> {
    if plainly_fits_a_call(schema, instance) {
        return Vec::new();
    }
    let validator =
        cell.get_or_init(|| jsonschema::draft202012::new(&admit_secrets(schema)).map_err(|error| error.to_string()));
    match validator {
        Ok(validator) if validator.is_valid(instance) => Vec::new(),
        Ok(validator) => validator
            .iter_errors(instance)
            .map(|error| (error.instance_path().to_string(), error.to_string()))
            .collect(),
        Err(error) => vec![(String::new(), format!("the action's own schema is not valid: {error}"))],
    }
}

/// Where a schema says `x-secret: true`, a reference may stand instead of the value.
fn admit_secrets(schema: &Value) -> Value {
    match schema {
        Value::Object(object) if object.get("x-secret") == Some(&Value::Bool(true)) => {
            let mut plain = object.clone();
            plain.remove("x-secret");
            serde_json::json!({ "anyOf": [plain, {
                "type": "object",
                "required": [sluice_plugin::SECRET_KEY],
                "additionalProperties": false,
                "properties": { sluice_plugin::SECRET_KEY: { "type": "string" } },
            }] })
        }
        Value::Object(object) => {
            Value::Object(object.iter().map(|(key, value)| (key.clone(), admit_secrets(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(admit_secrets).collect()),
        other => other.clone(),
    }
}
