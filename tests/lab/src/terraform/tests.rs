use std::net::SocketAddr;

use super::*;
use crate::plan::Options;

const SHA: &str = "4f0d2a8c1b3e5f60718293a4b5c6d7e8f9012345";

struct Served {
    api: SocketAddr,
    archive: SocketAddr,
    terraform: Arc<Terraform>,
    plan: Plan,
}

impl Served {
    /// `net`: of its own, since several are up at a time.
    async fn new(net: u8) -> Self {
        let plan = Plan {
            name: "a".into(),
            options: Options::default(),
            net: [127, 92, net],
            folder: "/x".into(),
            route_password: "secret".into(),
        };
        let [api, archive] = listen(&plan).await.unwrap();
        let (at, plans) = (api.local_addr().unwrap(), archive.local_addr().unwrap());
        let terraform = Terraform::new(&plan);
        tokio::spawn(terraform.clone().serve(api, archive));
        Served { api: at, archive: plans, terraform, plan }
    }

    async fn send(&self, method: &str, path: &str, token: &str) -> Result<(u16, Value)> {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str())];
        let (path, body) = (format!("/api/v2{path}"), br#"{"comment":"go"}"#);
        let answer = http::send(self.api, method, &path, &headers, body, Duration::from_secs(5)).await?;
        Ok((answer.status, serde_json::from_str(&answer.body).unwrap_or_default()))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, &self.plan.terraform_token()).await.unwrap()
    }

    async fn post(&self, path: &str) -> u16 {
        self.send("POST", path, &self.plan.terraform_token()).await.unwrap().0
    }

    fn push(&self, commit: &str, pull_request: bool) -> String {
        let changes = vec![Planned {
            address: "module.messenger.aws_ecs_task_definition.this".into(),
            actions: vec!["delete".into(), "create".into()],
        }];
        let order = TerraformOrder::Push { commit: commit.into(), pull_request, changes };
        self.terraform.order(order).unwrap()["run"].as_str().unwrap().to_owned()
    }

    fn go(&self, run: &str, to: &str) {
        self.terraform.order(TerraformOrder::Go { run: run.into(), to: to.into() }).unwrap();
    }
}

#[tokio::test]
async fn a_push_is_found_by_its_commit_and_applied_after_a_yes() {
    let served = Served::new(1).await;
    let list = format!(
        "/workspaces/{WORKSPACE_ID}/runs?search%5Bcommit%5D={SHA}&include=configuration_version.ingress_attributes"
    );
    assert_eq!(served.get(&list).await.1["data"], json!([]));
    served.push("0000000000000000000000000000000000000000", true);
    let run = served.push(SHA, false);
    let (status, found) = served.get(&list).await;
    assert_eq!((status, &found["data"][0]["id"], found["data"].as_array().unwrap().len()), (200, &json!(run), 1));
    assert_eq!(found["included"][1]["attributes"]["commit-sha"], SHA);
    let (one, apply) = (format!("/runs/{run}?include=plan"), format!("/runs/{run}/actions/apply"));
    assert_eq!(served.post(&apply).await, 409);
    served.go(&run, "planned");
    let (_, shown) = served.get(&one).await;
    assert_eq!(shown["data"]["attributes"]["actions"]["is-confirmable"], true);
    assert_eq!(shown["included"][0]["attributes"]["resource-additions"], 1);
    let (_, workspace) = served.get(&format!("/organizations/{ORGANIZATION}/workspaces/{WORKSPACE}")).await;
    assert_eq!(workspace["data"]["relationships"]["current-run"]["data"]["id"], json!(run));
    assert_eq!(served.post(&apply).await, 202);
    assert_eq!(served.post(&apply).await, 409);
    served.go(&run, "applied");
    assert_eq!(served.get(&one).await.1["data"]["attributes"]["status"], "applied");
    assert_eq!(served.post(&format!("/runs/{run}/actions/discard")).await, 409);
}

