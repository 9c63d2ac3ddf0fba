//! `aws.caller_identity`: whom AWS takes the caller for, and whether that is the account the inventory names.
//!
//! It asks anew each time. The check that every other action makes once lives in `clients`.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_plugin::inventory::Aws;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Problem};

use crate::action::{About, given, input, output, read_spec};
use crate::by_hand;
use crate::clients::Clients;

pub(crate) struct CallerIdentity(pub(crate) Arc<Clients>);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The `aws` of a cluster in the inventory. Its `account`, when there, must be the caller's.
    aws: Option<Aws>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    /// Twelve digits.
    account: String,
    arn: String,
    user_id: String,
}

#[async_trait]
impl Action for CallerIdentity {
    fn spec(&self) -> ActionSpec {
        read_spec::<Input, Output>(About {
            name: "aws.caller_identity",
            summary: "Ask AWS who the caller is and compare the account with the inventory",
            rights: &[],
            examples: vec![example()],
        })
    }

    async fn run(&self, _: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { aws } = input(call)?;
        let identity = self.0.identity(given(aws.as_ref())?, call.purpose).await?;
        output(Output { account: identity.account, arn: identity.arn, user_id: identity.user_id })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let aws = input::<Input>(call).ok().and_then(|Input { aws }| aws);
        aws.iter().map(by_hand::account).collect()
    }
}

fn example() -> Example {
    Example {
        summary: "The account of a staging cluster".to_owned(),
        with: json!({ "aws": {
            "account": "123456789012", "region": "us-east-2", "profile": "staging", "act_role": null,
        } }),
        output: json!({
            "account": "123456789012",
            "arn": "arn:aws:sts::123456789012:assumed-role/operator/ana",
            "user_id": "AROAEXAMPLE:ana",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standin::{Answer, Expect, StandIn, aws, check};

    async fn ask(answer: Answer, expect: Expect<'_>) {
        let stand_in = StandIn::start(move |_, _| answer.clone()).await;
        check(&stand_in, "caller_identity", json!({ "aws": aws() }), expect).await;
    }

    #[tokio::test]
    async fn it_tells_the_account_only_when_it_is_the_one_of_the_inventory() {
        let identity = json!({
            "account": "123456789012", "arn": "arn:aws:iam::123456789012:user/ana", "user_id": "AIDAEXAMPLE",
        });
        ask(Answer::identity("123456789012"), Expect::Output(identity)).await;
        ask(Answer::identity("999999999999"), Expect::problem("wrong_account", &["123456789012", "999999999999"]))
            .await;
    }

    #[tokio::test]
    async fn what_goes_wrong_is_named() {
        let login = "log in with `aws sso login`";
        ask(Answer::query_error(403, "ExpiredToken", "too old"), Expect::retryable("credentials", &[login])).await;
        ask(Answer::query_error(403, "InvalidClientTokenId", "bad"), Expect::retryable("credentials", &[login])).await;
        ask(Answer::query_error(403, "AccessDenied", "no"), Expect::problem("denied", &["sts:GetCallerIdentity"]))
            .await;
        ask(Answer::page(500), Expect::retryable("server_error", &["HTTP 500", "web page", "http://127.0.0.1:"])).await;
        ask(Answer::page(200), Expect::problem("bad_answer", &["HTTP 200", "proxy"])).await;
        let stand_in = StandIn::start(|_, _| Answer::Silence).await.impatient();
        let silent = Expect::retryable("unreachable", &["http://127.0.0.1:", "sts:GetCallerIdentity"]);
        check(&stand_in, "caller_identity", json!({ "aws": aws() }), silent).await;
        ask(Answer::HangUp, Expect::retryable("unreachable", &["http://127.0.0.1:"])).await;
    }
}
