//! What the expressions of a step speak of: the paths in it, and the secrets of the inventory among them. Evaluates
//! nothing and fetches no secret.

use serde_json::{Map, Value};
use sluice_plugin::ActionName;

use super::checked::{Call, Checked, InputKind, Kind, Loop, Session, Step, Tree};
use crate::diagnostic::{Code, Diagnostic, did_you_mean, list};
use crate::expr::{self, Expr, Key, Path};
use crate::inventory::{Inventory, SecretName};
use crate::source::Span;

/// A step that hands a secret of the inventory to an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretUse {
    pub name: SecretName,
    pub action: ActionName,
    /// Of the step.
    pub span: Span,
}

impl Checked {
    /// Every use of `secrets.NAME`, in the order of the runbook; those of called runbooks follow.
    pub fn secrets(&self) -> Vec<SecretUse> {
        let called = self.called().into_iter().flat_map(|call| call.runbook.own_secrets());
        self.own_secrets().into_iter().chain(called).collect()
    }

    /// The same without those of steps that these inputs alone leave out, here and in what is called.
    pub fn secrets_with(&self, inputs: &Value) -> Vec<SecretUse> {
        self.uses_with(inputs).into_iter().map(|(_, used)| used).collect()
    }

    fn own_secrets(&self) -> Vec<SecretUse> {
        self.walk().flat_map(secrets_of).collect()
    }

    /// Each with the runbook in which it stands.
    fn uses_with(&self, inputs: &Value) -> Vec<(&Self, SecretUse)> {
        let scope = Map::from_iter([("inputs".to_owned(), inputs.clone())]);
        let mut open: Vec<&Step> = self.finally.iter().rev().chain(self.steps.iter().rev()).collect();
        let mut found = Vec::new();
        while let Some(step) = open.pop() {
            // What speaks of anything but inputs is known only in the run.
            let known = |when: &&Expr| expr::roots(when).into_iter().all(|path| is_known(path, inputs));
            if step.when.as_ref().filter(known).is_some_and(|when| expr::truth(when, &scope) == Ok(false)) {
                continue;
            }
            found.extend(secrets_of(step).into_iter().map(|used| (self, used)));
            if let Kind::Call(call) = &step.kind {
                found.extend(call.runbook.uses_with(&call.known_inputs(&scope)));
            }
            open.extend(step.children().iter().rev());
        }
        found
    }

    /// Those of these steps.
    pub fn secrets_in<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Vec<SecretUse> {
        steps.into_iter().flat_map(secrets_of).collect()
    }

    /// What is wrong with these uses under this inventory: secrets it does not name, or does not grant.
    pub fn secret_errors(&self, inventory: &Inventory, inputs: &Value) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for (book, used) in self.uses_with(inputs) {
            // What several call is told once.
            found.extend(book.secret_error(&used, inventory).filter(|error| !found.contains(error)));
        }
        found
    }

    fn secret_error(&self, used: &SecretUse, inventory: &Inventory) -> Option<Diagnostic> {
        let SecretUse { name, action, span } = used;
        let plugin = action.plugin();
        let error =
            |code, message: String, label: String| Diagnostic::error(code, message).at(&self.source, *span, label);
        if !inventory.secrets.contains_key(name) {
            let names = || inventory.secrets.keys().map(SecretName::as_str);
            let label = did_you_mean(name.as_str(), names()).unwrap_or_default();
            let found = error(Code::UnknownSecret, format!("the inventory has no secret `{name}`"), label);
            let named = if inventory.secrets.is_empty() { "nothing".to_owned() } else { list(names(), "and") };
            let place = format!("secrets: {{ {name}: {{ env: {} }} }}", name.as_str().to_ascii_uppercase());
            let help = format!("its `secrets` name {named}; say where it is fetched: {place}");
            return Some(found.help(format!("{help}, and who may use it: {}", granting(plugin, name))));
        }
        let mut entries = inventory.plugins.iter().filter(|(known, _)| known.as_str() == plugin);
        if entries.any(|(_, entry)| entry.secrets.contains(name)) {
            return None;
        }
        let found =
            error(Code::UngrantedSecret, format!("the plugin {plugin} may not use the secret `{name}`"), String::new());
        Some(found.help(format!("to allow it, write into the inventory: {}", granting(plugin, name))))
    }
}

/// Whether an expression that speaks of this can be judged by these inputs; what speaks of steps fails by itself.
fn is_known(path: &Path, inputs: &Value) -> bool {
    let name = path.parts.first().map(|part| &part.key);
    match name {
        Some(Key::Name(name)) if path.root == "inputs" => inputs.get(name).is_some(),
        _ => true,
    }
}

/// The line of the inventory that lets a plugin use a secret.
fn granting(plugin: &str, secret: &SecretName) -> String {
    format!("plugins: {{ {plugin}: {{ grants: {{ secrets: [{secret}] }} }} }}")
}

impl Call {
    /// What can be said of its inputs before anything has run; the others are left out.
    fn known_inputs(&self, scope: &Map<String, Value>) -> Value {
        let plain = |kind: &InputKind| matches!(kind, InputKind::Plain(_) | InputKind::Duration);
        let defaults = self.runbook.inputs.iter().filter(|(_, input)| plain(&input.kind));
        let defaults = defaults.filter_map(|(name, input)| Some((name.clone(), input.default.clone()?)));
        let mut inputs: Map<String, Value> = defaults.collect();
        match &self.with {
            Tree::Constant(Value::Object(given)) => inputs.extend(given.clone()),
            Tree::Map(given) => {
                for (name, tree) in given {
                    inputs.remove(name);
                    let known = match tree {
                        Tree::Constant(value) => Some(value.clone()),
                        Tree::Leaf(template) => expr::render(template, scope).ok(),
                        Tree::Seq(_) | Tree::Map(_) => None,
                    };
                    inputs.extend(known.map(|value| (name.clone(), value)));
                }
            }
            Tree::Constant(_) | Tree::Leaf(_) | Tree::Seq(_) => {}
        }
        Value::Object(inputs)
    }
}

