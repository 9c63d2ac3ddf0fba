//! One set per place and use, checked once, thrown away when its credentials end, silent before the first call.

use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use serde_json::json;
use sluice_plugin::inventory::Aws;
use sluice_plugin::{Plugin, Purpose};

use super::*;
use crate::connect::Patience;
use crate::standin::{ACCOUNT, Answer, Expect, FakeHost, StandIn, aws, call};

fn place(region: &str, account: Option<&str>) -> Aws {
    Aws { account: account.map(str::to_owned), region: region.to_owned(), profile: None, act_role: None }
}

fn identities(stand_in: &StandIn) -> usize {
    stand_in.counts().get("GetCallerIdentity").copied().unwrap_or_default()
}

async fn groups_of(set: &ClientSet) -> Result<usize, Problem> {
    crate::group::describe(set, &["a".to_owned()]).await.map(|groups| groups.len())
}

const NO_GROUPS: &str = "<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult><AutoScalingGroups/>\
     </DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>";

#[tokio::test]
async fn the_account_is_checked_once_for_each_set_and_only_when_it_is_named() {
    let stand_in = StandIn::start(|_, _| Answer::identity(ACCOUNT)).await;
    let clients = stand_in.clients();
    assert!(stand_in.asked().is_empty());
    let ohio = place("us-east-2", Some(ACCOUNT));
    let first = clients.open(&ohio, Purpose::Read).await.unwrap();
    for purpose in [Purpose::Read, Purpose::Preview, Purpose::Reconcile] {
        assert!(Arc::ptr_eq(&first, &clients.open(&ohio, purpose).await.unwrap()));
    }
    assert_eq!(identities(&stand_in), 1);
    clients.open(&place("eu-west-1", None), Purpose::Read).await.unwrap();
    assert_eq!(identities(&stand_in), 1);
    clients.open(&place("eu-west-1", Some(ACCOUNT)), Purpose::Read).await.unwrap();
    assert_eq!(identities(&stand_in), 2);
    assert!(!Arc::ptr_eq(&first, &clients.open(&ohio, Purpose::Act).await.unwrap()));
}

#[tokio::test]
async fn another_account_gets_no_further_request() {
    let stand_in = StandIn::start(|_, _| Answer::identity("999999999999")).await;
    let wrong = stand_in.clients().open(&place("us-east-2", Some(ACCOUNT)), Purpose::Read).await.err().unwrap();
    assert_eq!(wrong.code, "wrong_account");
    assert!(wrong.message.contains(ACCOUNT) && wrong.message.contains("999999999999"), "{wrong}");
    assert_eq!(stand_in.asked().len(), 1);
}

#[tokio::test]
async fn a_client_for_acts_sends_nothing_twice() {
    let asked_with = async |purpose: Purpose, answer: Answer| {
        let stand_in = StandIn::start(move |_, _| answer.clone()).await;
        let set = stand_in.clients().open(&place("us-east-2", None), purpose).await.unwrap();
        groups_of(&set).await.unwrap_err();
        stand_in.asked().len()
    };
    let busy = || Answer::query_error(400, "Throttling", "Rate exceeded");
    assert_eq!(asked_with(Purpose::Read, busy()).await, 3);
    assert_eq!(asked_with(Purpose::Act, busy()).await, 1);
    assert_eq!(asked_with(Purpose::Act, Answer::page(500)).await, 1);
    assert_eq!(asked_with(Purpose::Act, Answer::HangUp).await, 1);
}

/// The environment and the profile of [`nor_does_it_when_environment_and_profile_ask_for_retries`]; does nothing without.
#[tokio::test]
async fn helper_that_acts_where_retries_are_asked_for() {
    let Ok(endpoint) = std::env::var("SLUICE_TEST_ENDPOINT") else { return };
    let named = Aws { profile: Some("eager".into()), ..place("us-east-2", None) };
    let clients = Clients::with(Surroundings { endpoint: Some(endpoint), ..Surroundings::default() });
    for (purpose, expect) in [(Purpose::Act, "not retried"), (Purpose::Read, "retried")] {
        let problem = groups_of(clients.open(&named, purpose).await.as_ref().unwrap()).await.unwrap_err();
        assert_eq!(problem.code, "throttled", "{expect}: {problem}");
    }
}

/// In a process of its own, since an environment belongs to a process.
#[tokio::test]
async fn nor_does_it_when_environment_and_profile_ask_for_retries() {
    let settings = "retry_mode = adaptive\nmax_attempts = 7\n";
    let keys = "aws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = no\n";
    let check = async |profile: &str, environment: &[(&str, &str)]| {
        let stand_in = StandIn::start(|_, _| Answer::query_error(400, "Throttling", "Rate exceeded")).await;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("[profile eager]\nregion = us-east-2\n{profile}")).unwrap();
        let helper = "clients::tests::helper_that_acts_where_retries_are_asked_for";
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
        let child = child.args([helper, "--exact"]).env("SLUICE_TEST_ENDPOINT", stand_in.endpoint());
        let child = child.env("AWS_CONFIG_FILE", file.path()).env("AWS_SHARED_CREDENTIALS_FILE", file.path());
        let output = child.envs(environment.iter().copied()).kill_on_drop(true).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        // One for the act, three for the read.
        assert_eq!(stand_in.asked().len(), 1 + 3, "{profile} {environment:?}");
    };
    let eager = [("AWS_MAX_ATTEMPTS", "7"), ("AWS_RETRY_MODE", "adaptive"), ("AWS_PROFILE", "eager")];
    check(keys, &eager).await;
    check(&format!("{keys}{settings}"), &[]).await;
    check(&format!("{keys}{settings}"), &eager).await;
}

