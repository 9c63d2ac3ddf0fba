//! Whether a value of one type may go where another is wanted: an expression into a field of an action. Knows types
//! only. Patterns, ranges and the like are left to the validation of the value itself.

use super::kinds::Kinds;
use super::ty::{Object, Rest, Ty};
use super::{near, secret, text};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Every value fits, as far as types say.
    Yes,
    /// Some values fit and some do not (a value that may be none).
    Maybe(Misfit),
    /// No value fits.
    No(Misfit),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Where inside the value: empty, `.name`, `.nodes[].host`.
    pub path: String,
    pub message: String,
    pub hint: Option<String>,
}

/// Whether what is `given` may stand where `wanted` is asked for. A secret goes only where a secret is wanted, and no
/// object that holds one goes anywhere: a secret is passed alone.
pub fn fits(given: &Ty, wanted: &Ty) -> Fit {
    let lone = given.parts().iter().all(|part| *part == Ty::Secret || !part.may_hold_secret());
    if !lone {
        return no(
            "a secret stands inside this value, and it cannot be passed on whole",
            Some(secret::SELECT.to_owned()),
        );
    }
    any(given, wanted)
}

fn no(message: impl Into<String>, hint: Option<String>) -> Fit {
    Fit::No(Misfit { path: String::new(), message: message.into(), hint })
}

fn maybe(message: impl Into<String>, hint: Option<String>) -> Fit {
    Fit::Maybe(Misfit { path: String::new(), message: message.into(), hint })
}

fn any(given: &Ty, wanted: &Ty) -> Fit {
    let fits: Vec<Fit> = given.parts().iter().map(|part| one(part, wanted)).collect();
    if !fits.is_empty() && fits.iter().all(|fit| matches!(fit, Fit::No(_))) {
        return if fits.len() == 1 { fits.into_iter().next().unwrap_or(Fit::Yes) } else { mismatch(given, wanted) };
    }
    fits.into_iter().fold(Fit::Yes, |all, fit| match (all, fit) {
        (Fit::Yes, Fit::No(misfit)) => Fit::Maybe(misfit),
        (Fit::Yes, fit) => fit,
        (all, _) => all,
    })
}

/// One member of what is given against all that is wanted.
fn one(given: &Ty, wanted: &Ty) -> Fit {
    let fits: Vec<Fit> = wanted.parts().iter().map(|part| pair(given, part)).collect();
    if fits.contains(&Fit::Yes) {
        return Fit::Yes;
    }
    if let Some(fit) = fits.iter().find(|fit| matches!(fit, Fit::Maybe(_))) {
        return fit.clone();
    }
    let same_kind = wanted.parts().iter().zip(&fits).filter(|(part, _)| !part.kinds().and(given.kinds()).is_empty());
    match same_kind.map(|(_, fit)| fit).collect::<Vec<_>>().as_slice() {
        [only] => (*only).clone(),
        _ => mismatch(given, wanted),
    }
}

fn mismatch(given: &Ty, wanted: &Ty) -> Fit {
    if *given == Ty::Secret {
        return no("no secret is taken here", Some(secret::ALONE.to_owned()));
    }
    let hint = match (given, wanted.kinds()) {
        (Ty::Null, _) => Some(text::NOT_NONE.to_owned()),
        (given, kinds) if given.kinds() == Kinds::STRING && !kinds.and(Kinds::NUMBER).is_empty() => {
            Some("`| int` or `| float` makes a number of text".to_owned())
        }
        (given, kinds) if given.kinds().within(Kinds::TEXT) && kinds == Kinds::STRING => {
            Some("`| string` makes text of it".to_owned())
        }
        _ => None,
    };
    no(format!("{wanted} is wanted, and this is {given}"), hint)
}

