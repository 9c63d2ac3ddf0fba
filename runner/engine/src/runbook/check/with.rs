//! `with` against the input schema of the action: fields that must be there, fields that are unknown, constants that the
//! schema refuses, templates whose type cannot fit.

use serde_json::{Map as JsonMap, Value};

use super::super::checked::Tree;
use super::leaf;
use crate::diagnostic::{Code, Diagnostic, Findings, did_you_mean, list, nearest};
use crate::expr::{Ty, TypeScope};
use crate::fit::plainly_fits;
use crate::source::Span;
use crate::yaml::{Entry, Kind, Map, Node};

/// The filled-in form of `with`. `span` is where a missing field is reported.
pub(super) fn check(
    map: &Map,
    schema: &Value,
    span: Span,
    names: &dyn TypeScope,
    findings: &mut Findings,
) -> Option<Tree> {
    Fields { schema: object(schema)?, path: String::new(), span }.check(map, names, findings)
}

/// The keywords of an object schema. A schema that is no object takes anything.
fn object(schema: &Value) -> Option<&JsonMap<String, Value>> {
    static EMPTY: std::sync::LazyLock<JsonMap<String, Value>> = std::sync::LazyLock::new(JsonMap::new);
    Some(schema.as_object().unwrap_or(&EMPTY))
}

/// A mapping and the schema of its fields.
struct Fields<'a> {
    schema: &'a JsonMap<String, Value>,
    /// `place.lines[0]`; empty for `with` itself.
    path: String,
    span: Span,
}

impl Fields<'_> {
    fn check(&self, map: &Map, names: &dyn TypeScope, findings: &mut Findings) -> Option<Tree> {
        let mut fine = true;
        let mut meant = Vec::new();
        let mut trees = Vec::new();
        for entry in map.iter() {
            match self.field(entry, names, findings) {
                Some(tree) => trees.push((entry.key.name.clone(), tree)),
                None => {
                    meant.extend(nearest(&entry.key.name, self.names()));
                    fine = false;
                }
            }
        }
        for name in self.required().filter(|name| map.get(name).is_none()) {
            fine = false;
            if !meant.contains(&name) {
                self.missing(name, findings);
            }
        }
        fine.then(|| leaf::joined_map(trees.into_iter()))
    }

    fn required(&self) -> impl Iterator<Item = &str> {
        self.schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    fn properties(&self) -> Option<&JsonMap<String, Value>> {
        self.schema.get("properties").and_then(Value::as_object)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.properties().into_iter().flatten().map(|(name, _)| name.as_str())
    }

    fn what(&self) -> String {
        if self.path.is_empty() { "`with`".to_owned() } else { format!("`{}`", self.path) }
    }

    fn missing(&self, name: &str, findings: &mut Findings) {
        let described = self.properties().and_then(|all| all.get(name)).and_then(|field| field.get("description"));
        let found = Diagnostic::error(Code::MissingField, format!("{} needs `{name}`", self.what()));
        let found = found.at(findings.source(), self.span, "");
        let described = described.and_then(Value::as_str).and_then(|text| text.split(". ").next());
        let help = described.map(|text| format!("`{name}`: {}", text.trim_end_matches('.')));
        findings.push(help.into_iter().fold(found, Diagnostic::help));
    }

    fn field(&self, entry: &Entry, names: &dyn TypeScope, findings: &mut Findings) -> Option<Tree> {
        let name = entry.key.name.as_str();
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        let declared = self.properties().and_then(|all| all.get(name));
        let schema = match (declared, self.schema.get("additionalProperties")) {
            (Some(schema), _) => schema,
            (None, Some(Value::Bool(false))) => return self.unknown(entry, findings),
            (None, Some(others)) => others,
            // A schema that lists fields and is silent on others would have a misspelt one ignored.
            (None, None) if self.properties().is_some() => return self.unknown(entry, findings),
            (None, None) => &Value::Bool(true),
        };
        value(&entry.value, schema, &path, names, findings)
    }

    fn unknown(&self, entry: &Entry, findings: &mut Findings) -> Option<Tree> {
        let name = &entry.key.name;
        let found = Diagnostic::error(Code::UnknownField, format!("`{name}` is not a field of {}", self.what()));
        let label = did_you_mean(name, self.names()).unwrap_or_default();
        let found = found.at(findings.source(), entry.key.span, label);
        findings.push(found.help(format!("{} takes {}", self.what(), list(self.names(), "and"))));
        None
    }
}

