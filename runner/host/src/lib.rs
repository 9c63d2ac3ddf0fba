//! x
mod redact;
pub use redact::{RedactingWriter, Redactor, SHORTEST};
