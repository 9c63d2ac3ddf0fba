//! A spool against what it should be: a list of ids. Killed at every write, full at every byte, torn at every byte, and
//! over whatever somebody may have put into its folder.

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use serde_json::json;

use super::fake::Fake;
use super::*;

const NOW: Timestamp = Timestamp(1_000_000);
const NO_LIMITS: Limits = Limits { bytes: u64::MAX, segment: u64::MAX, not_before: None };
const SMALL: Limits = Limits { bytes: 1_000, segment: 200, not_before: None };

/// Of `SMALL`'s items the largest.
const LINE: u64 = 130;

fn item(id: usize, size: usize) -> Item {
    let content = json!({ "id": id.to_string(), "text": "x".repeat(size) });
    Item { id: id.to_string(), content: content.as_object().unwrap().clone() }
}

fn items(ids: std::ops::Range<usize>) -> Vec<Item> {
    ids.map(|id| item(id, 0)).collect()
}

fn add<D: Disk>(disk: &D, items: &[Item], limits: &Limits) -> (Added, io::Result<()>) {
    match Spool::open(disk) {
        Ok(mut spool) => spool.add(items, NOW, limits),
        Err(error) => (Added::default(), Err(error)),
    }
}

fn peek<D: Disk>(disk: &D, most: u64) -> Peeked {
    Spool::open(disk).unwrap().peek(most, u64::MAX).unwrap()
}

fn drop_to<D: Disk>(disk: &D, place: &Place) -> io::Result<Where> {
    let mut spool = Spool::open(disk)?;
    let found = spool.find(place)?;
    if found == Where::Ahead {
        spool.drop_before(place)?;
    }
    Ok(found)
}

fn ids(peeked: &Peeked) -> Vec<usize> {
    peeked.items.iter().map(|item| item["id"].as_str().unwrap().parse().unwrap()).collect()
}

/// Every id that waits; whatever says how many there are has to agree.
fn all<D: Disk>(disk: &D) -> Vec<usize> {
    let spool = Spool::open(disk).unwrap();
    let peeked = spool.peek(u64::MAX, u64::MAX).unwrap();
    let found = ids(&peeked);
    assert_eq!((spool.items(), peeked.left), (found.len() as u64, 0));
    assert_eq!(spool.oldest().unwrap().is_some(), !found.is_empty());
    assert!(spool.bytes() > 0 || found.is_empty());
    found
}

fn names(disk: &Fake) -> Vec<String> {
    disk.files.borrow().keys().cloned().collect()
}

#[test]
fn items_come_out_as_they_went_in() {
    let disk = Fake::default();
    assert_eq!(all(&disk), [0; 0]);
    assert_eq!(add(&disk, &items(0..3), &NO_LIMITS).0, Added { added: 3, dropped: 0 });
    let peeked = peek(&disk, 2);
    assert_eq!((ids(&peeked), peeked.left, peeked.torn), (vec![0, 1], 1, 0));
    assert_eq!(peek(&disk, 2), peeked, "it stays");
    assert_eq!(drop_to(&disk, &peeked.upto).unwrap(), Where::Ahead);
    assert_eq!(all(&disk), [2]);
    assert_eq!(drop_to(&disk, &peeked.upto).unwrap(), Where::Passed);
    assert_eq!(all(&disk), [2]);
    add(&disk, &items(3..5), &NO_LIMITS).1.unwrap();
    let rest = peek(&disk, 9);
    assert_eq!(ids(&rest), [2, 3, 4]);
    drop_to(&disk, &rest.upto).unwrap();
    assert_eq!(all(&disk), [0; 0]);
    assert_eq!(names(&disk), [format!("cursor.5.0.{}", Mark::of("4"))], "an empty spool takes no room");
    assert_eq!(drop_to(&disk, &peek(&disk, 9).upto).unwrap(), Where::Passed);
}

