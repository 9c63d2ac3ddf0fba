//! Random runbooks that the checker accepts, as text: what a failing test shows is what a person would write.
//!
//! A draft holds picks in place of names, so that any smaller draft is a runbook as well.

use std::fmt;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::toys::OPERATIONS;

/// A runbook's text, shown as it is.
#[derive(Clone)]
pub(crate) struct Book(pub(crate) String);

impl fmt::Debug for Book {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "\n{}", self.0)
    }
}

#[derive(Clone, Debug)]
struct Draft {
    kind: Kind,
    when: u8,
    each: u8,
    goes_on: bool,
    /// Picks among what the step can see.
    needs: u8,
    names: [u8; 2],
    retry: u8,
    width: u8,
    next_by: u8,
}

#[derive(Clone, Debug)]
enum Kind {
    Leaf(u8),
    Written(Vec<Draft>),
    Parallel(Vec<Draft>),
}

pub(crate) fn books() -> impl Strategy<Value = Book> {
    let steps = prop::collection::vec(drafts(), 1..5);
    let finally = prop_oneof![1 => Just(Vec::new()), 1 => prop::collection::vec(drafts(), 1..3)];
    let session = prop_oneof![3 => Just(None), 1 => (0..4_u8).prop_map(Some)];
    (steps, finally, session).prop_map(|(steps, finally, session)| text(&steps, &finally, session))
}

fn drafts() -> impl Strategy<Value = Draft> {
    let leaf = (0..14_u8).prop_map(Kind::Leaf);
    let kind = leaf.prop_recursive(3, 10, 3, |inner| {
        let some = prop::collection::vec(draft(inner), 1..4);
        (prop::bool::weighted(0.6), some).prop_map(|(parallel, steps)| match parallel {
            true => Kind::Parallel(steps),
            false => Kind::Written(steps),
        })
    });
    draft(kind)
}

fn draft(kind: impl Strategy<Value = Kind>) -> impl Strategy<Value = Draft> {
    let seldom = |times| prop_oneof![times => Just(0_u8), 1 => 1..8_u8];
    let names = [prop_oneof![1 => Just(0_u8), 1 => 1..8_u8], prop_oneof![3 => Just(0_u8), 1 => 1..8_u8]];
    let parts = (seldom(4), seldom(3), prop::bool::weighted(0.25), seldom(2), names, seldom(2), 0..4_u8, 0..12_u8);
    (kind, parts).prop_map(|(kind, (when, each, goes_on, needs, names, retry, width, next_by))| Draft {
        kind,
        when,
        each,
        goes_on,
        needs,
        names,
        retry,
        width,
        next_by,
    })
}

/// A step that others can name.
#[derive(Clone)]
struct Seen {
    id: String,
    gate: bool,
    /// It surely has an output where it is seen.
    sure: bool,
}

struct Writer {
    text: String,
    ids: usize,
    seen: Vec<Vec<Seen>>,
    finally: bool,
}

fn text(steps: &[Draft], finally: &[Draft], session: Option<u8>) -> Book {
    let head = "runbook: toy\nsummary: A toy.\nsteps:\n".to_owned();
    let mut writer = Writer { text: head, ids: 0, seen: vec![Vec::new()], finally: false };
    writer.list(steps, 2, false);
    let sure: Vec<String> = writer.seen[0].iter().filter(|seen| seen.sure).map(|seen| seen.id.clone()).collect();
    if let Some(pick) = session {
        let name = pick_of(pick, &sure).map(|id| format!("'{{{{ steps.{id}.yes | string }}}}'"));
        writeln!(writer.text, "session:\n  env: {{ IT: {} }}", name.unwrap_or("nothing".into())).unwrap();
    }
    if !finally.is_empty() {
        writer.seen[0].iter_mut().for_each(|seen| seen.sure = false);
        writer.seen.push(Vec::new());
        writer.finally = true;
        writer.text.push_str("finally:\n");
        writer.list(finally, 2, false);
    }
    Book(writer.text)
}

/// The pick of 0 is none.
fn pick_of<T>(pick: u8, from: &[T]) -> Option<&T> {
    // The newest first: a small pick names the step just before.
    let place = usize::from(pick).checked_sub(1)?;
    from.iter().rev().nth(place % from.len().max(1))
}

/// How a loop chooses what is next, if it does.
fn choice(draft: &Draft, each: &str, sure: &[String]) -> Option<String> {
    let read = |with: &str, by: &str| {
        let retry = if draft.retry > 0 {
            format!(", retry: {{ attempts: {}, delay: 2s }}", draft.retry % 3 + 1)
        } else {
            String::new()
        };
        format!("{{ uses: toy.{}{with}{retry}, by: '{by}' }}", if draft.width == 1 { "token" } else { "read" })
    };
    let named = pick_of(draft.names[0], sure);
    Some(match draft.next_by {
        0 => "0 - index".to_owned(),
        1 => "'remaining | length + index'".to_owned(),
        // Some items have no order among themselves.
        2 if each.contains("steps.") => "item".to_owned(),
        2 | 3 => read("", "seen.yes == (index == 0)"),
        4 => format!("'steps.{}.yes == (index == 1)'", named?),
        5 => read(&format!(", with: {{ value: '{{{{ steps.{} }}}}' }}", named?), "0 - index"),
        6 => read(", with: { value: '{{ remaining }}' }", "seen.value"),
        _ => return None,
    })
}

