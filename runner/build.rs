//! How the program is linked.

fn main() {
    // At a fixed address, as Go links its programs: otherwise the loader writes 60,000 addresses into 230 pages at each
    // start, which takes a fifth of the time of a short run. Heap, stack and libraries stay where chance puts them.
    println!("cargo:rustc-link-arg-bins=-no-pie");
    println!("cargo:rerun-if-changed=build.rs");
}
