//! One entry of the inventory's `plugins` put in, put in the place of another, or taken out, every other byte kept.
//!
//! It writes text, so that comments and order stay; what comes out is read again, and must say what was meant.

use std::fs;
use std::io::Write as _;
use std::ops::Range;

use sluice_engine::diagnostic::Findings;
use sluice_engine::ids::Sha256;
use sluice_engine::inventory::{Inventory, parse};
use sluice_engine::source::{Source, Span};
use sluice_engine::yaml::{self, Entry, Kind, Map, Node};
use sluice_plugin::PluginName;

use crate::error::{CommandError, Result};
use crate::inventory::Found;

/// The lines of one entry, not indented: the first is `name:`.
pub(crate) type Lines = Vec<String>;

/// The text with this entry.
pub(crate) fn with(found: &Found, name: &PluginName, lines: &Lines) -> Result<String> {
    let by_hand = || by_hand(found, lines);
    let text = found.source.text();
    let edited = match plugins(&found.source) {
        Place::Missing => {
            let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            format!("{text}{gap}plugins:\n{}", indented(lines, 2))
        }
        Place::Flow => return Err(by_hand()),
        Place::Empty(after) => spliced(text, after..after, &indented(lines, 2)).ok_or_else(by_hand)?,
        Place::Block(map) => {
            let column = column(text, &map).ok_or_else(by_hand)?;
            let entry = map.get(name.as_str());
            let range = entry.map_or_else(
                || map.iter().last().and_then(|last| whole(text, last)).map(|last| last.end..last.end),
                |entry| whole(text, entry),
            );
            spliced(text, range.ok_or_else(by_hand)?, &indented(lines, column)).ok_or_else(by_hand)?
        }
    };
    checked(found, &edited, name).map(|_| edited)
}

/// The text without it.
pub(crate) fn without(found: &Found, name: &PluginName) -> Result<String> {
    let by_hand = || {
        CommandError::refused(format!("{} is written in a way that is not edited here", found.shown()))
            .hint(format!("take `{name}` out of `plugins` by hand, then: {}", crate::trust::command(found)))
    };
    let Place::Block(map) = plugins(&found.source) else { return Err(by_hand()) };
    let text = found.source.text();
    let entry = map.get(name.as_str()).ok_or_else(by_hand)?;
    let range = match map.iter().count() {
        // With the last one the section goes too.
        1 => line_of(text, "plugins:").zip(whole(text, entry)).map(|(start, entry)| start..entry.end),
        _ => whole(text, entry),
    };
    let edited = spliced(text, range.ok_or_else(by_hand)?, "").ok_or_else(by_hand)?;
    checked(found, &edited, name).map(|_| edited)
}

/// Puts it in the file's place, whole or not at all.
pub(crate) fn write(found: &Found, text: &str) -> Result<()> {
    let cannot = |error: std::io::Error| CommandError::failed(format!("cannot write {}: {error}", found.shown()));
    let now = match fs::read(&found.path) {
        Ok(now) => now,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(cannot(error)),
    };
    if Sha256::of(&now) != found.digest {
        return Err(CommandError::refused(format!("{} has changed meanwhile; nothing was written", found.shown())));
    }
    let mut new = tempfile::NamedTempFile::new_in(found.folder()).map_err(cannot)?;
    new.write_all(text.as_bytes()).map_err(cannot)?;
    // One that is new is readable for its owner only, as temporary files are.
    if let Ok(old) = fs::metadata(&found.path) {
        fs::set_permissions(new.path(), old.permissions()).map_err(cannot)?;
    }
    new.as_file().sync_all().map_err(cannot)?;
    new.persist(&found.path).map_err(|error| cannot(error.error))?;
    Ok(())
}

enum Place {
    /// There is no `plugins`.
    Missing,
    /// `{ ... }`, which would have to be written anew.
    Flow,
    /// `plugins:` with nothing in it; the next line begins there.
    Empty(usize),
    Block(Map),
}

