//! Names of peers that a server does not know: it then shows the peer's id alone, which is made from the name. So a node
//! that was dead when the others began anew is not taken for a ghost.

use sha2::{Digest, Sha256};

use crate::health::sample::Sample;
use crate::monitor::model::Group;

/// As nats-server makes it: each of the first eight bytes of the name's SHA-256 picks a letter.
fn id_of(name: &str) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let hash = Sha256::digest(name.as_bytes());
    let letter = |byte: &u8| LETTERS.get(usize::from(byte % 62)).copied().map_or('0', char::from);
    hash.iter().take(8).map(letter).collect()
}

/// Gives every peer the configured name that its id is made from, where its own name is none of the configured ones.
pub(super) fn name(sample: &mut Sample) {
    let known: Vec<(String, String)> = sample.nodes.iter().map(|node| (id_of(&node.name), node.name.clone())).collect();
    for jsz in sample.rounds.iter_mut().flat_map(|round| &mut round.reads).filter_map(|read| read.jsz.as_mut().ok()) {
        let streams = jsz.account_details.iter_mut().flat_map(|account| &mut account.stream_detail);
        for stream in streams {
            stream.cluster.iter_mut().for_each(|group| in_group(&known, group));
            let consumers = stream.consumer_detail.iter_mut().filter_map(|consumer| consumer.cluster.as_mut());
            consumers.for_each(|group| in_group(&known, group));
        }
        jsz.meta_cluster.iter_mut().for_each(|group| in_group(&known, group));
    }
}

fn in_group(known: &[(String, String)], group: &mut Group) {
    for peer in &mut group.replicas {
        if known.iter().any(|(_, name)| *name == peer.name) {
            continue;
        }
        if let Some((_, name)) = known.iter().find(|(id, _)| *id == peer.peer) {
            peer.name.clone_from(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::id_of;

    /// Recorded from real servers.
    #[test]
    fn ids_are_made_as_the_server_makes_them() {
        for (number, id) in [(1, "3CIN08nH"), (2, "Ra7G6fRg"), (3, "8ZgsgcPf")] {
            assert_eq!(id_of(&format!("nats-staging-node-{number}")), id);
        }
    }
}
