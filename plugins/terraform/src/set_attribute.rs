//! `terraform.set_attribute`: gives the text of a file of HCL with one value of it replaced. It computes and reaches
//! nothing: the text comes in and goes out, and somebody else reads and writes files.
//!
//! Every byte outside the value stays as it is. The new text is parsed once more, and is given only when nothing but that
//! value is another.

mod change;

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::{Action, ActionSpec, Call, Example, Host, Outcome, Problem};

use crate::describe::{input, output, read};
use crate::hcl::{Place, Source, line_at, same_but};
use change::Change;

/// A file that people write by hand is far smaller.
const LARGEST: usize = 1 << 20;

pub(crate) struct SetAttribute;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The whole file.
    text: String,
    /// Type and labels of the block that holds the attribute: `[module, messenger]`. Empty: the attribute stands outside
    /// of blocks.
    #[serde(default)]
    block: Vec<String>,
    /// Blocks inside that block, from outside in, each by type and labels.
    #[serde(default)]
    nested: Vec<Vec<String>>,
    /// The attribute's name.
    #[schemars(length(min = 1))]
    attribute: String,
    /// Keys inside the attribute's value, where that is a map written with braces, from outside in.
    #[serde(default)]
    path: Vec<String>,
    /// The new value: one HCL expression on one line, quotes included.
    #[serde(default)]
    value: Option<String>,
    /// A part of the old value, and what stands there afterwards.
    #[serde(default)]
    replace: Option<Replace>,
    /// The old value as it stands in the file, quotes included. Any other is left alone.
    #[serde(default)]
    expect: Option<String>,
    /// Texts that stand as `@name@` in `value`, `replace` and `expect`. Each becomes a quoted string, whatever is in it:
    /// what comes from outside is put here and never into the text itself.
    #[serde(default)]
    strings: BTreeMap<String, String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replace {
    /// Stands exactly once in the old value.
    #[schemars(length(min = 1))]
    from: String,
    to: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Output {
    /// False: the value was that already, and the text is as it came.
    changed: bool,
    /// The old value as it stood there.
    before: String,
    /// The new one.
    after: String,
    /// Where the value begins, from 1.
    line: usize,
    /// The lines with the value as they were.
    old_lines: Vec<String>,
    /// The same lines as they are now.
    new_lines: Vec<String>,
    /// The whole file, with the new value.
    text: String,
}

#[async_trait]
impl Action for SetAttribute {
    fn spec(&self) -> ActionSpec {
        let summary = "Replace one value in the text of a Terraform file and nothing else";
        let mut spec = read::<Input, Output>("set_attribute", summary);
        spec.examples = vec![example()];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        let there = |key: &str| with.get(key).is_some_and(|value| !value.is_null());
        (there("value") == there("replace")).then(change::one_of_two).into_iter().collect()
    }

    async fn run(&self, _: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input(&call.with)?;
        output(&edited(&input)?).map(Outcome::plain)
    }
}

fn edited(input: &Input) -> Result<Output, Problem> {
    if input.text.len() > LARGEST {
        return Err(Problem::bad_input("/text", "the text is larger than 1 MiB, which no file of Terraform is"));
    }
    let change = Change::of(input)?;
    let place = Place { block: &input.block, nested: &input.nested, attribute: &input.attribute, path: &input.path };
    let old = Source::parse(&input.text)?;
    let before = place.find(&old.body)?;
    let range = old.range(before)?;
    let current = old.text_of(before)?;
    let after = change.applied(current)?;
    let (head, tail) = (input.text.get(..range.start), input.text.get(range.end..));
    let text = [head.unwrap_or_default(), &after, tail.unwrap_or_default()].concat();
    if after != current {
        look_again(&place, &old, &text, &after)?;
    }
    Ok(Output {
        changed: after != current,
        line: line_at(&input.text, range.start),
        old_lines: lines(&input.text, range.start, range.end),
        new_lines: lines(&text, range.start, range.start + after.len()),
        before: current.to_owned(),
        after,
        text,
    })
}

/// The new text says the new value at the same place, and everything else as before.
fn look_again(place: &Place<'_>, old: &Source<'_>, text: &str, after: &str) -> Result<(), Problem> {
    let broken = |why: &str| {
        let message = format!(
            "with `{after}` in the place of the old value {why}; nothing was changed: write a value that is whole by itself"
        );
        Problem::not_applied("bad_value", message)
    };
    let new = Source::parse(text).map_err(|problem| broken(&format!("it does not hold: {}", problem.message)))?;
    let value = place.find(&new.body).map_err(|_| broken("the value is no longer where it was"))?;
    if new.text_of(value)? != after {
        return Err(broken("another value is read there"));
    }
    match same_but((old, place.find(&old.body)?), (&new, value))? {
        true => Ok(()),
        false => Err(broken("something else in the file is another, too")),
    }
}

/// The whole lines with these bytes, without their ends.
fn lines(text: &str, start: usize, end: usize) -> Vec<String> {
    let (head, tail) = (text.get(..start).unwrap_or_default(), text.get(end..).unwrap_or_default());
    let first = head.rfind('\n').map_or(0, |at| at + 1);
    let last = tail.find('\n').map_or(text.len(), |at| end + at);
    text.get(first..last).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn example() -> Example {
    let line = |parameters: &str| {
        format!("  parameter_arn_base = \"arn:aws:ssm:eu-west-1:123456789012:parameter${{{parameters}}}\"")
    };
    let file = |parameters: &str| format!("module \"messenger\" {{\n{}\n}}\n", line(parameters));
    let value = |parameters: &str| line(parameters).replace("  parameter_arn_base = ", "");
    let (old, new) = ("module.nats.ssm_prefix", r#"module.nats_cluster.service_ssm_prefixes["messenger"]"#);
    Example {
        summary: "a service that gets its parameters from another cluster".to_owned(),
        with: json!({
            "text": file(old), "block": ["module", "messenger"], "attribute": "parameter_arn_base",
            "replace": {
                "from": "parameter${module.nats.ssm_prefix}",
                "to": "parameter${module.nats_cluster.service_ssm_prefixes[@service@]}",
            },
            "strings": { "service": "messenger" },
        }),
        output: json!({
            "text": file(new), "changed": true, "before": value(old), "after": value(new), "line": 2,
            "old_lines": [line(old)], "new_lines": [line(new)],
        }),
    }
}

#[cfg(test)]
mod any;
#[cfg(test)]
mod tests;
