//! From the parser's events to the tree. It works through a stack of its own, so no nesting can exhaust the real one,
//! and it goes on after everything that leaves the structure clear: all duplicate keys are found in one pass.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError};

use super::{Entry, Key, Kind, Map, Node, Style, Text, scalar};
use crate::diagnostic::{Code, Diagnostic, Findings};
use crate::source::{Source, Span};

/// Lists within lists. Nothing that a person is meant to read needs as many.
const DEEPEST: usize = 48;

/// The one document of the source. `None` when there is none to go on with; the reason is among the findings then.
pub fn parse(source: &Source, findings: &mut Findings) -> Option<Node> {
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        emit_comments: false,
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
    };
    let mut builder = Builder { source, findings, open: Vec::new(), root: None, documents: 0, aliases: HashSet::new() };
    for next in Parser::new_from_str_with_options(source.text(), options) {
        let (event, span) = match next {
            Ok(event) => event,
            Err(error) => {
                builder.syntax(&error);
                return None;
            }
        };
        if let Some(tag) = span.tag_span() {
            builder.tag(here(&tag));
        }
        if !builder.take(event, here(&span)) {
            return None;
        }
    }
    builder.finish()
}

struct Builder<'a> {
    source: &'a Source,
    findings: &'a mut Findings,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    /// Names of aliases that were reported.
    aliases: HashSet<String>,
}

/// A list or mapping whose end has not come yet.
struct Open {
    span: Span,
    content: Content,
}

enum Content {
    Seq(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        seen: HashMap<String, Span>,
        key: Pending,
        /// A key in it was none: nobody can tell what else should be there.
        broken: bool,
    },
}

/// Where a mapping stands between its keys and values.
enum Pending {
    Key,
    ValueOf(Key),
    /// The key was reported; its value is read and dropped.
    ValueOfNothing,
}

