//! How many people have to say yes, and who they have to be. Of two policies the stricter holds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_plugin::{format_duration, parse_duration};

use super::identity::{Identity, Proof};

/// What an answer is judged by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Policy {
    pub people: u32,
    /// Whether the one who asked may be among them.
    pub requester: bool,
    /// Of each of these sets everybody who says yes has to be in at least one group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<BTreeSet<String>>,
    /// `10m`; an answer that comes later is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_within: Option<String>,
    /// As `groups`, for those who may override. Empty: whoever may confirm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overriders: Vec<BTreeSet<String>>,
}

impl Default for Policy {
    /// One person, who may be the requester and who may override.
    fn default() -> Self {
        Self { people: 1, requester: true, groups: Vec::new(), answer_within: None, overriders: Vec::new() }
    }
}

/// The policy of one cluster as the inventory states it.
#[derive(Deserialize)]
struct Stated {
    confirm: StatedConfirm,
    #[serde(rename = "override")]
    overriders: BTreeSet<String>,
}

#[derive(Deserialize)]
struct StatedConfirm {
    people: u32,
    requester: bool,
    groups: BTreeSet<String>,
    answer_within: Option<String>,
}

impl Policy {
    /// The strictest over all clusters of a plan's sources; the error says what is wrong with them.
    pub fn of_sources(policy: &Value) -> Result<Self, String> {
        let stated: BTreeMap<String, Stated> = serde_json::from_value(policy.clone())
            .map_err(|error| format!("the policy of the clusters cannot be read: {error}"))?;
        Ok(stated.into_values().map(Self::from).fold(Self::default(), |one, other| one.stricter(&other)))
    }

    #[must_use]
    pub fn stricter(&self, other: &Self) -> Self {
        let both = |one: &[BTreeSet<String>], two: &[BTreeSet<String>]| {
            let mut all = one.to_vec();
            all.extend(two.iter().filter(|set| !one.contains(set)).cloned());
            all
        };
        // Whoever names nobody who may override lets those who may confirm do it; beside one who does they stay the narrower.
        let overriders = |policy: &Self| match policy.overriders.is_empty() {
            true if !(self.overriders.is_empty() && other.overriders.is_empty()) => policy.groups.clone(),
            _ => policy.overriders.clone(),
        };
        let shorter = match (self.answer_within(), other.answer_within()) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        Self {
            people: self.people.max(other.people),
            requester: self.requester && other.requester,
            groups: both(&self.groups, &other.groups),
            answer_within: shorter.map(format_duration),
            overriders: both(&overriders(self), &overriders(other)),
        }
    }

    pub fn answer_within(&self) -> Option<Duration> {
        self.answer_within.as_deref().and_then(|text| parse_duration(text).ok())
    }

    /// Why a machine that proves presence and no identity cannot carry it out.
    pub fn beyond_presence(&self) -> Option<String> {
        let wants = if self.people > 1 {
            format!("the yes of {} people", self.people)
        } else if !self.requester {
            "the yes of somebody else than who asks".to_owned()
        } else if !self.groups.is_empty() {
            format!("somebody of {}", named(&self.groups))
        } else {
            return None;
        };
        Some(wants)
    }

    /// May this one's yes count? The error says why not.
    pub fn may_confirm(&self, by: &Identity, requester: Option<&Identity>) -> Result<(), String> {
        self.must_be_in(&self.groups, by)?;
        if self.beyond_presence().is_some() && by.proof == Proof::Presence {
            return Err(format!("{by} was at a terminal, which proves nobody's identity"));
        }
        if !self.requester && requester.is_none_or(|requester| by.may_be(requester)) {
            return Err(format!("{by} asked for it, or cannot be told from who did, and somebody else has to say yes"));
        }
        if self.people > 1 && by.person.is_none() {
            return Err(format!("{by} is none of the people of the inventory, and people are counted"));
        }
        Ok(())
    }

    /// May this one override a gate?
    pub fn may_override(&self, by: &Identity, requester: Option<&Identity>) -> Result<(), String> {
        if self.overriders.is_empty() {
            return self.may_confirm(by, requester);
        }
        if by.proof == Proof::Presence {
            let who = named(&self.overriders);
            return Err(format!("only {who} may override, and a terminal proves nobody's identity"));
        }
        self.must_be_in(&self.overriders, by)
    }

    fn must_be_in(&self, sets: &[BTreeSet<String>], by: &Identity) -> Result<(), String> {
        match sets.iter().find(|set| set.is_disjoint(&by.groups)) {
            Some(set) => Err(format!("{by} is not in {}", named(std::slice::from_ref(set)))),
            None => Ok(()),
        }
    }
}

