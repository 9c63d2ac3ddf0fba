//! What stands around the steps: the lock, the one yes for all, the outputs, the session.

use indexmap::IndexMap;

use super::super::checked::{Session, Tree};
use super::names::Names;
use super::{Check, leaf};
use crate::diagnostic::Findings;
use crate::expr::{Expr, Template, Ty};
use crate::yaml::Node;

/// The name of the lock is made of inputs alone: it is taken before the first step.
pub(super) fn lock(check: &mut Check<'_>) -> Option<Option<Template>> {
    let Some(node) = &check.model.lock else { return Some(None) };
    let (names, findings) = over_inputs(check);
    text(node, "`lock`", &names, findings).map(Some)
}

/// Whether there is one yes for all is said by inputs alone: it is asked for before the first step.
pub(super) fn confirm_once(check: &mut Check<'_>) -> Option<Option<Expr>> {
    let Some(node) = &check.model.confirm_once else { return Some(None) };
    let (names, findings) = over_inputs(check);
    leaf::condition(node, "`confirm_once`", &names, findings).map(Some)
}

fn over_inputs<'b>(check: &'b mut Check<'_>) -> (Names<'b>, &'b mut Findings) {
    let names = Names {
        inputs: &check.inputs,
        place: None,
        seen: None,
        hidden: &check.hidden,
        used_inputs: &check.used_inputs,
    };
    (names, check.findings)
}

/// A template that gives text.
fn text(node: &Node, what: &str, names: &Names<'_>, findings: &mut Findings) -> Option<Template> {
    let (template, ty) = leaf::template(node, what, names, findings)?;
    leaf::fits(node, what, &ty, &Ty::Str, findings)?;
    Some(template)
}

/// What the runbook gives, unless something is wrong with it, and the types of that.
pub(super) fn outputs(check: &mut Check<'_>) -> (Option<IndexMap<String, Tree>>, Ty) {
    let model = check.model;
    let (names, findings) = check.here(None);
    let (mut outputs, mut types) = (Vec::new(), Vec::new());
    for output in &model.outputs {
        let what = format!("the output `{}`", output.key.name);
        let checked = leaf::tree(&output.value, &what, &names, findings).and_then(|(tree, ty)| {
            leaf::no_secret(&output.value, &ty, &what, findings)?;
            if let Some(declared) = &output.declared {
                let wanted = Ty::from_schema(&serde_json::json!({ "type": declared.value }));
                leaf::fits(&output.value, &what, &ty, &wanted, findings)?;
            }
            Some((output.key.name.clone(), tree, ty))
        });
        types.push((output.key.name.clone(), checked.as_ref().map_or(Ty::Any, |(_, _, ty)| ty.clone())));
        outputs.push(checked.map(|(name, tree, _)| (name, tree)));
    }
    (outputs.into_iter().collect(), Ty::record(types))
}

pub(super) fn session(check: &mut Check<'_>) -> Option<Option<Session>> {
    let model = check.model;
    let Some(session) = &model.session else { return Some(None) };
    let (names, findings) = check.here(None);
    let command: Vec<_> = session.command.iter().map(|node| text(node, "`command`", &names, findings)).collect();
    let env: Vec<_> = session
        .env
        .iter()
        .map(|(key, node)| Some((key.name.clone(), text(node, &format!("`{}`", key.name), &names, findings)?)))
        .collect();
    let banner = session.banner.as_ref().map(|node| text(node, "`banner`", &names, findings));
    Some(Some(Session {
        summary: session.summary.clone(),
        command: command.into_iter().collect::<Option<_>>()?,
        env: env.into_iter().collect::<Option<_>>()?,
        banner: banner.map_or(Some(None), |banner| banner.map(Some))?,
    }))
}