impl Builder<'_> {
    /// False when nothing after this event can be trusted.
    fn take(&mut self, event: Event<'_>, span: Span) -> bool {
        match event {
            Event::DocumentStart(..) => return self.document(span),
            Event::Alias(_) | Event::UnresolvedAlias(_) => self.alias(span),
            Event::Anchor(..) => self.anchor(span),
            Event::Scalar(value, style, ..) => self.scalar(value, style, span),
            Event::SequenceStart(..) => return self.push(Open { span, content: Content::Seq(Vec::new()) }),
            Event::MappingStart(..) => {
                let content =
                    Content::Map { entries: Vec::new(), seen: HashMap::new(), key: Pending::Key, broken: false };
                return self.push(Open { span, content });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            // The parser's list is open; what is added to it must not be taken for nothing.
            _ => return self.unknown(span),
        }
        true
    }

    fn unknown(&mut self, span: Span) -> bool {
        self.findings.error(Code::YamlSyntax, span, "this part of YAML is not supported", "");
        false
    }

    fn document(&mut self, span: Span) -> bool {
        self.documents += 1;
        if self.documents > 1 {
            let found = Diagnostic::error(Code::SeveralDocuments, "the file holds more than one YAML document");
            let found = found.at(self.source, span, "the second one starts here");
            self.findings.push(found.help("split the file, or remove this `---`"));
        }
        self.documents == 1
    }

    fn push(&mut self, open: Open) -> bool {
        if self.open.len() >= DEEPEST {
            self.findings.push(too_deep(self.source, open.span));
            return false;
        }
        self.open.push(open);
        true
    }

    fn close(&mut self, end: Span) {
        let Some(open) = self.open.pop() else { return };
        let span = tight(self.source, open.span, end);
        let kind = match open.content {
            Content::Seq(items) => Kind::Seq(items),
            // The outermost one is read all the same: most of it may be right.
            Content::Map { broken: true, .. } if !self.open.is_empty() => Kind::Broken,
            Content::Map { entries, .. } => Kind::Map(Map(entries)),
        };
        self.add(Node { span, kind });
    }

    /// Puts a finished value where it belongs: into the open list, as key or value of the open mapping, or at the root.
    fn add(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut open.content {
            Content::Seq(items) => items.push(node),
            Content::Map { entries, seen, key, broken } => match std::mem::replace(key, Pending::Key) {
                Pending::Key => *key = as_key(self.source, node, seen, broken, self.findings),
                Pending::ValueOf(key) => entries.push(Entry { key, value: node }),
                Pending::ValueOfNothing => {}
            },
        }
    }

    fn scalar(&mut self, value: Cow<'_, str>, style: ScalarStyle, span: Span) {
        let is_key = matches!(self.open.last(), Some(Open { content: Content::Map { key: Pending::Key, .. }, .. }));
        let text = |style| Kind::Text(Text { value: value.clone().into_owned(), style });
        let kind = match style {
            // A key is its text, whatever it would be as a value.
            ScalarStyle::Plain if is_key => Ok(if value.is_empty() { Kind::Null } else { text(Style::Plain) }),
            ScalarStyle::Plain => scalar::resolve(&value),
            ScalarStyle::SingleQuoted => Ok(text(Style::Single)),
            ScalarStyle::DoubleQuoted => Ok(text(Style::Double)),
            ScalarStyle::Literal | ScalarStyle::Folded => Ok(text(Style::Block)),
        };
        let kind = kind.unwrap_or_else(|why| {
            let found = Diagnostic::error(Code::BadValue, why).at(self.source, span, "");
            self.findings.push(found.help("put it into quotes if it is meant as text"));
            Kind::Broken
        });
        self.add(Node { span, kind });
    }

    fn alias(&mut self, span: Span) {
        self.add(Node { span, kind: Kind::Broken });
        if !self.aliases.insert(self.source.slice(span).to_owned()) {
            return;
        }
        let found = Diagnostic::error(Code::NoAnchors, "YAML aliases are not supported");
        let help = "write the value out, or share arguments through `defaults`; text that starts with `*` needs quotes";
        self.findings.push(found.at(self.source, span, "an alias").help(help));
    }

    fn anchor(&mut self, span: Span) {
        let found = Diagnostic::error(Code::NoAnchors, "YAML anchors are not supported");
        let help = "remove it; text that starts with `&` needs quotes";
        self.findings.push(found.at(self.source, span, "an anchor").help(help));
    }

    fn tag(&mut self, span: Span) {
        let found = Diagnostic::error(Code::NoTags, "YAML tags are not supported");
        let help = "remove it; text that starts with `!` needs quotes";
        self.findings.push(found.at(self.source, span, "a tag").help(help));
    }

    fn syntax(&mut self, error: &ScanError) {
        let at = error.marker().byte_offset().unwrap_or(0).min(self.source.text().len());
        self.findings.push(syntax_error(self.source, error.kind(), at));
    }

    fn finish(self) -> Option<Node> {
        if self.root.is_none() {
            let found = Diagnostic::error(Code::EmptyFile, "the file has no content").of(self.source);
            self.findings.push(found.help("it holds nothing, or only comments"));
        }
        self.root
    }
}

fn here(span: &granit_parser::Span) -> Span {
    let range = span.byte_range().unwrap_or_default();
    Span::new(range.start, range.end)
}

/// A finished node as a key, unless it is no text or was there before.
fn as_key(
    source: &Source,
    node: Node,
    seen: &mut HashMap<String, Span>,
    broken: &mut bool,
    findings: &mut Findings,
) -> Pending {
    let Kind::Text(Text { value: name, .. }) = node.kind else {
        if !node.is_broken() {
            findings.push(key_not_text(source, &node));
        }
        *broken = true;
        return Pending::ValueOfNothing;
    };
    if name == "<<" {
        *broken = true;
        let found = Diagnostic::error(Code::NoAnchors, "YAML merge keys are not supported");
        let help = "write the keys out, or share arguments through `defaults`";
        findings.push(found.at(source, node.span, "a merge key").help(help));
        return Pending::ValueOfNothing;
    }
    if let Some(first) = seen.get(&name) {
        let found = Diagnostic::error(Code::DuplicateKey, format!("`{name}` is there twice"));
        let found = found.at(source, node.span, "again here").also(*first, "first here");
        findings.push(found.help("remove one of them, or join them"));
        return Pending::ValueOfNothing;
    }
    seen.insert(name.clone(), node.span);
    Pending::ValueOf(Key { name, span: node.span })
}

