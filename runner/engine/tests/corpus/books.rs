//! What the runs of the corpus ran, and where each was left. A book here is never changed either: its journals hold it.

/// How far a run came before its process was gone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Left {
    /// To its end.
    Ended,
    /// Killed after so many appends.
    Killed(usize),
    /// Killed after so many appends, resumed, and killed after so many more.
    KilledTwice(usize, usize),
    /// Ctrl-C after so many seconds.
    Interrupted(u64),
    /// Somebody wanted it to end after so many appends, when its process was gone.
    CancelAsked(usize),
    /// Parked over a question that somebody then answered with yes.
    Answered,
    /// The same, and a process that went on was killed after so many appends.
    AnsweredAndKilled(usize),
    /// Parked over a gate that somebody then let pass.
    Overridden,
}

pub(super) struct Book {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    pub(super) left: &'static [(&'static str, Left)],
}

use Left::{Answered, AnsweredAndKilled, CancelAsked, Ended, Interrupted, Killed, KilledTwice, Overridden};

/// What books call, by name.
pub(super) const CALLED: &[(&str, &str)] = &[(
    "called",
    "
inputs: { n: { type: integer } }
steps:
  - { id: b, uses: old.read, with: { value: '{{ inputs.n }}' } }
  - { id: act, uses: old.once, with: { value: '{{ steps.b.value }}', found: done } }
finally:
  - { id: z, uses: old.change, with: { value: tidied } }
outputs: { n: '{{ steps.b.value }}' }
",
)];

