//! Patterns for the names of a cluster's things: text in which `{{ cluster }}` and `{{ n }}` are filled in, and nothing
//! else. They are no expressions: an inventory computes nothing.

use crate::diagnostic::{Code, Findings};
use crate::source::Span;
use crate::yaml::fields::{self};
use crate::yaml::{Kind, Node, place};

/// A pattern for the name of one thing of each node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Cluster,
    Number,
}

/// What is filled in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    pub(super) cluster: &'a str,
    pub(super) number: u32,
}

impl Pattern {
    /// A default, where the cluster's name is filled in already.
    pub(super) fn standard(text: &str) -> Self {
        Self(split(text).unwrap_or_else(|_| vec![Piece::Text(text.to_owned())]))
    }

    pub(super) fn fill(&self, names: Names<'_>) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Cluster => names.cluster.to_owned(),
            Piece::Number => names.number.to_string(),
        };
        self.0.iter().map(piece).collect()
    }
}

/// A pattern for each node: it must name the node's number, or all nodes would share one name.
pub(super) fn of_node(node: &Node, key: &str, findings: &mut Findings) -> Pattern {
    let what = format!("`{key}`");
    let pattern = read(node, &what, findings);
    if let Some(Pattern(pieces)) = &pattern
        && !pieces.contains(&Piece::Number)
    {
        let message = format!("{what} is the same for every node");
        findings.helped(Code::BadValue, node.span, message, "put the number of the node into it: `{{ n }}`");
    }
    pattern.unwrap_or(Pattern(Vec::new()))
}

/// Text of the cluster as a whole, filled in.
pub(super) fn of_cluster(node: &Node, what: &str, cluster: &str, findings: &mut Findings) -> Option<String> {
    let pattern = read(node, what, findings)?;
    if pattern.0.contains(&Piece::Number) {
        findings.error(Code::UndefinedName, node.span, format!("{what} is not of one node: there is no `n`"), "");
        return None;
    }
    Some(pattern.fill(Names { cluster, number: 0 }))
}

fn read(node: &Node, what: &str, findings: &mut Findings) -> Option<Pattern> {
    let text = fields::text(node, what, findings)?;
    match split(text) {
        Ok(pieces) => Some(Pattern(pieces)),
        Err(range) => {
            let source = findings.source().clone();
            let written = text.get(range.clone()).unwrap_or_default().to_owned();
            let span = if matches!(node.kind, Kind::Text(_)) { place(&source, node, range) } else { Span::default() };
            let message = format!("`{written}` cannot be filled in here");
            findings.helped(Code::UndefinedName, span, message, "only `{{ cluster }}` and `{{ n }}` can");
            None
        }
    }
}

/// The pieces, or the bytes that are none.
fn split(text: &str) -> Result<Vec<Piece>, std::ops::Range<usize>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find("{{")).map(|found| at + found) {
        let rest = text.get(start + 2..).unwrap_or_default();
        let length = rest.find("}}").ok_or(start..text.len())?;
        let end = start + 2 + length + 2;
        push_text(&mut pieces, text.get(at..start));
        pieces.push(match rest.get(..length).map(str::trim) {
            Some("cluster") => Piece::Cluster,
            Some("n") => Piece::Number,
            _ => return Err(start..end),
        });
        at = end;
    }
    push_text(&mut pieces, text.get(at..));
    Ok(pieces)
}

fn push_text(pieces: &mut Vec<Piece>, text: Option<&str>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_are_filled_in_and_no_other() {
        let names = Names { cluster: "c", number: 2 };
        let check = |text: &str, expect: Result<&str, std::ops::Range<usize>>| {
            let filled = split(text).map(|pieces| Pattern(pieces).fill(names));
            assert_eq!(filled, expect.map(str::to_owned), "{text}");
        };
        check("plain", Ok("plain"));
        check("", Ok(""));
        check("{{cluster}}-node-{{ n }}.x", Ok("c-node-2.x"));
        check("a{{ region }}b", Err(1..13));
        check("a{{ n ", Err(1..6));
        check("{{ n + 1 }}", Err(0..11));
        check("é{{ n }}", Ok("é2"));
    }
}
