//! Components that are not taken at all, and what is said of them.

use sluice_wasm::{Refused, componentize};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve};

use crate::guests::{bytes, home};

const WIT: &str = include_str!("../../../schemas/plugin.wit");

/// A component of this world that traps whenever it is called.
fn dummy(wit: &str, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("plugin.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Legacy(wit_parser::LiftLowerAbi::Sync));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

fn check(bytes: &[u8], expect: &str) {
    let refused = home().look(bytes).err().unwrap().to_string();
    assert!(refused.contains(expect), "{refused}");
}

#[test]
fn what_is_no_component_says_so() {
    check(b"", "it is no WebAssembly component");
    check(b"#!/bin/sh", "it is no WebAssembly component");
    check(&wat::parse_str("(module)").unwrap(), "a core module and not yet a component");
    let whole = bytes("attacks");
    check(&whole[..whole.len() / 2], "it is no WebAssembly component");
    check(&wat::parse_str("(component)").unwrap(), "it is no plugin");
    assert!(componentize(b"no module").is_err());
}

#[test]
fn what_asks_for_more_than_there_is_says_what() {
    let importing = |name: &str| {
        let text = format!("(component (import \"{name}\" (instance (export \"run\" (func)))))");
        wat::parse_str(text).unwrap()
    };
    check(&importing("wasi:cli/environment@0.2.6"), "it asks for WASI (`wasi:cli/environment@0.2.6`)");
    check(&importing("acme:secret/door"), "it asks for `acme:secret/door`, which is given to no plugin");
    check(&importing("sluice:plugin/door@0.1.0"), "does not fit");
}

#[test]
fn another_version_says_which_is_needed_and_which_is_offered() {
    let newer = WIT.replace("sluice:plugin@0.1.0", "sluice:plugin@0.2.0");
    check(
        &dummy(&newer, "whole-plugin"),
        "it needs version 0.2 of the plugin API, and this Sluice offers 0.1: take a newer Sluice",
    );
    let older = WIT.replace("sluice:plugin@0.1.0", "sluice:plugin@0.0.9");
    check(&dummy(&older, "whole-plugin"), "it needs version 0.0 of the plugin API");
    // The same contract with more in it, which it does not use.
    let patched = WIT.replace("sluice:plugin@0.1.0", "sluice:plugin@0.1.7");
    check(&dummy(&patched, "whole-plugin"), "it did not say what it is: the plugin crashed");
}

#[test]
fn a_record_with_one_field_more_does_not_fit() {
    let more = WIT.replace("    revision: u32,", "    revision: u32,\n    colour: string,");
    assert_ne!(more, WIT);
    let refused = home().look(&dummy(&more, "whole-plugin")).err().unwrap();
    assert!(matches!(refused, Refused::DoesNotFit(_)), "{refused}");
}

#[test]
fn a_changed_file_is_not_what_was_pinned() {
    let mut changed = bytes("attacks");
    let pinned = home().look(&changed).unwrap().sha256;
    assert!(home().load(&changed, &pinned).is_ok());
    *changed.last_mut().unwrap() ^= 1;
    let refused = home().load(&changed, &pinned).err().unwrap();
    assert!(matches!(&refused, Refused::Tampered { pinned: said, .. } if *said == pinned), "{refused}");
}

/// Worlds with less in them are plugins too.
#[test]
fn the_smallest_plugin_is_one() {
    check(&dummy(WIT, "reading-plugin"), "it did not say what it is: the plugin crashed");
}
