//! x
mod clock;
mod private;
mod redact;
pub use clock::*;
pub use private::*;
pub use redact::{RedactingWriter, Redactor, SHORTEST};