#[test]
fn what_was_written_is_not_written_again() {
    let check = |before: &[usize], gone: u64, given: &[usize], added: u64| {
        let disk = Fake::default();
        let of = |ids: &[usize]| ids.iter().map(|id| item(*id, 0)).collect::<Vec<_>>();
        add(&disk, &of(before), &NO_LIMITS).1.unwrap();
        if gone > 0 {
            drop_to(&disk, &peek(&disk, gone).upto).unwrap();
        }
        assert_eq!(add(&disk, &of(given), &NO_LIMITS).0.added, added, "{before:?} {given:?}");
        assert_eq!(add(&disk, &of(given), &NO_LIMITS).0.added, 0, "{before:?} {given:?} again");
    };
    check(&[], 0, &[], 0);
    check(&[], 0, &[1, 2], 2);
    check(&[1, 2], 0, &[1, 2], 0);
    check(&[1, 2], 0, &[1, 2, 3], 1);
    check(&[0, 1], 0, &[1, 2, 3], 2);
    check(&[0, 1], 0, &[2, 3], 2);
    // Also when they are delivered already.
    check(&[1, 2], 1, &[1, 2], 0);
    check(&[1, 2], 2, &[1, 2], 0);
    check(&[1, 2], 2, &[1, 2, 3], 1);
}

#[test]
fn the_oldest_segment_goes_when_there_is_no_room() {
    let disk = Fake::default();
    let line = { add(&disk, &items(10..11), &NO_LIMITS).1.map(|()| Spool::open(&disk).unwrap().bytes()).unwrap() };
    let limits = Limits { bytes: line * 6, segment: line * 2, not_before: None };
    for id in 11..16 {
        assert_eq!(add(&disk, &items(id..id + 1), &limits).0, Added { added: 1, dropped: 0 }, "{id}");
    }
    assert_eq!(all(&disk), (10..16).collect::<Vec<_>>());
    assert_eq!(add(&disk, &items(16..17), &limits).0, Added { added: 1, dropped: 2 });
    assert_eq!(all(&disk), (12..17).collect::<Vec<_>>());
    // What was delivered is not counted as dropped.
    drop_to(&disk, &peek(&disk, 1).upto).unwrap();
    assert_eq!(add(&disk, &items(17..19), &limits).0, Added { added: 2, dropped: 1 });
    // A batch that does not fit is its own victim, and one item takes the place of all.
    assert_eq!(add(&disk, &items(20..40), &limits).0, Added { added: 20, dropped: 20 });
    assert_eq!(all(&disk), (35..40).collect::<Vec<_>>());
    let large = item(40, line as usize * 5 - 20);
    assert_eq!(add(&disk, &[large], &limits).0.added, 1);
    assert!(all(&disk).ends_with(&[40]) && Spool::open(&disk).unwrap().bytes() <= limits.bytes);
}

#[test]
fn the_too_old_go_one_by_one() {
    let check = |times: &[i64], limit: i64, dropped: u64, expect: &[usize]| {
        for segment in [1, 150, 10_000] {
            let (disk, limits) = (Fake::default(), Limits { segment, ..NO_LIMITS });
            for (id, time) in times.iter().enumerate() {
                Spool::open(&disk).unwrap().add(&[item(id, 0)], Timestamp(*time), &limits).1.unwrap();
            }
            let limits = Limits { not_before: Some(Timestamp(limit)), ..limits };
            assert_eq!(add(&disk, &[], &limits).0, Added { added: 0, dropped }, "{times:?} {limit}");
            assert_eq!(all(&disk), expect, "{times:?} {limit}");
        }
    };
    check(&[], 5, 0, &[]);
    check(&[1, 2, 3], 1, 0, &[0, 1, 2]);
    check(&[1, 2, 3], 2, 1, &[1, 2]);
    check(&[1, 2, 3], 4, 3, &[]);
    // A clock that was set: whatever stands behind a younger one waits with it.
    check(&[1, 9, 2], 5, 1, &[1, 2]);
}