fn pair(given: &Ty, wanted: &Ty) -> Fit {
    match (given, wanted) {
        (Ty::Secret, Ty::Secret) | (Ty::Str | Ty::OneOf(_), Ty::Secret) => Fit::Yes,
        (Ty::Secret, _) => mismatch(given, wanted),
        (Ty::Any, _) | (_, Ty::Any) => Fit::Yes,
        (Ty::Int, Ty::Int | Ty::Float) | (Ty::Float, Ty::Float) | (Ty::Bool, Ty::Bool) | (Ty::Null, Ty::Null) => {
            Fit::Yes
        }
        (Ty::Float, Ty::Int) => {
            maybe("an integer is wanted, and this is a float", Some("add `| round` or `| int`".to_owned()))
        }
        (Ty::Str | Ty::OneOf(_), Ty::Str) => Fit::Yes,
        (Ty::Str, Ty::OneOf(_)) => maybe(format!("{wanted} is wanted, and this may be any string"), None),
        (Ty::OneOf(given), Ty::OneOf(allowed)) => strings(given, allowed, wanted),
        (Ty::List(given), Ty::List(wanted)) => inside(any(given, wanted), "[]"),
        (Ty::Object(given), Ty::Object(wanted)) => objects(given, wanted),
        _ => mismatch(given, wanted),
    }
}

type Texts = std::collections::BTreeSet<String>;

fn strings(given: &Texts, allowed: &Texts, wanted: &Ty) -> Fit {
    let Some(odd) = given.difference(allowed).next() else { return Fit::Yes };
    let message = format!("{wanted} is wanted, and this is {odd:?}");
    let hint = near::hint(odd, allowed.iter().map(String::as_str));
    if given.is_disjoint(allowed) { no(message, hint) } else { maybe(message, hint) }
}

fn inside(fit: Fit, step: &str) -> Fit {
    let at = |misfit: Misfit| Misfit { path: format!("{step}{}", misfit.path), ..misfit };
    match fit {
        Fit::Yes => Fit::Yes,
        Fit::Maybe(misfit) => Fit::Maybe(at(misfit)),
        Fit::No(misfit) => Fit::No(at(misfit)),
    }
}

fn objects(given: &Object, wanted: &Object) -> Fit {
    let asked = wanted.fields.keys().map(|name| asked_field(given, wanted, name));
    let others = given.fields.keys().filter(|name| !wanted.fields.contains_key(*name));
    let others = others.map(|name| other_field(given, wanted, name));
    asked.chain(others).fold(Fit::Yes, worst)
}

fn worst(left: Fit, right: Fit) -> Fit {
    match (&left, &right) {
        (Fit::No(_), _) | (Fit::Maybe(_), Fit::Yes | Fit::Maybe(_)) => left,
        _ => right,
    }
}

fn asked_field(given: &Object, wanted: &Object, name: &str) -> Fit {
    let Some(field) = wanted.fields.get(name) else { return Fit::Yes };
    let lacking = format!("`{name}` is wanted, and there is none");
    match (given.fields.get(name), &given.rest) {
        (Some(has), _) => {
            let fit = inside(any(&has.ty, &field.ty), &format!(".{name}"));
            let missing = field.required && !has.required;
            if missing { worst(fit, maybe(format!("`{name}` is wanted, and it may be missing"), None)) } else { fit }
        }
        (None, _) if !field.required => Fit::Yes,
        (None, Rest::Open(_)) => maybe(lacking, None),
        (None, Rest::Closed | Rest::Unsaid) => no(lacking, None),
    }
}

