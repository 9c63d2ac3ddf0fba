//! What the authenticated connection gives, before servers that answer some questions and not others.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use sluice_plugin::Secret;
use sluice_plugin::inventory::Cluster;

use super::*;
use crate::actions::example_cluster;
use crate::actions::tests::Fake;
use crate::link::creds::tests::minted;
use crate::link::wire::{Line, NoLine, NoReply, Opened, Target};

/// The answers; each question that is not one of these has none.
struct Servers {
    /// To the system service.
    system: bool,
    names: Result<Value, NoReply>,
    /// None while its leader says nothing.
    info: Option<Value>,
    consumers: Result<Value, NoReply>,
    asked: Mutex<Vec<String>>,
}

/// An account with `pivot_main` and one consumer, whose user has no system rights.
fn admin() -> Servers {
    let led = json!({ "leader": "nats-staging-node-1", "replicas": [] });
    let consumer = json!({ "name": "worker", "cluster": led });
    Servers {
        system: false,
        names: Ok(json!({ "total": 1, "streams": ["pivot_main"] })),
        info: Some(json!({ "config": { "num_replicas": 3 }, "cluster": led })),
        consumers: Ok(json!({ "total": 1, "consumers": [consumer] })),
        asked: Mutex::default(),
    }
}

fn refused(err_code: u64) -> Value {
    json!({ "error": { "code": 503, "err_code": err_code, "description": "not so" } })
}

#[async_trait]
impl Wire for Arc<Servers> {
    async fn open(&self, _: Target<'_>) -> Result<Opened, NoLine> {
        Ok(Opened { server_name: "n".to_owned(), server_id: "N".to_owned(), line: Box::new(self.clone()) })
    }
}

#[async_trait]
impl Line for Arc<Servers> {
    async fn request(&self, subject: &str, _: String) -> Result<Vec<u8>, NoReply> {
        self.asked.lock().unwrap().push(subject.to_owned());
        let answer = match subject {
            "$SYS.REQ.USER.INFO" => json!({ "data": { "account": "APIVOT", "account_name": "PIVOT" } }),
            "$JS.API.STREAM.NAMES" => self.names.clone()?,
            "$JS.API.STREAM.INFO.pivot_main" => match &self.info {
                Some(info) => info.clone(),
                None => std::future::pending().await,
            },
            "$JS.API.CONSUMER.LIST.pivot_main" => self.consumers.clone()?,
            _ => return Err(NoReply::NobodyServes),
        };
        Ok(answer.to_string().into_bytes())
    }

    async fn gather(
        &self,
        _: &str,
        _: String,
        take: &mut (dyn for<'m> FnMut(&'m [u8]) -> bool + Send),
    ) -> Result<(), NoReply> {
        if !self.system {
            return Err(NoReply::NobodyServes);
        }
        take(json!({ "server": { "name": "nats-staging-node-1", "id": "N" }, "data": {} }).to_string().as_bytes());
        Ok(())
    }
}

/// The source, the streams listed and those that may have more consumers; or a part of why nothing is heard.
type Heard<'a> = Result<(Source, Option<[&'a [&'a str]; 2]>), &'a str>;

/// What is heard when it is asked a second time. Gives what was asked.
async fn check(change: impl FnOnce(&mut Servers), expect: Heard<'_>) -> Vec<String> {
    let mut servers = admin();
    change(&mut servers);
    let servers = Arc::new(servers);
    let cluster: Cluster = serde_json::from_value(example_cluster()).unwrap();
    let (jwt, seed) = minted(None);
    let creds = UserCreds::parse(&Secret::new(jwt), &Secret::new(seed), "").unwrap();
    let host = Fake::new();
    let mut doors = Doors::open(&servers, &cluster, &creds, Some(1)).await;
    let first = doors.ask(&host, &cluster).await.map(|answer| answer.source);
    let answer = doors.ask(&host, &cluster).await;
    assert_eq!(first.ok(), answer.as_ref().ok().map(|answer| answer.source), "it says the same again");
    match (answer, expect) {
        (Ok(answer), Ok(expect)) => {
            let listed = answer.listed.map(|listed| [listed.streams, listed.partly_told]);
            let expect =
                (expect.0, expect.1.map(|lists| lists.map(|list| list.iter().map(ToString::to_string).collect())));
            assert_eq!((answer.source, listed), expect);
        }
        (Err(why), Err(part)) => assert!(why.contains(part), "{part}: {why}"),
        (answer, expect) => panic!("{answer:?} is not {expect:?}"),
    }
    let asked = servers.asked.lock().unwrap();
    asked.clone()
}

#[tokio::test]
async fn consumers_that_nobody_tells_of_are_not_known() {
    let told = |partly: &'static [&'static str]| Ok((Source::JetstreamApi, Some([&["pivot_main"][..], partly])));
    check(|_| (), told(&[])).await;
    let consumers = |answer: Result<Value, NoReply>| move |servers: &mut Servers| servers.consumers = answer;
    check(consumers(Ok(json!({ "total": 0 }))), told(&[])).await;
    check(consumers(Ok(json!({ "total": 1, "consumers": [] }))), told(&["pivot_main"])).await;
    check(consumers(Ok(json!({ "total": 0, "missing": ["x1"] }))), told(&["pivot_main"])).await;
    check(consumers(Err(NoReply::TimedOut)), told(&["pivot_main"])).await;
    check(consumers(Err(NoReply::NoRight(String::new()))), told(&["pivot_main"])).await;
    check(|servers| servers.info = None, told(&["pivot_main"])).await;
    check(|servers| servers.names = Err(NoReply::TimedOut), Err("no answer to $JS.API.STREAM.NAMES")).await;
}

#[tokio::test]
async fn with_system_rights_the_account_is_asked_too() {
    let system =
        |names: Result<Value, NoReply>| move |servers: &mut Servers| (servers.system, servers.names) = (true, names);
    let both = Ok((Source::System, Some([&["pivot_main"][..], &[]])));
    check(|servers| servers.system = true, both).await;
    // A user of the system account has no JetStream, which is not asked for again: it counts as an error.
    let alone = || Ok((Source::System, None));
    for never in [Ok(refused(10_039)), Err(NoReply::NoRight(String::new())), Err(NoReply::NobodyServes)] {
        let asked = check(system(never), alone()).await;
        assert_eq!(asked.iter().filter(|asked| *asked == "$JS.API.STREAM.NAMES").count(), 1, "{asked:?}");
    }
    // Another time it would be told.
    check(system(Ok(refused(10_008))), Err("STREAM.NAMES: not so")).await;
    check(system(Err(NoReply::TimedOut)), Err("no answer to $JS.API.STREAM.NAMES")).await;
}
