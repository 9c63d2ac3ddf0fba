//! The meta group, which only a user of the system account may move.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::{Moved, Place, StepDown, left};
use crate::link::ask::ask;
use crate::link::connect::Link;
use crate::link::subject::Subject;
use crate::link::system;
use crate::monitor::model::Jsz;

pub(super) const NAME: &str = "the meta group";

/// Its election takes longer than others.
const ELECTED_WITHIN: Duration = Duration::from_secs(10);

const LOOK_AGAIN: Duration = Duration::from_millis(500);

const TRIES: usize = 2;

#[derive(Deserialize)]
struct SteppedDown {}

pub(super) async fn run(place: &Place<'_>, link: &Link, done: &mut StepDown) {
    let node = &place.node.name;
    let mut why = "the leadership came back to it each time".to_owned();
    for _ in 0..TRIES {
        let subject = Subject::meta_step_down();
        if let Err(none) = ask::<SteppedDown>(link, &subject, &wish(place, link)).await {
            why = none.why(&subject);
        }
        // Without an answer it may have stepped down all the same. It is asked again only when it is known to lead:
        // another one in its place would be moved for nothing.
        match elected(place, link).await {
            Some(to) if to != *node => return done.moved.push(Moved { what: NAME.to_owned(), to }),
            Some(_) => {}
            None => {
                why = "no new leader was seen within ten seconds".to_owned();
                break;
            }
        }
    }
    done.left.push(left(NAME, &why));
}

/// The server that this connection leads to runs, and is another one.
fn wish(place: &Place<'_>, link: &Link) -> serde_json::Value {
    let known = place.cluster.nodes.iter().any(|node| node.name == link.server_name && node.name != place.node.name);
    if known { json!({ "placement": { "preferred": link.server_name } }) } else { json!({}) }
}

/// Who leads, as soon as it is another one; who leads at the end, when that takes too long.
async fn elected(place: &Place<'_>, link: &Link) -> Option<String> {
    let until = place.host.now().plus(ELECTED_WITHIN);
    let mut last = None;
    while place.host.now() < until {
        place.host.sleep(LOOK_AGAIN).await;
        last = leader(place, link).await;
        if last.as_ref().is_some_and(|leader| *leader != place.node.name) {
            break;
        }
    }
    last
}

/// The one server that says now that it leads.
async fn leader(place: &Place<'_>, link: &Link) -> Option<String> {
    let said = system::jsz(link, place.cluster.nodes.len()).await.ok()?;
    let claims = |jsz: &Jsz, name: &String| jsz.meta_cluster.as_ref().is_some_and(|group| group.leader == *name);
    let mut claims = said.into_iter().filter(|(name, jsz)| claims(jsz, name)).map(|(name, _)| name);
    claims.next().filter(|_| claims.next().is_none())
}
