//! Steps that call another runbook: it is found, read and checked with the caller, and what the call gives is compared
//! with what it asks for. Each runbook is read once, however often it is called.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map as JsonMap, Value, json};
use sluice_plugin::parse_duration;

use super::super::checked::{Call, Checked, Input, InputKind, Kind, Tree};
use super::super::library::{Book, Library, NoBook};
use super::super::model::{CallModel, Model, WithGiven};
use super::super::passed::{may_be_left_out, schema_of};
use super::super::step_of;
use super::{Actions, Check, with};
use crate::diagnostic::{Code, Diagnostic, Findings};
use crate::expr::{self, Key, Template, Ty};
use crate::yaml;
use crate::yaml::Map;
use crate::yaml::fields::Spanned;

/// Calls inside calls, at most.
const DEEPEST: usize = 8;

/// The runbooks that are called from the first one on.
pub(super) struct Calls<'a> {
    pub(super) actions: &'a dyn Actions,
    library: &'a dyn Library,
    faces: RefCell<BTreeMap<String, Rc<Face>>>,
    /// Those being read now, from the outermost in: their ids, and how they were called.
    chain: RefCell<Vec<(String, String)>>,
    found: RefCell<Vec<Diagnostic>>,
}

/// What a caller sees of a runbook, also of one in which something is wrong.
pub(super) struct Face {
    inputs: Option<IndexMap<String, Input>>,
    outputs: Ty,
    lock: Option<Template>,
    has_session: bool,
    runbook: Option<Arc<Checked>>,
    /// The longest way down from it.
    depth: usize,
}

impl Face {
    pub(super) fn new(
        model: &Model,
        inputs: Option<IndexMap<String, Input>>,
        lock: Option<Template>,
        outputs: Ty,
    ) -> Self {
        Self { inputs, outputs, lock, has_session: model.session.is_some(), runbook: None, depth: 0 }
    }

    /// Of a file that is no runbook at all.
    fn unknown() -> Self {
        Self { inputs: None, outputs: Ty::Any, lock: None, has_session: false, runbook: None, depth: 0 }
    }
}

impl<'a> Calls<'a> {
    pub(super) fn new(actions: &'a dyn Actions, library: &'a dyn Library) -> Self {
        Self { actions, library, faces: RefCell::default(), chain: RefCell::default(), found: RefCell::default() }
    }

    /// The runbook that nobody calls, and what is wrong with it.
    pub(super) fn first(&self, book: &Book) -> (Option<Checked>, Vec<Diagnostic>) {
        self.chain.borrow_mut().push((book.id.clone(), book.source.name().to_owned()));
        let (runbook, _, found) = self.read(book);
        (runbook, found)
    }

    /// What is wrong with those that are called.
    pub(super) fn found(self) -> Vec<Diagnostic> {
        self.found.into_inner()
    }

    fn read(&self, book: &Book) -> (Option<Checked>, Face, Vec<Diagnostic>) {
        let mut findings = Findings::new(&book.source);
        let root = yaml::parse(&book.source, &mut findings);
        let model = root.map(|root| super::super::parse(&root, &mut findings));
        let (runbook, face) =
            model.map_or_else(|| (None, Face::unknown()), |model| super::check(&model, book, self, &mut findings));
        let runbook = runbook.filter(|_| !findings.any_error());
        (runbook, face, findings.finish())
    }

    /// The called runbook, read once. The error is told at the call.
    fn face(&self, name: &str, book: &Book) -> Result<Rc<Face>, String> {
        if self.chain.borrow().iter().any(|(id, _)| *id == book.id) {
            return Err(format!("`{name}` would call itself: {}", self.way(name)));
        }
        let known = self.faces.borrow().get(&book.id).cloned();
        let above = self.chain.borrow().len();
        if above + known.as_ref().map_or(0, |face| face.depth) > DEEPEST {
            let way = self.way(name);
            return Err(format!("calls go more than {DEEPEST} deep: {way}"));
        }
        if let Some(face) = known {
            return Ok(face);
        }
        self.chain.borrow_mut().push((book.id.clone(), name.to_owned()));
        let (runbook, face, found) = self.read(book);
        self.chain.borrow_mut().pop();
        self.found.borrow_mut().extend(found);
        let depth = runbook.as_ref().map_or(0, |runbook| self.depth_below(runbook));
        let face = Rc::new(Face { runbook: runbook.map(Arc::new), depth, ..face });
        self.faces.borrow_mut().insert(book.id.clone(), face.clone());
        Ok(face)
    }

