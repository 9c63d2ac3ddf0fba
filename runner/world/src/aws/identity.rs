//! `aws.caller_identity`, and the comparison with the inventory that every action begins with.

use serde::Deserialize;
use serde_json::json;
use sluice_plugin::inventory::Aws;
use sluice_plugin::{Call, Outcome, Problem};

use crate::setup::Caller;
use crate::world::World;

#[derive(Deserialize)]
struct Input {
    aws: Aws,
}

pub(super) async fn run(world: &World, call: &Call) -> Result<Outcome, Problem> {
    let Input { aws } = super::input(call)?;
    let caller = super::ask(world, &aws, "sts:GetCallerIdentity", |state| state.setup.caller.clone()).await?;
    super::output(json!({ "account": caller.account, "arn": caller.arn, "user_id": caller.user_id }))
}

pub(super) fn compare(aws: &Aws, caller: &Caller) -> Result<(), Problem> {
    match &aws.account {
        Some(expected) if *expected != caller.account => {
            let message = format!(
                "the inventory expects AWS account {expected}, and the credentials lead to account {} ({})",
                caller.account, caller.arn
            );
            let details = json!({ "expected": expected, "account": caller.account, "arn": caller.arn });
            Err(Problem::not_applied("wrong_account", message).with_details(details))
        }
        _ => Ok(()),
    }
}
