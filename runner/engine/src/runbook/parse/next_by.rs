//! `next_by`: an expression, or a fresh read and an expression over what it gave.

use super::super::keys;
use super::super::model::{NextByModel, UseModel};
use super::{parts, step};
use crate::diagnostic::Findings;
use crate::source::Span;
use crate::yaml::fields::{self, Fields};
use crate::yaml::{Kind, Node};

pub(super) fn next_by(node: &Node, key: Span, findings: &mut Findings) -> Option<NextByModel> {
    if !matches!(node.kind, Kind::Map(_)) {
        return Some(NextByModel { span: key, by: node.clone(), read: None });
    }
    let fields = Fields::open(node, "`next_by`", keys::NEXT_BY, findings)?;
    fields.require("uses", findings);
    let by = fields.require("by", findings).cloned();
    let read = UseModel {
        action: step::action(&fields, "uses", findings),
        with: parts::with_of(&fields, findings),
        timeout: fields.get("timeout").and_then(|node| fields::duration(node, "`timeout`", findings)),
        retry: fields.get("retry").and_then(|node| parts::retry(node, findings)),
        effect: None,
    };
    Some(NextByModel { span: key, by: by?, read: Some(read) })
}
