//! Row 1: from the start of the program to the end of a run of one step, journaled, beside `just` with one recipe.

use std::fs;
use std::process::Command;

use crate::meter::{Subject, in_turns};
use crate::table::{Bar, Named, Row};
use crate::{Bench, Outcome};

pub(crate) const RUNBOOK: &str = "\
runbook: one
summary: Give back a value.
steps:
  - { id: greeting, uses: base.echo, with: { value: hello } }
";

const JUSTFILE: &str = "noop:\n    @:\n";

pub(crate) fn rows(bench: &Bench) -> Outcome<Vec<Row>> {
    let home = bench.folder("cold")?;
    fs::write(home.join("one.yaml"), RUNBOOK)?;
    fs::write(home.join("justfile"), JUSTFILE)?;
    let mut just = Command::new(&bench.just);
    just.arg("noop").current_dir(&home).env("PATH", "/usr/bin:/bin");
    let mut bash = Command::new("bash");
    bash.args(["-c", ":"]).env("PATH", "/usr/bin:/bin");
    let subjects = [
        Subject::new("sluice", bench.sluice(&home, &["run", "one.yaml"])),
        Subject::new("just", just),
        Subject::new("true", Command::new("/bin/true")),
        Subject::new("bash", bash),
    ];
    let [ours, just, none, bash] = in_turns(&subjects, bench.runs)?;
    let row = |what, unit, ours, peer, floor, bar| Row {
        number: 1,
        what,
        unit,
        ours,
        peer: Some(Named { name: "just", value: peer }),
        floor,
        bar,
    };
    let floor = |name, value| Some(Named { name, value });
    Ok(vec![
        row("one step, CPU", "ms", ours.cpu_ms, just.cpu_ms, floor("/bin/true", none.cpu_ms), Bar::TimesPeer(1.5)),
        row("one step, wall", "ms", ours.wall_ms, just.wall_ms, floor("bash -c :", bash.wall_ms), Bar::None),
        row(
            "one step, peak RSS",
            "MiB",
            ours.peak_mib,
            just.peak_mib,
            floor("bash -c :", bash.peak_mib),
            Bar::AtMost(20.0),
        ),
    ])
}
