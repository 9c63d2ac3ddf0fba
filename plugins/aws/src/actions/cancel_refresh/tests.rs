//! `aws.cancel_refresh` against the stand-in: one request, what it cannot undo, and what a later look makes of it.

use serde_json::Value;
use sluice_plugin::{Applied, Plugin};

use super::*;
use crate::standin::{FakeHost, StandIn, call};
use crate::standin_cloud::{self as cloud, Group};

const SENT: &str = "CancelInstanceRefresh";

fn with() -> Value {
    json!({ "node": cloud::node(1), "refresh": "r-1" })
}

fn refreshing(status: &'static str) -> Group {
    Group::well(1).but(|group| group.refreshes.push(("r-1", status)))
}

async fn cloud(group: Group) -> StandIn {
    StandIn::start(move |request, _| cloud::answer(std::slice::from_ref(&group), request)).await
}

#[tokio::test]
async fn it_cancels_the_one_refresh_and_says_when_it_was_another() {
    let act = async |group: Group| {
        let stand_in = cloud(group).await;
        let call = call(Purpose::Act, with());
        let answer = stand_in.plugin().run("cancel_refresh", &FakeHost::default(), &call).await;
        assert_eq!(stand_in.counts()[SENT], 1);
        answer
    };
    let outcome = act(refreshing("InProgress")).await.unwrap();
    assert_eq!(outcome.output, json!({ "refresh": "r-1", "group": "lab-node-1-asg" }));
    let problem = act(Group::well(1).but(|group| group.refreshes.push(("r-2", "InProgress")))).await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.applied), ("another_refresh", Applied::Maybe));
    let problem = act(Group::well(1)).await.unwrap_err();
    assert_eq!(problem.applied, Applied::No, "{problem}");
    assert!(problem.message.contains("ActiveInstanceRefreshNotFound"), "{problem}");
}

async fn previewed(group: Group) -> Preview {
    let stand_in = cloud(group).await;
    let call = call(Purpose::Preview, with());
    let answer = stand_in.plugin().preview("cancel_refresh", &FakeHost::default(), &call).await.unwrap();
    assert!(!stand_in.counts().contains_key(SENT));
    answer
}

#[tokio::test]
async fn a_person_is_told_what_a_cancel_cannot_undo() {
    let check = async |change: fn(&mut Group), says: &str| {
        let Preview::Ready { binding, facts } = previewed(refreshing("InProgress").but(change)).await else { panic!() };
        assert_eq!(binding["refresh"], "r-1");
        let said = facts["cannot_undo"].as_str().unwrap();
        assert!(said.contains(says), "`{says}` is not in: {said}");
    };
    check(|_| {}, "nothing yet: i-1 is InService").await;
    check(|group| group.instances(&[("i-1", "Terminating")]), "i-1 is Terminating: it goes all the same").await;
    check(|group| group.instances(&[]), "gone already").await;
    check(|group| group.instances(&[("i-2", "Pending")]), "stays replaced: i-2 Pending").await;
}

#[tokio::test]
async fn what_is_over_is_not_cancelled() {
    for (status, says) in [
        ("Successful", "there is nothing to cancel"),
        ("Cancelled", "there is nothing to cancel"),
        ("Cancelling", "there is nothing to cancel"),
    ] {
        let Preview::Refused { why } = previewed(refreshing(status)).await else { panic!("{status}") };
        assert!(why.contains(says), "{why}");
    }
    let Preview::Refused { why } = previewed(Group::well(1)).await else { panic!() };
    assert!(why.contains("has no instance refresh r-1"), "{why}");
}

#[tokio::test]
async fn a_later_look_says_by_its_status_whether_it_was_cancelled() {
    let looked = async |group: Group| {
        let stand_in = cloud(group).await;
        let call = call(Purpose::Reconcile, with());
        stand_in.plugin().reconcile("cancel_refresh", &FakeHost::default(), &call).await.unwrap()
    };
    for status in ["Cancelling", "Cancelled"] {
        assert!(matches!(looked(refreshing(status)).await, Reconciled::Done { .. }), "{status}");
    }
    for status in ["Pending", "InProgress", "Successful", "Failed"] {
        assert!(matches!(looked(refreshing(status)).await, Reconciled::NotDone { .. }), "{status}");
    }
    for group in [refreshing("Pondering"), Group::well(1)] {
        assert!(matches!(looked(group).await, Reconciled::CannotTell { .. }));
    }
}