fn other_field(given: &Object, wanted: &Object, name: &str) -> Fit {
    let Some(has) = given.fields.get(name) else { return Fit::Yes };
    match &wanted.rest {
        Rest::Open(rest) => inside(any(&has.ty, rest), &format!(".{name}")),
        Rest::Unsaid => Fit::Yes,
        Rest::Closed => {
            let hint = near::hint(name, wanted.fields.keys().map(String::as_str));
            let message = format!("`{name}` is not wanted");
            if has.required { no(message, hint) } else { maybe(message, hint) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn shown(fit: Fit) -> String {
        let misfit = |misfit: Misfit| {
            let hint = misfit.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            format!("{}| {}{hint}", misfit.path, misfit.message)
        };
        match fit {
            Fit::Yes => "yes".to_owned(),
            Fit::Maybe(at) => format!("maybe {}", misfit(at)),
            Fit::No(at) => format!("no {}", misfit(at)),
        }
    }

    #[test]
    fn schemas_fit_each_other_or_not() {
        let check = |given: Value, wanted: Value, expect: &str| {
            let fit = fits(&Ty::from_schema(&given), &Ty::from_schema(&wanted));
            assert_eq!(shown(fit), expect, "{given} into {wanted}");
        };
        let (string, int, number) =
            (json!({ "type": "string" }), json!({ "type": "integer" }), json!({ "type": "number" }));
        let (maybe, secret) = (json!({ "type": ["string", "null"] }), json!({ "type": "string", "x-secret": true }));
        let states = json!({ "enum": ["up", "down"] });
        check(string.clone(), string.clone(), "yes");
        check(int.clone(), number.clone(), "yes");
        check(
            number.clone(),
            int.clone(),
            "maybe | an integer is wanted, and this is a float; add `| round` or `| int`",
        );
        check(
            int.clone(),
            string.clone(),
            "no | a string is wanted, and this is an integer; `| string` makes text of it",
        );
        check(
            string.clone(),
            int.clone(),
            "no | an integer is wanted, and this is a string; `| int` or `| float` makes a number of text",
        );
        check(
            maybe.clone(),
            string.clone(),
            "maybe | a string is wanted, and this is none; `| default(...)` gives a value in place of none",
        );
        check(string.clone(), maybe.clone(), "yes");
        check(maybe.clone(), int.clone(), "no | an integer is wanted, and this is a string or none");
        check(json!({}), int.clone(), "yes");
        check(int.clone(), json!({}), "yes");
        check(states.clone(), string.clone(), "yes");
        check(string.clone(), states.clone(), r#"maybe | "down" or "up" is wanted, and this may be any string"#);
        check(
            json!({ "const": "upp" }),
            states.clone(),
            r#"no | "down" or "up" is wanted, and this is "upp"; did you mean `up`?"#,
        );
        check(
            json!({ "enum": ["up", "gone"] }),
            states.clone(),
            r#"maybe | "down" or "up" is wanted, and this is "gone"; there is `down`, `up`"#,
        );
        check(secret.clone(), secret.clone(), "yes");
        check(string.clone(), secret.clone(), "yes");
        check(int.clone(), secret.clone(), "no | a secret is wanted, and this is an integer");
        let alone = "no | no secret is taken here; a secret may only stand alone in a field that takes secrets";
        check(secret.clone(), string.clone(), alone);
        check(secret.clone(), json!({}), alone);
        check(
            json!({ "properties": { "a": secret } }),
            json!({}),
            "no | a secret stands inside this value, and it cannot be passed on whole; select what you need of it, without the secret",
        );
    }

    #[test]
    fn misfits_say_where_they_are() {
        let check = |given: Value, wanted: Value, expect: &str| {
            assert_eq!(shown(fits(&Ty::of(&given), &Ty::from_schema(&wanted))), expect, "{given} into {wanted}");
        };
        let node = json!({ "type": "object", "required": ["name"], "additionalProperties": false,
                           "properties": { "name": { "type": "string" }, "port": { "type": "integer" } } });
        let nodes = json!({ "type": "array", "items": node });
        check(json!({ "name": "a" }), node.clone(), "yes");
        check(
            json!({ "name": "a", "port": "1" }),
            node.clone(),
            r#"no .port| an integer is wanted, and this is "1"; `| int` or `| float` makes a number of text"#,
        );
        check(json!({}), node.clone(), "no | `name` is wanted, and there is none");
        check(json!({ "name": "a", "prot": 1 }), node.clone(), "no | `prot` is not wanted; did you mean `port`?");
        check(
            json!([{ "name": 1 }]),
            nodes.clone(),
            "no [].name| a string is wanted, and this is an integer; `| string` makes text of it",
        );
        check(json!([]), nodes.clone(), "yes");
        check(
            json!({ "a": 1 }),
            json!({ "additionalProperties": { "type": "string" }, "type": "object" }),
            "no .a| a string is wanted, and this is an integer; `| string` makes text of it",
        );
        check(
            json!("a"),
            json!({ "anyOf": [node.clone(), nodes.clone()] }),
            r#"no | an object or a list (each an object) is wanted, and this is "a""#,
        );
        check(
            json!({ "name": 1 }),
            json!({ "anyOf": [node, { "type": "null" }] }),
            "no .name| a string is wanted, and this is an integer; `| string` makes text of it",
        );
    }
}
