//! "Did you mean": the closest of a few known names. It knows nothing of what the names stand for.

/// The candidate that is most likely meant by `name`: few edits away for its length, or equal but for case and `-`/`_`.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = fold(name);
    let scored = candidates.into_iter().map(|candidate| (distance(&wanted, &fold(candidate)), candidate));
    let (edits, best) = scored.min_by_key(|(edits, candidate)| (*edits, *candidate))?;
    let allowed = (wanted.len().max(best.chars().count()) / 3).max(1);
    (edits <= allowed && edits < wanted.len()).then_some(best)
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

fn fold(name: &str) -> Vec<char> {
    // A name of the length of a novel has no near one, and the distance is quadratic.
    name.chars().take(64).map(|char| if char == '-' { '_' } else { char.to_ascii_lowercase() }).collect()
}

/// Edits (insert, delete, replace, swap of neighbours) from one to the other.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    let mut last_from = None;
    for (row, &left) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        let mut last_to = None;
        for (column, &right) in to.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&above, column) + usize::from(left != right);
            let mut best = replaced.min(at(&above, column + 1) + 1).min(at(&current, column) + 1);
            let swapped = last_from == Some(right) && last_to == Some(left);
            if let Some(earlier) = column.checked_sub(1).filter(|_| swapped) {
                best = best.min(at(&before, earlier) + 1);
            }
            current.push(best);
            last_to = Some(right);
        }
        before = std::mem::replace(&mut above, current);
        last_from = Some(left);
    }
    above.last().copied().unwrap_or(from.len())
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

    #[test]
    fn distance_counts_edits() {
        let check = |from: &str, to: &str, expect| assert_eq!(distance(&fold(from), &fold(to)), expect, "{from} {to}");
        check("", "", 0);
        check("", "abc", 3);
        check("abc", "", 3);
        check("kitten", "sitting", 3);
        check("ab", "ba", 1);
        check("uses", "use", 1);
    }
}
