//! Row 4: a thousand processes, each started by a `read` step, beside a loop of bash.

use std::process::Command;
use std::time::Instant;

use crate::meter::{Subject, median};
use crate::native::{Native, cpu_micros};
use crate::table::{Bar, Named, Row};
use crate::toys::PROGRAM;
use crate::{Bench, Outcome};

const PROCESSES: usize = 1000;
const ROUNDS: usize = 5;

const BAR: Bar = Bar::TimesPeer(1.2);

pub(crate) fn rows(bench: &Bench) -> Outcome<Vec<Row>> {
    let folder = bench.folder("spawn")?;
    let mut native = Native::new(&folder)?;
    let steps: String = (0..PROCESSES).map(|at| format!("  - {{ id: s{at}, uses: speed.start }}\n")).collect();
    let runbook = native.check(&format!("runbook: spawn\nsummary: Many processes.\nsteps:\n{steps}"))?;
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("for ((i = 0; i < {PROCESSES}; i++)); do {PROGRAM}; done")]).env("PATH", "/usr/bin:/bin");
    let bash = Subject::new("bash", bash);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (started, cpu) = (Instant::now(), cpu_micros()?);
        native.run(&runbook)?;
        ours.push((started.elapsed().as_secs_f64() * 1e3, (cpu_micros()? - cpu) / 1e3));
        let cost = bash.run()?;
        theirs.push((cost.wall_ms, cost.cpu_ms));
    }
    let row = |what, pick: fn(&(f64, f64)) -> f64| Row {
        number: 4,
        what,
        unit: "ms",
        ours: median(ours.iter().map(pick)),
        peer: Some(Named { name: "bash", value: median(theirs.iter().map(pick)) }),
        floor: None,
        bar: BAR,
    };
    Ok(vec![row("1,000 processes, wall", |cost| cost.0), row("1,000 processes, CPU", |cost| cost.1)])
}
