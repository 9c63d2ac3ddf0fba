//! Row 6: what a step costs in the sandbox beside the same step of the same crate in this process: warm through the engine,
//! and cold through the program with the component compiled before.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use sluice_plugin::Plugin;
use sluice_wasm::{Home, Raised, WasmPlugin};

use crate::meter::{Subject, in_turns, median};
use crate::native::{Native, ROUNDS};
use crate::table::{Bar, Named, Row};
use crate::{Bench, Outcome};

/// Of one run.
const STEPS: usize = 1000;

const KIB_OF_A_PAGE: f64 = 4.0;

const STEP: &str = r#"uses: terraform.set_attribute, with: { text: "module \"a\" {\n  base = \"old\" # kept\n}\n", block: [module, a], attribute: base, value: '"new"' }"#;

pub(crate) fn rows(bench: &Bench) -> Outcome<Vec<Row>> {
    let mut rows = warm(bench)?;
    rows.extend(cold(bench)?);
    Ok(rows)
}

fn warm(bench: &Bench) -> Outcome<Vec<Row>> {
    let component = fs::read(component()?)?;
    let component = Home::new(None)?.look(&component)?;
    let plugins: [(&str, Arc<dyn Plugin>); 2] = [
        ("native", Arc::new(sluice_terraform::plugin())),
        ("sandbox", Arc::new(WasmPlugin::new(component, &Raised::new()))),
    ];
    let mut homes = Vec::new();
    for (home, plugin) in plugins {
        let native = Native::with(&bench.folder(home)?, vec![plugin])?;
        let runbook = native.check(&runbook(STEPS))?;
        homes.push((native, runbook, Vec::new(), Vec::new()));
    }
    // The first round fills caches of both.
    for round in 0..=ROUNDS {
        for (native, runbook, took, given) in &mut homes {
            let (before, started) = (pages()?, Instant::now());
            native.run(runbook)?;
            if round > 0 {
                took.push(started.elapsed().as_secs_f64() * 1e6 / STEPS as f64);
                given.push((pages()? - before) * KIB_OF_A_PAGE / STEPS as f64);
            }
        }
    }
    let median_of = |figures: Vec<f64>| median(figures.into_iter());
    let each: Vec<_> = homes.into_iter().map(|(_, _, took, given)| (median_of(took), median_of(given))).collect();
    let [(native, without), (sandbox, with)] = each[..] else { return Err("two homes have two figures".into()) };
    let row = |what, ours, bar| Row {
        number: 6,
        what,
        unit: "us",
        ours,
        peer: None,
        floor: Some(Named { name: "native", value: native }),
        bar,
    };
    Ok(vec![
        row("a step in the sandbox, warm, wall", sandbox, Bar::None),
        row("the same, over native", sandbox - native, Bar::AtMost(100.0)),
        Row {
            unit: "KiB",
            floor: Some(Named { name: "native", value: without }),
            ..row("memory that an instance is given", with, Bar::None)
        },
    ])
}

/// Pages that were given to this process so far.
fn pages() -> Outcome<f64> {
    Ok(getrusage(UsageWho::RUSAGE_SELF)?.minor_page_faults() as f64)
}

/// Each in a home of its own: one has the component in its inventory.
fn cold(bench: &Bench) -> Outcome<Vec<Row>> {
    let subject = |name, home: &Path| Subject::new(name, bench.sluice(home, &["run", "one.yaml"]));
    let [native, sandbox] = [bench.folder("cold-native")?, bench.folder("cold-sandbox")?];
    for home in [&native, &sandbox] {
        fs::write(home.join("one.yaml"), runbook(1))?;
        fs::write(home.join("sluice.yaml"), "secrets: { terraform_token: { env: TFE_TOKEN } }\n")?;
    }
    let component = component()?;
    let component = component.to_str().ok_or("the folder of the components is no text")?;
    let digest = sluice_engine::ids::Sha256::of(&fs::read(component)?).to_string();
    done(bench.sluice(&sandbox, &["plugin", "add", component, "--digest", &digest]))?;
    for home in [&native, &sandbox] {
        let printed = done(bench.sluice(home, &["trust", "--print-digest"]))?;
        done(bench.sluice(home, &["trust", "--digest", printed.trim()]))?;
    }
    let listed = done(bench.sluice(&sandbox, &["plugin", "list"]))?;
    if !listed.contains("sandbox: reaches") {
        return Err(format!("the component is not used:\n{listed}").into());
    }
    let [native, sandbox] = in_turns(&[subject("native", &native), subject("sandbox", &sandbox)], bench.runs)?;
    let row = |what, unit, ours, native, bar| Row {
        number: 6,
        what,
        unit,
        ours,
        peer: None,
        floor: Some(Named { name: "native", value: native }),
        bar,
    };
    let over = sandbox.wall_ms - native.wall_ms;
    Ok(vec![
        row("one step in the sandbox, cold, wall", "ms", sandbox.wall_ms, native.wall_ms, Bar::None),
        row("the same, over native", "ms", over, native.wall_ms, Bar::AtMost(5.0)),
        row("the same, CPU", "ms", sandbox.cpu_ms, native.cpu_ms, Bar::None),
        row("the same, peak RSS", "MiB", sandbox.peak_mib, native.peak_mib, Bar::None),
    ])
}

fn runbook(steps: usize) -> String {
    let mut text = "runbook: edits\nsummary: Edit a text.\nsteps:\n".to_owned();
    (0..steps).for_each(|at| {
        let _ = writeln!(text, "  - {{ id: s{at}, {STEP} }}");
    });
    text
}

/// As it is shipped.
fn component() -> Outcome<PathBuf> {
    Ok(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/guests/built/terraform.wasm")).canonicalize()?)
}

/// What it printed.
fn done(mut command: std::process::Command) -> Outcome<String> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
