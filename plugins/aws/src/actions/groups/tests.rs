//! `aws.groups` against recorded answers of Auto Scaling.

use serde_json::{Value, json};

use crate::standin::{ACCOUNT, Answer, Expect, Request, StandIn, aws, check};

fn with() -> Value {
    let node = |number: u32| {
        json!({
            "number": number, "name": format!("lab-node-{number}"), "cluster": "lab", "host": "127.0.0.1",
            "group": format!("lab-node-{number}-asg"),
            "ports": { "client": 4222, "cluster": 6222, "monitor": 8222 }, "aws": aws(),
        })
    };
    let creds = json!({ "admin": { "jwt": "/lab/jwt", "seed": "/lab/seed" }, "system": null });
    json!({ "cluster": {
        "name": "lab", "labels": {}, "aws": aws(), "nodes": [node(1), node(2), node(3)], "ssm_prefix": "/lab",
        "streams": [], "services": {}, "creds": creds,
    } })
}

fn answer(operation: &str, result: &str) -> Answer {
    Answer::xml(format!(
        "<{operation}Response xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\"><{operation}Result>{result}\
         </{operation}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{operation}Response>"
    ))
}

fn page(members: &str, next: &str) -> Answer {
    answer("DescribeAutoScalingGroups", &format!("<AutoScalingGroups>{members}</AutoScalingGroups>{next}"))
}

fn member(number: u32, more: &str) -> String {
    format!(
        "<member><AutoScalingGroupName>lab-node-{number}-asg</AutoScalingGroupName><MinSize>1</MinSize><MaxSize>2\
         </MaxSize><DesiredCapacity>1</DesiredCapacity><Instances><member><InstanceId>i-{number}</InstanceId>\
         <LifecycleState>InService</LifecycleState><HealthStatus>Unhealthy</HealthStatus></member></Instances>{more}\
         </member>"
    )
}

const SUSPENDED: &str = "<SuspendedProcesses><member><ProcessName>Launch</ProcessName></member><member><ProcessName>\
     Terminate</ProcessName></member></SuspendedProcesses>";

/// Two pages of groups; group 1 is being refreshed, group 2 just failed to launch, group 3 is as it should be.
fn cluster(request: &Request) -> Answer {
    let about = |number: u32| request.body.contains(&format!("lab-node-{number}-asg"));
    match request.operation.as_str() {
        "DescribeAutoScalingGroups" if request.body.contains("NextToken=more") => page(&member(3, ""), ""),
        "DescribeAutoScalingGroups" => {
            page(&format!("{}{}", member(2, SUSPENDED), member(1, "")), "<NextToken>more</NextToken>")
        }
        "DescribeInstanceRefreshes" if about(1) => answer(&request.operation, REFRESHES),
        "DescribeScalingActivities" if about(2) => answer(&request.operation, ACTIVITIES),
        "GetCallerIdentity" => Answer::identity(ACCOUNT),
        other => answer(other, ""),
    }
}

const REFRESHES: &str = "<InstanceRefreshes><member><InstanceRefreshId>b</InstanceRefreshId><Status>Pondering</Status>\
     </member><member><InstanceRefreshId>a</InstanceRefreshId><Status>InProgress</Status><StatusReason>waiting\
     </StatusReason><PercentageComplete>50</PercentageComplete><StartTime>2026-11-22T18:00:00Z</StartTime></member>\
     <member><InstanceRefreshId>old</InstanceRefreshId><Status>RollbackSuccessful</Status></member>\
     </InstanceRefreshes>";

const ACTIVITIES: &str = "<Activities><member><ActivityId>1</ActivityId><StatusCode>Successful</StatusCode>\
     <StartTime>2026-11-22T17:00:00Z</StartTime></member><member><ActivityId>2</ActivityId><StatusCode>Failed\
     </StatusCode><StatusMessage>no capacity for m8gd in us-east-2a</StatusMessage><Description>Launching</Description>\
     <Cause>replace</Cause><Progress>100</Progress><StartTime>2026-11-22T18:00:00Z</StartTime><EndTime>\
     2026-11-22T18:00:01Z</EndTime></member></Activities>";

