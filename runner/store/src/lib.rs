//! Where journals, locks, index, schedules and blobs live: in one SQLite file, or in memory.
//!
//! It implements the traits of `sluice_engine::journal::store` and holds the suite every implementation passes. It knows
//! bytes, ordinals and hashes; what an event means and how records are chained is the engine's.

pub mod compliance;
mod memory;
mod records;
mod sqlite;
mod standing;

pub use memory::MemoryStore;
pub use sqlite::SqliteStore;
