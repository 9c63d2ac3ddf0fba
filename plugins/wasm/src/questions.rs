//! What a component can be asked, each in an instance of its own: one type for each, with its answer.

use std::future::Future;

use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use crate::bridge::State;
use crate::description::Asks;
use crate::refused::Refused;
use crate::wit::{exported, types};

/// The interfaces that it answers.
#[derive(Clone)]
pub(crate) struct Entrances {
    plugin: exported::plugin::GuestIndices,
    check: Option<exported::plugin_check::GuestIndices>,
    preview: Option<exported::plugin_preview::GuestIndices>,
    reconcile: Option<exported::plugin_reconcile::GuestIndices>,
    by_hand: Option<exported::plugin_by_hand::GuestIndices>,
    foresee: Option<exported::plugin_foresee::GuestIndices>,
    asks: Option<exported::plugin_asks::GuestIndices>,
}

/// An interface that it need not have, and has not.
#[derive(Debug, thiserror::Error)]
#[error("it exports no `sluice:plugin/{0}`")]
pub(crate) struct NoEntrance(pub(crate) &'static str);

impl Entrances {
    pub(crate) fn find(ready: &InstancePre<State>) -> Result<Self, Refused> {
        Ok(Self {
            plugin: exported::plugin::GuestIndices::new(ready).map_err(|_| Refused::NoPlugin)?,
            check: exported::plugin_check::GuestIndices::new(ready).ok(),
            preview: exported::plugin_preview::GuestIndices::new(ready).ok(),
            reconcile: exported::plugin_reconcile::GuestIndices::new(ready).ok(),
            by_hand: exported::plugin_by_hand::GuestIndices::new(ready).ok(),
            foresee: exported::plugin_foresee::GuestIndices::new(ready).ok(),
            asks: exported::plugin_asks::GuestIndices::new(ready).ok(),
        })
    }

    pub(crate) fn previews(&self) -> bool {
        self.preview.is_some()
    }

    pub(crate) fn reconciles(&self) -> bool {
        self.reconcile.is_some()
    }

    pub(crate) fn checks(&self) -> bool {
        self.check.is_some()
    }
}

pub(crate) trait Question: Sync {
    type Answer: Send;

    fn put(
        &self,
        entrances: &Entrances,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> impl Future<Output = wasmtime::Result<Self::Answer>> + Send;
}

pub(crate) struct Describe;

impl Question for Describe {
    type Answer = (types::PluginSpec, Asks);

    async fn put(&self, at: &Entrances, store: &mut Store<State>, inside: &Instance) -> wasmtime::Result<Self::Answer> {
        let spec = at.plugin.load(&mut *store, inside)?.call_describe(&mut *store).await?;
        let asks = match &at.asks {
            Some(asks) => asks.load(&mut *store, inside)?.call_asks(&mut *store).await?.into(),
            None => Asks::default(),
        };
        Ok((spec, asks))
    }
}

/// An action, and the call of it.
#[derive(Clone, Copy)]
pub(crate) struct Called<'a> {
    pub(crate) action: &'a str,
    pub(crate) call: &'a types::Call,
}

pub(crate) struct Check<'a> {
    pub(crate) action: &'a str,
    pub(crate) with: &'a String,
}

impl Question for Check<'_> {
    type Answer = Vec<types::Problem>;

    async fn put(&self, at: &Entrances, store: &mut Store<State>, inside: &Instance) -> wasmtime::Result<Self::Answer> {
        let entrance = there(at.check.as_ref(), "plugin-check")?.load(&mut *store, inside)?;
        entrance.call_check(&mut *store, self.action, self.with).await
    }
}

pub(crate) struct Run<'a>(pub(crate) Called<'a>);

impl Question for Run<'_> {
    type Answer = Result<types::Outcome, types::Problem>;

    async fn put(&self, at: &Entrances, store: &mut Store<State>, inside: &Instance) -> wasmtime::Result<Self::Answer> {
        let entrance = at.plugin.load(&mut *store, inside)?;
        entrance.call_run(&mut *store, self.0.action, self.0.call).await
    }
}

pub(crate) struct Preview<'a>(pub(crate) Called<'a>);

impl Question for Preview<'_> {
    type Answer = Result<types::Preview, types::Problem>;

    async fn put(&self, at: &Entrances, store: &mut Store<State>, inside: &Instance) -> wasmtime::Result<Self::Answer> {
        let entrance = there(at.preview.as_ref(), "plugin-preview")?.load(&mut *store, inside)?;
        entrance.call_preview(&mut *store, self.0.action, self.0.call).await
    }
}

pub(crate) struct Reconcile<'a>(pub(crate) Called<'a>);

impl Question for Reconcile<'_> {
    type Answer = Result<types::Reconciled, types::Problem>;

    async fn put(&self, at: &Entrances, store: &mut Store<State>, inside: &Instance) -> wasmtime::Result<Self::Answer> {
        let entrance = there(at.reconcile.as_ref(), "plugin-reconcile")?.load(&mut *store, inside)?;
        entrance.call_reconcile(&mut *store, self.0.action, self.0.call).await
    }
}

pub(crate) struct ByHand<'a>(pub(crate) Called<'a>);

impl Question for ByHand<'_> {
    type Answer = Vec<String>;

    async fn put(&self, at: &Entrances, store: &mut Store<State>, inside: &Instance) -> wasmtime::Result<Self::Answer> {
        let entrance = there(at.by_hand.as_ref(), "plugin-by-hand")?.load(&mut *store, inside)?;
        entrance.call_by_hand(&mut *store, self.0.action, self.0.call).await
    }
}

pub(crate) struct Foresee<'a>(pub(crate) Called<'a>);

impl Question for Foresee<'_> {
    type Answer = Option<String>;

    async fn put(&self, at: &Entrances, store: &mut Store<State>, inside: &Instance) -> wasmtime::Result<Self::Answer> {
        let entrance = there(at.foresee.as_ref(), "plugin-foresee")?.load(&mut *store, inside)?;
        entrance.call_foresee(&mut *store, self.0.action, self.0.call).await
    }
}

fn there<'a, T>(entrance: Option<&'a T>, interface: &'static str) -> wasmtime::Result<&'a T> {
    entrance.ok_or_else(|| NoEntrance(interface).into())
}
