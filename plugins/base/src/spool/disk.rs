//! What a spool does to its folder. That a call may die between any two of these, and in the middle of an append, is what
//! the spool is made for.

use std::io;

pub(crate) trait Disk {
    /// The names and sizes of the files.
    fn list(&self) -> io::Result<Vec<(String, u64)>>;

    /// Up to `most` bytes from there on; fewer only where the file ends.
    fn read(&self, name: &str, from: u64, most: usize) -> io::Result<Vec<u8>>;

    /// Makes the file if there is none. When it fails, a part may have been written.
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Cuts off what is behind so many bytes.
    fn cut(&self, name: &str, bytes: u64) -> io::Result<()>;

    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    fn remove(&self, name: &str) -> io::Result<()>;
}
