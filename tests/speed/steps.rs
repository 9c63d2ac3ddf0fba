//! Row 2: what one `read` step and one sample of a gate cost, journaled, through the library and through the program,
//! beside a bare append in the same run.

use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

use crate::cold;
use crate::floor::Floor;
use crate::meter::{Subject, in_turns, median};
use crate::native::{Native, ROUNDS, STEPS, cpu_micros};
use crate::table::{Bar, Named, Row};
use crate::{Bench, Outcome};

/// For the program.
const FEWER: usize = 1000;

const BAR: Bar = Bar::AtMost(30.0);

/// Microseconds for each of many.
#[derive(Clone, Copy)]
struct Each {
    wall: f64,
    cpu: f64,
}

pub(crate) fn rows(bench: &Bench) -> Outcome<Vec<Row>> {
    let folder = bench.folder("steps")?;
    let mut native = Native::new(&folder)?;
    let floor = Floor::new(&folder.join("plain.sqlite"))?;
    let (steps, gates) = (native.check(&runbook(STEPS, step))?, native.check(&runbook(STEPS, gate))?);
    let mut rounds = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        rounds[0].push(timed(|| floor.append(STEPS))?);
        rounds[1].push(timed(|| native.run(&steps))?);
        rounds[2].push(timed(|| native.run(&gates))?);
    }
    let [floor, step, gate] = rounds.map(|rounds| Each {
        wall: median(rounds.iter().map(|each| each.wall)),
        cpu: median(rounds.iter().map(|each| each.cpu)),
    });
    let row = |what, ours, floor, bar| Row {
        number: 2,
        what,
        unit: "us",
        ours,
        peer: None,
        floor: Some(Named { name: "WAL append", value: floor }),
        bar,
    };
    Ok(vec![
        row("a read step, CPU", step.cpu, floor.cpu, BAR),
        row("a read step, wall", step.wall, floor.wall, Bar::None),
        row("a gate sample, CPU", gate.cpu, floor.cpu, BAR),
        row("a gate sample, wall", gate.wall, floor.wall, Bar::None),
        row("a read step of the program, YAML and screen included, CPU", of_program(bench)?, floor.cpu, BAR),
    ])
}

/// A run of many steps less a run of one, for each step: text read and checked, journaled, a line written for each.
fn of_program(bench: &Bench) -> Outcome<f64> {
    let home = bench.folder("program")?;
    fs::write(home.join("one.yaml"), cold::RUNBOOK)?;
    fs::write(home.join("many.yaml"), runbook(FEWER, step))?;
    let subjects = [
        Subject::new("sluice with one step", bench.sluice(&home, &["run", "one.yaml"])),
        Subject::new("sluice with many", bench.sluice(&home, &["run", "many.yaml"])),
    ];
    let [one, many] = in_turns(&subjects, bench.runs.div_ceil(2))?;
    Ok((many.cpu_ms - one.cpu_ms) * 1e3 / (FEWER - 1) as f64)
}

fn runbook(steps: usize, step: fn(&mut String, usize)) -> String {
    let mut text = "runbook: speed\nsummary: Many small steps.\n".to_owned();
    text.push_str("inputs: { name: { type: string, default: operator } }\nsteps:\n");
    (0..steps).for_each(|at| step(&mut text, at));
    text
}

fn step(text: &mut String, at: usize) {
    let _ = writeln!(text, "  - {{ id: s{at}, uses: base.echo, with: {{ value: \"hello, {{{{ inputs.name }}}}\" }} }}");
}

fn gate(text: &mut String, at: usize) {
    let with =
        "with: { value: \"hello, {{ inputs.name }}\" }, expect: [ { that: \"seen.value == 'hello, operator'\" } ]";
    let _ = writeln!(text, "  - {{ id: s{at}, gate: base.echo, {with} }}");
}

fn timed(work: impl FnOnce() -> Outcome) -> Outcome<Each> {
    let (cpu, started) = (cpu_micros()?, Instant::now());
    work()?;
    let (wall, cpu) = (started.elapsed(), cpu_micros()? - cpu);
    Ok(Each { wall: wall.as_secs_f64() * 1e6 / STEPS as f64, cpu: cpu / STEPS as f64 })
}