    fn depth_below(&self, runbook: &Checked) -> usize {
        let faces = self.faces.borrow();
        runbook.calls().filter_map(|call| faces.get(&call.id)).map(|face| face.depth + 1).max().unwrap_or(0)
    }

    /// `a.yaml -> b -> c`
    fn way(&self, last: &str) -> String {
        let chain = self.chain.borrow();
        chain.iter().map(|(_, name)| name.as_str()).chain([last]).collect::<Vec<_>>().join(" -> ")
    }
}

impl Check<'_> {
    /// The step, unless something is wrong, and what it gives. Both are missing where nothing is known of the runbook.
    pub(super) fn call(&mut self, model: &CallModel) -> Option<(Option<Kind>, Ty)> {
        let name = model.runbook.as_ref()?;
        let book = match self.calls.library.book(&name.value, self.book) {
            Ok(book) => book,
            Err(error) => {
                self.no_book(name, error);
                return None;
            }
        };
        let face = match self.calls.face(&name.value, &book) {
            Ok(face) => face,
            Err(message) => {
                let help = "write the steps into one of them, or call fewer";
                self.findings.helped(Code::CallDepth, name.span, message, help);
                return None;
            }
        };
        let with = face.inputs.as_ref().and_then(|inputs| self.call_with(name, &model.with, inputs));
        let callable = self.is_callable(name, &face, with.as_ref());
        let call = (|| {
            let (with, inputs) = (with?, face.inputs.as_ref()?);
            let thresholds = self.thresholds(name, &book, inputs, &with)?;
            let runbook = face.runbook.clone().filter(|_| callable)?;
            let (name, id, origin) = (name.value.clone(), book.id.clone(), book.origin.clone());
            Some(Kind::Call(Box::new(Call { name, id, origin, runbook, with, thresholds })))
        })();
        Some((call, face.outputs.clone()))
    }

    fn no_book(&mut self, name: &Spanned<String>, error: NoBook) {
        match error {
            NoBook::Missing { why, help } => {
                let found = Diagnostic::error(Code::UnknownRunbook, why).at(self.findings.source(), name.span, "");
                self.findings.push(help.into_iter().fold(found, Diagnostic::help));
            }
            NoBook::Unreadable(found) => self.calls.found.borrow_mut().push(*found),
        }
    }

    /// `with` against the inputs of the called runbook.
    fn call_with(
        &mut self,
        name: &Spanned<String>,
        given: &WithGiven,
        inputs: &IndexMap<String, Input>,
    ) -> Option<Tree> {
        let map = match given {
            WithGiven::Absent => Map::default(),
            WithGiven::Wrong => return None,
            WithGiven::Fields(with) => with.map.clone(),
        };
        let schema = schema_of_inputs(inputs);
        let (names, findings) = self.here(None);
        let tree = with::check(&map, &schema, name.span, &names, findings);
        let mut fine = true;
        for entry in map.iter() {
            let is_duration = inputs.get(&entry.key.name).is_some_and(|input| input.kind == InputKind::Duration);
            let constant = if let Value::String(text) = entry.value.to_json() { Some(text) } else { None };
            let template = constant.as_ref().is_some_and(|text| text.contains("{{"));
            let Some(Err(why)) = constant.filter(|_| is_duration && !template).map(|text| parse_duration(&text)) else {
                continue;
            };
            self.findings.error(Code::BadField, entry.value.span, format!("`{}`: {why}", entry.key.name), "");
            fine = false;
        }
        tree.filter(|_| fine)
    }

    /// What a call cannot do, however its fields are.
    fn is_callable(&mut self, name: &Spanned<String>, face: &Face, with: Option<&Tree>) -> bool {
        let mut fine = true;
        let mut refuse = |message: String, help: &str| {
            self.findings.helped(Code::NotCallable, name.span, message, help);
            fine = false;
        };
        let called = &name.value;
        if face.has_session {
            let message = format!("`{called}` ends in a session, and only a person who runs it gets one");
            refuse(message, "run it by itself, or call a runbook without a session");
        }
        if let Some(message) = other_lock(called, face, with, self.lock.as_ref()) {
            refuse(message, "a run holds one lock: give both runbooks the same `lock`");
        }
        let short = with.into_iter().flat_map(Tree::paths).filter_map(step_of);
        let short = short.filter(|id| self.place.find(id).is_some_and(|step| step.is_ephemeral));
        for id in short.collect::<std::collections::BTreeSet<_>>() {
            let message =
                format!("what `{id}` gives lives only as long as the process, and the inputs of `{called}` outlive it");
            refuse(message, "take the step into the called runbook");
        }
        fine
    }

    /// Rows for the inputs that are not given. `None` after an error.
    fn thresholds(
        &mut self,
        name: &Spanned<String>,
        book: &Book,
        inputs: &IndexMap<String, Input>,
        with: &Tree,
    ) -> Option<BTreeMap<String, Value>> {
        let given = |input: &str| match with {
            Tree::Map(fields) => fields.contains_key(input),
            Tree::Constant(value) => value.get(input).is_some(),
            Tree::Leaf(_) | Tree::Seq(_) => false,
        };
        let mut rows = BTreeMap::new();
        for (input, declared) in inputs {
            if declared.kind != InputKind::Thresholds || given(input) {
                continue;
            }
            let default = declared.default.as_ref().and_then(Value::as_str);
            match self.calls.library.thresholds(book, input, default) {
                Ok(found) => drop(rows.insert(input.clone(), found)),
                Err(error) => {
                    self.no_book(name, error);
                    return None;
                }
            }
        }
        Some(rows)
    }
}