pub(super) const BOOKS: &[Book] = &[
    Book {
        name: "steps",
        text: "
steps:
  - { id: a, uses: old.read, with: { value: 1 } }
  - { id: b, uses: old.change, with: { value: '{{ steps.a.value + 1 }}' } }
  - { id: c, uses: old.read, with: { value: 0 }, when: 'steps.b.value == 3' }
  - { id: d, uses: old.read, with: { value: 9, takes: 10s } }
finally:
  - { id: z, uses: old.change, with: { value: over } }
outputs: { b: '{{ steps.b.value }}' }
",
        left: &[
            ("ended", Ended),
            ("begun", Killed(1)),
            ("killed", Killed(3)),
            ("interrupted", Interrupted(5)),
            ("cancelled", CancelAsked(3)),
            ("in-finally", Killed(6)),
        ],
    },
    Book {
        name: "failures",
        text: "
steps:
  - { id: a, uses: old.read, with: { fails: 2, value: 7 }, retry: { attempts: 3, delay: 1s } }
  - { id: b, uses: old.read, with: { fails: 9 }, on_error: continue }
  - { id: c, uses: old.read, with: { fails: 9 } }
  - { id: d, uses: old.read }
finally:
  - { id: z, uses: old.change, with: { value: over } }
",
        left: &[("ended", Ended), ("waiting-to-try-again", Killed(2))],
    },
    Book {
        name: "gates",
        text: "
steps:
  - { id: a, gate: old.gate, with: { verdicts: ffppp, value: 4 }, passes: { consecutive: 2, every: 1s, within: 1m }, expect: [{ that: 'seen.value == 4', else: 'not four' }] }
  - { id: b, uses: old.change, with: { value: '{{ steps.a.value }}' }, needs: [a] }
  - { id: c, gate: old.gate, with: { verdicts: fffffffffffff }, passes: { every: 1s, within: 5s } }
  - { id: d, uses: old.change }
",
        left: &[("ended", Ended), ("waiting", Killed(2)), ("passed", Killed(3))],
    },
    Book {
        name: "loops",
        text: "
steps:
  - id: a
    for_each: [{ name: x, size: 1 }, { name: y, size: 2 }, { name: z, size: 3 }]
    max_parallel: 2
    steps:
      - { id: b, uses: old.change, with: { value: '{{ item.size * 10 }}' } }
      - { id: c, uses: old.read, with: { value: '{{ steps.b.value + index }}' }, when: 'item.size != 2' }
  - { id: d, for_each: [], uses: old.read }
  - id: e
    parallel:
      - { id: f, uses: old.read, with: { takes: 2s, value: 1 } }
      - { id: g, uses: old.change, with: { takes: 1s, value: 2 } }
outputs: { last: '{{ steps.a[2].c.value }}' }
",
        left: &[("ended", Ended), ("opened", Killed(2)), ("within", Killed(4)), ("beside", Killed(8))],
    },
    Book {
        name: "large",
        text: "
steps:
  - { id: a, uses: old.large }
  - { id: b, uses: old.read, with: { value: '{{ steps.a.value | length }}' } }
",
        left: &[("ended", Ended), ("killed", Killed(2))],
    },
    Book {
        name: "tokens",
        text: "
steps:
  - { id: a, uses: old.token, with: { value: 1 } }
  - { id: b, uses: old.read, with: { value: '{{ steps.a.value }}' } }
  - { id: c, uses: old.read, with: { value: '{{ steps.a.value + 1 }}' } }
",
        left: &[("ended", Ended), ("killed", Killed(3)), ("renewed", KilledTwice(3, 2))],
    },
    Book {
        name: "session",
        text: "
steps:
  - { id: a, uses: old.read, with: { value: 1 } }
session: { command: ['true'], env: { A: '{{ steps.a.value }}' } }
finally:
  - { id: z, uses: old.change, with: { value: over } }
",
        left: &[("ended", Ended), ("before", Killed(3)), ("behind", Killed(4))],
    },
    Book {
        name: "acts",
        text: "
steps:
  - { id: a, uses: old.once, with: { value: 1, found: done } }
  - { id: act, uses: old.once, with: { value: 2, found: done } }
  - { id: c, uses: old.read, with: { value: '{{ steps.act.value }}' } }
outputs: { c: '{{ steps.c.value }}' }
",
        left: &[("ended", Ended), ("intended", Killed(2)), ("intended-later", Killed(4)), ("known", Killed(5))],
    },
    Book {
        name: "acts-not-done",
        text: "
steps:
  - { id: act, uses: old.once, with: { value: 2, found: not done } }
finally:
  - { id: z, uses: old.change, with: { value: over } }
",
        left: &[("intended", Killed(2)), ("begun", Killed(1))],
    },
    Book {
        name: "acts-unknown",
        text: "
steps:
  - { id: a, uses: old.read, with: { value: 1 } }
  - { id: act, uses: old.once, with: { value: 2, answer: lost } }
  - { id: c, uses: old.read, with: { value: '{{ steps.act.value }}' } }
finally:
  - { id: z, uses: old.change, with: { value: over } }
",
        left: &[("parked", Ended), ("looking", Killed(4)), ("looked", Killed(5)), ("intended", Killed(3))],
    },
    Book {
        name: "gates-that-hold",
        text: "
steps:
  - { id: a, gate: old.gate, with: { verdicts: fppppppp, value: 4 }, passes: { for: 3s, every: 1s, within: 1m, fail_if: 'seen.value == 5', progress: seen.value, stalled: 30s } }
  - { id: b, uses: old.read, with: { value: '{{ steps.a.value }}' } }
",
        left: &[("ended", Ended), ("waiting", Killed(2)), ("holding", Killed(3))],
    },
    Book {
        name: "picks",
        text: "
steps:
  - id: a
    for_each: [{ name: x, size: 2 }, { name: y, size: 1 }, { name: z, size: 3 }]
    next_by: { uses: old.read, with: { value: 2 }, by: item.size == seen.value }
    steps:
      - { id: b, uses: old.change, with: { value: '{{ item.size }}' } }
",
        left: &[("ended", Ended), ("picked", Killed(3)), ("within", Killed(5))],
    },
    Book {
        name: "calls",
        text: "
steps:
  - { id: a, call: called, with: { n: 1 } }
  - { id: c, uses: old.read, with: { value: '{{ steps.a.n }}' } }
",
        left: &[
            ("ended", Ended),
            ("called", Killed(2)),
            ("intended", Killed(4)),
            ("in-its-finally", Killed(7)),
            ("returned", Killed(8)),
        ],
    },
    Book {
        name: "locks",
        text: "
lock: it
steps:
  - { id: a, uses: old.change, with: { value: 1 } }
  - { id: act, uses: old.once, with: { value: 2, found: done } }
",
        left: &[
            ("ended", Ended),
            ("held", Killed(1)),
            ("intended", Killed(2)),
            ("acted", Killed(3)),
            ("open", Killed(4)),
            ("held-again", KilledTwice(3, 2)),
        ],
    },
    Book {
        name: "destroys",
        text: "
lock: it
steps:
  - { id: g, gate: old.gate, with: { value: 4 } }
  - id: group
    needs: [g]
    confirm: { typed: node-2 }
    steps:
      - { id: c, uses: old.change, with: { value: 1 } }
      - { id: act, uses: old.destroy, with: { value: 2, found: done } }
  - { id: r, uses: old.read, with: { value: '{{ steps.group.act.value }}' } }
finally:
  - { id: z, uses: old.change, with: { value: over } }
",
        left: &[
            ("asked", Ended),
            ("answered", Answered),
            ("checked", AnsweredAndKilled(4)),
            ("intended", AnsweredAndKilled(8)),
        ],
    },
    Book {
        name: "destroys-evidence",
        text: "
lock: it
steps:
  - { id: g, gate: old.gate, with: { value: 4 } }
  - { id: e, gate: old.gate, class: evidence, with: { verdicts: ff } }
  - { id: act, uses: old.destroy, with: { value: 2 }, needs: [g, e], confirm: { typed: node-2 } }
",
        left: &[("stopped", Ended), ("overridden", Overridden)],
    },
];
