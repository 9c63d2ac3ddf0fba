//! What `sluice iam` prints, taken at its word: a session that may do this and nothing else.

use std::collections::BTreeSet;

use serde_json::Value;
use sluice_lab::{ACT_ROLE, OPERATOR_ROLE, Options};

use super::site::{Site, says, side_by_side, text, words};
use crate::common::session;

/// The parameter store itself asks for the key of what is secret, and a lock's old entries are tidied away when there are many.
const UNSEEN: [&str; 2] = ["kms:Decrypt", "ssm:DeleteParameters"];

#[test]
fn the_rights_it_prints_are_enough_and_none_is_too_many() {
    side_by_side(
        &[("with a role for the act", with_role)],
        &[("without one", without_role), ("those of another runbook", of_another)],
    );
}

fn with_role() {
    let mut site = Site::new(Options { act_role: true, ..Options::default() });
    let rights = printed(&site, "replace-node");
    assert!(!rights.contains("TerminateInstance") && rights.contains(ACT_ROLE), "{rights}");
    replaced(&mut site, &rights);
}

fn without_role() {
    let mut site = Site::new(Options::default());
    let rights = printed(&site, "replace-node");
    assert!(rights.contains("TerminateInstance") && !rights.contains("AssumeRole"), "{rights}");
    replaced(&mut site, &rights);
}

/// Who may look may not end: said before anybody is asked, and nothing is touched.
fn of_another() {
    let mut site = Site::new(Options { act_role: true, ..Options::default() });
    let rights = printed(&site, "health-check");
    become_operator(&mut site, &rights);
    let refused = site.unattended(2);
    assert!(matches!(refused.code, Some(1 | 3)), "{}", refused.said());
    says(
        &refused.said(),
        &["not authorized to perform", "the missing right is ssm:", "`sluice iam` prints all that are needed"],
    );
    site.nothing_ended();
}

/// On one line: a session's policy has a limit.
fn printed(site: &Site, runbook: &str) -> String {
    let node = format!("node={}", site.name(2));
    let arguments = ["iam", runbook, "-i", "cluster=nats-staging", "-i", &node];
    let arguments = if runbook == "replace-node" { &arguments[..] } else { &arguments[..4] };
    site.user.run(arguments).expect_code(0).json().to_string()
}

fn become_operator(site: &mut Site, rights: &str) {
    for (name, value) in session::of_operator(&site.lab, "ana", rights) {
        site.user.set(name, &value);
    }
}

fn replaced(site: &mut Site, rights: &str) {
    become_operator(site, rights);
    site.says_yes(&words(&site.arguments(2)), 2).end().expect_code(0);
    site.ended(&[2]);
    let (mut used, mut refused) = (BTreeSet::new(), Vec::new());
    for call in site.ask(site.lab.calls(0)).into_iter().filter(|call| call["role"] == OPERATOR_ROLE) {
        used.insert(format!("{}:{}", text(&call["service"]), text(&call["operation"])));
        if call["status"] == 403 {
            refused.push(call);
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
    let unused: Vec<String> = allowed(rights).difference(&used).cloned().collect();
    assert_eq!(unused, UNSEEN, "allowed, and not called; called: {used:?}");
}

fn allowed(rights: &str) -> BTreeSet<String> {
    let policy: Value = serde_json::from_str(rights).unwrap();
    let statements = policy["Statement"].as_array().unwrap().iter();
    statements.flat_map(|statement| statement["Action"].as_array().unwrap()).map(text).collect()
}