#[test]
fn a_peek_is_bounded_and_gives_one_at_least() {
    let disk = Fake::default();
    for id in 0..5 {
        add(&disk, &[item(id, id * 100)], &NO_LIMITS).1.unwrap();
    }
    let spool = Spool::open(&disk).unwrap();
    let check = |most: u64, most_bytes: u64, expect: &[usize]| {
        let peeked = spool.peek(most, most_bytes).unwrap();
        assert_eq!((ids(&peeked).as_slice(), peeked.left), (expect, 5 - expect.len() as u64), "{most} {most_bytes}");
    };
    check(0, 10_000, &[]);
    check(3, 10_000, &[0, 1, 2]);
    check(9, 10_000, &[0, 1, 2, 3, 4]);
    check(9, 1, &[0]);
    check(9, 300, &[0, 1]);
}

/// Whatever a crash has left of the last line, it is no item, and the next one does not become one with it.
#[test]
fn a_torn_tail_is_cut_off_by_the_next_add() {
    let whole = Fake::default();
    add(&whole, &items(0..2), &NO_LIMITS).1.unwrap();
    let name = names(&whole).into_iter().find(|name| name.ends_with(".ndjson")).unwrap();
    let content = whole.files.borrow()[&name].clone();
    for length in 0..=content.len() {
        for rest in [&b""[..], b"\0\0\0", b"\0\0\0\n", b"{}\n", b"\n\n"] {
            let disk = Fake::default();
            let torn = [&content[..length], rest].concat();
            disk.files.borrow_mut().extend(whole.files.borrow().clone());
            disk.files.borrow_mut().insert(name.clone(), torn.clone());
            // A line that is there but for its end becomes whole with one.
            let ended = rest.starts_with(b"\n") && length > 0 && content[length - 1] != b'\n';
            let good: Vec<usize> = (0..2)
                .filter(|id| {
                    let end = content.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(*id).unwrap().0;
                    length > end || (ended && length == end)
                })
                .collect();
            assert_eq!(all(&disk), good, "{length} {rest:?}");
            assert_eq!(add(&disk, &items(5..7), &NO_LIMITS).0.added, 2);
            assert_eq!(all(&disk), [good.as_slice(), &[5, 6]].concat(), "{length} {rest:?}");
            let peeked = peek(&disk, 9);
            // Damaged lines alone are no reason to keep a file.
            let lines = torn.iter().filter(|byte| **byte == b'\n').count();
            let damaged = if good.is_empty() { 0 } else { lines - good.len() };
            assert_eq!(peeked.torn, damaged as u64, "{length} {rest:?}");
            drop_to(&disk, &peeked.upto).unwrap();
            assert_eq!((all(&disk), names(&disk).len()), (vec![], 1));
        }
    }
}

/// Dead in each of its writes, and at each byte of an append: done again it comes to the same.
#[test]
fn a_call_that_dies_can_be_made_again() {
    let before = || {
        let disk = Fake::default();
        for id in 0..12 {
            add(&disk, &[item(id, 20)], &SMALL).1.unwrap();
        }
        drop_to(&disk, &peek(&disk, 3).upto).unwrap();
        disk
    };
    let old = all(&before());
    let dies = |call: &dyn Fn(&Fake) -> io::Result<()>, check: &dyn Fn(&Fake, bool)| {
        let (mut writes, mut part) = (1, 0);
        loop {
            let disk = before();
            disk.lives.set(Some(writes));
            disk.part.set(part);
            let lived = call(&disk).is_ok();
            disk.heal();
            check(&disk, lived);
            if lived {
                return writes;
            }
            call(&disk).unwrap();
            check(&disk, true);
            // The longest line is shorter.
            (writes, part) = if disk.torn.get() && part < 140 { (writes, part + 1) } else { (writes + 1, 0) };
        }
    };
    let new: Vec<Item> = (20..26).map(|id| item(id, 70)).collect();
    let new_ids: Vec<usize> = (20..26).collect();
    let both = [old.as_slice(), &new_ids].concat();
    let writes = dies(&|disk| add(disk, &new, &SMALL).1, &|disk, done| {
        let found = all(disk);
        assert!(both.windows(found.len()).any(|window| window == found), "{found:?}");
        assert!(!done || found.ends_with(&new_ids), "{found:?}");
        assert!(found.last() >= old.last(), "{found:?}");
    });
    assert!(writes > 8, "{writes}");
    for most in 1..=old.len() {
        let place = peek(&before(), most as u64).upto;
        let writes = dies(&|disk| drop_to(disk, &place).map(|_| ()), &|disk, done| {
            let found = all(disk);
            assert!(found == old[most..] || (!done && found == old), "{found:?}");
        });
        assert!(writes > 1, "{writes}");
    }
}

