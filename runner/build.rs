//! How the program is linked.

use std::env::var;

fn main() {
    // At a fixed address, as Go links its programs: otherwise the loader writes 60,000 addresses into 230 pages at each
    // start, which takes a fifth of the time of a short run. Heap, stack and libraries stay where chance puts them.
    println!("cargo:rustc-link-arg-bins=-no-pie");
    println!("cargo:rerun-if-changed=build.rs");
    // On a node, what polls run lies together: the rest of the program stays on the disk.
    let is = |name: &str, value: &str| var(name).is_ok_and(|found| found == value);
    if is("OPT_LEVEL", "z") && is("TARGET", "x86_64-unknown-linux-gnu") {
        let script = format!("{}/polled.ld", var("CARGO_MANIFEST_DIR").unwrap_or_default());
        println!("cargo:rerun-if-changed={script}");
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{script}");
    }
}
