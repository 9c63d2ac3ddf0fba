//! Rows and how they are shown. It judges a figure by its bar and knows nothing of how figures come about.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// One line of the table.
pub(crate) struct Row {
    /// Of the design's table.
    pub(crate) number: u8,
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) ours: f64,
    pub(crate) peer: Option<Named>,
    pub(crate) floor: Option<Named>,
    pub(crate) bar: Bar,
}

/// Somebody else's figure.
#[derive(Clone, Copy)]
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
}

#[derive(Clone, Copy)]
pub(crate) enum Bar {
    /// At most so many times the peer's figure.
    TimesPeer(f64),
    /// At most so many times the floor.
    TimesFloor(f64),
    AtMost(f64),
    /// Only shown.
    None,
}

impl Row {
    /// Ours over the peer's, or over the floor where there is no peer.
    fn ratio(&self) -> Option<f64> {
        self.peer.or(self.floor).map(|other| self.ours / other.value)
    }

    pub(crate) fn met(&self) -> Option<bool> {
        match self.bar {
            Bar::TimesPeer(times) => self.peer.map(|peer| self.ours <= times * peer.value),
            Bar::TimesFloor(times) => self.floor.map(|floor| self.ours <= times * floor.value),
            Bar::AtMost(most) => Some(self.ours <= most),
            Bar::None => None,
        }
    }

    fn bar(&self) -> String {
        let times = |times: f64, other: Option<Named>| other.map(|other| format!("<= {times} x {}", other.name));
        match self.bar {
            Bar::TimesPeer(most) => times(most, self.peer).unwrap_or_default(),
            Bar::TimesFloor(most) => times(most, self.floor).unwrap_or_default(),
            Bar::AtMost(most) => format!("<= {most} {}", self.unit),
            Bar::None => String::new(),
        }
    }

    fn cells(&self) -> [String; 8] {
        let named = |named: Option<Named>| named.map_or(String::new(), |one| format!("{:.2} {}", one.value, one.name));
        [
            self.number.to_string(),
            self.what.to_owned(),
            format!("{:.2} {}", self.ours, self.unit),
            named(self.peer),
            named(self.floor),
            self.ratio().map_or(String::new(), |ratio| format!("{ratio:.2}")),
            self.bar(),
            self.met().map_or("", |met| if met { "met" } else { "NOT MET" }).to_owned(),
        ]
    }
}

/// For a person.
pub(crate) fn text(rows: &[Row]) -> String {
    let head = ["row", "what", "ours", "peer", "floor", "ratio", "bar", ""].map(str::to_owned);
    let lines: Vec<[String; 8]> = std::iter::once(head).chain(rows.iter().map(Row::cells)).collect();
    let mut widths = [0; 8];
    for line in &lines {
        widths.iter_mut().zip(line).for_each(|(width, cell)| *width = cell.len().max(*width));
    }
    let mut shown = String::new();
    for line in &lines {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        let _ = writeln!(shown, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    shown
}

/// For a program.
pub(crate) fn document(rows: &[Row]) -> Value {
    let named = |named: Option<Named>| named.map(|one| json!({ "name": one.name, "value": one.value }));
    let row = |row: &Row| {
        json!({
            "row": row.number, "what": row.what, "unit": row.unit, "ours": row.ours, "peer": named(row.peer),
            "floor": named(row.floor), "ratio": row.ratio(), "bar": row.bar(), "met": row.met(),
        })
    };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    json!({ "rows": rows.iter().map(row).collect::<Vec<_>>(), "load": load.trim() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_judged_by_its_bar() {
        let check = |ours, bar, expect| {
            let (peer, floor) = (Some(Named { name: "peer", value: 2.0 }), Some(Named { name: "floor", value: 1.0 }));
            let row = Row { number: 1, what: "what", unit: "ms", ours, peer, floor, bar };
            assert_eq!(row.met(), expect, "{ours}");
        };
        check(3.0, Bar::TimesPeer(1.5), Some(true));
        check(3.1, Bar::TimesPeer(1.5), Some(false));
        check(1.3, Bar::TimesFloor(1.3), Some(true));
        check(1.4, Bar::TimesFloor(1.3), Some(false));
        check(3.0, Bar::AtMost(3.0), Some(true));
        check(3.1, Bar::AtMost(3.0), Some(false));
        check(f64::NAN, Bar::AtMost(3.0), Some(false));
        check(9.9, Bar::None, None);
    }
}