#[test]
fn a_full_disk_harms_nothing_and_can_be_emptied() {
    for room in 0..400 {
        let disk = Fake::default();
        for id in 0..8 {
            add(&disk, &[item(id, 20)], &SMALL).1.unwrap();
        }
        let old = all(&disk);
        disk.room.set(Some(room));
        let new: Vec<Item> = (20..24).map(|id| item(id, 20)).collect();
        let (done, result) = add(&disk, &new, &NO_LIMITS);
        assert_eq!(result.is_err(), done.added < 4, "{room}");
        if let Err(error) = result {
            assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{room}");
        }
        let added: Vec<usize> = (20..20 + done.added as usize).collect();
        assert_eq!(all(&disk), [old.as_slice(), &added].concat(), "{room}");
        assert_eq!(peek(&disk, 99).torn, 0, "{room}");
        // Emptied while it is full, and a rename finds no room either until something is gone.
        disk.room.set(Some(0));
        disk.full_renames.set(1);
        drop_to(&disk, &peek(&disk, 5).upto).unwrap();
        assert_eq!(all(&disk), [&old[5..], &added].concat(), "{room}");
        disk.heal();
        add(&disk, &new, &NO_LIMITS).1.unwrap();
        assert_eq!(all(&disk), [&old[5..], &[20, 21, 22, 23]].concat(), "{room}");
    }
}

/// Where not even a rename finds room, whole segments go, and what could not be said is told.
#[test]
fn without_any_room_only_whole_segments_go() {
    let disk = Fake::default();
    let limits = Limits { bytes: 10_000, ..SMALL };
    for id in 0..10 {
        add(&disk, &[item(id, 20)], &limits).1.unwrap();
    }
    let peeked = peek(&disk, 10);
    disk.full_renames.set(u64::MAX);
    assert_eq!(drop_to(&disk, &peeked.upto).unwrap_err().kind(), io::ErrorKind::StorageFull);
    let left = all(&disk);
    assert!(!left.is_empty() && left.len() < 10, "{left:?}");
    assert!(add(&disk, &[item(10, 20)], &limits).1.is_ok());
    disk.heal();
    assert_eq!(drop_to(&disk, &peeked.upto).unwrap(), Where::Ahead);
    assert_eq!(all(&disk), [10]);
}

/// A place is only one where the item before it stands: after a loss the same numbers may mean others.
#[test]
fn a_place_of_elsewhere_is_none() {
    let disk = Fake::default();
    add(&disk, &items(0..3), &NO_LIMITS).1.unwrap();
    let saved = disk.files.borrow().clone();
    add(&disk, &items(3..5), &NO_LIMITS).1.unwrap();
    let place = peek(&disk, 9).upto;
    let check = |place: Place, expect: Where| {
        let before = all(&disk);
        assert_eq!(drop_to(&disk, &place).unwrap(), expect, "{place}");
        assert!(expect == Where::Ahead || all(&disk) == before);
    };
    // Lost power takes the last two along, and others come in their place.
    *disk.files.borrow_mut() = saved;
    check(place, Where::Nowhere);
    add(&disk, &items(7..9), &NO_LIMITS).1.unwrap();
    check(place, Where::Nowhere);
    let good = peek(&disk, 2).upto;
    check(Place { next: good.next + 1, ..good }, Where::Nowhere);
    check(Place { segment: 1, ..good }, Where::Nowhere);
    check(Place { offset: good.offset - 1, ..good }, Where::Nowhere);
    check(Place { offset: 1 << 40, ..good }, Where::Nowhere);
    check(Place { mark: None, ..good }, Where::Nowhere);
    check(Place { mark: Some(Mark::of("1")), ..good }, Where::Ahead);
    check(Place { mark: None, ..good }, Where::Passed);
}

