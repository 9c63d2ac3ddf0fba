//! Values given for inputs: text from a command line or JSON from elsewhere, read by the type that the runbook declares.
//! Names of clusters and nodes become the things of the inventory.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sluice_plugin::inventory::{Cluster, Node};
use sluice_plugin::{format_duration, parse_duration};

use super::checked::{Checked, Input, InputKind, Kind};
use crate::diagnostic::{Code, Diagnostic, did_you_mean, list};
use crate::fit::plainly_fits;
use crate::inventory::Inventory;

/// A value as it came in.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// `-i name=text`: what it means depends on the input's type.
    Text(String),
    Value(Value),
}

/// The object that expressions see as `inputs`: every input of the runbook has a value in it. Says everything that is
/// wrong at once.
pub fn resolve_inputs(
    runbook: &Checked,
    given: &BTreeMap<String, Given>,
    inventory: &Inventory,
) -> Result<Value, Vec<Diagnostic>> {
    let mut reader = Reader { runbook, inventory, clusters: BTreeMap::new(), found: Vec::new() };
    reader.unknown(given);
    let mut values = BTreeMap::new();
    // Nodes are looked up in clusters, so clusters come first.
    let (clusters, others): (Vec<_>, Vec<_>) =
        runbook.inputs.iter().partition(|(_, input)| matches!(input.kind, InputKind::Cluster));
    for (name, input) in clusters.into_iter().chain(others) {
        if let Some(value) = reader.one(name, input, given.get(name)) {
            values.insert(name.clone(), value);
        }
    }
    reader.gates(&values);
    if !reader.found.is_empty() {
        return Err(reader.found);
    }
    // In the order of the runbook, whatever the order of reading was.
    let ordered = runbook.inputs.keys().filter_map(|name| Some((name.clone(), values.remove(name)?)));
    Ok(Value::Object(ordered.collect::<Map<_, _>>()))
}

struct Reader<'a> {
    runbook: &'a Checked,
    inventory: &'a Inventory,
    /// The clusters that inputs of type `cluster` stand for.
    clusters: BTreeMap<String, &'a Cluster>,
    found: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    fn unknown(&mut self, given: &BTreeMap<String, Given>) {
        let names = || self.runbook.inputs.keys().map(String::as_str);
        for name in given.keys().filter(|name| !self.runbook.inputs.contains_key(*name)) {
            let message = format!("the runbook `{}` has no input `{name}`", self.runbook.name);
            let near = did_you_mean(name, names()).map(|near| format!("{near} ")).unwrap_or_default();
            let help = format!("{near}its inputs are {}", list(names(), "and"));
            self.found.push(Diagnostic::error(Code::UnknownInput, message).help(help));
        }
    }

    fn one(&mut self, name: &str, input: &Input, given: Option<&Given>) -> Option<Value> {
        let default = || self.soak(name, input).or_else(|| input.default.clone()).map(Given::Value);
        let Some(given) = given.cloned().or_else(default) else {
            self.missing(name, input);
            return None;
        };
        match self.value(name, input, &given) {
            Ok(value) => Some(value),
            Err(error) => {
                if let Some((why, help)) = error {
                    self.bad(name, input, why, help);
                }
                None
            }
        }
    }

    /// The input `soak` is as long as the inventory has it for the cluster, where nobody says otherwise.
    fn soak(&self, name: &str, input: &Input) -> Option<Value> {
        let mut clusters = self.clusters.values();
        let cluster = clusters.next().filter(|_| clusters.next().is_none())?;
        let entry =
            self.inventory.entry(&cluster.name).filter(|_| name == "soak" && input.kind == InputKind::Duration)?;
        Some(Value::String(format_duration(entry.soak)))
    }

    /// A gate that is to hold for as long as it is given never passes, and that would be seen hours later.
    fn gates(&mut self, values: &BTreeMap<String, Value>) {
        for step in self.runbook.walk() {
            let Kind::Gate(gate) = &step.kind else { continue };
            let Some(name) = &gate.passes.lasting else { continue };
            let (Some(value), Some(input)) = (values.get(name), self.runbook.inputs.get(name)) else { continue };
            let time = value.as_str().and_then(|text| parse_duration(text).ok()).unwrap_or_default();
            if time >= gate.passes.within {
                let given = format_duration(gate.passes.within);
                let why = format!("the gate `{}` has to pass for {value} and is given {given}", step.id);
                self.bad(name, input, why, Some(format!("less than {given}")));
            }
        }
    }

    fn missing(&mut self, name: &str, input: &Input) {
        let found = Diagnostic::error(Code::MissingInput, format!("no value was given for the input `{name}`"));
        let found = found.at(&self.runbook.source, input.span, "declared here");
        let what = match (&input.kind, &input.description) {
            (InputKind::Cluster, _) => format!("; the inventory has {}", self.cluster_names()),
            (_, Some(description)) => format!(": {description}"),
            (InputKind::Node { .. }, None) => ", such as `node-1`".to_owned(),
            (InputKind::Nodes { .. }, None) => ", such as `node-1,node-2`".to_owned(),
            (InputKind::Duration, None) => ", such as `30s`".to_owned(),
            (InputKind::Thresholds, None) => ": the path of a threshold file".to_owned(),
            (InputKind::Plain(_), None) => String::new(),
        };
        self.found.push(found.help(format!("give it with `-i {name}=...`{what}")));
    }

    fn bad(&mut self, name: &str, input: &Input, why: String, help: Option<String>) {
        let found = Diagnostic::error(Code::BadInput, format!("the input `{name}`: {why}"));
        let found = found.at(&self.runbook.source, input.span, "declared here");
        self.found.push(help.into_iter().fold(found, Diagnostic::help));
    }

    fn value(&mut self, name: &str, input: &Input, given: &Given) -> Result<Value, Bad> {
        match &input.kind {
            InputKind::Cluster => {
                let cluster = self.cluster(&word(given)?)?;
                self.clusters.insert(name.to_owned(), cluster);
                Ok(json(cluster))
            }
            InputKind::Node { of } => Ok(json(self.node(of, &word(given)?)?)),
            InputKind::Nodes { of } => self.nodes(of, given),
            InputKind::Duration => {
                let text = word(given)?;
                parse_duration(&text).map(|_| Value::String(text)).map_err(|why| Some((why, None)))
            }
            // Whoever reads files has put the rows in the place of the path.
            InputKind::Thresholds => match given {
                Given::Value(rows @ Value::Array(_)) => Ok(rows.clone()),
                Given::Value(_) | Given::Text(_) => Err(Some(("the threshold file was not read".to_owned(), None))),
            },
            InputKind::Plain(schema) => plain(schema, given),
        }
    }

    fn cluster_names(&self) -> String {
        list(self.inventory.clusters.keys().map(crate::inventory::ClusterName::as_str), "and")
    }

    fn cluster(&self, name: &str) -> Result<&'a Cluster, Bad> {
        self.inventory.cluster(name).ok_or_else(|| {
            let known = self.inventory.clusters.keys().map(crate::inventory::ClusterName::as_str);
            let near = did_you_mean(name, known).map(|near| format!("{near} ")).unwrap_or_default();
            let help = format!("{near}the inventory has {}", self.cluster_names());
            Some((format!("there is no cluster `{name}`"), Some(help)))
        })
    }

    /// By full name, by `node-2`, or by `2`. Silent when the cluster itself is not known: that was said already.
    fn node(&self, of: &str, name: &str) -> Result<&'a Node, Bad> {
        let cluster = self.clusters.get(of).ok_or(None)?;
        let fits = |node: &&Node| {
            node.name == name || node.number.to_string() == name || format!("node-{}", node.number) == name
        };
        cluster.nodes.iter().find(fits).ok_or_else(|| {
            let help = format!("its nodes are {}", list(cluster.nodes.iter().map(|node| node.name.as_str()), "and"));
            Some((format!("the cluster `{}` has no node `{name}`", cluster.name), Some(help)))
        })
    }

    fn nodes(&self, of: &str, given: &Given) -> Result<Value, Bad> {
        let names = match given {
            Given::Text(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
            Given::Value(Value::Array(items)) => {
                items.iter().map(|item| word(&Given::Value(item.clone()))).collect::<Result<Vec<_>, _>>()?
            }
            Given::Value(other) => return wanted("a list of nodes", other),
        };
        let nodes = names.iter().map(|name| self.node(of, name)).collect::<Result<Vec<_>, _>>()?;
        if let Some(twice) =
            nodes.iter().enumerate().find(|(at, node)| nodes.iter().take(*at).any(|other| other == *node))
        {
            return Err(Some((format!("the node `{}` is there twice", twice.1.name), None)));
        }
        Ok(Value::Array(nodes.into_iter().map(json).collect()))
    }
}