fn key_not_text(source: &Source, node: &Node) -> Diagnostic {
    let message = format!("a key must be text, and this is {}", node.describe());
    let found = Diagnostic::error(Code::KeyNotText, message).at(source, node.span, "");
    let before = (node.span.start as usize).checked_sub(1).and_then(|at| source.text().get(at..));
    if before.is_some_and(|text| text.starts_with("{{")) {
        return found.help("text with `{{ }}` needs quotes: \"{{ ... }}\"");
    }
    found.help("put it into quotes")
}

/// The span of a list or mapping without the white space and comments that the parser counts in at its end.
fn tight(source: &Source, start: Span, end: Span) -> Span {
    let (from, to) = (start.start as usize, end.end.max(start.end) as usize);
    let text = source.text().get(from..to).unwrap_or_default();
    Span::new(from, from + text.trim_end().len())
}

fn too_deep(source: &Source, span: Span) -> Diagnostic {
    let found = Diagnostic::error(Code::TooDeep, format!("lists and mappings are nested deeper than {DEEPEST} levels"));
    found.at(source, span, "one more starts here").help("a bracket may be missing before this place")
}

fn syntax_error(source: &Source, kind: &ErrorKind, at: usize) -> Diagnostic {
    let span = character(source, at);
    match kind {
        ErrorKind::RecursionLimitExceeded => too_deep(source, span),
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar
        | ErrorKind::TabAtBlockScalarStart => {
            let found = Diagnostic::error(Code::TabIndent, "YAML wants spaces here, and this is a tab");
            found.at(source, tab_near(source, at).unwrap_or(span), "").help("replace tabs by spaces")
        }
        _ => {
            let message = format!("this is not YAML: {kind}");
            let found = Diagnostic::error(Code::YamlSyntax, message).at(source, span, "noticed here");
            found.help(syntax_help(source, kind, at))
        }
    }
}

fn syntax_help(source: &Source, kind: &ErrorKind, at: usize) -> &'static str {
    let row = source.position(u32::try_from(at).unwrap_or(u32::MAX)).line;
    let (line, _) = source.line(row);
    match kind {
        ErrorKind::UnclosedQuotedScalar => "a quote that was opened is not closed; look further up as well",
        ErrorKind::UnclosedFlowCollection { .. } => "a bracket or brace that was opened is not closed",
        ErrorKind::DirectiveDisallowed => "leave lines that start with `%` out",
        _ if line.contains("{{") => "text with `{{ }}` needs quotes around all of it: \"{{ ... }}\"",
        _ => "look at this line and the one before: indentation, quotes, brackets, and `: ` inside text without quotes",
    }
}

/// The character at this offset, or the empty place at the end.
fn character(source: &Source, at: usize) -> Span {
    let text = source.text();
    let at = text.floor_char_boundary(at);
    let length = text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    Span::new(at, at + length)
}

/// The parser notices a tab a little after or before it; the person should see the tab.
fn tab_near(source: &Source, at: usize) -> Option<Span> {
    let row = source.position(u32::try_from(at).unwrap_or(u32::MAX)).line;
    let (line, start) = source.line(row);
    let (next, next_start) = source.line(row + 1);
    let after = source.text().get(at..start + line.len()).and_then(|rest| rest.find('\t')).map(|tab| at + tab);
    let below = || next.find('\t').map(|tab| next_start + tab);
    let tab = after.or_else(|| line.find('\t').map(|tab| start + tab)).or_else(below)?;
    Some(Span::new(tab, tab + 1))
}
