//! A disk for tests: in memory, full when it is told to be, and dead after so many writes, the last of them half done.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;

use super::disk::Disk;

#[derive(Default)]
pub(super) struct Fake {
    pub(super) files: RefCell<BTreeMap<String, Vec<u8>>>,
    /// So many writes, and then nothing works any more.
    pub(super) lives: Cell<Option<u64>>,
    /// So much of the append it dies in is there.
    pub(super) part: Cell<usize>,
    /// It died in an append, so it matters how much is there.
    pub(super) torn: Cell<bool>,
    /// So many bytes may still come.
    pub(super) room: Cell<Option<usize>>,
    /// So many renames find no room.
    pub(super) full_renames: Cell<u64>,
}

impl Fake {
    pub(super) fn heal(&self) {
        self.lives.set(None);
        self.room.set(None);
        self.full_renames.set(0);
    }

    fn alive(&self) -> io::Result<()> {
        if self.lives.get() == Some(0) { Err(io::Error::other("dead")) } else { Ok(()) }
    }

    /// False in the write it dies in.
    fn write(&self) -> io::Result<bool> {
        self.alive()?;
        self.lives.set(self.lives.get().map(|lives| lives - 1));
        Ok(self.lives.get() != Some(0))
    }

    fn with<T>(&self, name: &str, work: impl FnOnce(&mut Vec<u8>) -> T) -> io::Result<T> {
        self.files.borrow_mut().get_mut(name).map(work).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for Fake {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        self.alive()?;
        Ok(self.files.borrow().iter().map(|(name, content)| (name.clone(), content.len() as u64)).collect())
    }

    fn read(&self, name: &str, from: u64, most: usize) -> io::Result<Vec<u8>> {
        self.alive()?;
        self.with(name, |content| content.iter().skip(from as usize).take(most).copied().collect())
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let survives = self.write()?;
        self.torn.set(!survives);
        let room = self.room.get().unwrap_or(usize::MAX);
        let taken = if survives { bytes.len() } else { bytes.len().min(self.part.get()) }.min(room);
        self.room.set(self.room.get().map(|room| room - taken));
        self.files.borrow_mut().entry(name.to_owned()).or_default().extend_from_slice(&bytes[..taken]);
        if !survives {
            return self.alive();
        }
        // An empty file needs room too.
        if taken < bytes.len() || room == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn cut(&self, name: &str, bytes: u64) -> io::Result<()> {
        if !self.write()? {
            return self.alive();
        }
        self.with(name, |content| content.truncate(bytes as usize))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if !self.write()? {
            return self.alive();
        }
        if self.full_renames.get() > 0 {
            self.full_renames.set(self.full_renames.get() - 1);
            return Err(io::ErrorKind::StorageFull.into());
        }
        let content = self.files.borrow_mut().remove(from).ok_or(io::ErrorKind::NotFound)?;
        self.files.borrow_mut().insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if !self.write()? {
            return self.alive();
        }
        self.files.borrow_mut().remove(name).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
