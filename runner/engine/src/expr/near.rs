//! "Did you mean". Knows names only.

use std::collections::BTreeSet;

const LISTED: usize = 8;

/// The hint for a name that is not among `known`: the nearest one, or what there is.
pub(super) fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, &known) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None => list(known),
    }
}

/// The hint that says what there is.
pub(super) fn list<'a>(known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: BTreeSet<&str> = known.into_iter().collect();
    let names: Vec<String> = known.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    let more = if known.len() > LISTED { ", ..." } else { "" };
    (!names.is_empty()).then(|| format!("there is {}{more}", names.join(", ")))
}

/// The name with the smallest edit distance, if that is at most a third of its length (at least one).
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = name.to_lowercase();
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), *candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_or_all_of_them() {
        let check = |name: &str, known: &[&str], expect: Option<&str>| {
            assert_eq!(hint(name, known.iter().copied()).as_deref(), expect, "{name}");
        };
        check("voters_lefft", &["voters", "voters_left"], Some("did you mean `voters_left`?"));
        check("Name", &["name", "host"], Some("did you mean `name`?"));
        check("naem", &["name", "host"], Some("did you mean `name`?"));
        check("zzzz", &["name", "host"], Some("there is `host`, `name`"));
        check("x", &["y"], Some("did you mean `y`?"));
        check("x", &[], None);
        check(
            "zzzzzz",
            &["a", "b", "c", "d", "e", "f", "g", "h", "i"],
            Some("there is `a`, `b`, `c`, `d`, `e`, `f`, `g`, `h`, ..."),
        );
    }
}