impl Step {
    /// The paths in its own expressions, without those of steps inside it.
    pub fn paths(&self) -> Vec<&Path> {
        let mut found = self.paths_of_when();
        self.for_each.iter().for_each(|each| found.extend(each.paths_of_items()));
        self.for_each.iter().for_each(|each| found.extend(each.paths_of_choice()));
        found.extend(self.paths_of_confirm());
        found.extend(self.paths_of_body());
        found
    }

    /// What the person who says yes has to type is made of.
    pub fn paths_of_confirm(&self) -> Vec<&Path> {
        self.confirm.iter().flat_map(|confirm| expr::template_roots(&confirm.typed)).collect()
    }

    /// What decides whether it begins.
    pub fn paths_of_when(&self) -> Vec<&Path> {
        self.when.iter().flat_map(expr::roots).collect()
    }

    /// What it does, once it has begun.
    pub fn paths_of_body(&self) -> Vec<&Path> {
        let mut found = Vec::new();
        match &self.kind {
            Kind::Use(used) => in_tree(&used.with, &mut found),
            Kind::Gate(gate) => {
                in_tree(&gate.with, &mut found);
                for expect in &gate.expect {
                    found.extend(expr::roots(&expect.that));
                    expect.otherwise.iter().for_each(|template| found.extend(expr::template_roots(template)));
                }
                let watched = gate.passes.progress.iter().map(|progress| &progress.value);
                let watched = watched.chain(gate.passes.fail_if.iter().map(|fail_if| &fail_if.that));
                found.extend(watched.flat_map(expr::roots));
            }
            Kind::Call(call) => in_tree(&call.with, &mut found),
            Kind::Group(_) => {}
        }
        found
    }

    fn action(&self) -> Option<&ActionName> {
        match &self.kind {
            Kind::Use(used) => Some(&used.action),
            Kind::Gate(gate) => Some(&gate.action),
            Kind::Group(_) | Kind::Call(_) => None,
        }
    }
}

impl Checked {
    /// The paths in what it gives.
    pub fn output_paths(&self) -> Vec<&Path> {
        let mut found = Vec::new();
        self.outputs.values().for_each(|tree| in_tree(tree, &mut found));
        found
    }

    /// Whether what it gives lives only as long as the process that made it.
    fn gives_ephemeral(&self) -> bool {
        let named = |step: &Step| self.output_paths().into_iter().any(|path| step_of(path) == Some(step.id.as_str()));
        self.steps.iter().any(|step| named(step) && step.kind.is_ephemeral())
    }
}

impl Kind {
    /// Whether the output lives only as long as the process that made it.
    pub fn is_ephemeral(&self) -> bool {
        match self {
            Self::Use(used) => used.ephemeral,
            Self::Gate(_) => false,
            Self::Group(group) => group.steps.iter().any(|step| step.kind.is_ephemeral()),
            Self::Call(call) => call.runbook.gives_ephemeral(),
        }
    }
}

impl Tree {
    /// The paths in its expressions.
    pub fn paths(&self) -> Vec<&Path> {
        let mut found = Vec::new();
        in_tree(self, &mut found);
        found
    }
}

impl Loop {
    /// What its items are made of.
    pub fn paths_of_items(&self) -> Vec<&Path> {
        let mut found = Vec::new();
        in_tree(&self.over, &mut found);
        found
    }

    /// What its next item is chosen by.
    pub fn paths_of_choice(&self) -> Vec<&Path> {
        let mut found = Vec::new();
        if let Some(next_by) = &self.next_by {
            next_by.read.iter().for_each(|read| in_tree(&read.with, &mut found));
            found.extend(expr::roots(&next_by.by));
        }
        found
    }
}

/// The step that a path speaks of.
pub(crate) fn step_of(path: &Path) -> Option<&str> {
    match path.parts.first().map(|part| &part.key) {
        Some(Key::Name(name)) if path.root == "steps" => Some(name),
        _ => None,
    }
}

impl Session {
    /// The paths in its expressions.
    pub fn paths(&self) -> Vec<&Path> {
        let templates = self.command.iter().chain(self.env.values()).chain(&self.banner);
        templates.flat_map(expr::template_roots).collect()
    }
}

fn in_tree<'a>(tree: &'a Tree, found: &mut Vec<&'a Path>) {
    match tree {
        Tree::Constant(_) => {}
        Tree::Leaf(template) => found.extend(expr::template_roots(template)),
        Tree::Seq(items) => items.iter().for_each(|item| in_tree(item, found)),
        Tree::Map(entries) => entries.values().for_each(|value| in_tree(value, found)),
    }
}

fn secrets_of(step: &Step) -> Vec<SecretUse> {
    let named = |path: &Path| match path.parts.first().map(|part| &part.key) {
        Some(Key::Name(name)) if path.root == "secrets" => SecretName::parse(name),
        _ => None,
    };
    let used = |paths: Vec<&Path>, action: &ActionName| -> Vec<SecretUse> {
        let names = paths.into_iter().filter_map(named);
        names.map(|name| SecretUse { name, action: action.clone(), span: step.span }).collect()
    };
    let read = step.for_each.as_ref().and_then(|each| Some((each, each.next_by.as_ref()?.read.as_ref()?)));
    let mut found = read.map_or_else(Vec::new, |(each, read)| used(each.paths_of_choice(), &read.action));
    found.extend(step.action().map(|action| used(step.paths_of_body(), action)).unwrap_or_default());
    found
}
