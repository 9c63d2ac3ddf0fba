//! What happened in a run: the events, the chain over their stored bytes, and what a store must offer.

pub mod chain;
pub mod event;
pub mod lock;
pub mod store;
mod upcast;

pub use event::{
    AskId, Bound, CalledBook, CancelHow, Envelope, Epoch, Event, Found, Glance, Item, Key, Outcome, Owner, Phase,
    Ruling, Samples, Snapshot, Trigger, Void,
};
pub use lock::{After, Breach, Holder, Keep, Lock, LockedAt, Loss, Standing};
pub use store::{
    AppendError, Beside, Blobs, Durability, Filter, Index, IndexEntry, Journal, Locks, Page, Record, Schedules, Store,
    StoreError, Version,
};
