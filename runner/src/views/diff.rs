//! What changed from one text to another, line by line.

/// Lines kept around a change.
const CONTEXT: usize = 2;
/// Above this many pairs of lines the middle is shown as replaced as a whole.
const MOST: usize = 4_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Same,
    Gone,
    New,
    /// Lines that are left out here.
    Cut,
}

/// The changed lines with a little around them.
pub(crate) fn lines<'a>(before: &'a str, after: &'a str) -> Vec<(Change, &'a str)> {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = before.iter().zip(&after).take_while(|(left, right)| left == right).count();
    let rest = before.len().min(after.len()) - head;
    let tail = before.iter().rev().zip(after.iter().rev()).take(rest).take_while(|(left, right)| left == right).count();
    let gone = before.get(head..before.len() - tail).unwrap_or_default();
    let new = after.get(head..after.len() - tail).unwrap_or_default();
    let same = |lines: &[&'a str]| lines.iter().map(|line| (Change::Same, *line)).collect::<Vec<_>>();
    let mut all = same(after.get(..head).unwrap_or_default());
    all.extend(middle(gone, new));
    all.extend(same(after.get(after.len() - tail..).unwrap_or_default()));
    shorten(all)
}

/// By the longest common subsequence.
fn middle<'a>(gone: &[&'a str], new: &[&'a str]) -> Vec<(Change, &'a str)> {
    if gone.len().saturating_mul(new.len()) > MOST {
        let gone = gone.iter().map(|line| (Change::Gone, *line));
        return gone.chain(new.iter().map(|line| (Change::New, *line))).collect();
    }
    let wide = new.len() + 1;
    let mut common = vec![0_u32; (gone.len() + 1) * wide];
    let at = |common: &[u32], left: usize, right: usize| common.get(left * wide + right).copied().unwrap_or(0);
    for (left, old) in gone.iter().enumerate().rev() {
        for (right, fresh) in new.iter().enumerate().rev() {
            let longest = if old == fresh {
                at(&common, left + 1, right + 1) + 1
            } else {
                at(&common, left + 1, right).max(at(&common, left, right + 1))
            };
            if let Some(cell) = common.get_mut(left * wide + right) {
                *cell = longest;
            }
        }
    }
    let (mut left, mut right, mut lines) = (0, 0, Vec::new());
    loop {
        match (gone.get(left), new.get(right)) {
            (None, None) => return lines,
            (Some(old), Some(fresh)) if old == fresh => {
                lines.push((Change::Same, *fresh));
                (left, right) = (left + 1, right + 1);
            }
            (Some(old), fresh) if fresh.is_none() || at(&common, left + 1, right) >= at(&common, left, right + 1) => {
                lines.push((Change::Gone, *old));
                left += 1;
            }
            (_, Some(fresh)) => {
                lines.push((Change::New, *fresh));
                right += 1;
            }
            (Some(_), None) => return lines,
        }
    }
}

fn shorten<'a>(all: Vec<(Change, &'a str)>) -> Vec<(Change, &'a str)> {
    let changed: Vec<usize> =
        all.iter().enumerate().filter(|(_, line)| line.0 != Change::Same).map(|(at, _)| at).collect();
    let near = |at: usize| changed.iter().any(|change| change.abs_diff(at) <= CONTEXT);
    let mut kept: Vec<(Change, &'a str)> = Vec::new();
    for (at, line) in all.into_iter().enumerate() {
        if near(at) {
            kept.push(line);
        } else if kept.last().is_none_or(|last| last.0 != Change::Cut) {
            kept.push((Change::Cut, ""));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_shown() {
        let check = |before: &str, after: &str, expect: &str| {
            let shown: Vec<String> = lines(before, after)
                .into_iter()
                .map(|(change, line)| match change {
                    Change::Same => format!(" {line}"),
                    Change::Gone => format!("-{line}"),
                    Change::New => format!("+{line}"),
                    Change::Cut => "@".to_owned(),
                })
                .collect();
            assert_eq!(shown.join("|"), expect);
        };
        check("a\nb\nc", "a\nB\nc", " a|-b|+B| c");
        check("", "a\nb", "+a|+b");
        check("a\nb", "", "-a|-b");
        check("1\n2\n3\n4\n5\n6\n7", "1\n2\n3\n4\n5\n6\n8", "@| 5| 6|-7|+8");
        check("x\n1\n2\n3\n4\n5\n6\ny", "X\n1\n2\n3\n4\n5\n6\nY", "-x|+X| 1| 2|@| 5| 6|-y|+Y");
        check("a\nb\nc\nd", "b\na\nc\nd", "-a| b|+a| c| d");
        check("a", "a", "@");
    }
}
