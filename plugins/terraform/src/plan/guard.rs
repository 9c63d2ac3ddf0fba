//! What may change.

use schemars::JsonSchema;
use serde::Deserialize;

use super::summary::{Change, Does};

/// Resources of a type, in a module, and what may be done to them. What is left out can be any.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Allow {
    /// `aws_ecs_service`.
    #[serde(default, rename = "type")]
    kind: Option<String>,
    /// The module's address, as `module.messenger`: each instance of it, and modules inside it. Empty: outside of modules.
    #[serde(default)]
    module: Option<String>,
    /// `replace` is not `delete`: afterwards there is one.
    #[schemars(length(min = 1))]
    actions: Vec<Does>,
}

pub(super) fn allows(rules: &[Allow], change: &Change) -> bool {
    rules.iter().any(|rule| {
        rule.kind.as_ref().is_none_or(|kind| *kind == change.kind)
            && rule.module.as_ref().is_none_or(|module| is_in(&change.module, module))
            && change.action != Does::Other
            && rule.actions.contains(&change.action)
    })
}

/// `module.a` holds `module.a`, `module.a["x"]` and `module.a.module.b`, and not `module.ab`.
fn is_in(module: &str, of: &str) -> bool {
    match module.strip_prefix(of) {
        Some("") => true,
        Some(rest) => !of.is_empty() && rest.starts_with(['.', '[']),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_holds_what_is_in_it() {
        let check = |module: &str, of: &str, expect: bool| assert_eq!(is_in(module, of), expect, "{module} {of}");
        check("module.a", "module.a", true);
        check("module.a[\"x.y\"]", "module.a", true);
        check("module.a[0].module.b", "module.a", true);
        check("module.a.module.b", "module.a", true);
        check("module.ab", "module.a", false);
        check("module.b.module.a", "module.a", false);
        check("module.a", "module.a[0]", false);
        check("", "", true);
        check("module.a", "", false);
        check("", "module.a", false);
    }
}
