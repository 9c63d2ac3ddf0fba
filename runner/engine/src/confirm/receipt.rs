//! A yes given beforehand, for a run that nobody watches: a person was shown a saved plan and typed the name.
//!
//! A receipt is worth something only in the store where it was made: that keeps its text, so nobody writes one by hand,
//! and remembers that it was used. Whether it may be used is said here; using it up is the store's part.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_plugin::Timestamp;

use super::identity::Identity;
use crate::digest::canonical;
use crate::ids::Sha256;

/// The form that is written now.
pub const RECEIPT_FORM: u32 = 1;

/// For exactly these bindings, once, and not for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    pub form: u32,
    /// Nobody guesses it.
    pub nonce: String,
    pub runbook: String,
    /// Of the plan that was shown.
    #[schemars(with = "String")]
    pub plan: Sha256,
    /// The bindings it says yes to.
    #[schemars(with = "Vec<String>")]
    pub covers: BTreeSet<Sha256>,
    /// The names that were typed, of all that dies.
    pub typed: BTreeSet<String>,
    pub by: Identity,
    /// Milliseconds since 1970 in UTC.
    #[schemars(with = "i64")]
    pub at: Timestamp,
    #[schemars(with = "i64")]
    pub expires: Timestamp,
}

/// Why a receipt is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReceipt {
    #[error("the receipt was not made in this store: what it says is not kept here")]
    Unknown,
    #[error("the receipt was used already; each is for one run")]
    Used,
    #[error("the receipt was good for one try, which did nothing; another try needs a person's yes")]
    Spent,
    #[error("the receipt has expired")]
    Expired,
    #[error("the receipt does not cover what would be done now: {0}")]
    Another(String),
}

impl Receipt {
    /// The text that is kept in the store: nobody can change a letter of it.
    pub fn text(&self) -> String {
        // No JSON value is written like this, so nothing else that a store keeps can be taken for a receipt.
        format!("sluice receipt\n{}", canonical(&json!(self)))
    }

    /// Under which it is kept and used up.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(self.text().as_bytes())
    }

    /// The name under which the store remembers that it was used.
    pub fn claim(&self) -> String {
        format!("receipt/{}", self.digest())
    }
}
