//! What happened in a run: the events, the chain over their stored bytes, and what a store must offer.

pub mod chain;
pub mod event;
pub mod store;
mod upcast;

pub use event::{
    CancelHow, Envelope, Epoch, Event, Found, Item, Key, Outcome, Owner, Phase, Ruling, Samples, Snapshot, Trigger,
};
pub use store::{
    AppendError, Blobs, Durability, Filter, HeldLock, Index, IndexEntry, Journal, Locks, Page, Record, Schedules,
    Store, StoreError, Take, Version,
};
