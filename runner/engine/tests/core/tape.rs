//! What the world does to a run, as a list of moves that is drawn beforehand: any shorter list is a schedule as well.
//! When the list is over, everything in flight is answered well, one after the other.

use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_engine::journal::CancelHow;

/// One move. Numbers are picks among what there is at that moment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Move {
    /// One of the things in flight ends: which, how, with what output.
    Finish(u8, u8, u8),
    /// Time goes by, in seconds.
    Time(u8),
    /// The process dies, and another one claims the run.
    Crash,
    Cancel(CancelHow),
    /// Somebody cancels between a decision and its append; so many decisions are let pass before.
    Race(CancelHow, u8),
    Interrupt,
    /// The run's lock is broken, or taken by another run.
    Lose,
    /// A person says what became of an act: which, and what.
    Settle(u8, u8),
    /// Much time goes by, in minutes.
    Long(u8),
    /// A person answers a question: who, and how.
    Answer(u8, u8),
    /// A person lets a gate pass: which, and who.
    Override(u8, u8),
    /// What an act would do is not what it would have done.
    Shift(u8),
    /// An event as an older owner, or one that claims out of turn, would write it.
    Stale(u8),
    /// Events that cannot be.
    Junk(u16),
}

pub(super) fn tapes() -> impl Strategy<Value = Vec<Move>> {
    prop::collection::vec(moves(), 0..60)
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        120 => (any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(which, how, what)| Move::Finish(which, how, what)),
        10 => (0..90_u8).prop_map(Move::Time),
        10 => Just(Move::Crash),
        2 => hows().prop_map(Move::Cancel),
        2 => (hows(), 0..4_u8).prop_map(|(how, after)| Move::Race(how, after)),
        3 => Just(Move::Interrupt),
        3 => Just(Move::Lose),
        6 => (any::<u8>(), any::<u8>()).prop_map(|(which, what)| Move::Settle(which, what)),
        3 => (1..40_u8).prop_map(Move::Long),
        24 => (any::<u8>(), any::<u8>()).prop_map(|(who, how)| Move::Answer(who, how)),
        8 => (any::<u8>(), any::<u8>()).prop_map(|(which, who)| Move::Override(which, who)),
        2 => any::<u8>().prop_map(Move::Shift),
        8 => any::<u8>().prop_map(Move::Stale),
        16 => any::<u16>().prop_map(Move::Junk),
    ]
}

fn hows() -> impl Strategy<Value = CancelHow> {
    prop_oneof![3 => Just(CancelHow::AfterStep), 3 => Just(CancelHow::Now), 1 => Just(CancelHow::Abandon)]
}

/// An output of every toy. The pick of 0 is a plain one that says yes.
pub(super) fn output(pick: u8) -> Value {
    let value = match pick / 8 {
        0 => json!("plain"),
        1 => json!(0.1 + 0.2),
        2 => json!(5e-324),
        3 => json!(1.797_693_134_862_315_7e308),
        4 => json!(u64::MAX),
        5 => json!(i64::MIN),
        6 => json!("a \"quoted\" line\n\u{0}\u{7f}\u{2028}\u{1f600} \\ end"),
        7 => json!({ "kind": "done", "body": [null, {}, []] }),
        8 => json!(-0.0),
        9 => json!(123_456_789.123_456_78),
        10 => json!(8.41e21),
        11 => json!(2.225_073_858_507_201e-308),
        other => json!(f64::from(other) / 7.0),
    };
    let items = match pick % 4 {
        0 => json!(["x", "y"]),
        1 => json!([]),
        2 => json!([1, { "name": "n" }, "a/b"]),
        _ => json!(["one", "one", "one", "one"]),
    };
    json!({ "value": value, "yes": pick % 3 != 1, "items": items })
}
