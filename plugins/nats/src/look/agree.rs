//! Two sources held against each other: what the nodes' endpoints say of each stream and consumer, and what the
//! authenticated connection says. It was asked after the first round, so it may know of more messages than that and never
//! of fewer.

use super::{Listed, Look, Second, Told};
use crate::health::asset::{self, Asset, Key, Leadership, View};

/// Something that the two do not tell alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// The account has the stream, and no node that is believed holds it.
    Unheld { stream: String },
    /// Anything else; an election or a change in between looks like this for a moment.
    Disagree(String),
}

/// Nothing without a second source.
pub(crate) fn differences(look: &Look) -> Vec<Difference> {
    let Second::Told(told) = &look.second else { return Vec::new() };
    let here = asset::gather(&look.sample);
    let there = asset::gather(&told.sample);
    let mut found: Vec<Difference> = there.iter().filter_map(|one| compare(look, told, one, &here)).collect();
    if let Some(listed) = &told.listed {
        found.extend(listing(listed, &here));
    }
    found
}

fn compare(look: &Look, told: &Told, there: &Asset, here: &[Asset]) -> Option<Difference> {
    let Leadership::Known(word) = there.leadership(&told.sample) else { return None };
    let path = there.key.path();
    let Some(asset) = here.iter().find(|asset| same(&asset.key, &there.key)) else {
        // A stream that is not held is told by the listing, where there is one.
        let listed = told.listed.as_ref().is_some_and(|listed| listed.is_of(&there.key.account_id));
        let listed = listed && there.key.consumer.is_none();
        return (!listed).then(|| match there.key.consumer {
            None => Difference::Unheld { stream: path },
            Some(_) => Difference::Disagree(format!("no node shows consumer {path}, which the second source has")),
        });
    };
    // Where no node says that it leads, the judgement says so.
    let Leadership::Known(leader) = asset.leadership(&look.sample) else { return None };
    difference(asset, leader, word).map(|what| Difference::Disagree(format!("{path}: {what}")))
}

fn difference(asset: &Asset, here: &View, there: &View) -> Option<String> {
    if here.server != there.server {
        return Some(format!("led by {} as the nodes say, by {} as the second source says", here.server, there.server));
    }
    if !there.created.is_empty() && here.created != there.created {
        return Some(format!("made {} as the nodes say, {} as the second source says", here.created, there.created));
    }
    let first = (0..asset.rounds.len()).find_map(|round| asset.leader_in(round));
    let before = first.filter(|view| view.created == there.created && there.consumer.is_none())?.state.last_seq;
    let fewer = there.state.last_seq < before;
    fewer.then(|| format!("last_seq {} by the second source, {before} by the nodes before", there.state.last_seq))
}

fn listing(listed: &Listed, here: &[Asset]) -> Vec<Difference> {
    let held = here.iter().filter(|asset| asset.key.consumer.is_none() && listed.is_of(&asset.key.account_id));
    let held: Vec<&str> = held.map(|asset| asset.key.stream.as_str()).collect();
    let unheld = listed.streams.iter().filter(|name| !held.contains(&name.as_str()));
    let unheld = unheld.map(|name| Difference::Unheld { stream: name.clone() });
    // Without an account it is not known which of the streams are meant.
    let known = !listed.account_id.is_empty();
    let strange = held.iter().filter(|name| known && !listed.streams.iter().any(|listed| listed == *name));
    let strange = strange.map(|name| Difference::Disagree(format!("the JetStream API has no stream {name}")));
    unheld.chain(strange).collect()
}

/// An account whose id is not told is the one that has such a stream.
pub(super) fn same(here: &Key, there: &Key) -> bool {
    let account = there.account_id.is_empty() || here.account_id == there.account_id;
    account && here.stream == there.stream && here.consumer == there.consumer
}
