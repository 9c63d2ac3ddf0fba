//! All values of a file with their addresses: what is compared to know that one of them changed, and nothing else.

use hcl_edit::expr::{Expression, ObjectKey};
use hcl_edit::structure::{Body, Structure};
use sluice_plugin::Problem;

use super::source::Source;

/// Where a value stands: the place and name of each block, attribute and key on the way.
type Address = Vec<String>;

/// Whether two texts hold the same, beside the value at which `before` and `after` point.
pub(crate) fn same_but(
    (old, before): (&Source<'_>, &Expression),
    (new, after): (&Source<'_>, &Expression),
) -> Result<bool, Problem> {
    let (old, new) = (Outline::of(old, before)?, Outline::of(new, after)?);
    Ok(old.target.is_some() && old == new)
}

#[derive(Default, PartialEq)]
struct Outline<'a> {
    /// Text and address of each value that holds no others.
    values: Vec<(Address, &'a str)>,
    target: Option<Address>,
}

/// One walk through a file.
struct Walk<'a, 'b> {
    source: &'b Source<'a>,
    target: &'b Expression,
    outline: Outline<'a>,
}

impl<'a> Outline<'a> {
    fn of(source: &Source<'a>, target: &Expression) -> Result<Self, Problem> {
        let mut walk = Walk { source, target, outline: Self::default() };
        walk.body(&source.body, &Vec::new())?;
        Ok(walk.outline)
    }
}

impl Walk<'_, '_> {
    fn body(&mut self, body: &Body, above: &Address) -> Result<(), Problem> {
        for (place, structure) in body.iter().enumerate() {
            match structure {
                Structure::Attribute(attribute) => {
                    self.value(&attribute.value, below(above, place, attribute.key.as_str()))?;
                }
                Structure::Block(block) => {
                    let labels = block.labels.iter().map(|label| format!("{:?}", label.as_str()));
                    let header: Vec<String> = std::iter::once(block.ident.as_str().to_owned()).chain(labels).collect();
                    let address = below(above, place, &header.join(" "));
                    // A block without values counts, too.
                    self.outline.values.push((address.clone(), ""));
                    self.body(&block.body, &address)?;
                }
            }
        }
        Ok(())
    }

    fn value(&mut self, value: &Expression, address: Address) -> Result<(), Problem> {
        if std::ptr::eq(value, self.target) {
            self.outline.target = Some(address);
            return Ok(());
        }
        let Expression::Object(object) = value else {
            self.outline.values.push((address, self.source.text_of(value)?));
            return Ok(());
        };
        for (place, (key, item)) in object.iter().enumerate() {
            self.value(item.expr(), below(&address, place, &key_text(key)))?;
        }
        Ok(())
    }
}

fn below(above: &Address, place: usize, name: &str) -> Address {
    above.iter().cloned().chain([format!("{place} {name}")]).collect()
}

fn key_text(key: &ObjectKey) -> String {
    match key {
        ObjectKey::Ident(name) => name.as_str().to_owned(),
        ObjectKey::Expression(expression) => expression.to_string(),
    }
}