#[tokio::test]
async fn after_expired_credentials_the_next_call_starts_anew() {
    let stand_in = StandIn::start(|request, nth| match (request.operation.as_str(), nth) {
        ("GetCallerIdentity", _) => Answer::identity(ACCOUNT),
        (_, 1) => Answer::query_error(403, "ExpiredToken", "expired"),
        _ => Answer::xml(NO_GROUPS),
    })
    .await;
    let clients = stand_in.clients();
    let ohio = place("us-east-2", Some(ACCOUNT));
    let first = clients.open(&ohio, Purpose::Read).await.unwrap();
    assert_eq!(groups_of(&first).await.unwrap_err().code, "credentials");
    let second = clients.open(&ohio, Purpose::Read).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!(groups_of(&second).await, Ok(0));
    assert_eq!(identities(&stand_in), 2);
}

#[derive(Debug)]
struct Broken(fn() -> CredentialsError);

impl ProvideCredentials for Broken {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(self.0()))
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_sent_and_the_line_to_type_is_told() {
    let stand_in = StandIn::start(|_, _| Answer::identity(ACCOUNT)).await;
    let check = async |why: fn() -> CredentialsError, part: &str| {
        let surroundings = Surroundings {
            endpoint: Some(stand_in.endpoint().to_owned()),
            credentials: Some(SharedCredentialsProvider::new(Broken(why))),
            patience: Patience::default(),
        };
        let clients = Clients::with(surroundings);
        let named = Aws { profile: Some("staging".into()), ..place("us-east-2", None) };
        let problem = clients.identity(&named, Purpose::Read).await.unwrap_err();
        assert_eq!((problem.code.as_str(), problem.retryable), ("credentials", true), "{problem}");
        for part in [part, "aws sso login --profile staging"] {
            assert!(problem.message.contains(part), "`{part}` is not in: {problem}");
        }
    };
    check(|| CredentialsError::not_loaded("nothing there"), "nothing there").await;
    check(CredentialsError::not_loaded_no_source, "there are none").await;
    check(|| CredentialsError::provider_error("the SSO token has expired"), "the SSO token has expired").await;
    check(|| CredentialsError::invalid_configuration("a loop"), "a loop").await;
    assert!(stand_in.asked().is_empty());
}

/// The profile of the inventory is used alone: with the SDK's chain, keys in the environment would win.
#[tokio::test]
async fn a_profile_that_does_not_exist_is_an_error_that_names_it() {
    let stand_in = StandIn::start(|_, _| Answer::identity(ACCOUNT)).await;
    let endpoint = Some(stand_in.endpoint().to_owned());
    let clients = Clients::with(Surroundings { endpoint, ..Surroundings::default() });
    let named = Aws { profile: Some("sluice-no-such-profile".into()), ..place("us-east-2", None) };
    let problem = clients.identity(&named, Purpose::Read).await.unwrap_err();
    assert_eq!(problem.code, "credentials", "{problem}");
    assert!(problem.message.contains("aws sso login --profile sluice-no-such-profile"), "{problem}");
    assert!(stand_in.asked().is_empty());
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_named() {
    let stand_in = StandIn::start(|_, _| Answer::HangUp).await;
    let clients = stand_in.clients();
    let endpoint = stand_in.endpoint().to_owned();
    stand_in.stop().await;
    let problem = clients.identity(&place("us-east-2", None), Purpose::Read).await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.retryable), ("unreachable", true), "{problem}");
    assert!(problem.message.contains(&endpoint), "{problem}");
}

#[tokio::test]
async fn calls_side_by_side_share_one_set_and_one_check() {
    let stand_in = StandIn::start(|_, _| Answer::identity(ACCOUNT)).await;
    let clients = stand_in.clients();
    let ohio = place("us-east-2", Some(ACCOUNT));
    let opened = futures::future::join_all((0..8).map(|_| clients.open(&ohio, Purpose::Read))).await;
    let sets: Vec<_> = opened.into_iter().map(Result::unwrap).collect();
    assert!(sets.iter().all(|set| Arc::ptr_eq(set, &sets[0])));
    assert_eq!(identities(&stand_in), 1);
}

#[tokio::test]
async fn a_silent_endpoint_is_given_up_in_bounded_time() {
    let patience = Patience::default();
    assert!(patience.whole <= Duration::from_secs(20) && patience.attempt < patience.whole);
    let stand_in = StandIn::start(|_, _| Answer::Silence).await.impatient();
    let call = call(Purpose::Act, json!({ "aws": aws() }));
    let outcome = stand_in.plugin().run("caller_identity", &FakeHost::default(), &call).await;
    Expect::retryable("unreachable", &["sts:GetCallerIdentity"]).compare(outcome);
    assert_eq!(identities(&stand_in), 1);
}
