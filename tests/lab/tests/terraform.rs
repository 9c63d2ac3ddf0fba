//! Terraform Cloud is there, and what happens in it is said from outside.

use serde_json::json;
use sluice_lab::{Lab, Planned, TerraformOrder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::lab;

const SHA: &str = "4f0d2a8c1b3e5f60718293a4b5c6d7e8f9012345";

async fn status(lab: &Lab, method: &str, path: &str) -> u16 {
    let request = format!(
        "{method} /api/v2{path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Length: 0\r\n\r\n",
        lab.plan().terraform_token(),
    );
    let mut stream = tokio::net::TcpStream::connect(lab.plan().terraform()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_run_goes_where_it_is_told_and_waits_for_a_yes() {
    let lab = lab().await;
    let changes = vec![Planned { address: "aws_x.y".into(), actions: vec!["update".into()] }];
    let push = TerraformOrder::Push { commit: SHA.into(), pull_request: false, changes };
    let run = lab.terraform(push).await.unwrap()["run"].as_str().unwrap().to_owned();
    let go = async |to: &str| lab.terraform(TerraformOrder::Go { run: run.clone(), to: to.into() }).await;
    assert!(go("applied").await.is_err());
    assert_eq!(status(&lab, "GET", &format!("/runs/{run}")).await, 200);
    assert_eq!(status(&lab, "POST", &format!("/runs/{run}/actions/apply")).await, 202);
    assert_eq!(go("applied").await.unwrap(), json!({ "done": true }));
    let asked = lab.terraform_requests().await.unwrap();
    assert_eq!(asked.iter().map(|request| request.status).collect::<Vec<_>>(), [200, 202]);
    assert!(lab.env().contains(&("TFE_TOKEN", lab.plan().terraform_token())));
}
