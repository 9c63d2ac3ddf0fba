//! `sluice doctor` on a real cluster: it says that all is well only when a runbook could read the credentials and connect.

use serde_json::Value;
use sluice_lab::{Fault, Lab, Options};

use crate::common::parameters::put;
use crate::common::sluice::Sluice;

const ADMIN: &str = "/nats-cluster/nats-staging/admin";

/// What was tried and found wrong, each with all that was said of it.
fn wrong(sluice: &Sluice) -> Vec<String> {
    let done = sluice.run(&["doctor", "-i", "cluster=nats-staging", "--json"]);
    let tried = done.json();
    let tried = tried.as_array().unwrap();
    let wrong: Vec<String> = tried.iter().filter(|one| one["well"] == false).map(Value::to_string).collect();
    assert_eq!(done.code, Some(i32::from(!wrong.is_empty())), "{}", done.said());
    for what in ["admin's parameters", "node-3 clock", "store"] {
        assert!(tried.iter().any(|one| one["what"].as_str().unwrap().ends_with(what)), "{what}: {}", done.said());
    }
    wrong
}

#[tokio::test]
async fn rights_are_tried() {
    let lab = Lab::up(Options { with_system_creds: true, ..Options::default() }).await.unwrap();
    let sluice = Sluice::on(&lab);
    assert_eq!(wrong(&sluice), Vec::<String>::new());
    let check = |parts: &[&str]| {
        let found = wrong(&sluice);
        let [found] = found.as_slice() else { panic!("{found:#?}") };
        assert!(parts.iter().all(|part| found.contains(part)), "{parts:?}: {found}");
    };

    // Another user's JWT beside the admin's seed: the store gives it, the cluster does not take it.
    let text = lab.creds("messenger").await.unwrap();
    let other = text.lines().find(|line| line.starts_with("eyJ")).unwrap();
    let own = lab.creds("admin").await.unwrap();
    let own = own.lines().find(|line| line.starts_with("eyJ")).unwrap();
    put(&lab, &format!("{ADMIN}/nats_admin_jwt"), other, "SecureString");
    check(&["admin's credentials", "nats_admin_jwt"]);
    put(&lab, &format!("{ADMIN}/nats_admin_jwt"), own, "SecureString");
    assert_eq!(wrong(&sluice), Vec::<String>::new());

    // Known to AWS, and not allowed to read.
    let (operation, code) = ("GetParameters".to_owned(), "AccessDeniedException".to_owned());
    lab.fault(Fault::AwsError { operation, times: 99, code, status: 400 }).await.unwrap();
    let found = wrong(&sluice);
    assert!(found.len() == 2 && found.iter().all(|one| one.contains("ssm:GetParameters")), "{found:#?}");
    lab.down().unwrap();
}
