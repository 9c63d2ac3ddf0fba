//! Where a process is killed: around an append of its journal, or over the call itself. Which ones there are is read from
//! a run that nobody killed.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;

/// The names of each append: its number, and `KEY:KIND:N` of each of its events.
pub(crate) type Appends = Vec<Vec<String>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Before,
    After,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// By one of the append's names.
    Append { side: Side, at: String, shown: String },
    /// Around an append of the process in which a person answers, elsewhere than where the run was started.
    Answering { side: Side, at: String },
    /// When AWS has done what was asked, and has not answered.
    Called,
}

impl Point {
    /// For the process that dies by itself.
    pub(crate) fn variable(&self) -> Option<(&'static str, &str)> {
        let name = |side: &Side| if *side == Side::Before { "DIES_BEFORE" } else { "DIES_AFTER" };
        match self {
            Self::Append { side, at, .. } | Self::Answering { side, at } => Some((name(side), at)),
            Self::Called => None,
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |side: &Side| if *side == Side::Before { "before" } else { "after" };
        match self {
            Self::Append { side, shown, .. } => write!(out, "{} {shown}", word(side)),
            Self::Answering { side, at } => write!(out, "{} {at}, in `sluice confirm`", word(side)),
            Self::Called => out.write_str("over the call: done, and not answered"),
        }
    }
}

/// What a process left in `APPENDS_TO`.
pub(crate) fn read(text: &str) -> Appends {
    text.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

/// Both sides of every append, and those that a run without another one has not.
pub(crate) fn all(appends: &Appends) -> Vec<Point> {
    let both = |names: &Vec<String>| [Side::Before, Side::After].map(|side| around(names, side));
    appends.iter().flat_map(both).chain(others()).collect()
}

/// The call, and the answer where another process gives it.
fn others() -> [Point; 3] {
    let answering = |side| Point::Answering { side, at: ":answered:1".to_owned() };
    [Point::Called, answering(Side::Before), answering(Side::After)]
}

/// One for each distinct step and kind of event, on the one side and the other in turns; on both from the question to
/// the outcome of the act; and those that a run without another one has not.
pub(crate) fn one_each(appends: &Appends) -> Vec<Point> {
    let kinds = |names: &[String]| names.iter().skip(1).map(|name| kind_of(name).to_owned()).collect::<Vec<_>>();
    let matters = question_to_outcome(appends);
    let (mut seen, mut turn, mut points) = (BTreeSet::new(), 0, Vec::new());
    for (index, names) in appends.iter().enumerate() {
        let new = kinds(names).into_iter().filter(|kind| seen.insert(kind.clone())).count() > 0;
        if !new {
            continue;
        }
        turn += 1;
        let sides = match (matters.as_ref().is_some_and(|matters| matters.contains(&index)), turn % 2) {
            (true, _) => &[Side::Before, Side::After][..],
            (false, 0) => &[Side::Before],
            (false, _) => &[Side::After],
        };
        points.extend(sides.iter().map(|side| around(names, *side)));
    }
    points.extend(others());
    points
}

/// The appends from the first question to the outcome of the act that it was about.
fn question_to_outcome(appends: &Appends) -> Option<RangeInclusive<usize>> {
    let events = || appends.iter().enumerate().flat_map(|(n, names)| names.iter().skip(1).map(move |name| (n, name)));
    let (asked, _) = events().find(|(_, name)| kind_of(name).ends_with(":asked"))?;
    let act = events().find_map(|(_, name)| kind_of(name).strip_suffix(":looked_last"))?;
    let (done, _) = events().find(|(_, name)| kind_of(name).strip_suffix(":done") == Some(act))?;
    Some(asked..=done)
}

/// So many, spread evenly.
pub(crate) fn some(points: Vec<Point>, count: usize) -> Vec<Point> {
    let all = points.len();
    let chosen: BTreeSet<usize> = (0..count).map(|n| n * all / count.max(1)).collect();
    points.into_iter().enumerate().filter(|(n, _)| chosen.contains(n)).map(|(_, point)| point).collect()
}

fn around(names: &[String], side: Side) -> Point {
    let number = names.first().cloned().unwrap_or_default();
    let events = names.iter().skip(1).map(|name| kind_of(name).replace(':', " ").trim().to_owned());
    let shown = format!("append {number}: {}", events.collect::<Vec<_>>().join(" + "));
    // By an event: it is at the same place in each run, the number need not be.
    let at = names.get(1).cloned().unwrap_or(number);
    Point::Append { side, at, shown }
}

/// `KEY:KIND` of `KEY:KIND:N`.
fn kind_of(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(kind, _)| kind)
}
