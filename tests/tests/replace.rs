//! `replace-node` on the real lab, with a publisher and consumers all the time: 500 messages a second where a scene is about
//! the data, fewer elsewhere, and 500 everywhere with `SLUICE_LONG=1`. Judged by the cloud's record of terminations, by the
//! referee, by the ledger, and by the product's exit code and words.

mod answers;
mod attended;
mod faults;
mod full;
mod gates;
mod receipts;
mod refused;
mod rights;
pub(crate) mod site;
mod targets;
mod waits;
