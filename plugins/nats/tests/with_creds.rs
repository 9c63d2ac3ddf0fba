//! The actions that take credentials, with each kind of user the team has.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_lab::{AdminSys, Lab, Options};

use crate::health::cluster;
use crate::host::run;

/// The JWT and the seed in a creds file.
pub(crate) async fn creds(lab: &Lab, user: &str) -> Value {
    let file = lab.creds(user).await.unwrap();
    let line = |start: &str| file.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
    json!({ "jwt": line("eyJ"), "seed": line("SU") })
}

async fn list(lab: &Lab, user: &str) -> Value {
    let with = json!({
        "urls": lab.plan().nats_host(), "creds": creds(lab, user).await, "streams": ["pivot_main", "nope"],
        "nodes": cluster(lab.plan())["nodes"]
    });
    let output = run("stream_list", with).await.unwrap().output;
    eprintln!("{user}: {output:#}");
    output
}

pub(crate) async fn up(options: Options) -> Lab {
    let lab = Lab::up(options).await.unwrap();
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn each_user_sees_what_it_may() {
    let lab = up(Options::default()).await;
    admin_without_system_rights(&lab).await;
    system_user(&lab).await;
    service_user(&lab).await;
    expired_or_foreign(&lab).await;
    lab.down().unwrap();
}

async fn admin_without_system_rights(lab: &Lab) {
    let with = json!({ "urls": lab.plan().nats_host(), "creds": creds(lab, "admin").await });
    let me = run("whoami", with).await.unwrap().output;
    eprintln!("{me:#}");
    assert_eq!((&me["accepted"], &me["user_name"]), (&json!(true), &json!("admin")));

    let output = list(lab, "admin").await;
    assert_eq!((&output["streams"], &output["missing"]), (&json!(["pivot_main"]), &json!(["nope"])));
    assert_eq!((&output["infos"][0]["source"], &output["infos"][0]["replicas"]), (&json!("jetstream_api"), &json!(3)));
    assert_eq!(
        (&output["report"]["source"], &output["report"]["servers"][2]["streams"]),
        (&json!("monitoring"), &json!(1))
    );
    assert_eq!(output["denied"], json!([]));

    let with = json!({ "cluster": cluster(lab.plan()), "creds": creds(lab, "admin").await });
    let streams = run("streams", with.clone()).await.unwrap().output;
    eprintln!("{streams:#}");
    assert_eq!(streams["streams"][0]["last_seq_source"], "jetstream_api");
    let replicas = streams["streams"][0]["group"]["replicas"].as_array().unwrap().clone();
    assert_eq!(replicas.len(), 3);
    assert!(replicas[1..].iter().all(|replica| replica["own_source"] == "monitoring" && replica["state"] == "ok"));
    let consumers = run("consumers", with).await.unwrap().output;
    assert!(
        consumers["consumers"].as_array().unwrap().iter().all(|row| row["group"]["source"] == "jetstream_api"),
        "{consumers:#}"
    );
}

async fn system_user(lab: &Lab) {
    let output = list(lab, "sys").await;
    assert_eq!(
        (&output["report"]["source"], output["report"]["servers"].as_array().unwrap().len()),
        (&json!("system"), 3)
    );
    assert_eq!(output["streams"], Value::Null);
    assert!(output["denied"][0].as_str().unwrap().contains("10039"));
    let with = json!({ "cluster": cluster(lab.plan()), "creds": creds(lab, "sys").await });
    let streams = run("streams", with.clone()).await.unwrap().output;
    assert_eq!(streams["streams"][0]["group"]["source"], "system", "{streams:#}");
    assert_eq!(streams["streams"][0]["group"]["ok"], true, "{streams:#}");
    let meta = run("meta", with.clone()).await.unwrap().output;
    assert_eq!((&meta["meta"]["cluster_size"], &meta["notes"]), (&json!(3), &json!([])));
    let report = run("jetstream", with).await.unwrap().output;
    assert_eq!(report["servers"][0]["source"], "system");
}

async fn service_user(lab: &Lab) {
    let output = list(lab, "facebox").await;
    assert_eq!(output["report"]["source"], "monitoring");
    assert!(output["denied"].is_array());
    let with = json!({ "urls": lab.plan().nats_host(), "creds": creds(lab, "facebox").await });
    let me = run("whoami", with).await.unwrap().output;
    assert_eq!((&me["accepted"], &me["jwt"]["name"]), (&json!(true), &json!("facebox")), "{me:#}");
    let with = json!({ "cluster": cluster(lab.plan()), "creds": creds(lab, "facebox").await });
    let streams = run("streams", with).await.unwrap().output;
    assert_eq!(streams["streams"][0]["group"]["ok"], true, "{streams:#}");
    assert!(!streams["notes"].as_array().unwrap().is_empty());
}

/// A user of another operator's account: well made, and not known here.
async fn expired_or_foreign(lab: &Lab) {
    let other = up(Options { cluster: "nats-other".into(), ..Options::default() }).await;
    let foreign = creds(&other, "admin").await;
    let me = run("whoami", json!({ "urls": lab.plan().nats_host(), "creds": foreign })).await.unwrap().output;
    assert_eq!(me["accepted"], false);
    assert!(me["summary"].as_str().unwrap().contains("does not accept"), "{me:#}");
    let problem = run("stream_list", json!({ "urls": lab.plan().nats_host(), "creds": foreign })).await.unwrap_err();
    assert_eq!(problem.code, "denied");
    other.down().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_with_imported_system_services_gets_the_systems_report() {
    let lab = up(Options { admin_sys: AdminSys::Import, ..Options::default() }).await;
    let output = list(&lab, "admin").await;
    assert_eq!(
        (&output["report"]["source"], output["report"]["servers"].as_array().unwrap().len()),
        (&json!("system"), 3)
    );
    assert_eq!(output["streams"], json!(["pivot_main"]));
    lab.down().unwrap();
}
