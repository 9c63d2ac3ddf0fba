//! The house stays the house: arrows point down, also those of tests, and there is one TLS stack and one HTTP client.
//!
//! That generated files are fresh is tested beside what generates them.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

fn metadata() -> Metadata {
    MetadataCommand::new()
        .other_options(["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"].map(str::to_owned))
        .exec()
        .unwrap()
}

/// What each package of ours may use of the others. A package that is not named here fails the test.
fn allowed(package: &str) -> &'static [&'static str] {
    match package {
        "sluice-plugin" | "sluice-lab" => &[],
        "sluice-engine" | "sluice-host" => &["sluice-plugin"],
        "sluice-store" | "sluice-world" => &["sluice-engine", "sluice-plugin"],
        "sluice-aws" | "sluice-axiom" | "sluice-base" | "sluice-nats" | "sluice-sdk" | "sluice-system"
        | "sluice-terraform" | "sluice-wasm" => &["sluice-plugin"],
        "sluice" => &[
            "sluice-aws",
            "sluice-axiom",
            "sluice-base",
            "sluice-engine",
            "sluice-host",
            "sluice-nats",
            "sluice-plugin",
            "sluice-store",
            "sluice-system",
            "sluice-terraform",
            "sluice-wasm",
            "sluice-world",
        ],
        // Its programs are the product with a store around the store.
        "acceptance" => &["sluice", "sluice-engine"],
        other => panic!("say in tests/house.rs what {other} may depend on"),
    }
}

/// What the tests of each package may use beside that: whatever they need to be tried on, and never what is above them
/// and made of them. Only `acceptance` looks at the product.
fn allowed_in_tests(package: &str) -> &'static [&'static str] {
    match package {
        "sluice-engine" => &["sluice-store"],
        "sluice-world" => &["sluice-axiom", "sluice-base", "sluice-nats", "sluice-store"],
        // The lab knows no package of the product.
        "sluice-aws" | "sluice-nats" => &["sluice-lab"],
        "sluice-wasm" => &["sluice-axiom", "sluice-host", "sluice-terraform"],
        "sluice-base" => &["sluice-engine", "sluice-host", "sluice-lab", "sluice-store"],
        "acceptance" => &[
            "sluice-aws",
            "sluice-base",
            "sluice-host",
            "sluice-lab",
            "sluice-nats",
            "sluice-plugin",
            "sluice-store",
            "sluice-terraform",
            "sluice-wasm",
            "sluice-world",
        ],
        _ => &[],
    }
}

#[test]
fn every_arrow_points_down() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let mut forbidden = Vec::new();
    for package in metadata.workspace_packages() {
        let (may, may_in_tests) = (allowed(package.name.as_str()), allowed_in_tests(package.name.as_str()));
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            let of_tests = dependency.kind == DependencyKind::Development;
            let fine = may.contains(&name) || of_tests && may_in_tests.contains(&name);
            if ours.contains(name) && !fine {
                forbidden.push(format!("{} -> {name}", package.name));
            }
        }
    }
    assert_eq!(forbidden, Vec::<String>::new());
}

/// All packages that are built into the product, by name, with their versions. `cargo metadata` would also name what an
/// optional feature could bring; `cargo tree` names what is built.
fn product() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = ["tree", "--locked", "--package", "sluice", "--edges", "normal,build", "--prefix", "none"];
    let answer = std::process::Command::new(cargo).args(tree).output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8(answer.stdout).unwrap().lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            found.entry(name.to_owned()).or_default().insert(version.to_owned());
        }
    }
    found
}

#[test]
fn there_is_one_tls_stack_and_one_http_client() {
    let product = product();
    for stranger in ["native-tls", "openssl", "openssl-sys", "hyper-tls", "ring", "boring", "s2n-tls", "curl", "ureq"] {
        assert!(!product.contains_key(stranger), "{stranger} has come in");
    }
    for once in ["rustls", "tokio-rustls", "reqwest", "hyper", "rustls-webpki", "aws-lc-rs", "rusqlite", "tokio"] {
        assert_eq!(product[once].len(), 1, "{once}: {:?}", product[once]);
    }
}