#[tokio::test]
async fn who_may_not_is_told_that_nothing_is_there() {
    let served = Served::new(2).await;
    let run = served.push(SHA, false);
    served.go(&run, "planned");
    let check = async |method: &str, path: String, token: String, expect: u16| {
        assert_eq!(served.send(method, &path, &token).await.unwrap().0, expect, "{path}");
    };
    let (reader, organization) = (served.plan.terraform_reader_token(), served.plan.terraform_organization_token());
    check("GET", format!("/runs/{run}"), "somebody".into(), 401).await;
    for token in [&reader, &organization] {
        check("GET", format!("/runs/{run}"), token.clone(), 200).await;
        check("POST", format!("/runs/{run}/actions/apply"), token.clone(), 404).await;
        check("POST", format!("/runs/{run}/actions/discard"), token.clone(), 404).await;
    }
    check("GET", format!("/runs/{run}/plan/json-output"), reader.clone(), 404).await;
    check("GET", "/runs/run-x".into(), reader.clone(), 404).await;
    check("GET", "/organizations/other/workspaces/backend-staging".into(), reader.clone(), 404).await;
    check("GET", format!("/runs/{run}?include=everything"), reader.clone(), 400).await;
    check("GET", format!("/workspaces/{WORKSPACE_ID}/runs?search[commit]={SHA}"), reader.clone(), 400).await;
    let seen = served.send("GET", &format!("/runs/{run}"), &reader).await.unwrap().1;
    assert_eq!(seen["data"]["attributes"]["permissions"]["can-apply"], false);
}

#[tokio::test]
async fn a_plan_lies_elsewhere_and_not_for_long() {
    let served = Served::new(3).await;
    let run = served.push(SHA, false);
    let path = format!("/runs/{run}/plan/json-output");
    assert_eq!(served.get(&path).await.0, 204);
    served.go(&run, "planned");
    assert_eq!(served.get(&path).await.0, 307);
    assert_eq!(served.get(&format!("/plans/plan-{run}/json-output")).await.0, 307);
    let fetch = async |headers: &[(&str, &str)]| {
        let path = format!("/v1/object/{run}-1");
        let answer = http::send(served.archive, "GET", &path, headers, b"", Duration::from_secs(5)).await.unwrap();
        (answer.status, serde_json::from_str::<Value>(&answer.body).unwrap())
    };
    let (status, plan) = fetch(&[]).await;
    assert_eq!((status, &plan["resource_changes"][0]["module_address"]), (200, &json!("module.messenger")));
    assert_eq!(plan["resource_changes"][0]["type"], "aws_ecs_task_definition");
    assert_eq!(fetch(&[("Authorization", "Bearer x")]).await.0, 400);
    served.terraform.order(TerraformOrder::EndLinks).unwrap();
    assert_eq!(fetch(&[]).await.0, 403);
}

#[tokio::test]
async fn runs_are_listed_thirty_times_a_minute() {
    let served = Served::new(4).await;
    let run = served.push(SHA, false);
    let list = format!("/workspaces/{WORKSPACE_ID}/runs");
    for _ in 0..LISTS {
        assert_eq!(served.get(&list).await.0, 200);
    }
    assert_eq!(served.get(&list).await.0, 429);
    assert_eq!(served.get(&format!("/runs/{run}")).await.0, 200);
}

#[tokio::test]
async fn an_answer_is_lost_and_what_was_asked_is_done() {
    let served = Served::new(5).await;
    let run = served.push(SHA, false);
    served.go(&run, "planned");
    served.terraform.order(TerraformOrder::LoseAnswers { times: 1 }).unwrap();
    let apply = format!("/runs/{run}/actions/apply");
    assert!(served.send("POST", &apply, &served.plan.terraform_token()).await.is_err());
    assert_eq!(served.get(&format!("/runs/{run}")).await.1["data"]["attributes"]["status"], "confirmed");
    let last = served.terraform.requests();
    let last = last.iter().rev().find(|request| request.line.starts_with("POST")).unwrap();
    assert_eq!((last.by.as_deref(), last.status), (Some("user"), 202));
}
