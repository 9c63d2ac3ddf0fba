//! A plan as a value: what a run would do, bound to real ids, and what is known about it. Nothing is decided anew from it.
//!
//! What is *bound* has a digest: a changed binding is another plan. *Facts* (what reads gave, what gates saw) are shown
//! and may change without making another plan of it. It does not know how it was made or how it is shown.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::inventory::Aws;
use sluice_plugin::{ActionName, ByHand, Effect, GateClass, Problem, Verdict};

use crate::digest::digest;
use crate::ids::Sha256;
use crate::journal::Key;

/// What a run would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    pub runbook: String,
    /// Where runbook and inventory came from.
    pub sources: Sources,
    /// What the run would be started with; a cluster or node is whole.
    pub inputs: Value,
    pub made_from: MadeFrom,
    /// In the order of the run.
    pub steps: Vec<Planned>,
    /// A session follows the steps.
    pub session: bool,
    /// The lock that a run has from its first step to its end. A plan takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<PlannedLock>,
    /// SHA-256 of all bindings, of what is still to be bound, and of `made_from`; never of facts or samples.
    #[schemars(with = "String")]
    pub digest: Sha256,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedLock {
    pub name: String,
    /// Where it is kept, and so who sees it: `this machine only`.
    pub at: String,
}

/// Where a plan comes from, for people, and what of the inventory it uses beside its inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sources {
    /// A path, or `built in`.
    pub runbook: String,
    /// Null: there is none from here upwards.
    pub inventory: Option<InventorySource>,
    /// By cluster: who must confirm and who may override there.
    pub policy: Value,
    /// Where the secrets that the steps name are fetched, and what the plugins they use are granted.
    pub uses: Value,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InventorySource {
    pub path: String,
    /// Of the whole file. Shown; what is bound is what the plan uses of it.
    #[schemars(with = "String")]
    pub sha256: Sha256,
    pub trusted: bool,
    /// The runbook needs it.
    pub used: bool,
}

/// Digests of everything a plan was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MadeFrom {
    /// The runbook's text.
    #[schemars(with = "String")]
    pub runbook: Sha256,
    /// The texts of the runbooks it calls, and of those that they call, by the name in the call.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub calls: BTreeMap<String, Sha256>,
    /// The contracts of all actions that are used, gates among them.
    #[schemars(with = "String")]
    pub actions: Sha256,
    /// The inputs that are not of the inventory.
    #[schemars(with = "String")]
    pub inputs: Sha256,
    /// The rows of each threshold file, by input; of one that a call leaves to the called runbook, `name.input`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub thresholds: BTreeMap<String, Sha256>,
    /// Clusters and nodes among the inputs, secrets' places, grants.
    #[schemars(with = "String")]
    pub inventory: Sha256,
    #[schemars(with = "String")]
    pub policy: Sha256,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Planned {
    /// Its address in the run: `roll[node-2]/terminate`.
    #[schemars(with = "String")]
    pub key: Key,
    pub summary: Option<String>,
    /// Null of a loop or a group.
    #[schemars(with = "Option<String>")]
    pub action: Option<ActionName>,
    /// Of a loop or a group: the most dangerous inside.
    #[schemars(with = "EffectName")]
    pub effect: Effect,
    /// Set of a gate: `data` or `evidence`.
    #[schemars(with = "Option<ClassName>")]
    pub gate: Option<GateClass>,
    /// It runs whatever happened before.
    #[serde(default)]
    pub finally: bool,
    /// Of an act that destroys: what a person has to type before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
    pub what: What,
    /// With these commands a person does the same. Empty where the action cannot say, or not yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_hand: Vec<ByHand>,
}

