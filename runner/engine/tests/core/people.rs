//! People who answer, policies that judge them, and the rules of who counts told a second time: nothing here asks the
//! engine's own.

use std::collections::BTreeSet;

use sluice_engine::confirm::{Identity, Policy, Proof};
use sluice_engine::journal::{Envelope, Event};

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// How people are called in tests, with a few who are hard to tell apart.
const PEOPLE: [(&str, Option<&str>, &[&str], Proof); 9] = [
    ("ana@here", Some("ana"), &["sre"], Proof::Verified),
    ("bo@there", Some("bo"), &["sre"], Proof::Verified),
    ("eve@there", Some("eve"), &["sre", "oncall"], Proof::Verified),
    ("slack:U1", Some("ana"), &["sre"], Proof::Verified),
    ("slack:U2", Some("bo"), &["sre"], Proof::Verified),
    ("cy@there", Some("cy"), &["dev"], Proof::Verified),
    ("dan@there", Some("dan"), &["dev", "oncall"], Proof::Verified),
    ("root@there", None, &[], Proof::Verified),
    ("bo@there", Some("bo"), &["sre"], Proof::Presence),
];

pub(super) fn person(pick: u8) -> Identity {
    let (actor, person, groups, proof) = PEOPLE[usize::from(pick) % PEOPLE.len()];
    Identity { actor: actor.into(), person: person.map(str::to_owned), groups: set(groups), proof }
}

/// Who started every run, and sits at the terminal where somebody does.
pub(super) fn me() -> Identity {
    person(0)
}

pub(super) fn everybody() -> impl Iterator<Item = Identity> {
    (0..PEOPLE.len()).map(|pick| person(u8::try_from(pick).unwrap()))
}

/// The policy that a process knows.
pub(super) fn policy(pick: usize) -> Policy {
    let plain = Policy::default();
    match pick % 6 {
        0 | 1 => plain,
        2 | 3 => Policy { people: 2, ..plain },
        4 => Policy { requester: false, groups: vec![set(&["sre"])], ..plain },
        _ => Policy { groups: vec![set(&["sre", "dev"])], overriders: vec![set(&["oncall"])], ..plain },
    }
}

/// What holds when all policies hold that were told so far, and who started the run.
pub(super) struct Rules {
    pub(super) people: usize,
    requester: bool,
    groups: Vec<BTreeSet<String>>,
    overriders: Vec<BTreeSet<String>>,
    /// Of the policies that name nobody who may override.
    others: Vec<BTreeSet<String>>,
    starter: Option<Identity>,
}

impl Rules {
    pub(super) fn of(log: &[Envelope]) -> Self {
        let mut rules = Self {
            people: 1,
            requester: true,
            groups: Vec::new(),
            overriders: Vec::new(),
            others: Vec::new(),
            starter: None,
        };
        for envelope in log {
            if let Event::Ruled { policy, requester } = &envelope.event {
                rules.people = rules.people.max(policy.people as usize);
                rules.requester &= policy.requester;
                rules.groups.extend(policy.groups.clone());
                rules.overriders.extend(policy.overriders.clone());
                if policy.overriders.is_empty() {
                    rules.others.extend(policy.groups.clone());
                }
                rules.starter = rules.starter.or_else(|| requester.clone());
            }
        }
        rules
    }

    pub(super) fn counts(&self, by: &Identity) -> bool {
        let plain = self.people == 1 && self.requester && self.groups.is_empty();
        let known = by.proof == Proof::Verified || plain;
        let other = self.requester || self.starter.as_ref().is_some_and(|one| !may_be(one, by));
        known && other && is_in(&self.groups, by) && (self.people == 1 || by.person.is_some())
    }

    pub(super) fn overrides(&self, by: &Identity) -> bool {
        match self.overriders.is_empty() {
            true => self.counts(by),
            false => by.proof == Proof::Verified && is_in(&self.overriders, by) && is_in(&self.others, by),
        }
    }
}

fn is_in(sets: &[BTreeSet<String>], by: &Identity) -> bool {
    sets.iter().all(|set| set.iter().any(|group| by.groups.contains(group)))
}

/// Names of two human beings, for sure, or perhaps of one.
pub(super) fn may_be(one: &Identity, other: &Identity) -> bool {
    one.person.is_none() || other.person.is_none() || one.person == other.person
}
