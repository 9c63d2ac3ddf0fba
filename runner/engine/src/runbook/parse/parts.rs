//! The parts of a step that have a shape of their own: `with`, `expect`, `passes`, `retry`, `confirm`.

use sluice_plugin::GateClass;

use super::super::checked::Backoff;
use super::super::keys;
use super::super::model::{ConfirmModel, ExpectModel, Lasting, PassesModel, RetryModel, WithGiven, WithModel};
use crate::diagnostic::{Code, Diagnostic, Findings};
use crate::yaml::fields::{self, Fields, Spanned};
use crate::yaml::{Entry, Kind, Node};

/// The step's own `with`.
pub(super) fn with_of(step: &Fields<'_>, findings: &mut Findings) -> WithGiven {
    match step.get("with") {
        None if step.is_meant("with") => WithGiven::Wrong,
        None => WithGiven::Absent,
        Some(node) => with(node, findings).map_or(WithGiven::Wrong, WithGiven::Fields),
    }
}

pub(super) fn with(node: &Node, findings: &mut Findings) -> Option<WithModel> {
    let map = fields::map(node, "`with`", findings)?;
    Some(WithModel { map: map.clone(), span: node.span })
}

pub(super) fn class(node: &Node, findings: &mut Findings) -> Option<Spanned<GateClass>> {
    fields::word(node, "`class`", &[("evidence", GateClass::Evidence), ("data", GateClass::Data)], findings)
}

pub(super) fn expect(node: &Node, findings: &mut Findings) -> Vec<ExpectModel> {
    let Some(items) = fields::seq(node, "`expect`", findings) else { return Vec::new() };
    items
        .iter()
        .filter_map(|item| {
            let fields = Fields::open(item, "a condition", keys::EXPECT, findings)?;
            let that = fields.require("that", findings)?.clone();
            Some(ExpectModel { that, otherwise: fields.get("else").cloned() })
        })
        .collect()
}

pub(super) fn passes(node: &Node, findings: &mut Findings) -> Option<PassesModel> {
    let fields = Fields::open(node, "`passes`", keys::PASSES, findings)?;
    let span = fields.head(findings);
    fields.require("within", findings);
    let [consecutive, lasting] = ["consecutive", "for"].map(|key| fields.entry(key));
    if let (Some(consecutive), Some(lasting)) = (consecutive, lasting) {
        findings.push(both(consecutive, lasting, findings));
    }
    if let (Some(stalled), None) = (fields.entry("stalled"), fields.get("progress")) {
        let message = "`stalled` needs `progress`: nothing says what should be moving";
        findings.error(Code::MissingKey, stalled.key.span, message, "");
    }
    let mut time = |key: &str| fields.get(key).and_then(|node| fields::duration(node, &format!("`{key}`"), findings));
    let (every, within, stalled) = (time("every"), time("within"), time("stalled"));
    let lasting = lasting.and_then(|entry| self::lasting(&entry.value, findings));
    Some(PassesModel {
        span,
        consecutive: consecutive.and_then(|entry| count(&entry.value, "`consecutive`", findings)),
        lasting,
        every,
        within,
        progress: fields.get("progress").cloned(),
        stalled,
        fail_if: fields.get("fail_if").cloned(),
    })
}

/// A time, or `{{ inputs.NAME }}` and nothing else: what is longer than `within` would never pass, whatever the world does.
fn lasting(node: &Node, findings: &mut Findings) -> Option<Spanned<Lasting>> {
    let inner = match &node.kind {
        Kind::Text(text) => text.value.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")),
        _ => None,
    };
    let Some(inner) = inner else {
        let time = fields::duration(node, "`for`", findings)?;
        return Some(Spanned { value: Lasting::Time(time.value), span: time.span });
    };
    let name = inner.trim().strip_prefix("inputs.").filter(|name| !name.contains(|char: char| !is_of_name(char)));
    if name.is_none() {
        let help = "the name of an input of type duration: \"{{ inputs.soak }}\"";
        findings.helped(Code::BadDuration, node.span, "`for` takes a time or one whole input", help);
    }
    Some(Spanned { value: Lasting::Input(name?.to_owned()), span: node.span })
}

fn is_of_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

fn both(consecutive: &Entry, lasting: &Entry, findings: &Findings) -> Diagnostic {
    let found = Diagnostic::error(Code::BadValue, "`consecutive` and `for` exclude each other");
    let found = found.at(findings.source(), lasting.key.span, "").also(consecutive.key.span, "and this");
    found.help("`consecutive` counts samples, `for` measures time: keep one")
}

pub(super) fn confirm(entry: &Entry, findings: &mut Findings) -> Option<ConfirmModel> {
    let fields = Fields::open(&entry.value, "`confirm`", keys::CONFIRM, findings)?;
    let typed = fields.require("typed", findings).cloned();
    let mut time = |key: &str| fields.get(key).and_then(|node| fields::duration(node, &format!("`{key}`"), findings));
    let (answer_within, valid_for) = (time("answer_within"), time("valid_for"));
    Some(ConfirmModel { span: entry.key.span, typed, answer_within, valid_for })
}

pub(super) fn retry(node: &Node, findings: &mut Findings) -> Option<Spanned<RetryModel>> {
    const BACKOFF: &[(&str, Backoff)] = &[("fixed", Backoff::Fixed), ("double", Backoff::Double)];
    let fields = Fields::open(node, "`retry`", keys::RETRY, findings)?;
    let attempts = fields.require("attempts", findings);
    let attempts = attempts.and_then(|node| count(node, "`attempts`", findings));
    let delay = fields.get("delay").and_then(|node| fields::duration(node, "`delay`", findings));
    let backoff = fields.get("backoff").and_then(|node| fields::word(node, "`backoff`", BACKOFF, findings));
    let value = RetryModel {
        attempts: attempts.map_or(1, |attempts| attempts.value),
        delay: delay.map(|delay| delay.value),
        backoff: backoff.map_or(Backoff::Fixed, |backoff| backoff.value),
    };
    Some(Spanned { value, span: fields.head(findings) })
}

fn count(node: &Node, what: &str, findings: &mut Findings) -> Option<Spanned<u32>> {
    let value = fields::integer(node, what, (1, 1000), findings)?;
    u32::try_from(value).ok().map(|value| Spanned { value, span: node.span })
}
