//! Who may say yes to what: policies, identities, and receipts for a yes that was given beforehand.
//!
//! Pure values and rules. It asks nobody, and does not know where a run stands (`machine`) nor how a person is asked.

mod identity;
mod policy;
mod receipt;

pub use identity::{Identity, Proof};
pub use policy::Policy;
pub use receipt::{BadReceipt, RECEIPT_FORM, Receipt};
