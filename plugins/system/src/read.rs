//! The beginnings of small files, into a buffer that is used again. What they mean is not known here.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Not more than `most` bytes. A buffer with room for them spares the kernel a second question.
pub(crate) fn beginning<'a>(path: &Path, most: usize, buffer: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
    buffer.clear();
    File::open(path)?.take(most as u64).read_to_end(buffer)?;
    Ok(buffer)
}

/// The same of a text. What is none has signs in it that no number has.
pub(crate) fn text<'a>(path: &Path, most: usize, buffer: &'a mut Vec<u8>) -> io::Result<Cow<'a, str>> {
    beginning(path, most, buffer).map(String::from_utf8_lossy)
}