/// The cursor went further than what the disk has kept: numbers go on from there, and nothing is passed over.
#[test]
fn numbers_go_on_after_a_loss() {
    let disk = Fake::default();
    add(&disk, &items(0..3), &NO_LIMITS).1.unwrap();
    let saved = disk.files.borrow().clone();
    add(&disk, &items(3..9), &NO_LIMITS).1.unwrap();
    drop_to(&disk, &peek(&disk, 8).upto).unwrap();
    for (name, content) in saved.iter().filter(|(name, _)| name.ends_with(".ndjson")) {
        disk.files.borrow_mut().insert(name.clone(), content.clone());
    }
    assert_eq!(all(&disk), [0; 0]);
    assert_eq!(add(&disk, &items(3..9), &NO_LIMITS).0.added, 0, "the cursor knows what was last");
    add(&disk, &items(9..11), &NO_LIMITS).1.unwrap();
    assert_eq!(all(&disk), [9, 10]);
    add(&disk, &items(11..12), &NO_LIMITS).1.unwrap();
    drop_to(&disk, &peek(&disk, 2).upto).unwrap();
    assert_eq!(all(&disk), [11]);
}

#[test]
fn a_number_that_leaves_none_behind_is_refused() {
    for name in ["cursor.9007199254740991.0.none", "9007199254740991.ndjson"] {
        let disk = Fake::default();
        disk.append(name, b"").unwrap();
        let error = Spool::open(&disk).err().unwrap();
        assert!(error.to_string().contains("9007199254740991; move it out"), "{error}");
    }
}

#[derive(Clone, Debug)]
enum Op {
    Add(Vec<usize>),
    /// The same as before, once more.
    Again,
    Drop(u64),
    /// To a place that was had before.
    DropOld(usize),
    /// Dies in an add, or in a drop, and is not made again.
    AddDies(Vec<usize>, u64, usize),
    DropDies(u64, u64),
    AddFull(Vec<usize>, usize),
}

fn op() -> impl Strategy<Value = Op> {
    let sizes = || prop::collection::vec(0_usize..60, 1..6);
    prop_oneof![
        4 => sizes().prop_map(Op::Add),
        1 => Just(Op::Again),
        3 => (0_u64..8).prop_map(Op::Drop),
        1 => (0_usize..4).prop_map(Op::DropOld),
        2 => (sizes(), 1_u64..8, 0_usize..140).prop_map(|(sizes, lives, part)| Op::AddDies(sizes, lives, part)),
        1 => (0_u64..8, 1_u64..5).prop_map(|(most, lives)| Op::DropDies(most, lives)),
        1 => (sizes(), 0_usize..300).prop_map(|(sizes, room)| Op::AddFull(sizes, room)),
    ]
}

/// What waits, as it should be.
#[derive(Default)]
struct Model {
    waits: Vec<usize>,
    next: usize,
    last: Vec<Item>,
    places: Vec<Place>,
}

impl Model {
    fn batch(&mut self, sizes: &[usize]) -> Vec<Item> {
        let batch: Vec<Item> = sizes
            .iter()
            .map(|size| {
                self.next += 1;
                item(self.next, *size)
            })
            .collect();
        self.last.clone_from(&batch);
        batch
    }

    /// What is found is what waited and what came, in order, less what had to go from the front.
    fn take(&mut self, disk: &Fake, came: &[usize], dropped: Option<u64>) -> TestCaseResult {
        let (found, mut expect) = (all(disk), [self.waits.as_slice(), came].concat());
        prop_assert!(expect.ends_with(&found), "{found:?} of {expect:?}");
        let gone = expect.len() - found.len();
        if let Some(dropped) = dropped {
            prop_assert_eq!(gone as u64, dropped);
        }
        let bytes = Spool::open(disk).unwrap().bytes();
        prop_assert!(bytes <= SMALL.bytes);
        prop_assert!(gone == 0 || dropped.is_none() || bytes + SMALL.segment + LINE > SMALL.bytes, "{bytes}");
        self.waits = expect.split_off(gone);
        Ok(())
    }