/// `the group sre`, `one of the groups oncall, sre`.
fn named(sets: &[BTreeSet<String>]) -> String {
    let one = |set: &BTreeSet<String>| match set.first() {
        Some(only) if set.len() == 1 => format!("the group {only}"),
        _ => format!("one of the groups {}", set.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
    };
    sets.iter().map(one).collect::<Vec<_>>().join(" and ")
}

impl From<Stated> for Policy {
    fn from(stated: Stated) -> Self {
        let sets = |set: BTreeSet<String>| if set.is_empty() { Vec::new() } else { vec![set] };
        let Stated { confirm, overriders } = stated;
        Self {
            people: confirm.people,
            requester: confirm.requester,
            groups: sets(confirm.groups),
            answer_within: confirm.answer_within,
            overriders: sets(overriders),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn who(person: &str, groups: &[&str], proof: Proof) -> Identity {
        let person = (!person.is_empty()).then(|| person.to_owned());
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        Identity { actor: format!("{}@laptop", person.as_deref().unwrap_or("root")), person, groups, proof }
    }

    fn policy(people: u32, requester: bool, groups: &[&str], overriders: &[&str]) -> Policy {
        Policy::of_sources(&json!({ "c": {
            "confirm": { "people": people, "requester": requester, "groups": groups, "answer_within": null },
            "override": overriders,
        } }))
        .unwrap()
    }

    #[test]
    fn whose_yes_counts() {
        use Proof::{Presence, Verified};
        let ana = who("ana", &["sre"], Verified);
        let check = |policy: &Policy, by: Identity, expect: &str| {
            let found = policy.may_confirm(&by, Some(&ana)).err().unwrap_or_default();
            assert!(if expect.is_empty() { found.is_empty() } else { found.contains(expect) }, "{by}: {found:?}");
        };
        check(&policy(1, true, &[], &[]), who("ana", &[], Presence), "");
        check(&policy(1, true, &[], &[]), who("", &[], Presence), "");
        check(&policy(1, true, &["sre"], &[]), who("bo", &["dev"], Verified), "not in the group sre");
        check(&policy(1, true, &["sre"], &[]), who("bo", &["sre"], Presence), "proves nobody's identity");
        check(&policy(1, true, &["sre"], &[]), who("bo", &["sre", "dev"], Verified), "");
        check(&policy(1, false, &[], &[]), ana.clone(), "asked for it");
        check(&policy(1, false, &[], &[]), who("", &[], Verified), "cannot be told");
        check(&policy(1, false, &[], &[]), who("bo", &[], Verified), "");
        check(&policy(2, true, &[], &[]), who("", &[], Verified), "none of the people");
        check(&policy(2, true, &[], &[]), who("bo", &[], Presence), "proves nobody's identity");
    }

    #[test]
    fn who_may_override() {
        let check = |policy: &Policy, by: Identity, expect: bool| {
            assert_eq!(policy.may_override(&by, None).is_ok(), expect, "{by}");
        };
        check(&policy(1, true, &[], &[]), who("", &[], Proof::Presence), true);
        check(&policy(1, true, &[], &["oncall"]), who("ana", &["oncall"], Proof::Presence), false);
        check(&policy(1, true, &[], &["oncall"]), who("ana", &["oncall"], Proof::Verified), true);
        check(&policy(1, true, &[], &["oncall"]), who("ana", &["sre"], Proof::Verified), false);
        // Where one policy names nobody, whoever may confirm under it may override: beside another it stays so.
        let both = policy(1, true, &["sre"], &[]).stricter(&policy(1, true, &[], &["dev"]));
        check(&both, who("ana", &["dev"], Proof::Verified), false);
        check(&both, who("ana", &["sre"], Proof::Verified), false);
        check(&both, who("ana", &["dev", "sre"], Proof::Verified), true);
    }

    #[test]
    fn of_two_the_stricter_holds() {
        let mut one = policy(1, true, &["sre"], &[]);
        one.answer_within = Some("15m".into());
        let mut two = policy(2, false, &["dev"], &["oncall"]);
        two.answer_within = Some("10m".into());
        let both = one.stricter(&two);
        assert_eq!((both.people, both.requester, both.groups.len()), (2, false, 2));
        assert_eq!(both.answer_within(), Some(Duration::from_secs(600)));
        assert_eq!(both, both.stricter(&one).stricter(&two), "no stricter than both");
        assert!(both.may_confirm(&who("bo", &["sre"], Proof::Verified), None).is_err(), "both groups");
    }

    #[test]
    fn what_presence_cannot_prove_is_told() {
        let check = |policy: Policy, expect: Option<&str>| assert_eq!(policy.beyond_presence().as_deref(), expect);
        check(policy(1, true, &[], &["oncall"]), None);
        check(policy(2, true, &[], &[]), Some("the yes of 2 people"));
        check(policy(1, false, &[], &[]), Some("the yes of somebody else than who asks"));
        check(policy(1, true, &["sre", "dev"], &[]), Some("somebody of one of the groups dev, sre"));
    }
}
