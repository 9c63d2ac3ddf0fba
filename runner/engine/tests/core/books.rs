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
    /// It destroys, or asks for those in it that do, where that may be.
    destroys: bool,
}

#[derive(Clone, Debug)]
enum Kind {
    Leaf(u8),
    Written(Vec<Draft>),
    Parallel(Vec<Draft>),
    Call(Called),
}

/// A runbook that a step calls.
#[derive(Clone, Debug)]
struct Called {
    steps: Vec<Draft>,
    finally: Vec<Draft>,
    /// Picks among its steps: what it gives.
    gives: [u8; 2],
    /// Picks among the runbooks that are written already, to call one of them again.
    again: u8,
}

/// Runbooks in which nothing destroys.
pub(crate) fn books() -> impl Strategy<Value = Book> {
    some_books(Just(false))
}

pub(super) fn all_books() -> impl Strategy<Value = Book> {
    some_books(prop::bool::weighted(0.7))
}

fn some_books(destroys: impl Strategy<Value = bool>) -> impl Strategy<Value = Book> {
    let steps = prop::collection::vec(drafts(), 1..5);
    let finally = prop_oneof![1 => Just(Vec::new()), 1 => prop::collection::vec(drafts(), 1..3)];
    let session = prop_oneof![3 => Just(None), 1 => (0..4_u8).prop_map(Some)];
    let lock = prop::bool::weighted(0.5);
    (steps, finally, session, lock, destroys).prop_map(|(steps, finally, session, lock, destroys)| {
        text(&steps, &finally, session, (lock || destroys, destroys))
    })
}

fn drafts() -> impl Strategy<Value = Draft> {
    let leaf = (0..14_u8).prop_map(Kind::Leaf);
    let kind = leaf.prop_recursive(3, 10, 3, |inner| {
        let some = || prop::collection::vec(draft(inner.clone()), 1..4);
        let finally = prop_oneof![1 => Just(Vec::new()), 1 => prop::collection::vec(draft(inner.clone()), 1..3)];
        let gives = [0..6_u8, 0..6_u8];
        let again = prop_oneof![3 => Just(0_u8), 1 => 1..4_u8];
        let called = (some(), finally, gives, again).prop_map(|(steps, finally, gives, again)| Called {
            steps,
            finally,
            gives,
            again,
        });
        prop_oneof![
            6 => some().prop_map(Kind::Parallel),
            4 => some().prop_map(Kind::Written),
            6 => called.prop_map(Kind::Call),
        ]
    });
    draft(kind)
}

fn draft(kind: impl Strategy<Value = Kind>) -> impl Strategy<Value = Draft> {
    let seldom = |times| prop_oneof![times => Just(0_u8), 1 => 1..8_u8];
    let names = [prop_oneof![1 => Just(0_u8), 1 => 1..8_u8], prop_oneof![3 => Just(0_u8), 1 => 1..8_u8]];
    let parts = (seldom(4), seldom(3), prop::bool::weighted(0.25), seldom(2), names, seldom(2), 0..4_u8, 0..12_u8);
    let destroys = prop::bool::weighted(0.45);
    (kind, parts, destroys).prop_map(|(kind, (when, each, goes_on, needs, names, retry, width, next_by), destroys)| {
        Draft { destroys, kind, when, each, goes_on, needs, names, retry, width, next_by }
    })
}

/// A step that others can name.
#[derive(Clone)]
struct Seen {
    id: String,
    gate: bool,
    /// A gate that looks at the data itself.
    data: bool,
    /// It surely has an output where it is seen.
    sure: bool,
    /// What it gives does not outlive the process.
    brief: bool,
}

struct Writer {
    text: String,
    ids: usize,
    /// Runbooks that are called: their texts, and whether what they give is brief.
    called: Vec<(String, bool)>,
    /// The line with the lock of all of them.
    lock: &'static str,
    /// What is written is called, and has inputs.
    inputs: bool,
    seen: Vec<Vec<Seen>>,
    finally: bool,
    /// Something in it may destroy.
    destroys: bool,
    /// People are asked for what is written now: what destroys in it sees so many of the open lists.
    asks: Option<usize>,
}

/// What a step has to do with what destroys.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    None,
    /// It destroys, and asks.
    Alone,
    /// It asks for those in it.
    Around,
    /// It destroys, and a group around it asks.
    Inside,
}

