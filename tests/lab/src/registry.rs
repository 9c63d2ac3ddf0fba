//! The labs of this user: which are up, which were orphaned, and the claim of a free /24 for a new one.
//! It knows folders, pid files and sockets; not what runs in a lab.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};
use crate::machine;
use crate::plan::{Options, Plan, checked_name};
use crate::process::Proc;

/// The lab's programs and folders: `SLUICE_LAB_CACHE`, or `sluice-lab` in the user's cache folder.
pub(crate) fn cache() -> Result<PathBuf> {
    let own = std::env::var_os("SLUICE_LAB_CACHE").map(PathBuf::from);
    let xdg = || Some(PathBuf::from(std::env::var_os("XDG_CACHE_HOME")?).join("sluice-lab"));
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/sluice-lab"));
    let path = own.or_else(xdg).or_else(home).context("neither HOME nor SLUICE_LAB_CACHE is set")?;
    private_folder(&path)?;
    path.canonicalize().context(path.display())
}

fn private_folder(path: &Path) -> Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).context(path.display())
}

/// An exclusive lock between processes, released when dropped.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path).context(path.display())?;
    file.lock().context(path.display())?;
    Ok(file)
}

/// What stands in `lab.json`.
#[derive(Serialize, Deserialize)]
struct Record {
    plan: Plan,
    daemon: Proc,
}

/// A lab that was found.
pub struct Found {
    /// Its plan.
    pub plan: Plan,
    /// The process that runs it.
    pub daemon: Proc,
}

/// The labs whose daemon is alive, by name.
pub fn running() -> Result<Vec<Found>> {
    let mut found: Vec<Found> = folders()?.iter().filter_map(|folder| alive(folder)).collect();
    found.sort_by(|a, b| a.plan.name.cmp(&b.plan.name));
    Ok(found)
}

/// The one lab meant: by name, or the only one there is.
pub(crate) fn pick(name: Option<&str>) -> Result<Found> {
    let mut labs = running()?;
    let names = labs.iter().map(|lab| lab.plan.name.as_str()).collect::<Vec<_>>().join(", ");
    match name {
        Some(name) => {
            let known = if names.is_empty() { "none is up".into() } else { format!("up: {names}") };
            let missing = format!("no lab '{name}' ({known}): start it with 'cargo lab up --name {name}'");
            labs.into_iter().find(|lab| lab.plan.name == name).context(missing)
        }
        None if labs.len() > 1 => Err(Error::new(format!("several labs are up ({names}): say --name NAME"))),
        None => labs.pop().context("no lab is up: start one with 'cargo lab up'"),
    }
}

/// Ends what is left of labs whose daemon died, and removes their files. Answers their names.
pub fn sweep() -> Result<Vec<String>> {
    let _guard = lock(&labs()?.join(".lock"))?;
    sweep_locked()
}

fn sweep_locked() -> Result<Vec<String>> {
    let mut swept = Vec::new();
    for folder in folders()?.into_iter().filter(|folder| alive(folder).is_none()) {
        end_left(&folder)?;
        fs::remove_dir_all(&folder).context(folder.display())?;
        swept.push(folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default());
    }
    Ok(swept)
}

/// Ends what is left of a lab this process had claimed, and removes its folder.
pub(crate) fn remove(name: &str) -> Result<()> {
    let folder = labs()?.join(name);
    // Told to end before the claim, the name may be another process's.
    if alive(&folder).is_some_and(|lab| lab.daemon.pid == std::process::id()) {
        end_left(&folder)?;
        fs::remove_dir_all(&folder).context(folder.display())?;
    }
    Ok(())
}

/// Ends exactly the processes named by the pid files in a lab's folder, and those that commands on its nodes left.
pub(crate) fn end_left(folder: &Path) -> Result<()> {
    for file in pid_files(folder) {
        if let Some(process) = Proc::read(&file)
            && !process.end()
        {
            return Err(Error::new(format!("pid {} of {} does not end", process.pid, folder.display())));
        }
    }
    machine::end_commands(folder)
}

fn pid_files(folder: &Path) -> Vec<PathBuf> {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let inside = entries(folder).filter(|path| path.is_dir()).flat_map(|path| entries(&path).collect::<Vec<_>>());
    let all = entries(folder).chain(inside.collect::<Vec<_>>());
    all.filter(|path| path.extension().is_some_and(|ext| ext == "pid")).collect()
}

/// A claimed lab: its plan and the socket of its control API, which is what holds the /24.
pub(crate) struct Claim {
    pub(crate) plan: Plan,
    pub(crate) control: TcpListener,
}

/// Sweeps orphans, takes a free /24 and makes the folder, all under one lock.
pub(crate) fn claim(name: &str, options: Options) -> Result<Claim> {
    checked_name("lab name", name)?;
    checked_name("cluster name", &options.cluster)?;
    let _guard = lock(&labs()?.join(".lock"))?;
    sweep_locked()?;
    let folder = labs()?.join(name);
    if folder.exists() {
        return Err(Error::new(format!("lab '{name}' is up already: 'cargo lab status --name {name}' shows it")));
    }
    let plan = Plan { name: name.to_owned(), options, net: [127, 77, 0], folder, route_password: secret()? };
    let (plan, control) = free_net(plan)?;
    private_folder(&plan.folder)?;
    fs::set_permissions(&plan.folder, fs::Permissions::from_mode(0o700)).context(plan.folder.display())?;
    let record = Record { plan, daemon: Proc::me()? };
    let path = record.plan.folder.join("lab.json");
    fs::write(&path, serde_json::to_string_pretty(&record).context("lab.json")?).context(path.display())?;
    Ok(Claim { plan: record.plan, control })
}

/// The first net from a start of its own (so that users starting at once do not meet) that binds throughout.
fn free_net(plan: Plan) -> Result<(Plan, TcpListener)> {
    let first = std::process::id() % 254;
    for step in 0..254 {
        let third = u8::try_from((first + step) % 254 + 1).unwrap_or(1);
        let plan = Plan { net: [127, 77, third], ..plan.clone() };
        let Ok(control) = TcpListener::bind(plan.control()) else { continue };
        if plan.listens().into_iter().all(is_free) {
            return Ok((plan, control));
        }
    }
    Err(Error::new("no free /24 in 127.77.0.0/16: end a lab with 'cargo lab down --all'"))
}

/// Whether nobody listens on the address.
pub fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

fn secret() -> Result<String> {
    use std::io::Read;
    let mut bytes = [0u8; 16];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).context("/dev/urandom")?;
    Ok(HEXLOWER.encode(&bytes))
}

fn labs() -> Result<PathBuf> {
    let path = cache()?.join("labs");
    private_folder(&path)?;
    Ok(path)
}

fn folders() -> Result<Vec<PathBuf>> {
    let labs = labs()?;
    let entries = fs::read_dir(&labs).context(labs.display())?;
    Ok(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
}

fn alive(folder: &Path) -> Option<Found> {
    let record: Record = serde_json::from_str(&fs::read_to_string(folder.join("lab.json")).ok()?).ok()?;
    record.daemon.alive().then_some(Found { plan: record.plan, daemon: record.daemon })
}