    fn step(&mut self, disk: &Fake, op: &Op) -> TestCaseResult {
        let known = |batch: &[Item]| batch.iter().map(|item| item.id.parse().unwrap()).collect::<Vec<usize>>();
        match op {
            Op::Add(sizes) => {
                let batch = self.batch(sizes);
                let (done, result) = add(disk, &batch, &SMALL);
                prop_assert!(result.is_ok() && done.added == batch.len() as u64);
                self.take(disk, &known(&batch), Some(done.dropped))
            }
            Op::Again => {
                let batch = self.last.clone();
                let (done, result) = add(disk, &batch, &SMALL);
                prop_assert!(result.is_ok());
                self.take(disk, &known(&batch)[batch.len() - done.added as usize..], Some(done.dropped))
            }
            Op::AddDies(sizes, lives, part) => {
                let batch = self.batch(sizes);
                disk.lives.set(Some(*lives));
                disk.part.set(*part);
                let _ = add(disk, &batch, &SMALL);
                disk.heal();
                // What it came to can be seen only by what is there.
                let ids = known(&batch);
                let last = all(disk).last().copied();
                let came = ids.iter().rposition(|id| Some(*id) == last).map_or(0, |index| index + 1);
                self.take(disk, &ids[..came], None)
            }
            Op::AddFull(sizes, room) => {
                let batch = self.batch(sizes);
                disk.room.set(Some(*room));
                let (done, result) = add(disk, &batch, &SMALL);
                disk.heal();
                let full = result.err().map(|error| error.kind());
                prop_assert_eq!(full, (done.added < batch.len() as u64).then_some(io::ErrorKind::StorageFull));
                self.take(disk, &known(&batch)[..done.added as usize], Some(done.dropped))
            }
            Op::Drop(most) => {
                let peeked = peek(disk, *most);
                let length = self.waits.len().min(*most as usize);
                prop_assert_eq!(&ids(&peeked), &self.waits[..length]);
                prop_assert_eq!(peeked.left, (self.waits.len() - length) as u64);
                drop_to(disk, &peeked.upto).unwrap();
                self.places.push(peeked.upto);
                self.waits.drain(..length);
                Ok(())
            }
            Op::DropOld(back) => {
                let old = self.places.iter().rev().nth(*back);
                prop_assert!(old.is_none_or(|old| drop_to(disk, old).unwrap() == Where::Passed));
                Ok(())
            }
            Op::DropDies(most, lives) => {
                let peeked = peek(disk, *most);
                disk.lives.set(Some(*lives));
                let _ = drop_to(disk, &peeked.upto);
                disk.heal();
                if all(disk) != self.waits {
                    self.waits.drain(..peeked.items.len());
                }
                Ok(())
            }
        }
    }
}