/// What is known of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum What {
    /// A loop, and the items it goes over.
    Loop { items: Vec<String> },
    /// Another runbook, whose steps follow.
    Call { runbook: String },
    /// A read, done for real.
    Read { output: Value },
    /// What a read will give, known without doing it: nobody waits in a plan.
    Foreseen { output: Value },
    /// A read that would write a private file: it is left to the run.
    MadeInTheRun,
    /// One sample of a gate.
    Sample {
        #[schemars(with = "VerdictName")]
        verdict: Verdict,
        why: String,
        seen: Value,
    },
    /// What would be done, bound to real ids, and what is known about it.
    Would {
        /// SHA-256 of the binding.
        #[schemars(with = "String")]
        digest: Sha256,
        binding: Box<Binding>,
        /// Null when the action cannot look beforehand.
        facts: Value,
    },
    /// The world is there already.
    Already { output: Value },
    /// The act would be refused.
    Refused { why: String },
    /// `when` says no.
    Skipped,
    /// Known only after this step.
    KnownAfter {
        step: String,
        /// The acts inside, which are to be bound then: steps' ids and actions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        acts: Vec<Unbound>,
    },
    Failed {
        #[schemars(with = "ProblemDocument")]
        problem: Problem,
    },
}

/// What one act is bound to. Everything in it is what a person confirms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Binding {
    /// The form of this record; another form has another number.
    pub form: u32,
    #[schemars(with = "String")]
    pub step: Key,
    #[schemars(with = "String")]
    pub action: ActionName,
    /// The action's contract: name, effect, schemas, revision.
    #[schemars(with = "String")]
    pub contract: Sha256,
    #[schemars(with = "EffectName")]
    pub effect: Effect,
    /// As whom it would act: accounts, regions, profiles and roles that stand in its arguments.
    pub identity: Vec<Aws>,
    /// All arguments, filled in. A secret is its reference.
    pub with: Value,
    /// What the action itself says that it would act on: ids, places. Null when it cannot look beforehand.
    pub target: Value,
    pub made_from: MadeFrom,
}

/// An act of which not everything is known yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Unbound {
    pub step: String,
    #[schemars(with = "String")]
    pub action: ActionName,
    #[schemars(with = "EffectName")]
    pub effect: Effect,
}

/// How many steps of each kind a plan has that would be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    pub reads: usize,
    pub gates: usize,
    /// Gates that pass now.
    pub passing: usize,
    pub changes: usize,
    pub destroys: usize,
    /// Steps that are known only in the run.
    pub unknown: usize,
    pub skipped: usize,
    /// Steps that failed, or would be refused.
    pub failed: usize,
}

/// A plan whose digests do not fit what they are digests of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Altered {
    #[error("the binding of step {0} is not what its digest says")]
    Binding(Key),
    #[error("the plan's bindings are not what its digest says")]
    Plan,
}

/// The form of [`Binding`] that is written now.
pub(in crate::run) const BINDING_FORM: u32 = 1;

impl Plan {
    /// Recomputes every digest.
    pub fn verify(&self) -> Result<(), Altered> {
        for step in &self.steps {
            if let What::Would { digest, binding, .. } = &step.what
                && *digest != binding.digest()
            {
                return Err(Altered::Binding(step.key.clone()));
            }
        }
        if self.digest == digest_of(&self.made_from, &self.steps) { Ok(()) } else { Err(Altered::Plan) }
    }

    /// The digests that one confirmation would have to cover.
    pub fn bindings(&self) -> BTreeSet<Sha256> {
        self.steps.iter().filter_map(|step| step.what.binding()).map(|(digest, _)| digest).collect()
    }

    pub fn counts(&self) -> Counts {
        self.steps.iter().fold(Counts::default(), |mut counts, step| {
            step.count(&mut counts);
            counts
        })
    }
}

/// The digest of a plan: the order of its steps is the runbook's, which is bound.
pub(super) fn digest_of(made_from: &MadeFrom, steps: &[Planned]) -> Sha256 {
    let mut bound = BTreeSet::new();
    let mut open = BTreeSet::new();
    for step in steps {
        match &step.what {
            What::Would { digest, .. } => drop(bound.insert(digest.to_hex())),
            What::KnownAfter { step: after, acts } => {
                open.extend(acts.iter().map(|act| (step.key.as_str(), act, after.as_str())));
            }
            What::Loop { .. }
            | What::Call { .. }
            | What::Read { .. }
            | What::Foreseen { .. }
            | What::MadeInTheRun
            | What::Sample { .. }
            | What::Already { .. }
            | What::Refused { .. }
            | What::Skipped
            | What::Failed { .. } => {}
        }
    }
    digest(&json!({ "form": BINDING_FORM, "made_from": made_from, "bound": bound, "open": open }))
}

impl Binding {
    /// SHA-256 of the canonical JSON of this record.
    pub fn digest(&self) -> Sha256 {
        digest(&json!(self))
    }
}

