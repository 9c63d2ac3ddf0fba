//! What became of each point, for a person: a line while it goes on, a table and a sum at the end.

use std::time::Duration;

use super::driver::Outcome;
use super::driver::point::Point;
use super::driver::stage::Told;

pub(crate) struct Row {
    pub(crate) number: usize,
    pub(crate) point: Point,
    pub(crate) lab: String,
    pub(crate) node: u8,
    pub(crate) told: Outcome<Told>,
}

impl Row {
    /// With all that was said where it went wrong.
    pub(crate) fn line(&self) -> String {
        let Self { point, lab, node, told, .. } = self;
        match told {
            Ok(told) => format!("{point}  ({lab}, node {node})  {}", good(told)),
            Err(why) => format!("{point}  ({lab}, node {node})  WRONG: {why}"),
        }
    }
}

fn good(told: &Told) -> String {
    let Told { killed, age, questions, stops, anew, took, messages } = told;
    let died = match (killed, anew) {
        (false, _) => "not reached".to_owned(),
        (true, false) => format!("killed at {:.1} s, resumed", age.as_secs_f64()),
        (true, true) => format!("killed at {:.1} s, run anew", age.as_secs_f64()),
    };
    let stopped = if *stops > 0 { format!(", a gate stopped it {stops}x") } else { String::new() };
    format!(
        "{died}{stopped}, asked {questions}x, 1 termination, {messages} messages there, {:.1} s",
        took.as_secs_f64()
    )
}

pub(crate) fn shown(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let how = row.told.as_ref().map_or_else(|why| format!("WRONG: {}", first_line(why)), good);
        format!("{:>4}  {:<72} node {}  {how}\n", row.number, row.point.to_string(), row.node)
    };
    rows.iter().map(line).collect()
}

pub(crate) fn summary(rows: &[Row], took: Duration) -> String {
    let good: Vec<&Told> = rows.iter().filter_map(|row| row.told.as_ref().ok()).collect();
    let killed = good.iter().filter(|told| told.killed).count();
    let stopped = good.iter().filter(|told| told.stops > 0).count();
    let asked_again = good.iter().filter(|told| told.questions > 1).count();
    let wrong = rows.len() - good.len();
    format!(
        "{} points, {wrong} wrong; of the others {killed} were killed and taken up, {} were not reached; {asked_again} \
         asked more than once, {stopped} were stopped by a gate and gone on with.\nEach of the {}: exactly one request to end an instance, of the one that was there first, \
         and safe; no acknowledged message lost; its evidence verified and replayed. {:.0} s in all.",
        rows.len(),
        good.len() - killed,
        good.len(),
        took.as_secs_f64()
    )
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