/// One value against its schema.
fn value(node: &Node, schema: &Value, path: &str, names: &dyn TypeScope, findings: &mut Findings) -> Option<Tree> {
    let schema = without_null(schema);
    let what = format!("`{path}`");
    if let (Kind::Map(_), Some(thing)) = (&node.kind, schema.get("x-inventory").and_then(Value::as_str)) {
        return written_out(node, &what, thing, findings);
    }
    match (&node.kind, schema.as_object()) {
        (Kind::Map(map), Some(keywords)) if is(keywords, "object") => {
            Fields { schema: keywords, path: path.to_owned(), span: node.span }.check(map, names, findings)
        }
        (Kind::Seq(items), Some(keywords)) if is(keywords, "array") && keywords.contains_key("items") => {
            let inner = keywords.get("items").unwrap_or(&Value::Null);
            let each = |(at, item): (usize, &Node)| value(item, inner, &format!("{path}[{at}]"), names, findings);
            let trees: Vec<Option<Tree>> = items.iter().enumerate().map(each).collect();
            let tree = leaf::joined_seq(trees.into_iter().collect::<Option<_>>()?);
            fitting(node, tree, None, schema, &what, findings)
        }
        _ => {
            let (tree, ty) = leaf::tree(node, &what, names, findings)?;
            fitting(node, tree, Some(&ty), schema, &what, findings)
        }
    }
}

/// A constant is validated, the rest compared by type.
fn fitting(
    node: &Node,
    tree: Tree,
    ty: Option<&Ty>,
    schema: &Value,
    what: &str,
    findings: &mut Findings,
) -> Option<Tree> {
    if let Tree::Constant(constant) = &tree {
        if schema.get("x-secret") == Some(&Value::Bool(true)) && constant.is_string() {
            plain_secret(node, what, findings);
        }
        valid(node, constant, schema, what, findings)?;
    } else if let Some(ty) = ty {
        leaf::fits(node, what, ty, &Ty::from_schema(schema), findings)?;
    }
    Some(tree)
}

/// Accounts, regions and hosts are the inventory's to say, which a person has looked at, and never the runbook's.
fn written_out(node: &Node, what: &str, thing: &str, findings: &mut Findings) -> Option<Tree> {
    let meant = match thing {
        "aws" => "{{ inputs.cluster.aws }}".to_owned(),
        other => format!("{{{{ inputs.{other} }}}}"),
    };
    let message = format!("{what} is the inventory's to say, and is written out here");
    let help = format!("take an input of the type cluster or node, and pass on what it gives, such as `{meant}`");
    findings.helped(Code::InventoryWrittenOut, node.span, message, help);
    None
}

fn plain_secret(node: &Node, what: &str, findings: &mut Findings) {
    // Without the line: it would show the secret once more.
    let line = findings.source().position(node.span.start).line;
    let message = format!("{what} in line {line} takes a secret, and it stands in the runbook for all to read");
    let found = Diagnostic::warning(Code::SecretInPlainText, message).of(findings.source());
    findings.push(found.help("read it in a step, or name it in the inventory's `secrets`"));
}

/// Validates a constant; each finding is put at the value inside that is wrong.
pub(super) fn valid(node: &Node, constant: &Value, schema: &Value, what: &str, findings: &mut Findings) -> Option<()> {
    if plainly_fits(schema, constant) {
        return Some(());
    }
    let validator = match jsonschema::draft202012::new(schema) {
        Ok(validator) => validator,
        Err(error) => {
            findings.error(Code::BadField, node.span, format!("the schema of {what} is not valid: {error}"), "");
            return None;
        }
    };
    let mut fine = Some(());
    for error in validator.iter_errors(constant) {
        let at = node.at(error.instance_path().as_str());
        let found = Diagnostic::error(Code::BadField, format!("{what}: {error}")).at(findings.source(), at.span, "");
        let named = schema.get("type") == Some(&Value::from("object")) && constant.is_string();
        let help =
            named.then_some("a name does not stand for the thing: pass the object on, such as `{{ inputs.cluster }}`");
        findings.push(help.into_iter().fold(found, Diagnostic::help));
        fine = None;
    }
    fine
}

/// The other branch of an `anyOf` with null, which is how an optional field is written.
fn without_null(schema: &Value) -> &Value {
    let Some(branches) = schema.get("anyOf").and_then(Value::as_array) else { return schema };
    let is_null = |branch: &&Value| branch.get("type") == Some(&Value::from("null"));
    match branches.as_slice() {
        [other, null] | [null, other] if is_null(&null) && !is_null(&other) => other,
        _ => schema,
    }
}

fn is(keywords: &JsonMap<String, Value>, kind: &str) -> bool {
    match keywords.get("type") {
        Some(Value::String(name)) => name == kind,
        Some(Value::Array(names)) => names.iter().any(|name| name == kind),
        _ => kind == "object" && keywords.contains_key("properties"),
    }
}
