//! Which value is meant: a block by its type and labels, an attribute in it, and keys inside the attribute's value.
//!
//! Names are compared as they are. Where more than one thing fits, none is taken.

use hcl_edit::expr::{Expression, Object, ObjectKey};
use hcl_edit::structure::{Block, Body};
use sluice_plugin::Problem;

/// The block of Terraform that may stand in a file several times, and means one.
const MERGED: &str = "locals";

const BLOCK: &str = "/block";

pub(crate) struct Place<'a> {
    /// Type and labels; empty for the top level.
    pub(crate) block: &'a [String],
    /// Blocks inside that one, from outside in.
    pub(crate) nested: &'a [Vec<String>],
    pub(crate) attribute: &'a str,
    /// Keys inside the value, from outside in.
    pub(crate) path: &'a [String],
}

impl Place<'_> {
    pub(crate) fn find<'b>(&self, body: &'b Body) -> Result<&'b Expression, Problem> {
        let mut bodies = vec![body];
        for (pointer, header) in self.headers() {
            bodies = blocks(&bodies, header, pointer)?;
            if bodies.len() > 1 && !(pointer == BLOCK && *header == [MERGED.to_owned()]) {
                return Err(several_blocks(header, bodies.len(), pointer));
            }
        }
        let found: Vec<&Expression> = bodies
            .iter()
            .filter_map(|body| body.get_attribute(self.attribute).map(|attribute| &attribute.value))
            .collect();
        match found.as_slice() {
            [value] => self.inside(value),
            [] => Err(self.no_attribute(&bodies)),
            more => {
                let message = format!(
                    "`{}` stands in {} blocks `{MERGED}`, and Terraform takes one; remove the others",
                    self.attribute,
                    more.len()
                );
                Err(Problem::not_applied("several_attributes", message))
            }
        }
    }

    fn inside<'b>(&self, value: &'b Expression) -> Result<&'b Expression, Problem> {
        let mut value = value;
        let mut way = self.attribute.to_owned();
        for key in self.path {
            let Expression::Object(object) = value else {
                let message = format!("the value of `{way}` is no map written with braces, so it has no key `{key}`");
                return Err(bad_place("no_key", "/path", message));
            };
            value = item(object, key, &way)?;
            way = format!("{way}.{key}");
        }
        Ok(value)
    }

    fn no_attribute(&self, bodies: &[&Body]) -> Problem {
        let names = bodies.iter().flat_map(|body| body.attributes()).map(|attribute| attribute.key.as_str());
        let there = listed(names.map(str::to_owned).collect());
        let message = format!("{} has no attribute `{}`; it has {there}", self.named(), self.attribute);
        bad_place("no_attribute", "/attribute", message)
    }

    /// The blocks on the way, each with the field that names it.
    fn headers(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        let top = Some(self.block).filter(|header| !header.is_empty()).map(|header| (BLOCK, header));
        top.into_iter().chain(self.nested.iter().map(|header| ("/nested", header.as_slice())))
    }

    fn named(&self) -> String {
        let names: Vec<String> = self.headers().map(|(_, header)| header_text(header)).collect();
        if names.is_empty() { "the file's top level".to_owned() } else { format!("the block `{}`", names.join(" / ")) }
    }
}

fn blocks<'b>(bodies: &[&'b Body], header: &[String], pointer: &str) -> Result<Vec<&'b Body>, Problem> {
    let all: Vec<&Block> = bodies.iter().flat_map(|body| body.blocks()).collect();
    let found: Vec<&Body> = all.iter().filter(|block| is(block, header)).map(|block| &block.body).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let there = listed(all.iter().map(|block| header_text(&header_of(block))).collect());
    let message = format!("there is no block `{}` in the text; there are {there}", header_text(header));
    Err(bad_place("no_block", pointer, message))
}

fn is(block: &Block, header: &[String]) -> bool {
    header_of(block) == header
}

fn header_of(block: &Block) -> Vec<String> {
    let labels = block.labels.iter().map(|label| label.as_str().to_owned());
    std::iter::once(block.ident.as_str().to_owned()).chain(labels).collect()
}

/// For messages: `module "messenger"`.
fn header_text(header: &[String]) -> String {
    let (kind, labels) = header.split_first().map_or(("", header), |(kind, labels)| (kind.as_str(), labels));
    std::iter::once(kind.to_owned())
        .chain(labels.iter().map(|label| format!("\"{label}\"")))
        .collect::<Vec<_>>()
        .join(" ")
}

fn item<'b>(object: &'b Object, key: &str, way: &str) -> Result<&'b Expression, Problem> {
    let items = object.iter();
    let found: Vec<&Expression> =
        items.filter(|(name, _)| key_text(name) == Some(key)).map(|(_, value)| value.expr()).collect();
    match found.as_slice() {
        [value] => Ok(value),
        [] => {
            let there = listed(object.iter().filter_map(|(name, _)| key_text(name)).map(str::to_owned).collect());
            Err(bad_place("no_key", "/path", format!("`{way}` has no key `{key}`; it has {there}")))
        }
        more => {
            let message = format!("`{way}` has the key `{key}` {} times, and only the last counts", more.len());
            Err(bad_place("several_keys", "/path", format!("{message}; remove the others")))
        }
    }
}

/// A key that is written out; one that is computed is nobody's name.
fn key_text(key: &ObjectKey) -> Option<&str> {
    match key {
        ObjectKey::Ident(name) => Some(name.as_str()),
        ObjectKey::Expression(expression) => expression.as_str(),
    }
}

fn several_blocks(header: &[String], count: usize, pointer: &str) -> Problem {
    let message = format!(
        "there are {count} blocks `{}`, and nothing says which is meant; leave one, or change the value by hand",
        header_text(header)
    );
    bad_place("several_blocks", pointer, message)
}

fn bad_place(code: &str, pointer: &str, message: String) -> Problem {
    Problem { path: Some(pointer.to_owned()), ..Problem::not_applied(code, message) }
}

/// The first ones of many.
fn listed(names: Vec<String>) -> String {
    const MOST: usize = 12;
    let shown: Vec<String> = names.iter().take(MOST).map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => "none".to_owned(),
        all if all > MOST => format!("{} and {} more", shown.join(", "), all - MOST),
        _ => shown.join(", "),
    }
}
