//! Numbers and ids between SQLite's columns and our types. A value that cannot be ours is an error of the row, which the
//! caller reports as damage.

use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};
use sluice_engine::ids::RunId;

/// SQLite has no unsigned integers. Numbers of ours count from 0 or 1 and never come near the limit.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| Error::IntegralValueOutOfRange(column, number))
}

pub(super) fn run_id(row: &Row<'_>, column: usize) -> Result<RunId> {
    let text: String = row.get(column)?;
    RunId::parse(&text).ok_or_else(|| Error::InvalidColumnType(column, format!("{text:?} as a run id"), Type::Text))
}
