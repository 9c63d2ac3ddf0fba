//! The kit for plugins, as it travels with this program: the sources of `sluice-sdk` and of the contract, which a new plugin
//! has beside it. So it fits the runner it was made with, and needs nothing but a compiler and its own dependencies.

use std::fs;
use std::io;
use std::path::Path;

/// Path below the new plugin's folder, and text. A test holds the list against the folders.
macro_rules! files {
    ($($path:literal),* $(,)?) => {
        const KIT: &[(&str, &str)] = &[$((concat!("kit/", $path), include_str!(concat!("../../../", $path)))),*];
    };
}

files! {
    "schemas/plugin.wit",
    "plugins/sdk/Cargo.toml",
    "plugins/sdk/src/action.rs",
    "plugins/sdk/src/asks.rs",
    "plugins/sdk/src/guest.rs",
    "plugins/sdk/src/lib.rs",
    "plugins/api/Cargo.toml",
    "plugins/api/src/action.rs",
    "plugins/api/src/by_hand.rs",
    "plugins/api/src/call.rs",
    "plugins/api/src/duration.rs",
    "plugins/api/src/host.rs",
    "plugins/api/src/http.rs",
    "plugins/api/src/inventory.rs",
    "plugins/api/src/lib.rs",
    "plugins/api/src/outcome.rs",
    "plugins/api/src/plugin.rs",
    "plugins/api/src/problem.rs",
    "plugins/api/src/schema.rs",
    "plugins/api/src/secret.rs",
    "plugins/api/src/thresholds.rs",
    "plugins/api/src/time.rs",
    "plugins/api/src/typed.rs",
    "plugins/api/src/wit.rs",
}

/// What stands beside the kit; `{NAME}` is the plugin's.
const NEW: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("new/Cargo.toml.txt")),
    ("src/lib.rs", include_str!("new/lib.rs.txt")),
    ("{NAME}.yaml", include_str!("new/runbook.yaml")),
    (".gitignore", "/target\n"),
];

/// Writes a new plugin into a folder that is not there yet.
pub(crate) fn write(folder: &Path, name: &str) -> io::Result<()> {
    fs::create_dir(folder)?;
    let new = NEW.iter().map(|(path, text)| (path.replace("{NAME}", name), text.replace("{NAME}", name)));
    let kit = KIT.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    for (path, text) in new.chain(kit) {
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap_or(folder))?;
        fs::write(file, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_kit_is_whole() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut there = BTreeSet::from(["kit/schemas/plugin.wit".to_owned()]);
        for package in ["plugins/sdk", "plugins/api"] {
            there.insert(format!("kit/{package}/Cargo.toml"));
            for entry in fs::read_dir(root.join(package).join("src")).unwrap() {
                there.insert(format!("kit/{package}/src/{}", entry.unwrap().file_name().to_string_lossy()));
            }
        }
        let ours: BTreeSet<String> = KIT.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(ours, there);
    }

    /// A new plugin names the versions that the kit was made with.
    #[test]
    fn its_dependencies_are_ours() {
        let root = include_str!("../../../Cargo.toml");
        let new = include_str!("new/Cargo.toml.txt");
        let dependencies = new.split("[workspace.dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
        let lines: Vec<&str> =
            dependencies.lines().filter(|line| !line.is_empty() && !line.contains("path =")).collect();
        assert!(lines.len() >= 5, "{lines:?}");
        for line in lines {
            assert!(root.lines().any(|other| other == line), "{line}");
        }
    }
}
