//! How much of this machine one call may have, and what it was refused.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// Bounds of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of memory, all memories together.
    pub memory: usize,
    /// How long it may compute. Waiting for the host is not counted; that ends with the call's deadline.
    pub compute: Duration,
    /// Bytes of what it gives back.
    pub output: usize,
    /// Bytes of everything it logs.
    pub log: usize,
}

impl Bounds {
    /// For what a step does.
    pub const CALL: Self = Self { memory: 64 << 20, compute: Duration::from_secs(10), output: 8 << 20, log: 256 << 10 };

    /// For saying what it is, and whatever else reaches nothing.
    pub const WORDS: Self = Self { memory: 16 << 20, compute: Duration::from_secs(1), output: 1 << 20, log: 16 << 10 };
}

/// Remembers what it refused: inside, a refusal looks like any other crash.
#[derive(Debug)]
pub(crate) struct Limiter {
    most: usize,
    used: usize,
    pub(crate) refused: Option<usize>,
}

/// An element of a table is a pointer. Components that were made by compilers have some thousand.
const MOST_ELEMENTS: usize = 100_000;

impl Limiter {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, used: 0, refused: None }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let all = self.used.saturating_add(desired.saturating_sub(current));
        if all > self.most {
            self.refused = Some(all);
            return Ok(false);
        }
        self.used = all;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MOST_ELEMENTS)
    }

    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        8
    }
}
