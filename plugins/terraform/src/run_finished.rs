//! `terraform.run_finished`: a gate that waits until a run is applied. Applied is not deployed: what it made may still be
//! on its way to be healthy.

use async_trait::async_trait;
use serde_json::Value;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Problem, Verdict};

use crate::cloud::{Run, Stage, bad_address, unless_known};
use crate::describe::{gate, input, output};
use crate::run::{Input, example_run, example_with};

pub(crate) struct RunFinished;

#[async_trait]
impl Action for RunFinished {
    fn spec(&self) -> ActionSpec {
        let mut spec = gate::<Input, Run>("run_finished", "See whether a run of Terraform Cloud is applied");
        let summary = "one that waits for a yes, which is not applied".to_owned();
        spec.examples = vec![Example { summary, with: example_with(), output: example_run() }];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        unless_known(with, "address").and_then(bad_address).into_iter().collect()
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let run = input::<Input>(&call.with)?.look(host).await?;
        let (verdict, why) = judged(&run);
        Ok(Outcome::judged(output(&run)?, verdict, why))
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let look_for = "200 at the end; `status` is `applied`, which can take a quarter of an hour";
        input::<Input>(&call.with).map(|input| input.by_hand(look_for)).unwrap_or_default()
    }
}

fn judged(run: &Run) -> (Verdict, String) {
    let (id, status) = (&run.id, &run.status);
    let fail = |why: String| (Verdict::Fail, why);
    let wait = |why: String| (Verdict::Inconclusive, why);
    if run.plan_only {
        return fail(format!("the run {id} only plans, as for a pull request, and is never applied"));
    }
    match run.stage {
        Stage::Applied => (Verdict::Pass, format!("the run {id} is applied")),
        Stage::Errored if run.was_confirmed => fail(format!(
            "the run {id} failed ({status}) after its yes: a part of it may be applied; read its log, and what there is now"
        )),
        Stage::Errored => fail(format!("the run {id} failed ({status}) before anything was applied; read its log")),
        Stage::Discarded => fail(format!("somebody discarded the run {id}; nothing of it was applied")),
        Stage::Canceled if run.was_confirmed => fail(format!(
            "somebody canceled the run {id} ({status}) after its yes: a part of it may be applied; look at what there is now"
        )),
        Stage::Canceled => fail(format!("somebody canceled the run {id} ({status}) before anything was applied")),
        Stage::Unchanged => fail(format!(
            "the run {id} found nothing to change ({status}): the edit has had no effect; look whether it was pushed, and to \
             this workspace"
        )),
        Stage::Waiting => wait(format!("the run {id} waits for a yes ({status}): {}", run.counts())),
        Stage::Planning => wait(format!("the run {id} is on its way to a plan ({status})")),
        Stage::Applying => wait(format!("the run {id} is on its way to be applied ({status})")),
        Stage::Unknown => {
            wait(format!("the run {id} has the status `{status}`, which is not known here; wait for another"))
        }
    }
}
