//! A spool: items that wait in a folder, in order, until whoever takes them away says that they arrived.
//!
//! Segments, files that only grow, hold them; what is gone from the front is what a cursor says, in the name of a file.
//! So to take items out needs no room on a full disk, and nothing takes longer because more items wait. Nothing is
//! synced: lost power may take the last seconds along. What an item says, and where it goes, is not known here.

mod disk;
mod entry;
mod folder;
mod names;
mod place;
mod scan;

use std::collections::HashSet;
use std::io;

use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use sluice_plugin::{Problem, Timestamp};

use crate::files::{is_full, of_error};
pub(crate) use disk::Disk;
use entry::{Entry, encode};
pub(crate) use folder::Folder;
pub(crate) use names::Mark;
use names::{Cursor, MOST, Name};
pub(crate) use place::Place;
use scan::{End, Scan, Segment, entry_before};

/// A spool as it is under the lock of its folder.
pub(crate) struct Spool<'a, D> {
    disk: &'a D,
    /// Oldest first.
    segments: Vec<Segment>,
    /// `None` as long as there is no file that says it.
    cursor: Option<Cursor>,
    tail: Tail,
}

/// Where the next item comes.
#[derive(Clone, Copy, Debug, Default)]
struct Tail {
    next: u64,
    /// The id that was written last, also when nothing waits any more.
    last: Option<Mark>,
    /// Of the newest segment, where its last whole line ends.
    whole: u64,
    /// The newest segment ends with the number before `next`, so that item may follow there.
    joins: bool,
}

/// Something to keep, under an id that no other item has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) content: Map<String, Value>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Of all segments. The oldest goes before it would be more.
    pub(crate) bytes: u64,
    /// Of one segment, unless a single item is larger.
    pub(crate) segment: u64,
    /// Items from before this are dropped.
    pub(crate) not_before: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Added {
    pub(crate) added: u64,
    /// Items that had to go.
    pub(crate) dropped: u64,
}

/// The oldest items.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Peeked {
    pub(crate) items: Vec<Map<String, Value>>,
    pub(crate) upto: Place,
    /// How many come after them.
    pub(crate) left: u64,
    /// Lines among them that could not be read.
    pub(crate) torn: u64,
}

/// What a place is to a spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// Everything before it is gone already.
    Passed,
    Ahead,
    /// It does not name an item of this spool.
    Nowhere,
}