fn plugins(source: &Source) -> Place {
    let (text, mut findings) = (source.text(), Findings::new(source));
    let root = yaml::parse(source, &mut findings);
    let Some(Kind::Map(top)) = root.map(|root| root.kind) else { return Place::Missing };
    let Some(entry) = top.get("plugins") else { return Place::Missing };
    match &entry.value.kind {
        Kind::Null => Place::Empty(line_end(text, range(entry.key.span).end)),
        Kind::Map(map) if !text.get(range(entry.value.span)).is_some_and(|rest| rest.starts_with('{')) => {
            Place::Block(map.clone())
        }
        _ => Place::Flow,
    }
}

/// From the beginning of the entry's first line to the end of its last.
fn whole(text: &str, entry: &Entry) -> Option<Range<usize>> {
    let start = line_start(text, range(entry.key.span).start)?;
    Some(start..line_end(text, end(text, &entry.value, range(entry.key.span).end)))
}

/// Where what is written of it ends. The span of a block reaches up to what follows, over comments that are not its own.
fn end(text: &str, node: &Node, key: usize) -> usize {
    let span = range(node.span);
    let flow = text.get(span.start..).is_some_and(|rest| rest.starts_with(['{', '[']));
    match &node.kind {
        Kind::Map(map) if !flow => {
            map.iter().last().map_or(key, |last| end(text, &last.value, range(last.key.span).end))
        }
        Kind::Seq(items) if !flow => items.last().map_or(key, |last| end(text, last, key)),
        Kind::Null => key,
        _ => span.start + text.get(span).unwrap_or_default().trim_end().len(),
    }
}

fn range(span: Span) -> Range<usize> {
    span.start as usize..span.end as usize
}

fn line_start(text: &str, before: usize) -> Option<usize> {
    Some(text.get(..before)?.rfind('\n').map_or(0, |at| at + 1))
}

fn line_end(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    rest.find('\n').map_or(text.len(), |at| from + at + 1)
}

fn line_of(text: &str, begins: &str) -> Option<usize> {
    let mut at = 0;
    text.split_inclusive('\n').find_map(|line| {
        let start = at;
        at += line.len();
        line.starts_with(begins).then_some(start)
    })
}

/// How far entries are indented.
fn column(text: &str, map: &Map) -> Option<usize> {
    let first = range(map.iter().next()?.key.span);
    Some(first.start - line_start(text, first.start)?)
}

fn indented(lines: &Lines, by: usize) -> String {
    lines.iter().map(|line| format!("{:by$}{line}\n", "")).collect()
}

fn spliced(text: &str, range: Range<usize>, new: &str) -> Option<String> {
    let before = text.get(..range.start)?;
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    Some(format!("{before}{gap}{new}{}", text.get(range.end..)?))
}

/// What the edited text says; everything but that one plugin must be as it was.
fn checked(found: &Found, edited: &str, name: &PluginName) -> Result<Inventory> {
    let source = Source::new(found.shown(), edited);
    let inventory =
        parse(&source).map_err(|found| CommandError::invalid("what would be written into the inventory", found))?;
    let others = |inventory: &Inventory| {
        let mut inventory = inventory.clone();
        inventory.plugins.shift_remove(name);
        format!("{inventory:?}")
    };
    if others(&inventory) != others(&found.inventory) {
        return Err(CommandError::failed(format!(
            "an edit of {} would have changed more than `{name}`; nothing was written",
            found.shown()
        )));
    }
    Ok(inventory)
}

fn by_hand(found: &Found, lines: &Lines) -> CommandError {
    let error =
        CommandError::refused(format!("`plugins` of {} is written in one line, which is not edited", found.shown()));
    let error = error.hint("put this under `plugins` by hand:");
    lines.iter().fold(error, |error, line| error.hint(format!("  {line}")))
}