proptest! {
    #[test]
    fn a_spool_is_a_list(ops in prop::collection::vec(op(), 1..60)) {
        let (disk, mut model) = (Fake::default(), Model::default());
        for op in &ops {
            model.step(&disk, op)?;
            prop_assert_eq!(all(&disk), model.waits.clone(), "{:?}", op);
        }
        prop_assert!(disk.files.borrow().len() <= 1 + 2 + (SMALL.bytes / 60) as usize, "{:?}", names(&disk));
    }

    /// No file there is makes it fail, and what is added on top of it comes out.
    #[test]
    fn whatever_stands_in_the_folder(
        segments in prop::collection::vec((0_u64..12, prop::collection::vec(line(), 0..6), "[ -~]{0,5}"), 0..5),
        cursors in prop::collection::vec((0_u64..12, 0_u64..200), 0..3),
    ) {
        let disk = Fake::default();
        for (first, lines, torn) in segments {
            let mut n = first;
            let mut written = |line: &Line| match line {
                Line::Entry(step) => { n += step; format!("{{\"n\":{n},\"time\":5,\"id\":\"{n}\",\"item\":{{\"id\":\"{n}\"}}}}\n") }
                Line::Text(text) => text.clone() + "\n",
            };
            let text: String = lines.iter().map(&mut written).collect();
            disk.files.borrow_mut().insert(Name::Segment(first).to_string(), (text + &torn).into_bytes());
        }
        for (next, offset) in cursors {
            let name = Name::Cursor(Cursor { next, offset, last: None }).to_string();
            disk.files.borrow_mut().insert(name, Vec::new());
        }
        let before = names(&disk);
        prop_assert!(drop_to(&disk, &peek(&disk, 1).upto).is_ok());
        let new: Vec<Item> = (700..703).map(|id| item(id, 0)).collect();
        prop_assert!(add(&disk, &new, &NO_LIMITS).1.is_ok());
        let peeked = peek(&disk, u64::MAX);
        prop_assert!(ids(&peeked).ends_with(&[700, 701, 702]), "{:?}: {:?}", before, peeked);
        prop_assert_eq!(drop_to(&disk, &peeked.upto).unwrap(), Where::Ahead);
        prop_assert_eq!(peek(&disk, u64::MAX).items.len(), 0);
        prop_assert!(names(&disk).iter().all(|name| !matches!(Name::parse(name), Some(Name::Segment(_)))));
    }
}

#[derive(Clone, Debug)]
enum Line {
    /// So much after the one before: none is there twice, several are lost in between.
    Entry(u64),
    Text(String),
}

fn line() -> impl Strategy<Value = Line> {
    let huge = |n: u64| format!("{{\"n\":{n},\"time\":5,\"id\":\"1\",\"item\":{{\"id\":\"1\"}}}}");
    prop_oneof![
        4 => (0_u64..4).prop_map(Line::Entry),
        1 => (1_u64 << 40..).prop_map(move |n| Line::Text(huge(n))),
        1 => Just(Line::Text("{\"n\":1}".to_owned())),
        1 => "[ -~]{0,40}".prop_map(Line::Text),
    ]
}

/// Both do the same to their files.
#[test]
fn a_folder_is_such_a_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (fake, path) = (Fake::default(), dir.path().join("spool"));
    let folder = || Folder::make(path.to_str().unwrap(), std::time::Duration::ZERO).unwrap();
    let same = |what: &str| {
        let folder = folder();
        let files = folder.list().unwrap().into_iter();
        let mut real: Vec<(String, Vec<u8>)> =
            files.map(|(name, bytes)| (name.clone(), folder.read(&name, 0, bytes as usize).unwrap())).collect();
        real.sort();
        assert_eq!(real, fake.files.borrow().clone().into_iter().collect::<Vec<_>>(), "{what}");
    };
    for round in 0..30 {
        let batch: Vec<Item> = (round * 3..round * 3 + 3).map(|id| item(id, id % 40)).collect();
        let (ours, theirs) = (add(&folder(), &batch, &SMALL).0, add(&fake, &batch, &SMALL).0);
        assert_eq!(ours, theirs);
        same("add");
        let newest = names(&fake).into_iter().rfind(|name| name.ends_with(".ndjson"));
        if let Some(name) = newest.filter(|_| round % 5 == 2) {
            folder().append(&name, b"{torn").unwrap();
            fake.append(&name, b"{torn").unwrap();
        }
        let (ours, theirs) = (peek(&folder(), 2), peek(&fake, 2));
        assert_eq!(ours, theirs);
        drop_to(&folder(), &ours.upto).unwrap();
        drop_to(&fake, &theirs.upto).unwrap();
        same("drop");
    }
    assert!(names(&fake).len() > 3);
    let folder = folder();
    for problem in [
        folder.read("none", 0, 1).unwrap_err(),
        folder.cut("none", 1).unwrap_err(),
        folder.rename("none", "other").unwrap_err(),
        folder.remove("none").unwrap_err(),
    ] {
        assert_eq!(problem.kind(), io::ErrorKind::NotFound, "{problem}");
        assert!(problem.to_string().contains("spool/none"), "{problem}");
    }
}
