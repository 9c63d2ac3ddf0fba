//! Actions that are only described. Nobody calls them: the tests answer in their place.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use serde_json::{Value, json};
use sluice_engine::registry::Registry;
use sluice_engine::runbook::{Actions, Book, Checked, Library, NoBook, load_book};
use sluice_engine::source::Source;
use sluice_plugin::{
    Abilities, Action, ActionName, ActionSpec, Call, Effect, GateClass, Host, Listed, NativePlugin, Outcome,
    PluginName, PluginSpec, Problem,
};

/// `toy.read`, `toy.change`, `toy.token` and `toy.lease` (both ephemeral, the second an act), `toy.gate`; `toy.once` and
/// `toy.send`, which may not be done twice: the second can be previewed and looked for.
/// `toy.destroy`, which can both as well, is beside them: plans have no use for it.
pub(crate) const OPERATIONS: [&str; 7] = ["read", "change", "token", "lease", "gate", "once", "send"];

struct Toy(&'static str);

#[async_trait]
impl Action for Toy {
    fn spec(&self) -> ActionSpec {
        let output = json!({
            "type": "object",
            "required": ["value", "yes", "items"],
            "properties": { "value": {}, "yes": { "type": "boolean" }, "items": { "type": "array" } },
        });
        ActionSpec {
            name: ActionName::parse(&format!("toy.{}", self.0)).unwrap(),
            summary: "Do nothing".into(),
            effect: match self.0 {
                "destroy" => Effect::Destroy,
                "change" | "lease" | "once" | "send" => Effect::Change,
                _ => Effect::Read,
            },
            idempotent: !matches!(self.0, "once" | "send" | "destroy"),
            gate: (self.0 == "gate").then_some(GateClass::Data),
            ephemeral: matches!(self.0, "token" | "lease"),
            input: json!({ "type": "object", "additionalProperties": false, "properties": { "value": {} } }),
            output,
            abilities: {
                let both = matches!(self.0, "send" | "destroy");
                Abilities { check: false, preview: both, reconcile: both }
            },
            permissions: Vec::new(),
            examples: Vec::new(),
            revision: 1,
        }
    }

    async fn run(&self, _: &dyn Host, _: &Call) -> Result<Outcome, Problem> {
        Err(Problem::not_applied("toy", "nobody calls this"))
    }
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry::default();
    let name = PluginName::parse("toy").unwrap();
    let spec = PluginSpec {
        name: name.clone(),
        version: "1".into(),
        summary: "Toys".into(),
        powers: Vec::new(),
        actions: Vec::new(),
    };
    let toys =
        || OPERATIONS.into_iter().chain(["destroy"]).map(|name| -> Listed { (name, Box::new(Toy(name))) }).collect();
    registry.add(name, move || Arc::new(NativePlugin::new(spec.clone(), toys()))).unwrap();
    registry
});

/// Runbooks behind the first one, each after a line `--- NAME`.
struct Shelf<'a>(Vec<(&'a str, &'a str)>);

impl Library for Shelf<'_> {
    fn book(&self, name: &str, _: &Book) -> Result<Book, NoBook> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        let (_, text) = found.ok_or_else(|| NoBook::Missing { why: format!("no book `{name}`"), help: None })?;
        Ok(Book { id: name.to_owned(), origin: "the shelf".into(), source: Source::new(format!("{name}.yaml"), *text) })
    }

    fn thresholds(&self, _: &Book, _: &str, _: Option<&str>) -> Result<Value, NoBook> {
        Ok(json!([]))
    }
}

pub(super) fn checked(text: &str) -> Result<Checked, String> {
    read(text, &*REGISTRY)
}

/// The first runbook of the text, with those behind it to call.
pub(crate) fn read(text: &str, actions: &dyn Actions) -> Result<Checked, String> {
    let mut texts = text.split("\n--- ");
    let source = Source::new("toy.yaml", texts.next().unwrap_or_default());
    let shelf = Shelf(texts.filter_map(|text| text.split_once('\n')).collect());
    match load_book(&Book { id: String::new(), origin: "a test".into(), source }, actions, &shelf) {
        Ok(loaded) => Ok(loaded.runbook),
        Err(errors) => Err(errors.iter().map(|error| format!("{error:?}\n")).collect()),
    }
}
