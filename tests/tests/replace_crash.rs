//! A replacement on a lab with traffic, its process killed by SIGKILL around the yes, the intent, the call and its
//! outcome, and taken up by the product as shipped: one termination each time, never of the replacement.
//!
//! `cargo lab crash` does the same around every event. What is asserted of each story is in the driver.

use std::path::Path;
use std::thread;

use crate::common::sluice::SHIPPED;
use crate::driver::Outcome;
use crate::driver::book::{self, Book};
use crate::driver::desk::Programs;
use crate::driver::point::{Point, Side};
use crate::driver::stage::{Stage, Told};

/// Messages a second: four labs fit on a small machine. `cargo lab crash` has more.
const RATE: u32 = 60;

/// By labs side by side, which take as long as each other.
fn points() -> [Vec<Point>; 4] {
    let point = |side, at: &str| Point::Append { side, at: at.to_owned(), shown: at.to_owned() };
    let answering = |side| Point::Answering { side, at: ":answered:1".to_owned() };
    let (before, after) = (Side::Before, Side::After);
    [
        vec![
            point(before, "replace:asked:1"),
            point(before, ":answered:1"),
            point(before, "replace/terminate:looked_last:1"),
        ],
        vec![
            answering(after),
            // Of the gates before the act, the last one to pass again.
            point(before, "replace/terminate:rejudged:3"),
            Point::Called,
            point(after, "data_back:judged:1"),
        ],
        vec![
            point(after, "replace:asked:1"),
            answering(before),
            point(before, "replace/terminate:done:1"),
            point(after, "replace/terminate:done:1"),
        ],
        vec![
            point(after, "replace/terminate:rebound:1"),
            point(after, "replace/terminate:intended:1"),
            point(before, "data_back:judged:1"),
        ],
    ]
}

/// One lab's points, on its nodes in turns.
async fn played(points: &[Point], book: &Book) -> Outcome {
    let programs = Programs { shipped: SHIPPED.into(), dying: Path::new(env!("CARGO_BIN_EXE_sluice-dying")).into() };
    let stage = Stage::up(programs, book.clone(), RATE).await?;
    for (point, node) in points.iter().zip([1, 2, 3].into_iter().cycle()) {
        let on = format!("{point}, node {node} of lab {}", stage.name());
        let told = stage.play(point, node).await.map_err(|error| format!("{on}: {error}"))?;
        let Told { questions, messages, took, stops, .. } = told;
        eprintln!("{on}: asked {questions}x, stopped {stops}x, {messages} messages there, {took:?}");
        if !told.killed || told.anew {
            return Err(format!("{on}: there is no such point any more"));
        }
        // A gate that stops the run on a busy machine takes the yes with it.
        if !(expected(point)..=expected(point) + stops).contains(&questions) {
            return Err(format!("{on}: asked {questions} times, not {}", expected(point)));
        }
    }
    stage.down()
}

/// How often a person types the name. A yes that was written down counts for the process after; an act that was not made
/// is asked for anew.
fn expected(point: &Point) -> usize {
    let (side, at) = match point {
        Point::Called => return 1,
        Point::Answering { side, at } | Point::Append { side, at, .. } => (*side, at.as_str()),
    };
    match (at, side) {
        // The name was typed, and nobody wrote it down.
        (":answered:1", Side::Before) | ("replace/terminate:intended:1", Side::After) => 2,
        _ => 1,
    }
}

#[test]
fn a_replacement_killed_around_its_act_ends_one_instance_once() {
    let book = book::shipped(book::REPLACE).and_then(book::shorter).unwrap();
    let ends: Vec<Outcome> = thread::scope(|scope| {
        let played = |points: Vec<Point>| {
            let book = &book;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
                runtime.unwrap().block_on(played(&points, book))
            })
        };
        let labs = points().map(played);
        labs.map(|lab| lab.join().unwrap()).into_iter().collect()
    });
    let wrong: Vec<String> = ends.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn points_are_chosen_from_what_a_run_appended() {
    use crate::driver::point::{all, one_each, read, some};

    let text = "1 :started:1\n2 a:done:1\n3 replace:asked:1\n4 replace/terminate:rejudged:1\n5 \
                replace/terminate:rejudged:2\n6 replace/terminate:looked_last:1 replace/terminate:intended:1\n7 \
                replace/terminate:done:1\n8 b:judged:1\n";
    let appends = read(text);
    assert_eq!(all(&appends).len(), 19, "both sides of each, and three more");
    let shown: Vec<String> = one_each(&appends).iter().map(ToString::to_string).collect();
    let expect = [
        "after append 1: started",
        "before append 2: a done",
        "before append 3: replace asked",
        "after append 3: replace asked",
        "before append 4: replace/terminate rejudged",
        "after append 4: replace/terminate rejudged",
        "before append 6: replace/terminate looked_last + replace/terminate intended",
        "after append 6: replace/terminate looked_last + replace/terminate intended",
        "before append 7: replace/terminate done",
        "after append 7: replace/terminate done",
        "after append 8: b judged",
        "over the call: done, and not answered",
        "before :answered:1, in `sluice confirm`",
        "after :answered:1, in `sluice confirm`",
    ];
    assert_eq!(shown, expect);
    assert_eq!(some(all(&appends), 5).len(), 5);
}
