//! `aws.start_refresh` against the stand-in: one request, of which group, and what a later look makes of it.

use sluice_plugin::{Applied, Plugin};

use super::*;
use crate::standin::{Answer, FakeHost, StandIn, call};
use crate::standin_cloud::{self as cloud, Group, ROLE};

const SENT: &str = "StartInstanceRefresh";

fn with(role: Option<&str>, before: Option<&str>) -> Value {
    let mut node = cloud::node(1);
    node["aws"]["act_role"] = json!(role);
    json!({ "node": node, "instance": "i-1", "before": before })
}

async fn cloud(group: Group) -> StandIn {
    StandIn::start(move |request, _| cloud::answer(std::slice::from_ref(&group), request)).await
}

fn sent(stand_in: &StandIn) -> Vec<String> {
    stand_in.asked().into_iter().filter(|request| request.operation == SENT).map(|request| request.body).collect()
}

#[tokio::test]
async fn it_refreshes_the_one_group_and_ends_before_it_launches() {
    for role in [None, Some(ROLE)] {
        let stand_in = cloud(Group::well(1)).await;
        let call = call(Purpose::Act, with(role, None));
        let outcome = stand_in.plugin().run("start_refresh", &FakeHost::default(), &call).await.unwrap();
        assert_eq!(outcome.output, json!({ "refresh": "r-new", "group": "lab-node-1-asg", "instance": "i-1" }));
        let sent = sent(&stand_in);
        assert_eq!(sent.len(), 1);
        for field in [
            "AutoScalingGroupName=lab-node-1-asg",
            "Strategy=Rolling",
            "Preferences.MinHealthyPercentage=0",
            "Preferences.MaxHealthyPercentage=100",
            "Preferences.SkipMatching=false",
        ] {
            assert!(sent[0].contains(field), "{field} is not in {}", sent[0]);
        }
        assert_eq!(stand_in.counts().contains_key("AssumeRole"), role.is_some());
    }
}

#[tokio::test]
async fn whatever_comes_back_one_request_was_sent() {
    let no = |code| (Answer::query_error(400, code, "no"), Applied::No);
    let answers = [
        no("InstanceRefreshInProgress"),
        no("LimitExceeded"),
        (Answer::page(500), Applied::Maybe),
        (Answer::HangUp, Applied::Maybe),
        (Answer::query_error(503, "ServiceUnavailable", "no"), Applied::Maybe),
    ];
    for (answer, applied) in answers {
        let stand_in = StandIn::start(move |request, _| match request.operation.as_str() {
            SENT => answer.clone(),
            _ => cloud::answer(&[Group::well(1)], request),
        })
        .await;
        let call = call(Purpose::Act, with(None, None));
        let problem = stand_in.plugin().run("start_refresh", &FakeHost::default(), &call).await.unwrap_err();
        assert_eq!((problem.applied, sent(&stand_in).len()), (applied, 1), "{problem}");
    }
}

async fn previewed(group: Group, before: Option<&str>) -> Preview {
    let stand_in = cloud(group).await;
    let call = call(Purpose::Preview, with(Some(ROLE), before));
    let answer = stand_in.plugin().preview("start_refresh", &FakeHost::default(), &call).await.unwrap();
    assert!(sent(&stand_in).is_empty());
    answer
}

#[tokio::test]
async fn a_person_confirms_the_instance_that_goes_and_how() {
    let Preview::Ready { binding, facts } = previewed(Group::well(1), None).await else { panic!() };
    assert_eq!(
        binding,
        json!({
            "account": "123456789012", "region": "us-east-2", "group": "lab-node-1-asg", "node": "lab-node-1",
            "instance": "i-1", "act_role": ROLE, "next_launch_template": { "id": "lt-1", "name": null, "version": "8" },
            "refresh": { "min_healthy_percentage": 0, "max_healthy_percentage": 100, "skip_matching": false },
        })
    );
    assert_eq!(facts["lifecycle"], "InService");
    let over = Group::well(1).but(|group| group.refreshes.push(("r-1", "Successful")));
    assert!(matches!(previewed(over, Some("r-1")).await, Preview::Ready { .. }));
}

#[tokio::test]
async fn what_must_not_be_refreshed_is_refused_in_words() {
    let refused = async |change: fn(&mut Group), before: Option<&str>, says: &str| {
        let Preview::Refused { why } = previewed(Group::well(1).but(change), before).await else { panic!("{says}") };
        assert!(why.contains(says), "`{says}` is not in: {why}");
    };
    refused(|group| group.instances(&[("i-2", "InService")]), None, "already replaced").await;
    refused(|group| group.refreshes.push(("r-1", "Pending")), Some("r-1"), "r-1 is Pending").await;
    refused(|group| group.refreshes.push(("r-2", "Failed")), Some("r-1"), "somebody started it").await;
    refused(|group| group.suspended.push("Launch"), None, "Launch is suspended").await;
}

#[tokio::test]
async fn a_later_look_says_by_the_groups_refreshes_whether_it_was_started() {
    let looked = async |change: fn(&mut Group), before: Option<&str>| {
        let stand_in = cloud(Group::well(1).but(change)).await;
        let call = call(Purpose::Reconcile, with(None, before));
        stand_in.plugin().reconcile("start_refresh", &FakeHost::default(), &call).await.unwrap()
    };
    assert!(matches!(looked(|_| {}, None).await, Reconciled::NotDone { .. }));
    let known = |group: &mut Group| group.refreshes.push(("r-1", "Successful"));
    assert!(matches!(looked(known, Some("r-1")).await, Reconciled::NotDone { .. }));
    let Reconciled::Done { output, .. } = looked(|group| group.refreshes.push(("r-1", "Pending")), None).await else {
        panic!()
    };
    assert_eq!(output["refresh"], "r-1");
    let gone = |group: &mut Group| group.instances(&[("i-1", "Terminating")]);
    assert!(matches!(looked(gone, None).await, Reconciled::CannotTell { .. }));
}
