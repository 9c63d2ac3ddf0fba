//! The house stays the house: arrows point down, there is one TLS stack, generated files are fresh.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

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
        "sluice-store" => &["sluice-engine", "sluice-plugin"],
        "sluice-aws" | "sluice-base" | "sluice-nats" => &["sluice-plugin"],
        "sluice" => &[
            "sluice-aws",
            "sluice-base",
            "sluice-engine",
            "sluice-host",
            "sluice-nats",
            "sluice-plugin",
            "sluice-store",
        ],
        "acceptance" => &[],
        other => panic!("say in tests/house.rs what {other} may depend on"),
    }
}

#[test]
fn every_arrow_points_down() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let mut forbidden = Vec::new();
    for package in metadata.workspace_packages() {
        let may = allowed(package.name.as_str());
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            // Tests may look at anything but what tests are made of.
            let of_tests = dependency.kind == DependencyKind::Development;
            let fine = if of_tests { name != "acceptance" } else { may.contains(&name) };
            if ours.contains(name) && !fine {
                forbidden.push(format!("{} -> {name}", package.name));
            }
        }
    }
    assert_eq!(forbidden, Vec::<String>::new());
}

/// All packages that the product is made of, by name, with their versions.
fn product(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let root = metadata.workspace_packages().into_iter().find(|package| package.name == "sluice").unwrap().id.clone();
    let (mut open, mut seen) = (vec![root.clone()], BTreeSet::from([root]));
    while let Some(id) = open.pop() {
        for dependency in &nodes[&id].deps {
            let normal = dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development);
            if normal && seen.insert(dependency.pkg.clone()) {
                open.push(dependency.pkg.clone());
            }
        }
    }
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for id in &seen {
        let package = &metadata[id];
        found.entry(package.name.to_string()).or_default().insert(package.version.to_string());
    }
    found
}

#[test]
fn there_is_one_tls_stack_and_one_http_client() {
    let product = product(&metadata());
    for stranger in ["native-tls", "openssl", "openssl-sys", "hyper-tls", "ring", "boring", "s2n-tls", "curl", "ureq"] {
        assert!(!product.contains_key(stranger), "{stranger} has come in");
    }
    for once in ["rustls", "tokio-rustls", "reqwest", "hyper", "rustls-webpki", "aws-lc-rs", "rusqlite", "tokio"] {
        assert_eq!(product[once].len(), 1, "{once}: {:?}", product[once]);
    }
}
