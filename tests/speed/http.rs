//! Row 5: 200 HTTP checks, 50 at a time, as a loop of a runbook, beside `curl --parallel` of the same URLs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::meter::{Subject, in_turns};
use crate::server::Server;
use crate::table::{Bar, Named, Row};
use crate::{Bench, Outcome};

const CHECKS: usize = 200;
const AT_ONCE: usize = 50;

const BAR: Bar = Bar::TimesPeer(1.2);

pub(crate) fn rows(bench: &Bench) -> Outcome<Vec<Row>> {
    let home = bench.folder("http")?;
    let server = Server::start()?;
    let urls: Vec<String> = (0..CHECKS).map(|at| format!("{}/healthz/{at}", server.origin())).collect();
    fs::write(home.join("checks.yaml"), runbook(&urls))?;
    fs::write(home.join("sluice.yaml"), inventory(&server.origin()))?;
    fs::write(home.join("urls"), curl_config(&urls))?;
    trust(bench, &home)?;
    let mut curl = Command::new("curl");
    let at_once = AT_ONCE.to_string();
    curl.args(["--silent", "--fail", "--parallel", "--parallel-max", &at_once, "--config", "urls"]);
    curl.current_dir(&home).env("PATH", "/usr/bin:/bin");
    let subjects = [Subject::new("sluice", bench.sluice(&home, &["run", "checks.yaml"])), Subject::new("curl", curl)];
    let [ours, curl] = in_turns(&subjects, bench.runs)?;
    let expected = (bench.runs + 1) * 2 * CHECKS;
    if server.answered() != expected {
        return Err(format!("the server answered {} requests, not {expected}", server.answered()).into());
    }
    let row = |what, unit, ours, peer, bar| Row {
        number: 5,
        what,
        unit,
        ours,
        peer: Some(Named { name: "curl --parallel", value: peer }),
        floor: None,
        bar,
    };
    Ok(vec![
        row("200 HTTP checks, wall", "ms", ours.wall_ms, curl.wall_ms, BAR),
        row("200 HTTP checks, CPU", "ms", ours.cpu_ms, curl.cpu_ms, BAR),
        row("200 HTTP checks, peak RSS", "MiB", ours.peak_mib, curl.peak_mib, Bar::None),
    ])
}

fn runbook(urls: &[String]) -> String {
    let mut text = "runbook: checks\nsummary: Look at many URLs.\ninputs:\n  urls:\n    type: array\n".to_owned();
    text.push_str("    items: { type: string }\n    default:\n");
    for url in urls {
        let _ = writeln!(text, "      - {url}");
    }
    let _ = write!(
        text,
        "steps:
  - id: check
    for_each: inputs.urls
    max_parallel: {AT_ONCE}
    gate: base.http_get
    with: {{ url: \"{{{{ item }}}}\", expect_status: [200] }}
"
    );
    text
}

fn inventory(origin: &str) -> String {
    format!("plugins:\n  base: {{ grants: {{ http: [ {{ origin: \"{origin}\", private: true }} ] }} }}\n")
}

fn curl_config(urls: &[String]) -> String {
    urls.iter().fold(String::new(), |mut text, url| {
        let _ = writeln!(text, "url = \"{url}\"\noutput = \"/dev/null\"");
        text
    })
}

/// What was written a moment ago here is trusted as it is.
fn trust(bench: &Bench, home: &Path) -> Outcome {
    let printed = bench.sluice(home, &["trust", "--print-digest"]).output()?;
    let digest = String::from_utf8(printed.stdout)?;
    let trusted = bench.sluice(home, &["trust", "--digest", digest.trim()]).output()?;
    if trusted.status.success() {
        return Ok(());
    }
    Err(format!("the inventory cannot be trusted: {}", String::from_utf8_lossy(&trusted.stderr)).into())
}