fn text(steps: &[Draft], finally: &[Draft], session: Option<u8>, (lock, destroys): (bool, bool)) -> Book {
    let lock = if lock { "lock: it\n" } else { "" };
    let head = format!("runbook: toy\nsummary: A toy.\n{lock}steps:\n");
    let mut writer = Writer {
        text: head,
        ids: 0,
        called: Vec::new(),
        lock,
        inputs: false,
        seen: vec![Vec::new()],
        finally: false,
        destroys,
        asks: None,
    };
    writer.list(steps, 2, false);
    let sure: Vec<String> = writer.seen[0].iter().filter(|seen| seen.sure).map(|seen| seen.id.clone()).collect();
    if let Some(pick) = session {
        let name = pick_of(pick, &sure).map(|id| format!("'{{{{ steps.{id}.yes | string }}}}'"));
        writeln!(writer.text, "session:\n  env: {{ IT: {} }}", name.unwrap_or("nothing".into())).unwrap();
    }
    writer.finally(finally);
    let called = writer.called.iter().enumerate().map(|(at, (text, _))| format!("--- r{at}\n{text}"));
    let called: String = called.collect();
    Book(writer.text + &called)
}

/// A gate that a person may let pass.
fn is_evidence(draft: &Draft) -> bool {
    draft.width >= 2
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
    fn finally(&mut self, drafts: &[Draft]) {
        if drafts.is_empty() {
            return;
        }
        self.seen[0].iter_mut().for_each(|seen| seen.sure = false);
        self.seen.push(Vec::new());
        self.finally = true;
        self.text.push_str("finally:\n");
        self.list(drafts, 2, false);
    }

    /// Writes a runbook of its own, which sees nothing of this one. Gives its place among those that are called.
    fn runbook(&mut self, called: &Called) -> usize {
        let head = "summary: A toy.\ninputs:\n  yes: { type: boolean, default: true }\n  \
                    items: { type: array, default: [x, y] }\nsteps:\n";
        let mut inner = Writer {
            text: head.to_owned(),
            ids: self.ids,
            lock: self.lock,
            called: std::mem::take(&mut self.called),
            inputs: true,
            seen: vec![Vec::new()],
            finally: false,
            destroys: self.destroys,
            asks: None,
        };
        inner.list(&called.steps, 2, false);
        let sure: Vec<Seen> = inner.seen[0].iter().filter(|seen| seen.sure).cloned().collect();
        let given = called.gives.map(|pick| pick_of(pick, &sure).cloned());
        inner.finally(&called.finally);
        let give = |seen: &Option<Seen>, field: &str, otherwise: &str| match seen {
            Some(seen) => format!("'{{{{ steps.{}.{field} }}}}'", seen.id),
            None => otherwise.to_owned(),
        };
        let (yes, items) = (give(&given[0], "yes", "true"), give(&given[1], "items", "[x]"));
        writeln!(inner.text, "outputs:\n  value: 1\n  yes: {yes}\n  items: {items}").unwrap();
        let brief = given.iter().flatten().any(|seen| seen.brief);
        let place = inner.called.len();
        // What has no lock may be called under one, and calls nothing that has one.
        let calls = |at: usize| inner.text.contains(&format!("  call: r{at}\n"));
        let mut known = inner.called.iter().enumerate();
        let locked = called.gives[1].is_multiple_of(2)
            || inner.text.contains("toy.destroy")
            || known.any(|(at, (text, _))| calls(at) && text.contains("\nlock: "));
        let lock = if locked { self.lock } else { "" };
        inner.called.push((format!("runbook: r{place}\n{lock}{}", inner.text), brief));
        (self.called, self.ids) = (inner.called, inner.ids);
        place
    }

    /// What the step calls, and with what. True when what it gives is brief.
    fn call(&mut self, draft: &Draft, called: &Called, pad: &str) -> bool {
        let known = (0..self.called.len()).collect::<Vec<_>>();
        let place = pick_of(called.again, &known).copied().unwrap_or_else(|| self.runbook(called));
        writeln!(self.text, "{pad}  call: r{place}").unwrap();
        let lasting = self.visible(|seen| seen.sure && !seen.brief);
        let names = draft.names.map(|pick| pick_of(pick, &lasting).cloned());
        let fields = ["yes", "items"].iter().zip(&names);
        let fields = fields.filter_map(|(field, id)| {
            let id = id.as_ref()?;
            Some(format!("{field}: '{{{{ steps.{id}.{field} }}}}'"))
        });
        let fields: Vec<String> = fields.collect();
        if !fields.is_empty() {
            writeln!(self.text, "{pad}  with: {{ {} }}", fields.join(", ")).unwrap();
        }
        self.called[place].1
    }

    fn list(&mut self, drafts: &[Draft], indent: usize, parallel: bool) {
        let mut later = Vec::new();
        for draft in drafts {
            if !parallel {
                self.gate_before(draft, indent);
            }
            let seen = self.step(draft, indent);
            if parallel {
                later.push(seen);
            } else {
                self.see(seen);
            }
        }
        later.into_iter().for_each(|seen| self.see(seen));
    }

    /// What destroys needs a gate that it can see.
    fn gate_before(&mut self, draft: &Draft, indent: usize) {
        let leads = matches!(draft.kind, Kind::Leaf(_) | Kind::Written(_));
        let wanted = draft.destroys && leads && self.destroys && !self.finally && self.asks.is_none();
        if wanted && self.visible(|seen| seen.data).is_empty() {
            self.ids += 1;
            let (id, pad) = (format!("s{}", self.ids), " ".repeat(indent));
            writeln!(self.text, "{pad}- id: {id}\n{pad}  gate: toy.gate").unwrap();
            self.see(Seen { id, gate: true, data: true, sure: true, brief: false });
        }
    }

    fn part(&self, draft: &Draft) -> Part {
        let may = self.destroys && !self.finally && !self.visible(|seen| seen.data).is_empty();
        match (&draft.kind, self.asks.is_some()) {
            _ if !draft.destroys || !may => Part::None,
            (Kind::Leaf(_), true) => Part::Inside,
            (Kind::Leaf(_), false) => Part::Alone,
            (Kind::Written(_), false) => Part::Around,
            _ => Part::None,
        }
    }

    /// What the step can name: what destroys in a group that asks names nothing in it.
    fn open(&self, part: Part) -> Vec<Seen> {
        let lists = self.asks.filter(|_| part == Part::Inside).unwrap_or(self.seen.len());
        self.seen.iter().take(lists).flatten().cloned().collect()
    }

    fn confirm(&mut self, draft: &Draft, sure: &[String], pad: &str) {
        let typed = pick_of(draft.names[1] / 3, sure).map(|id| format!("'{{{{ steps.{id}.yes | string }}}}'"));
        let typed = typed.unwrap_or_else(|| "it".to_owned());
        let time = ["", ", answer_within: 2m", ", valid_for: 1m", ""][usize::from(draft.width) % 4];
        writeln!(self.text, "{pad}  confirm: {{ typed: {typed}{time} }}").unwrap();
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
        let part = self.part(draft);
        let open = self.open(part);
        let mut line = |line: String| writeln!(self.text, "{pad}  {line}").unwrap();
        let sure: Vec<String> = open.iter().filter(|seen| seen.sure).map(|seen| seen.id.clone()).collect();
        let when = match draft.when {
            0 => None,
            1 => Some("false".to_owned()),
            2 if self.inputs => Some("inputs.yes".to_owned()),
            2 => Some("true".to_owned()),
            pick => pick_of(pick - 2, &sure).map(|id| format!("steps.{id}.yes")),
        };
        when.iter().for_each(|when| line(format!("when: '{when}'")));
        let each = match draft.each {
            _ if part == Part::Inside => None,
            0 => None,
            1 => Some("[x, y, z]".to_owned()),
            2 => Some("[]".to_owned()),
            3 => Some("[{ name: a }, { name: b }]".to_owned()),
            4 if self.inputs => Some("inputs.items".to_owned()),
            4 => Some("[7, 7]".to_owned()),
            pick => pick_of(pick - 4, &sure).map(|id| format!("'steps.{id}.items'")),
        };
        each.iter().for_each(|each| line(format!("for_each: {each}")));
        let next_by = each.as_ref().and_then(|each| choice(draft, each, &sure));
        next_by.iter().for_each(|next_by| line(format!("next_by: {next_by}")));
        let top_of_finally = self.finally && self.seen.len() == 2;
        let stops = top_of_finally && draft.width == 3;
        // After a no nothing goes on.
        let asks = matches!(part, Part::Alone | Part::Around);
        if draft.goes_on && !asks {
            line("on_error: continue".to_owned());
        } else if stops {
            line("on_error: stop".to_owned());
        }
        let gates: Vec<String> = open.iter().filter(|seen| seen.gate).map(|seen| seen.id.clone()).collect();
        let data: Vec<String> = open.iter().filter(|seen| seen.data).map(|seen| seen.id.clone()).collect();
        let mut needs: Vec<&String> =
            if asks { pick_of(draft.needs.max(1), &data) } else { None }.into_iter().collect();
        // The newest: most often the step just before.
        let other = if asks { pick_of(draft.names[1].max(1), &gates) } else { pick_of(draft.needs, &gates) };
        needs.extend(other.filter(|other| !needs.contains(other)));
        if !needs.is_empty() {
            line(format!("needs: [{}]", needs.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ")));
        }
        let parallel = matches!(draft.kind, Kind::Parallel(_));
        if (each.is_some() || parallel) && draft.width > 0 {
            line(format!("max_parallel: {}", draft.width));
        }
        if matches!(part, Part::Alone | Part::Around) {
            self.confirm(draft, &sure, &pad);
        }
        let (gate, brief) = match (part, &draft.kind) {
            (Part::Alone | Part::Inside, _) => self.destroy(draft, part, &pad),
            (Part::Around, Kind::Written(children)) => self.confirmed(children, indent),
            _ => self.body(draft, indent),
        };
        let group = matches!(draft.kind, Kind::Written(_) | Kind::Parallel(_));
        let stays = (!draft.goes_on || asks) && (stops || !top_of_finally);
        let plain = !group && when.is_none() && each.is_none() && stays;
        let data = gate && !is_evidence(draft);
        Seen { id, gate, data, sure: plain, brief }
    }

    fn destroy(&mut self, draft: &Draft, part: Part, pad: &str) -> (bool, bool) {
        writeln!(self.text, "{pad}  uses: toy.destroy").unwrap();
        let all: Vec<String> = self.open(part).into_iter().map(|seen| seen.id).collect();
        if let Some(id) = pick_of(draft.names[0], &all) {
            writeln!(self.text, "{pad}  with: {{ value: ['{{{{ steps.{id} }}}}'] }}").unwrap();
        }
        (false, false)
    }

    /// Single steps, one of which destroys for sure.
    fn confirmed(&mut self, children: &[Draft], indent: usize) -> (bool, bool) {
        writeln!(self.text, "{}  steps:", " ".repeat(indent)).unwrap();
        let mut children = children.to_vec();
        for (at, child) in children.iter_mut().enumerate() {
            let pick = if let Kind::Leaf(pick) = child.kind { pick } else { 0 };
            child.kind = Kind::Leaf(pick);
            child.destroys |= at == 0;
        }
        self.asks = Some(self.seen.len());
        self.seen.push(Vec::new());
        self.list(&children, indent + 4, false);
        let inside = self.seen.pop().unwrap_or_default();
        self.asks = None;
        (false, inside.iter().any(|seen| seen.brief))
    }

    /// What the step does. Whether it is a gate, and whether what it gives is brief.
    fn body(&mut self, draft: &Draft, indent: usize) -> (bool, bool) {
        let pad = " ".repeat(indent);
        let (word, children) = match &draft.kind {
            Kind::Leaf(pick) => return self.leaf(draft, usize::from(*pick), &pad),
            // `finally` calls nothing.
            Kind::Call(_) if self.finally => return self.leaf(draft, 0, &pad),
            Kind::Call(called) => return (false, self.call(draft, called, &pad)),
            Kind::Written(children) => ("steps", children),
            Kind::Parallel(children) => ("parallel", children),
        };
        writeln!(self.text, "{pad}  {word}:").unwrap();
        self.seen.push(Vec::new());
        self.list(children, indent + 4, word == "parallel");
        let inside = self.seen.pop().unwrap_or_default();
        (false, inside.iter().any(|seen| seen.brief))
    }

    fn leaf(&mut self, draft: &Draft, pick: usize, pad: &str) -> (bool, bool) {
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
            if is_evidence(draft) {
                writeln!(self.text, "{pad}  class: evidence").unwrap();
            }
            if draft.width % 2 == 1 {
                writeln!(self.text, "{pad}  passes: {{ every: 1s, within: 1m }}").unwrap();
            }
        } else if draft.retry > 0 && !matches!(operation, "once" | "send") {
            let backoff = if draft.retry.is_multiple_of(2) { ", backoff: double" } else { "" };
            let (attempts, delay) = (1 + draft.retry % 3, 1 + draft.retry % 4);
            writeln!(self.text, "{pad}  retry: {{ attempts: {attempts}, delay: {delay}s{backoff} }}").unwrap();
        }
        (gate, !gate && matches!(operation, "token" | "lease"))
    }
}