fn group(number: u32, changed: Value) -> Value {
    let mut group = json!({
        "name": format!("lab-node-{number}-asg"), "node": format!("lab-node-{number}"), "min": 1, "max": 2, "desired": 1,
        "instances": [{
            "id": format!("i-{number}"), "lifecycle": "InService", "health": "Unhealthy", "zone": null,
            "instance_type": null, "protected_from_scale_in": false, "launch_template": null,
        }],
        "launch_template": null, "suspended": [], "status": null, "refreshes": [], "newest_activity": null,
        "unknown": {},
    });
    group.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
    group
}

#[tokio::test]
async fn all_pages_are_read_and_everything_that_moves_is_told() {
    let stand_in = StandIn::start(|request, _| cluster(request)).await;
    let refreshing = json!({ "refreshes": [
        { "id": "b", "status": "Pondering", "reason": null, "percentage": null, "started_at": null },
        {
            "id": "a", "status": "InProgress", "reason": "waiting", "percentage": 50,
            "started_at": 1_795_370_400_000_i64,
        },
    ] });
    let failed = json!({ "suspended": ["Launch", "Terminate"], "newest_activity": {
        "id": "2", "status": "Failed", "message": "no capacity for m8gd in us-east-2a", "description": "Launching",
        "cause": "replace", "progress": 100, "started_at": 1_795_370_400_000_i64, "ended_at": 1_795_370_401_000_i64,
    } });
    let groups = json!([group(1, refreshing), group(2, failed), group(3, json!({}))]);
    let expect = json!({ "region": "us-east-2", "groups": groups, "missing": [] });
    check(&stand_in, "groups", with(), Expect::Output(expect)).await;
    let counts = stand_in.counts();
    assert_eq!((counts["DescribeAutoScalingGroups"], counts["DescribeInstanceRefreshes"]), (2, 3));
}

/// What the output says when refreshes and activities are answered like this.
async fn unknown_when(answer: Answer, part: &str) {
    let stand_in = StandIn::start(move |request, _| match request.operation.as_str() {
        "DescribeInstanceRefreshes" | "DescribeScalingActivities" => answer.clone(),
        "DescribeAutoScalingGroups" => page(&member(1, ""), ""),
        _ => Answer::identity(ACCOUNT),
    })
    .await;
    let plugin = stand_in.plugin();
    let call = crate::standin::call(sluice_plugin::Purpose::Read, with());
    let outcome = sluice_plugin::Plugin::run(&plugin, "groups", &crate::standin::FakeHost::default(), &call).await;
    let output = outcome.unwrap().output;
    assert_eq!(output["missing"], json!(["lab-node-2-asg", "lab-node-3-asg"]));
    let group = &output["groups"][0];
    assert_eq!((&group["refreshes"], &group["newest_activity"]), (&Value::Null, &Value::Null));
    for field in ["refreshes", "newest_activity"] {
        let why = group["unknown"][field].as_str().unwrap();
        assert!(why.contains(part), "{why}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_unknown_with_a_reason() {
    unknown_when(Answer::query_error(403, "AccessDenied", "no"), "these credentials may not do autoscaling:").await;
    unknown_when(Answer::query_error(400, "InvalidAction", "no such action"), "does not offer").await;
    unknown_when(Answer::page(500), "HTTP 500 and a web page (500 Internal Server Error)").await;
}

async fn fails_when(operation: &'static str, answer: Answer, expect: Expect<'_>) {
    let stand_in = StandIn::start(move |request, _| match request.operation.as_str() {
        asked if asked == operation => answer.clone(),
        _ => cluster(request),
    })
    .await;
    check(&stand_in, "groups", with(), expect).await;
}

#[tokio::test]
async fn what_goes_wrong_is_named() {
    let nothing = || page("", "");
    let all = ["lab-node-1-asg, lab-node-2-asg, lab-node-3-asg", "us-east-2"];
    fails_when("DescribeAutoScalingGroups", nothing(), Expect::problem("not_found", &all)).await;
    let expired = || Answer::query_error(403, "ExpiredToken", "expired");
    fails_when("DescribeInstanceRefreshes", expired(), Expect::retryable("credentials", &["ExpiredToken"])).await;
    let limit = Answer::query_error(400, "Throttling", "Rate exceeded");
    fails_when("DescribeScalingActivities", limit, Expect::retryable("throttled", &["Rate exceeded"])).await;
}