impl Writer {
    fn list(&mut self, drafts: &[Draft], indent: usize, parallel: bool) {
        let mut later = Vec::new();
        for draft in drafts {
            let seen = self.step(draft, indent);
            if parallel {
                later.push(seen);
            } else {
                self.see(seen);
            }
        }
        later.into_iter().for_each(|seen| self.see(seen));
    }

    fn see(&mut self, seen: Seen) {
        if let Some(level) = self.seen.last_mut() {
            level.push(seen);
        }
    }

    fn visible(&self, wanted: impl Fn(&Seen) -> bool) -> Vec<String> {
        self.seen.iter().flatten().filter(|seen| wanted(seen)).map(|seen| seen.id.clone()).collect()
    }

    fn step(&mut self, draft: &Draft, indent: usize) -> Seen {
        self.ids += 1;
        let id = format!("s{}", self.ids);
        let pad = " ".repeat(indent);
        writeln!(self.text, "{pad}- id: {id}").unwrap();
        let mut line = |line: String| writeln!(self.text, "{pad}  {line}").unwrap();
        let sure = {
            let seen = &self.seen;
            let all: Vec<&Seen> = seen.iter().flatten().filter(|seen| seen.sure).collect();
            all.iter().map(|seen| seen.id.clone()).collect::<Vec<_>>()
        };
        let when = match draft.when {
            0 => None,
            1 => Some("false".to_owned()),
            2 => Some("true".to_owned()),
            pick => pick_of(pick - 2, &sure).map(|id| format!("steps.{id}.yes")),
        };
        when.iter().for_each(|when| line(format!("when: '{when}'")));
        let each = match draft.each {
            0 => None,
            1 => Some("[x, y, z]".to_owned()),
            2 => Some("[]".to_owned()),
            3 => Some("[{ name: a }, { name: b }]".to_owned()),
            4 => Some("[7, 7]".to_owned()),
            pick => pick_of(pick - 4, &sure).map(|id| format!("'steps.{id}.items'")),
        };
        each.iter().for_each(|each| line(format!("for_each: {each}")));
        let next_by = each.as_ref().and_then(|each| choice(draft, each, &sure));
        next_by.iter().for_each(|next_by| line(format!("next_by: {next_by}")));
        let top_of_finally = self.finally && self.seen.len() == 2;
        let stops = top_of_finally && draft.width == 3;
        if draft.goes_on {
            line("on_error: continue".to_owned());
        } else if stops {
            line("on_error: stop".to_owned());
        }
        let gates: Vec<String> = self.seen.iter().flatten().filter(|seen| seen.gate).map(|s| s.id.clone()).collect();
        pick_of(draft.needs, &gates).into_iter().for_each(|gate| line(format!("needs: [{gate}]")));
        let parallel = matches!(draft.kind, Kind::Parallel(_));
        if (each.is_some() || parallel) && draft.width > 0 {
            line(format!("max_parallel: {}", draft.width));
        }
        let gate = self.body(draft, indent);
        let stays = !draft.goes_on && (stops || !top_of_finally);
        let plain = matches!(draft.kind, Kind::Leaf(_)) && when.is_none() && each.is_none() && stays;
        Seen { id, gate, sure: plain }
    }

    /// What the step does. True when it is a gate.
    fn body(&mut self, draft: &Draft, indent: usize) -> bool {
        let pad = " ".repeat(indent);
        let (word, children) = match &draft.kind {
            Kind::Leaf(pick) => return self.leaf(draft, usize::from(*pick), &pad),
            Kind::Written(children) => ("steps", children),
            Kind::Parallel(children) => ("parallel", children),
        };
        writeln!(self.text, "{pad}  {word}:").unwrap();
        self.seen.push(Vec::new());
        self.list(children, indent + 4, word == "parallel");
        self.seen.pop();
        false
    }

    fn leaf(&mut self, draft: &Draft, pick: usize, pad: &str) -> bool {
        // Reads and changes are the most frequent; `finally` has no gates.
        let operation = OPERATIONS[[0, 1, 2, 4, 0, 1, 2, 3, 4, 1, 5, 6, 6, 6][pick]];
        let gate = operation == "gate" && !self.finally;
        let word = if gate { "gate" } else { "uses" };
        writeln!(self.text, "{pad}  {word}: toy.{operation}").unwrap();
        let all = self.visible(|_| true);
        let names: Vec<String> = draft.names.iter().filter_map(|pick| pick_of(*pick, &all)).cloned().collect();
        if !names.is_empty() {
            let values: Vec<String> = names.iter().map(|id| format!("'{{{{ steps.{id} }}}}'")).collect();
            writeln!(self.text, "{pad}  with: {{ value: [{}] }}", values.join(", ")).unwrap();
        }
        if gate {
            if draft.width % 2 == 1 {
                writeln!(self.text, "{pad}  passes: {{ every: 1s, within: 1m }}").unwrap();
            }
        } else if draft.retry > 0 && !matches!(operation, "once" | "send") {
            let backoff = if draft.retry.is_multiple_of(2) { ", backoff: double" } else { "" };
            let (attempts, delay) = (1 + draft.retry % 3, 1 + draft.retry % 4);
            writeln!(self.text, "{pad}  retry: {{ attempts: {attempts}, delay: {delay}s{backoff} }}").unwrap();
        }
        gate
    }
}
