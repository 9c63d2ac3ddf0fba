//! Row 3: what one act costs that may happen once only: its intent is on disk before it, its outcome after it. Beside two
//! bare appends with a sync each, to a file on the same disk, in the same run.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::floor::Floor;
use crate::meter::median;
use crate::native::Native;
use crate::table::{Bar, Named, Row};
use crate::{Bench, Outcome};

/// The hidden first word that makes this program do acts and nothing else.
pub(crate) const VERB: &str = "--acts";

const ACTS: usize = 200;
const ROUNDS: usize = 9;

pub(crate) fn rows(bench: &Bench) -> Outcome<Vec<Row>> {
    let folder = bench.folder("acts")?;
    let mut native = Native::new(&folder)?;
    let floor = Floor::new(&folder.join("plain.sqlite"))?;
    let acts = native.check(&runbook(ACTS))?;
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        rounds[0].push(each(|| floor.append_synced(2 * ACTS))?);
        rounds[1].push(each(|| native.run(&acts))?);
    }
    let [floor, ours] = rounds.map(|rounds| median(rounds.into_iter()));
    let row = |what, unit, ours, floor, bar| Row { number: 3, what, unit, ours, peer: None, floor, bar };
    let two = Some(Named { name: "two synced appends", value: floor });
    let mut rows = vec![row("an act once only, wall", "us", ours, two, Bar::TimesFloor(1.3))];
    match syncs(&folder)? {
        Some(syncs) => {
            rows.push(row("an act once only, checkpoints included", "fsyncs", syncs, None, Bar::AtMost(2.1)))
        }
        None => eprintln!("row 3: syncs are not counted, for want of strace"),
    }
    Ok(rows)
}

/// Microseconds of each of the acts.
fn each(work: impl FnOnce() -> Outcome) -> Outcome<f64> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed().as_secs_f64() * 1e6 / ACTS as f64)
}

fn runbook(acts: usize) -> String {
    let steps: String = (0..acts).map(|at| format!("  - {{ id: s{at}, uses: speed.act }}\n")).collect();
    format!("runbook: acts\nsummary: Many acts.\nsteps:\n{steps}")
}

/// Of each act: those of a process that does many less those of one that does one. None without the tool that counts.
fn syncs(folder: &Path) -> Outcome<Option<f64>> {
    let (Some(one), Some(many)) = (count(&folder.join("one"), 1)?, count(&folder.join("many"), 1 + ACTS)?) else {
        return Ok(None);
    };
    Ok(Some((many as f64 - one as f64) / ACTS as f64))
}

fn count(folder: &Path, acts: usize) -> Outcome<Option<usize>> {
    std::fs::create_dir(folder)?;
    let seen = folder.join("seen");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-e", "trace=fsync,fdatasync", "-o"]).arg(&seen).arg(std::env::current_exe()?);
    match strace.arg(VERB).arg(folder).arg(acts.to_string()).status() {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(format!("the acts that were counted: {status}").into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let lines = std::fs::read_to_string(&seen)?;
    Ok(Some(lines.lines().filter(|line| line.contains("sync(")).count()))
}

/// Does as many acts as it is told, for the one who counts.
pub(crate) fn main(mut words: impl Iterator<Item = OsString>) -> ExitCode {
    let told = |words: &mut dyn Iterator<Item = OsString>| -> Outcome {
        let folder = words.next().ok_or("where?")?;
        let acts = words.next().and_then(|acts| acts.to_str()?.parse().ok()).ok_or("how many?")?;
        let mut native = Native::new(Path::new(&folder))?;
        let runbook = native.check(&runbook(acts))?;
        native.run(&runbook)
    };
    match told(&mut words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
