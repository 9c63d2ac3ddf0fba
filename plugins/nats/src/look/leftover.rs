//! Consumers that were deleted while one node could not hear of it: that one lists them still, and nobody leads them. They
//! are no reason to keep it, and nothing that could come back after it.
//!
//! A stream is never taken for one: where only one node still has it, that may be the last copy of its data.

use super::agree::same;
use super::{Look, Second};
use crate::health::asset::{self, Asset, View};

impl Look {
    /// Every stream and consumer that exists.
    pub(crate) fn assets(&self) -> Vec<Asset> {
        let all = asset::gather(&self.sample);
        let told = match &self.second {
            Second::Told(told) => asset::gather(&told.sample),
            Second::NotGiven | Second::Mute(_) => Vec::new(),
        };
        all.iter().filter(|asset| !self.is_leftover(asset, &all, &told)).cloned().collect()
    }

    /// One node shows it and does not lead it; the others are well, hold its stream, and not it, and the second source
    /// knows no more of it. When a node is to go, it is that one: of the others nothing odd is overlooked.
    fn is_leftover(&self, asset: &Asset, all: &[Asset], told: &[Asset]) -> bool {
        let [view] = asset.last() else { return false };
        let alone = asset.key.consumer.is_some() && view.want > 1 && !view.leads();
        let may_be = self.target.is_none() || view.server == self.target_name();
        let last = self.sample.rounds.len().saturating_sub(1);
        let mut others = self.nodes.iter().enumerate().filter(|(_, node)| node.name != view.server);
        let elsewhere = |held: &View| held.server != view.server;
        let mut streams = all.iter().filter(|stream| stream.key.consumer.is_none() && asset.key.is_of(&stream.key));
        // The system service tells what that one node says, too.
        let mut told = told.iter().filter(|told| same(&asset.key, &told.key)).flat_map(Asset::last);
        alone
            && may_be
            && others.all(|(at, node)| node.up && self.sample.told_all(last, at))
            && streams.any(|stream| stream.last().iter().any(elsewhere))
            && !told.any(|told| elsewhere(told) || told.leads())
    }
}
