//! What plugins may touch, made real: HTTP, secrets, private files, time, and the redactor over everything that leaves.
//!
//! [`Shared`] is built once per run and gives every call its own [`CallHost`], which knows the plugin's grants and the
//! call's purpose. It does not know runbooks, the inventory's form, a store, a terminal or a concrete plugin.

mod child;
mod clock;
mod grants;
mod http;
mod private;
mod redact;
mod shared;
mod vault;

pub use child::{EnvValue, command};
pub use clock::{Clock, SystemClock};
pub use grants::{BadGrant, Grants, HttpGrant, Origin, ReadingPath, Scheme};
pub use private::{BadFileName, PrivateError, PrivateFolder, Swept, sweep};
pub use redact::{RedactingWriter, Redactor, SHORTEST};
pub use shared::{CallHost, HostParts, Shared, Sink};
pub use vault::{Bound, Vault};