impl<'a, D: Disk> Spool<'a, D> {
    pub(crate) fn open(disk: &'a D) -> io::Result<Self> {
        let (mut segments, mut cursor) = (Vec::new(), None::<Cursor>);
        for (name, bytes) in disk.list()? {
            match Name::parse(&name) {
                Some(Name::Segment(first)) => segments.push(Segment { first, bytes }),
                Some(Name::Cursor(found)) if cursor.is_none_or(|known| known.next < found.next) => cursor = Some(found),
                Some(Name::Cursor(_)) | None => {}
            }
        }
        segments.sort_unstable_by_key(|segment| segment.first);
        let tail = tail(disk, &segments, &cursor.unwrap_or_default())?;
        // No spool gets there; a file that was put here could leave no numbers for what follows.
        if tail.next > MOST / 2 {
            let message = format!("a file in the spool says that it is item {}; move it out of the folder", tail.next);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(Self { disk, segments, cursor, tail })
    }

    /// How many items wait.
    pub(crate) fn items(&self) -> u64 {
        self.tail.next.saturating_sub(self.start())
    }

    /// What all segments take.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// When the oldest item was added.
    pub(crate) fn oldest(&self) -> io::Result<Option<Timestamp>> {
        Ok(self.scan()?.next::<IgnoredAny>()?.map(|found| Timestamp(found.entry.time)))
    }

    /// Those of them that were not written yet. What was written last, and whatever comes before it, was.
    pub(crate) fn fresh<'i>(&self, items: &'i [Item]) -> &'i [Item] {
        let written = self.tail.last.and_then(|last| items.iter().rposition(|item| Mark::of(&item.id) == last));
        written.and_then(|index| items.get(index + 1..)).unwrap_or(items)
    }

    /// Adds those that were not written yet, one by one; also says what was done until an error came.
    pub(crate) fn add(&mut self, items: &[Item], now: Timestamp, limits: &Limits) -> (Added, io::Result<()>) {
        let (start, next) = (self.start(), self.tail.next);
        let done = self.add_each(items, now, limits);
        (Added { added: self.tail.next.saturating_sub(next), dropped: self.start().saturating_sub(start) }, done)
    }

    fn add_each(&mut self, items: &[Item], now: Timestamp, limits: &Limits) -> io::Result<()> {
        self.mend()?;
        if let Some(limit) = limits.not_before {
            self.drop_older(limit)?;
        }
        for item in self.fresh(items) {
            let entry = Entry { n: self.tail.next, time: now.0, id: item.id.clone(), item: &item.content };
            let line = encode(&entry)?;
            while !self.segments.is_empty() && self.bytes().saturating_add(line.len() as u64) > limits.bytes {
                self.drop_segment()?;
            }
            self.put(&line, Mark::of(&item.id), limits.segment)?;
        }
        Ok(())
    }

    /// Up to `most` items, and fewer when their lines take more than `most_bytes`; always one if there is one.
    pub(crate) fn peek(&self, most: u64, most_bytes: u64) -> io::Result<Peeked> {
        let upto = Place { next: self.start(), segment: 0, offset: 0, mark: None };
        let mut peeked = Peeked { items: Vec::new(), upto, left: 0, torn: 0 };
        let (mut scan, mut bytes) = (self.scan()?, 0_u64);
        while (peeked.items.len() as u64) < most {
            // What is passed over before an item that is left will be passed over again.
            let torn = scan.torn;
            let Some(found) = scan.next::<Map<String, Value>>()? else { break };
            bytes = bytes.saturating_add(found.end - found.begin);
            if bytes > most_bytes && !peeked.items.is_empty() {
                scan.torn = torn;
                break;
            }
            let (next, mark) = (found.entry.n + 1, Some(Mark::of(&found.entry.id)));
            peeked.upto = Place { next, segment: found.segment, offset: found.end, mark };
            peeked.items.push(found.entry.item);
        }
        Ok(Peeked { left: self.behind(&peeked.upto), torn: scan.torn, ..peeked })
    }

    /// Those of the ids whose items wait.
    pub(crate) fn waiting(&self, ids: &HashSet<&str>) -> io::Result<HashSet<String>> {
        let (mut scan, mut waiting) = (self.scan()?, HashSet::new());
        while let Some(found) = scan.next::<IgnoredAny>()? {
            if ids.contains(found.entry.id.as_str()) {
                waiting.insert(found.entry.id);
            }
        }
        Ok(waiting)
    }

    pub(crate) fn find(&self, place: &Place) -> io::Result<Where> {
        if place.next <= self.start() {
            return Ok(Where::Passed);
        }
        let Some(segment) = self.segments.iter().find(|segment| segment.first == place.segment) else {
            return Ok(Where::Nowhere);
        };
        let before = entry_before(self.disk, segment, place.offset)?;
        let is_it = before.is_some_and(|entry| entry.n + 1 == place.next && Some(Mark::of(&entry.id)) == place.mark);
        Ok(if is_it { Where::Ahead } else { Where::Nowhere })
    }

    /// How many wait behind it.
    pub(crate) fn behind(&self, place: &Place) -> u64 {
        self.tail.next.saturating_sub(place.next)
    }

    /// Takes out whatever is before a place that is ahead. `find` says whether it is.
    pub(crate) fn drop_before(&mut self, place: &Place) -> io::Result<()> {
        self.advance(place.next, place.segment, place.offset)
    }

    /// The number of the oldest item that waits, or would.
    fn start(&self) -> u64 {
        let first = self.segments.first().map_or(0, |segment| segment.first);
        first.max(self.cursor.unwrap_or_default().next)
    }

    fn scan(&self) -> io::Result<Scan<'_, D>> {
        Scan::from(self.disk, &self.segments, &self.cursor.unwrap_or_default())
    }

    /// What a call that died has left: segments that are gone by the cursor, and a line without an end.
    fn mend(&mut self) -> io::Result<()> {
        if self.cursor.is_none() {
            // There from the beginning, so that a full disk never needs room for a new one.
            self.move_to(Cursor { next: self.start(), ..Cursor::default() })?;
        }
        self.sweep(self.start())?;
        if let Some(newest) = self.segments.last_mut()
            && newest.bytes > self.tail.whole
        {
            self.disk.cut(&Name::Segment(newest.first).to_string(), self.tail.whole)?;
            newest.bytes = self.tail.whole;
        }
        Ok(())
    }

    /// Writes a line to the newest segment, or to a new one. When it fails nothing of it stays.
    fn put(&mut self, line: &[u8], mark: Mark, most: u64) -> io::Result<()> {
        let (next, length) = (self.tail.next, line.len() as u64);
        let full = |newest: &Segment| newest.bytes > 0 && newest.bytes.saturating_add(length) > most;
        // One that begins with this number is the one, however full of damaged lines it is.
        let fits = |newest: &&mut Segment| newest.first == next || (self.tail.joins && !full(newest));
        let mut fresh = Segment { first: next, bytes: 0 };
        let (is_new, newest) = match self.segments.last_mut().filter(fits) {
            Some(newest) => (false, newest),
            None => (true, &mut fresh),
        };
        let name = Name::Segment(newest.first).to_string();
        if let Err(error) = self.disk.append(&name, line) {
            // Where this fails too, the next call cuts it off. The first error is the one to hear of.
            let _ = if is_new { self.disk.remove(&name) } else { self.disk.cut(&name, newest.bytes) };
            return Err(error);
        }
        newest.bytes += length;
        self.tail = Tail { next: next + 1, last: Some(mark), whole: newest.bytes, joins: true };
        if is_new {
            self.segments.push(fresh);
        }
        Ok(())
    }

    fn drop_older(&mut self, limit: Timestamp) -> io::Result<()> {
        let (mut scan, mut upto) = (self.scan()?, None);
        while let Some(found) = scan.next::<IgnoredAny>()?
            && found.entry.time < limit.0
        {
            upto = Some((found.entry.n + 1, found.segment, found.end));
        }
        upto.map_or(Ok(()), |(next, segment, offset)| self.advance(next, segment, offset))
    }

    /// The oldest one.
    fn drop_segment(&mut self) -> io::Result<()> {
        match self.segments.get(1) {
            Some(second) => self.sweep(second.first),
            None => self.advance(self.tail.next, 0, 0),
        }
    }

    /// From now on item `next` is the first; `segment` and `offset` say where the one before it ended. The cursor moves
    /// before anything is removed: what a crash leaves behind is gone all the same.
    fn advance(&mut self, next: u64, segment: u64, offset: u64) -> io::Result<()> {
        let begins = |other: &Segment| segment < other.first && other.first <= next;
        let stays = next < self.tail.next && !self.segments.iter().any(begins);
        let to = Cursor { next, offset: if stays { offset } else { 0 }, last: self.tail.last };
        match self.move_to(to) {
            Err(error) if is_full(error.kind()) => {
                self.sweep(next)?;
                self.move_to(to)?;
            }
            done => done?,
        }
        self.sweep(next)
    }

    fn move_to(&mut self, to: Cursor) -> io::Result<()> {
        let name = Name::Cursor(to).to_string();
        match self.cursor {
            Some(from) if from == to => {}
            Some(from) => self.disk.rename(&Name::Cursor(from).to_string(), &name)?,
            None => self.disk.append(&name, b"")?,
        }
        self.cursor = Some(to);
        Ok(())
    }

    /// Removes the segments that are wholly before item `next`. The newest goes only when the cursor is there too: the
    /// numbers go on from one of the two.
    fn sweep(&mut self, next: u64) -> io::Result<()> {
        while let Some(oldest) = self.segments.first() {
            let over = match self.segments.get(1) {
                Some(second) => second.first <= next,
                None => self.tail.next <= self.cursor.unwrap_or_default().next,
            };
            if !over {
                break;
            }
            self.disk.remove(&Name::Segment(oldest.first).to_string())?;
            self.segments.remove(0);
        }
        if self.segments.is_empty() {
            (self.tail.whole, self.tail.joins) = (0, false);
        }
        Ok(())
    }
}

/// A call that stopped before it changed anything.
pub(crate) fn failed(error: &io::Error) -> Problem {
    Problem { path: Some("/folder".to_owned()), ..of_error(&error.to_string(), error) }
}

fn tail<D: Disk>(disk: &D, segments: &[Segment], cursor: &Cursor) -> io::Result<Tail> {
    let first = segments.last().map_or(0, |newest| newest.first);
    let mut tail = Tail { next: first.max(cursor.next), last: cursor.last, ..Tail::default() };
    for (back, segment) in segments.iter().rev().enumerate() {
        let end = End::of(disk, segment)?;
        let after = end.last.map(|(n, _)| n + 1);
        if back == 0 {
            tail.whole = end.whole;
            tail.next = tail.next.max(after.unwrap_or(0));
            tail.joins = after.unwrap_or(first) == tail.next;
        }
        // What was last when the cursor moved is later than what is before the cursor.
        if let Some((n, mark)) = end.last {
            tail.last = if n < cursor.next { cursor.last } else { Some(mark) };
            break;
        }
    }
    Ok(tail)
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
