//! Reading segments: forwards entry by entry, and from an end of a line backwards. Lines that are no entries are counted
//! and passed over. What is read is bounded, whatever somebody has put into a file.

use std::io;

use serde::de::{DeserializeOwned, IgnoredAny};

use super::disk::Disk;
use super::entry::{Entry, decode};
use super::names::{Cursor, Mark, Name};

/// No line is longer.
pub(crate) const LINE_MOST: usize = 1 << 20;

/// How much is read at once.
const CHUNK: usize = 32 << 10;

/// A file that holds entries, the first of them with this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) first: u64,
    pub(super) bytes: u64,
}

/// An entry and where it stood.
pub(super) struct Found<T> {
    pub(super) entry: Entry<T>,
    pub(super) segment: u64,
    /// Where its line begins and ends.
    pub(super) begin: u64,
    pub(super) end: u64,
}

/// Goes through the entries from a cursor on, in order, each once.
pub(super) struct Scan<'a, D> {
    disk: &'a D,
    segments: &'a [Segment],
    index: usize,
    /// Where in the segment the next line begins.
    at: u64,
    /// What was read of the segment; from `used` on it is what stands at `at`.
    buffer: Vec<u8>,
    used: usize,
    /// The line is too long to be one.
    long: bool,
    /// Entries below this were had already.
    next: u64,
    /// Lines that were no entries.
    pub(super) torn: u64,
    /// Where the last whole line ended.
    pub(super) whole: u64,
}

impl<'a, D: Disk> Scan<'a, D> {
    pub(super) fn all(disk: &'a D, segments: &'a [Segment]) -> Self {
        let (buffer, next) = (Vec::new(), segments.first().map_or(0, |segment| segment.first));
        Self { disk, segments, index: 0, at: 0, buffer, used: 0, long: false, next, torn: 0, whole: 0 }
    }

    pub(super) fn from(disk: &'a D, segments: &'a [Segment], cursor: &Cursor) -> io::Result<Self> {
        let mut scan = Self::all(disk, segments);
        scan.next = scan.next.max(cursor.next);
        scan.index = segments.partition_point(|segment| segment.first <= scan.next).saturating_sub(1);
        if let Some(segment) = segments.get(scan.index)
            && scan.next == cursor.next
            // In a segment that begins with this item it is the first: the cursor was of one that is lost.
            && segment.first < cursor.next
            && line_begin(disk, segment, cursor.offset)? == cursor.offset
        {
            scan.at = cursor.offset;
        }
        Ok(scan)
    }

    pub(super) fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<Found<T>>> {
        while let Some(segment) = self.segments.get(self.index).copied() {
            let begin = self.at;
            let Some(line) = self.line(&segment)? else {
                self.index += 1;
                (self.at, self.used) = (0, 0);
                self.buffer.clear();
                continue;
            };
            let behind = self.segments.get(self.index + 1).map_or(u64::MAX, |segment| segment.first);
            match decode(&line).filter(|entry| is_of(&segment, entry) && entry.n < behind) {
                // Gone already, or there a second time.
                Some(entry) if entry.n < self.next => {}
                Some(entry) => {
                    self.next = entry.n + 1;
                    return Ok(Some(Found { entry, segment: segment.first, begin, end: self.at }));
                }
                None => self.torn += 1,
            }
        }
        Ok(None)
    }

    /// The next line of this segment, without its end. A rest without an end is none.
    fn line(&mut self, segment: &Segment) -> io::Result<Option<Vec<u8>>> {
        let mut seen = 0;
        loop {
            let rest = self.buffer.get(self.used + seen..).unwrap_or_default();
            if let Some(found) = rest.iter().position(|byte| *byte == b'\n') {
                let end = self.used + seen + found;
                let line = self.buffer.get(self.used..end).filter(|_| !self.long).unwrap_or_default().to_vec();
                self.at += (end + 1 - self.used) as u64;
                (self.used, self.long, self.whole) = (end + 1, false, self.at);
                return Ok(Some(line));
            }
            seen += rest.len();
            self.buffer.drain(..self.used);
            self.used = 0;
            if seen > LINE_MOST {
                self.buffer.clear();
                self.at += seen as u64;
                (seen, self.long) = (0, true);
            }
            let more = read(self.disk, segment, self.at + seen as u64, CHUNK)?;
            if more.is_empty() {
                self.torn += u64::from(seen > 0 || self.long);
                self.long = false;
                return Ok(None);
            }
            self.buffer.extend(more);
        }
    }
}

/// No file may say that its items are numbered far beyond what can be in it.
fn is_of<T>(segment: &Segment, entry: &Entry<T>) -> bool {
    entry.n.checked_sub(segment.first).is_some_and(|index| index < segment.bytes)
}

fn read<D: Disk>(disk: &D, segment: &Segment, from: u64, most: usize) -> io::Result<Vec<u8>> {
    let left = usize::try_from(segment.bytes.saturating_sub(from)).unwrap_or(most).min(most);
    if left == 0 {
        return Ok(Vec::new());
    }
    disk.read(&Name::Segment(segment.first).to_string(), from, left)
}

/// The last place before `end`, or at it, where a line begins.
pub(super) fn line_begin<D: Disk>(disk: &D, segment: &Segment, end: u64) -> io::Result<u64> {
    let mut end = end.min(segment.bytes);
    while end > 0 {
        let begin = end.saturating_sub(CHUNK as u64);
        let chunk = read(disk, segment, begin, (end - begin) as usize)?;
        if let Some(found) = chunk.iter().rposition(|byte| *byte == b'\n') {
            return Ok(begin + found as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

/// The entry whose line ends at this place.
pub(super) fn entry_before<D: Disk>(disk: &D, segment: &Segment, end: u64) -> io::Result<Option<Entry<IgnoredAny>>> {
    if end == 0 || line_begin(disk, segment, end)? != end {
        return Ok(None);
    }
    let begin = line_begin(disk, segment, end - 1)?;
    let Some(length) = usize::try_from(end - 1 - begin).ok().filter(|length| *length <= LINE_MOST) else {
        return Ok(None);
    };
    Ok(decode(&read(disk, segment, begin, length)?).filter(|entry| is_of(segment, entry)))
}

/// How a segment ends.
#[derive(Default)]
pub(super) struct End {
    /// Where its last whole line ends. What is behind broke off.
    pub(super) whole: u64,
    /// Number and id of its last entry.
    pub(super) last: Option<(u64, Mark)>,
}

impl End {
    pub(super) fn of<D: Disk>(disk: &D, segment: &Segment) -> io::Result<Self> {
        let whole = line_begin(disk, segment, segment.bytes)?;
        if let Some(entry) = entry_before(disk, segment, whole)? {
            return Ok(Self { whole, last: Some((entry.n, Mark::of(&entry.id))) });
        }
        // Its last line is damaged: the ones before tell.
        let (segments, mut last) = ([*segment], None);
        let mut scan = Scan::all(disk, &segments);
        while let Some(found) = scan.next::<IgnoredAny>()? {
            last = Some((found.entry.n, Mark::of(&found.entry.id)));
        }
        Ok(Self { whole, last })
    }
}
