//! The ways in which a node's metrics are collected: each a process that polls once a second and writes lines into a file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sluice_lab::Lab;

use crate::gauge::{Outcome, Started};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Into a file, like the others.
    Sluice,
    Shell,
    Collectd,
    /// Into a file and to Axiom, which others leave to Fluent Bit or do not do at all.
    Delivering,
}

/// As node scripts do it: four requests, /proc, one JSON line.
const SHELL: &str = r#"
set -u
while :; do
    varz=$(curl -s --max-time 2 "$URL/varz"); connz=$(curl -s --max-time 2 "$URL/connz?limit=1")
    jsz=$(curl -s --max-time 2 "$URL/jsz"); code=$(curl -s --max-time 2 -o /dev/null -w '%{http_code}' "$URL/healthz")
    read -r _ user nice system idle iowait irq softirq steal _ < /proc/stat
    mem=$(awk '/MemTotal/ {t=$2} /MemAvailable/ {a=$2} END {print (t-a)*100/t}' /proc/meminfo)
    disk=$(df -P / | awk 'NR==2 {print $5+0}')
    jq -cn --argjson varz "$varz" --argjson connz "$connz" --argjson jsz "$jsz" --arg code "$code" \
        --arg cpu "$user $nice $system $idle $iowait $irq $softirq $steal" --arg mem "$mem" --arg disk "$disk" \
        '{time: now, health_status: $code, system: {cpu: $cpu, mem: $mem, disk: $disk},
          varz: ($varz | {mem, cpu, slow_consumers, in_msgs, out_msgs, connections}),
          connz: ($connz | {num_connections}), jsz: ($jsz | {storage, memory, api, config})}' >> "$FILE"
    sleep 1
done
"#;

const COLLECTD: &str = r#"
BaseDir "FOLDER"
PIDFile "FOLDER/pid"
Interval 1
LoadPlugin cpu
LoadPlugin memory
LoadPlugin df
LoadPlugin load
LoadPlugin disk
LoadPlugin curl_json
LoadPlugin csv
<Plugin cpu>
  ReportByCpu false
</Plugin>
<Plugin csv>
  DataDir "FOLDER/csv"
</Plugin>
<Plugin curl_json>
  <URL "URL/varz">
    Instance "varz"
    <Key "mem">
      Type "gauge"
    </Key>
    <Key "slow_consumers">
      Type "gauge"
    </Key>
    <Key "in_msgs">
      Type "gauge"
    </Key>
  </URL>
  <URL "URL/connz?limit=1">
    Instance "connz"
    <Key "num_connections">
      Type "gauge"
    </Key>
  </URL>
  <URL "URL/jsz">
    Instance "jsz"
    <Key "storage">
      Type "gauge"
    </Key>
  </URL>
</Plugin>
"#;

impl Way {
    pub(crate) fn all() -> [Self; 4] {
        [Self::Sluice, Self::Shell, Self::Collectd, Self::Delivering]
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sluice => "sluice",
            Self::Shell => "shell",
            Self::Collectd => "collectd",
            Self::Delivering => "to Axiom",
        }
    }

    /// Nothing where it is not installed.
    pub(crate) fn start(self, lab: &Lab, sluice: &Path, folder: &Path) -> Outcome<Option<Started>> {
        let folder = folder.join(self.name());
        fs::create_dir(&folder)?;
        let url = format!("http://{}", lab.plan().monitor(1));
        match self {
            Self::Sluice => Ok(Some(of_sluice(lab, sluice, &folder, false)?)),
            Self::Delivering => Ok(Some(of_sluice(lab, sluice, &folder, true)?)),
            Self::Shell => {
                let file = folder.join("metrics.jsonl");
                let mut command = Command::new("bash");
                command.args(["-c", SHELL]).env("URL", &url).env("FILE", &file);
                Ok(Some(started(command, file, (&folder, true))?))
            }
            Self::Collectd => of_collectd(&url, &folder),
        }
    }
}

fn started(mut command: Command, file: PathBuf, (folder, starts_others): (&Path, bool)) -> Outcome<Started> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn()?;
    Ok(Started { child, file, folder: folder.to_owned(), starts_others })
}

fn of_sluice(lab: &Lab, sluice: &Path, folder: &Path, axiom: bool) -> Outcome<Started> {
    let inventory = fs::read_to_string(lab.inventory())?;
    let own: String =
        inventory.lines().filter(|line| !line.starts_with("store:")).map(|line| format!("{line}\n")).collect();
    let at = folder.join("sluice.yaml");
    fs::write(&at, own)?;
    fs::set_permissions(&at, fs::Permissions::from_mode(0o600))?;
    let file = folder.join("metrics.jsonl");
    let command = |words: &[&str]| {
        let mut command = Command::new(sluice);
        command.args(words).env_clear().envs(lab.env()).env("HOME", folder).env("SLUICE_INVENTORY", &at);
        command
    };
    let digest = String::from_utf8(command(&["trust", "--print-digest"]).output()?.stdout)?;
    let trusted = command(&["trust", "--digest", digest.trim()]).output()?;
    if !trusted.status.success() {
        return Err(String::from_utf8_lossy(&trusted.stderr).into_owned().into());
    }
    let given = [
        "cluster=nats-staging".to_owned(),
        format!("node={}", lab.plan().node_name(1)),
        "disk=/".to_owned(),
        format!("axiom={axiom}"),
        format!("file={}", file.display()),
        format!("spool={}", folder.join("spool").display()),
    ];
    let inputs = given.iter().flat_map(|input| ["-i", input.as_str()]);
    let words: Vec<&str> = ["run", "collect-metrics", "--every", "1s"].into_iter().chain(inputs).collect();
    started(command(&words), file, (folder, false))
}

fn of_collectd(url: &str, folder: &Path) -> Outcome<Option<Started>> {
    if Command::new("collectd").arg("-h").output().is_err() {
        return Ok(None);
    }
    let config = folder.join("collectd.conf");
    let folder_text = folder.display().to_string();
    fs::write(&config, COLLECTD.replace("FOLDER", &folder_text).replace("URL/", &format!("{url}/")))?;
    let mut command = Command::new("collectd");
    command.arg("-f").arg("-C").arg(&config);
    let mut started = started(command, PathBuf::new(), (folder, false))?;
    // One of its many files: a line for each poll.
    let began = std::time::Instant::now();
    while started.file.as_os_str().is_empty() {
        if let Some(found) = load_file(&folder.join("csv")) {
            started.file = found;
        } else if began.elapsed() > std::time::Duration::from_secs(30) {
            started.child.kill()?;
            return Err("collectd writes nothing".into());
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    Ok(Some(started))
}

/// `csv/HOST/load/load-DATE`.
fn load_file(csv: &Path) -> Option<PathBuf> {
    let host = fs::read_dir(csv).ok()?.flatten().next()?.path();
    fs::read_dir(host.join("load")).ok()?.flatten().next().map(|entry| entry.path())
}
