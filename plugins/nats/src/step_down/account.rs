//! Streams and consumers of one account: asked to step down, read again, and asked once more when the leadership came
//! back. Servers that cannot be told whom to prefer are asked without.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_plugin::{Progress, Timestamp};

use super::{Moved, Place, StepDown, left, named};
use crate::link::ask::{Unanswered, ask};
use crate::link::connect::Link;
use crate::link::jetstream::{self, Me};
use crate::link::subject::Subject;
use crate::monitor::model::Group;
use crate::names::{ConsumerName, StreamName};
use crate::quorum::Target;
use crate::reasons::many;

/// A leadership may fall back on the node; more often than this nobody is helped by trying.
const TRIES: usize = 3;

const ELECTED_WITHIN: Duration = Duration::from_secs(4);

/// How long a leader may think about one question.
const PATIENCE: Duration = Duration::from_secs(2);

const LOOK_AGAIN: Duration = Duration::from_millis(250);

const AT_ONE_TIME: usize = 16;

/// One stream or consumer of the account, and who leads it.
struct Asset {
    /// `stream PIVOT/pivot_main`
    name: String,
    subject: Subject,
    group: Group,
}

#[derive(Deserialize)]
struct SteppedDown {
    #[serde(default)]
    success: bool,
}

pub(super) async fn run(place: &Place<'_>, link: &Link, led: &Target, done: &mut StepDown) {
    let me = jetstream::me(link).await.unwrap_or_default();
    let node = place.node.name.as_str();
    let mut refused: BTreeMap<String, String> = BTreeMap::new();
    let mut asked: BTreeSet<String> = BTreeSet::new();
    let mut last = assets(place, link, &me).await;
    for _ in 0..TRIES {
        let Ok(all) = &last else { break };
        let ours: Vec<&Asset> = all.iter().filter(|asset| asset.group.leader == node).collect();
        if ours.is_empty() {
            break;
        }
        let note = format!("moving {} off {node}", many(ours.len() as u64, "leader"));
        place.host.progress(Progress { note, done: asked.len() as u64, total: None });
        asked.extend(ours.iter().map(|asset| asset.name.clone()));
        refused = step_down(place, link, &ours).await;
        last = elected(place, link, &me, &asked).await;
    }
    match last {
        Err(none) => {
            let why = none.why(&Subject::stream_names());
            done.left.extend(led.leads.iter().map(|path| left(&named(path), &why)));
        }
        Ok(all) => {
            tell(node, &all, &asked, &refused, done);
            of_others(&me, led, done);
        }
    }
}

async fn assets(place: &Place<'_>, link: &Link, me: &Me) -> Result<Vec<Asset>, Unanswered> {
    let partly = jetstream::partly(link, me, place.host, PATIENCE).await?;
    let account = if me.account_name.is_empty() { &me.account } else { &me.account_name };
    let mut all = Vec::new();
    for stream in partly.account.stream_detail {
        let Ok(name) = StreamName::parse(&stream.name, "") else { continue };
        let path = format!("{account}/{}", stream.name);
        for consumer in stream.consumer_detail {
            let Some(consumer_name) = ConsumerName::parse(&consumer.name) else { continue };
            let subject = Subject::consumer_step_down(&name, &consumer_name);
            let path = format!("{path}/{}", consumer.name);
            all.push(Asset { name: named(&path), subject, group: consumer.cluster.unwrap_or_default() });
        }
        let subject = Subject::stream_step_down(&name);
        all.push(Asset { name: named(&path), subject, group: stream.cluster.unwrap_or_default() });
    }
    Ok(all)
}

/// Asks all of them; gives those that said no, and why.
async fn step_down(place: &Place<'_>, link: &Link, ours: &[&Asset]) -> BTreeMap<String, String> {
    let mut asking = Vec::new();
    for asset in ours {
        asking.push(async { Some((asset.name.clone(), one(place, link, asset).await.err()?)) });
    }
    futures::stream::iter(asking).buffer_unordered(AT_ONE_TIME).filter_map(std::future::ready).collect().await
}

async fn one(place: &Place<'_>, link: &Link, asset: &Asset) -> Result<(), String> {
    let others = asset.group.replicas.iter().filter(|peer| peer.name != place.node.name);
    let mut fit = others.filter(|peer| peer.current && !peer.offline);
    let Some(preferred) = fit.next() else {
        return Err("none of its other replicas is current, so nobody could take it over".to_owned());
    };
    let prefer = json!({ "placement": { "preferred": preferred.name } });
    let answer = match ask::<SteppedDown>(link, &asset.subject, &prefer).await {
        // Refused before anything was done: an older server takes no wishes.
        Err(Unanswered::Refused { code: 400, .. }) => ask(link, &asset.subject, &Value::Null).await,
        answer => answer,
    };
    match answer {
        Ok(SteppedDown { success: true }) => Ok(()),
        Ok(SteppedDown { success: false }) => Err("the server did not say that it stepped down".to_owned()),
        Err(none) => Err(none.why(&asset.subject)),
    }
}

/// Reads again until each of those has a leader, or for a bounded time.
async fn elected(place: &Place<'_>, link: &Link, me: &Me, asked: &BTreeSet<String>) -> Result<Vec<Asset>, Unanswered> {
    let until: Timestamp = place.host.now().plus(ELECTED_WITHIN);
    loop {
        place.host.sleep(LOOK_AGAIN).await;
        let all = assets(place, link, me).await;
        let over = place.host.now() >= until;
        let elected = |name: &String| {
            let found = all.as_ref().ok().and_then(|all| all.iter().find(|asset| asset.name == *name));
            found.is_some_and(|asset| !asset.group.leader.is_empty() && asset.group.leader != place.node.name)
        };
        if over || asked.iter().all(elected) {
            return all;
        }
    }
}

fn tell(node: &str, all: &[Asset], asked: &BTreeSet<String>, refused: &BTreeMap<String, String>, done: &mut StepDown) {
    for name in asked.iter() {
        let leader = all.iter().find(|asset| asset.name == *name).map(|asset| asset.group.leader.as_str());
        match leader {
            Some(to) if !to.is_empty() && to != node => {
                done.moved.push(Moved { what: name.clone(), to: to.to_owned() })
            }
            Some(_) => {
                let back = || "the leadership came back to it each time".to_owned();
                done.left.push(left(name, &refused.get(name).cloned().unwrap_or_else(back)));
            }
            None => done.left.push(left(name, "its leader does not answer")),
        }
    }
}

/// What it leads for accounts that these credentials are not of.
fn of_others(me: &Me, led: &Target, done: &mut StepDown) {
    let ours = |path: &&String| path.split('/').next() == Some(me.account_name.as_str());
    let others = led.leads.iter().filter(|path| !me.account_name.is_empty() && !ours(path));
    done.left.extend(others.map(|path| left(&named(path), super::NO_CREDS)));
}