fn schema_of_inputs(inputs: &IndexMap<String, Input>) -> Value {
    let field = |(name, input): (&String, &Input)| {
        let mut schema = schema_of(&input.kind);
        if let (Some(description), Value::Object(fields)) = (&input.description, &mut schema) {
            fields.insert("description".to_owned(), Value::String(description.clone()));
        }
        (name.clone(), schema)
    };
    let required: Vec<&String> =
        inputs.iter().filter(|(_, input)| !may_be_left_out(input)).map(|(name, _)| name).collect();
    let properties: JsonMap<String, Value> = inputs.iter().map(field).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties, "required": required })
}

/// Why the called runbook surely wants another lock than the caller has. What depends on values is seen when the step
/// opens.
fn other_lock(name: &str, face: &Face, with: Option<&Tree>, own: Option<&Option<Template>>) -> Option<String> {
    let (theirs, own) = (face.lock.as_ref()?, own?);
    let Some(own) = own else {
        return Some(format!("`{name}` wants a lock, and this runbook has none"));
    };
    let given = with.and_then(Tree::constant).and_then(Value::as_object).cloned();
    let given = given.unwrap_or_else(|| match with {
        Some(Tree::Map(fields)) => {
            fields.iter().filter_map(|(name, tree)| Some((name.clone(), tree.constant()?.clone()))).collect()
        }
        _ => JsonMap::new(),
    });
    let defaults = face.inputs.iter().flatten().filter(|_| with.is_some());
    let defaults = defaults.filter_map(|(name, input)| Some((name.clone(), input.default.clone()?)));
    let left_out = |name: &str| match with {
        Some(Tree::Map(fields)) => !fields.contains_key(name),
        _ => true,
    };
    let mut known: JsonMap<String, Value> = defaults.filter(|(name, _)| left_out(name)).collect();
    known.extend(given);
    let (theirs, own) = (constant(theirs, &known)?, constant(own, &JsonMap::new())?);
    (theirs != own).then(|| format!("`{name}` wants the lock `{theirs}`, and this runbook has `{own}`"))
}

/// The text, if everything it is made of is known.
fn constant(template: &Template, inputs: &JsonMap<String, Value>) -> Option<Value> {
    let known = |path: &&expr::Path| match path.parts.first().map(|part| &part.key) {
        Some(Key::Name(name)) => path.root == "inputs" && inputs.contains_key(name),
        Some(Key::Index(_)) | None => false,
    };
    if !expr::template_roots(template).iter().all(known) {
        return None;
    }
    let scope = JsonMap::from_iter([("inputs".to_owned(), Value::Object(inputs.clone()))]);
    expr::render(template, &scope).ok()
}