impl What {
    /// The binding of an act, with its digest.
    pub fn binding(&self) -> Option<(Sha256, &Binding)> {
        match self {
            Self::Would { digest, binding, .. } => Some((*digest, binding)),
            _ => None,
        }
    }

    /// It is in the way of a run that ends well.
    pub fn is_bad(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Refused { .. })
    }
}

impl Planned {
    fn count(&self, counts: &mut Counts) {
        match &self.what {
            What::Loop { .. } | What::Call { .. } => return,
            What::Skipped => return counts.skipped += 1,
            What::KnownAfter { acts, .. } if self.action.is_none() => {
                counts.unknown += 1;
                return acts.iter().for_each(|act| counts.add(act.effect));
            }
            What::KnownAfter { .. } | What::MadeInTheRun => counts.unknown += 1,
            What::Failed { .. } | What::Refused { .. } => counts.failed += 1,
            What::Sample { verdict: Verdict::Pass, .. } => counts.passing += 1,
            What::Read { .. }
            | What::Foreseen { .. }
            | What::Sample { .. }
            | What::Would { .. }
            | What::Already { .. } => {}
        }
        match self.gate {
            Some(_) => counts.gates += 1,
            None => counts.add(self.effect),
        }
    }
}

impl Counts {
    fn add(&mut self, effect: Effect) {
        match effect {
            Effect::Read => self.reads += 1,
            Effect::Change => self.changes += 1,
            Effect::Destroy => self.destroys += 1,
        }
    }
}

/// Of a runbook that came from there, without an inventory.
impl From<&str> for Sources {
    fn from(runbook: &str) -> Self {
        Self { runbook: runbook.to_owned(), inventory: None, policy: json!({}), uses: json!({}) }
    }
}

/// The words of types of the plugin contract, for the schema.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it is only described")]
enum EffectName {
    Read,
    Change,
    Destroy,
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it is only described")]
enum ClassName {
    Data,
    Evidence,
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it is only described")]
enum VerdictName {
    Pass,
    Fail,
    Inconclusive,
}

/// How a call failed.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is only described")]
struct ProblemDocument {
    /// Stable, for machines.
    code: String,
    message: String,
    retryable: bool,
    /// Whether the world may have been changed: `no` or `maybe`.
    applied: String,
    /// JSON pointer inside the step's `with`.
    path: Option<String>,
    details: Option<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reproduce with `jq -cSj . | sha256sum` over the text, which has no fractions.
    #[test]
    fn the_vector_of_a_binding() {
        let zeros = "0".repeat(64);
        let text = r#"{
            "form": 1, "step": "roll[node-2]/terminate", "action": "aws.terminate_instance", "effect": "destroy",
            "contract": "ZERO",
            "identity": [{ "account": "123456789012", "region": "us-east-2", "profile": "staging", "act_role": null }],
            "with": { "instance": "i-0abc", "token": { "$secret": "secrets.axiom_token" }, "wait": 30 },
            "target": { "account": "123456789012", "region": "us-east-2", "instance": "i-0abc" },
            "made_from": {
                "runbook": "ZERO", "calls": { "replace-node": "ZERO" }, "actions": "ZERO", "inputs": "ZERO",
                "thresholds": { "thresholds": "ZERO" }, "inventory": "ZERO", "policy": "ZERO"
            }
        }"#;
        let binding: Binding = serde_json::from_str(&text.replace("ZERO", &zeros)).unwrap();
        assert_eq!(binding.digest().to_hex(), "a78fea89a342a966eb3950f41b91d250d0987d077318efd0d9783d4936708aa4");
        let steps = [Planned {
            key: binding.step.clone(),
            summary: None,
            action: Some(binding.action.clone()),
            effect: binding.effect,
            gate: None,
            finally: false,
            confirm: None,
            what: What::Would {
                digest: binding.digest(),
                binding: Box::new(binding.clone()),
                facts: json!({ "a": 1 }),
            },
            by_hand: Vec::new(),
        }];
        assert_eq!(
            digest_of(&binding.made_from, &steps).to_hex(),
            "245d955d4954c01cf55c3f4ef441944668d981ab087c9d4d179a977f60304f6c"
        );
    }
}
