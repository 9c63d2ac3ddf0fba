//! What the expressions of a step speak of: the paths in it, and the secrets of the inventory among them. Evaluates
//! nothing and fetches no secret.

use sluice_plugin::ActionName;

use super::checked::{Checked, Kind, Session, Step, Tree};
use crate::diagnostic::{Code, Diagnostic, did_you_mean, list};
use crate::expr::{self, Key, Path};
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
    /// Every use of `secrets.NAME`, in the order of the runbook.
    pub fn secrets(&self) -> Vec<SecretUse> {
        self.walk().flat_map(secrets_of).collect()
    }

    /// What is wrong with these uses under this inventory: secrets it does not name, or does not grant.
    pub fn secret_errors(&self, inventory: &Inventory) -> Vec<Diagnostic> {
        self.secrets().iter().filter_map(|used| self.secret_error(used, inventory)).collect()
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
            return Some(found.help(format!("its `secrets` name {named}; say where it is fetched: {place}")));
        }
        let mut entries = inventory.plugins.iter().filter(|(known, _)| known.as_str() == plugin);
        if entries.any(|(_, entry)| entry.secrets.contains(name)) {
            return None;
        }
        let found =
            error(Code::UngrantedSecret, format!("the plugin {plugin} may not use the secret `{name}`"), String::new());
        let line = format!("plugins: {{ {plugin}: {{ grants: {{ secrets: [{name}] }} }} }}");
        Some(found.help(format!("to allow it, write into the inventory: {line}")))
    }
}

impl Step {
    /// The paths in its own expressions, without those of steps inside it.
    pub fn paths(&self) -> Vec<&Path> {
        let mut found: Vec<&Path> = self.when.iter().flat_map(expr::roots).collect();
        self.for_each.iter().for_each(|each| in_tree(&each.over, &mut found));
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
            Kind::Group(_) => {}
        }
        found
    }

    fn action(&self) -> Option<&ActionName> {
        match &self.kind {
            Kind::Use(used) => Some(&used.action),
            Kind::Gate(gate) => Some(&gate.action),
            Kind::Group(_) => None,
        }
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
    let Some(action) = step.action() else { return Vec::new() };
    let names = step.paths().into_iter().filter_map(named);
    names.map(|name| SecretUse { name, action: action.clone(), span: step.span }).collect()
}
