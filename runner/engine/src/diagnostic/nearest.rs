//! "Did you mean": the closest of a few known names. It knows nothing of what the names stand for.

use strsim::damerau_levenshtein;

/// The candidate that is most likely meant by `name`: few edits away for its length, or equal but for case and `-`/`_`.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = fold(name);
    let scored = candidates.into_iter().map(|candidate| (damerau_levenshtein(&wanted, &fold(candidate)), candidate));
    let (edits, best) = scored.min_by_key(|(edits, candidate)| (*edits, *candidate))?;
    let length = wanted.chars().count();
    let allowed = (length.max(best.chars().count()) / 3).max(1);
    (edits <= allowed && edits < length).then_some(best)
}

/// `did you mean `x`?`, when there is a near name.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(name, candidates).map(|near| format!("did you mean `{near}`?"))
}

/// `` `a`, `b` or `c` ``; the word `nothing` when the list is empty.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>, last: &str) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => only.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
    }
}

fn fold(name: &str) -> String {
    // A name of the length of a novel has no near one, and the distance is quadratic.
    name.chars().take(64).map(|char| if char == '-' { '_' } else { char.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let check = |name: &str, expect: Option<&str>| {
            assert_eq!(nearest(name, ["steps", "summary", "inputs", "max_parallel", "lock"]), expect, "{name}");
        };
        check("stpes", Some("steps"));
        check("step", Some("steps"));
        check("Inputs", Some("inputs"));
        check("max-parallel", Some("max_parallel"));
        check("lokc", Some("lock"));
        check("sumary", Some("summary"));
        check("zebra", None);
        check("", None);
        check("x", None);
    }

    #[test]
    fn an_empty_list_has_no_near_name() {
        assert_eq!(nearest("a", []), None);
        assert_eq!(list([], "or"), "nothing");
        assert_eq!(list(["a"], "or"), "`a`");
        assert_eq!(list(["a", "b", "c"], "or"), "`a`, `b` or `c`");
    }
}