/// Why a value is refused and what to do; `None` when that was said already.
type Bad = Option<(String, Option<String>)>;

fn json(thing: &impl serde::Serialize) -> Value {
    // Structs of text and numbers always have a JSON form.
    serde_json::to_value(thing).unwrap_or(Value::Null)
}

/// A single word, as text.
fn word(given: &Given) -> Result<String, Bad> {
    match given {
        Given::Text(text) | Given::Value(Value::String(text)) => Ok(text.clone()),
        Given::Value(Value::Number(number)) => Ok(number.to_string()),
        Given::Value(other) => wanted("text", other),
    }
}

fn wanted<T>(what: &str, found: &Value) -> Result<T, Bad> {
    Err(Some((format!("{what} is wanted, and this is `{found}`"), None)))
}

fn plain(schema: &Value, given: &Given) -> Result<Value, Bad> {
    let value = match given {
        Given::Text(text) => from_text(schema, text)?,
        Given::Value(value) => value.clone(),
    };
    if plainly_fits(schema, &value) {
        return Ok(value);
    }
    let validator = jsonschema::draft202012::new(schema).map_err(|error| Some((error.to_string(), None)))?;
    match validator.iter_errors(&value).map(|error| error.to_string()).reduce(|all, one| format!("{all}; {one}")) {
        None => Ok(value),
        Some(why) => Err(Some((why, None))),
    }
}

/// Text as a value of the schema's type. Lists and objects are JSON; a list may also be words with commas between them.
fn from_text(schema: &Value, text: &str) -> Result<Value, Bad> {
    let refused = |what: &str| Err(Some((format!("{what} is wanted, and this is `{text}`"), None)));
    match schema.get("type").and_then(Value::as_str) {
        Some("integer") => text.parse::<i64>().map(Value::from).or_else(|_| refused("a whole number")),
        Some("number") => match text.parse::<f64>() {
            Ok(_) => serde_json::from_str(text).or_else(|_| refused("a number")),
            Err(_) => refused("a number"),
        },
        Some("boolean") => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => refused("`true` or `false`"),
        },
        Some("array") if !text.trim_start().starts_with('[') => {
            let inner = schema.get("items").unwrap_or(&Value::Null);
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            words.map(|word| from_text(inner, word)).collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        Some("array") => serde_json::from_str(text).or_else(|_| refused("a list, as JSON or with commas")),
        Some("object") => serde_json::from_str(text).or_else(|_| refused("an object as JSON")),
        _ => Ok(Value::String(text.to_owned())),
    }
}
