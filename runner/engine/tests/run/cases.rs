//! Toy runbooks that use every construct, by name. Tests run them plainly, crash them everywhere, and race them.

/// Name, text, the outcome's name, and what each step came to be.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) steps: &'static str,
    pub(super) outcome: &'static str,
    /// `key status`, in the order of the runbook.
    pub(super) ends: &'static str,
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "one read",
        steps: "
            steps:
              - { id: a, uses: toy.read, with: { value: 1 } }
            outputs: { a: '{{ steps.a.value }}' }",
        outcome: "done",
        ends: "a done",
    },
    Case {
        name: "one after the other",
        steps: "
            steps:
              - { id: a, uses: toy.read, with: { value: 1 } }
              - { id: b, uses: toy.change, with: { value: '{{ steps.a.value + 1 }}' } }
              - { id: c, uses: toy.read, with: { value: '{{ steps.b.value }}' }, when: 'steps.b.value == 2' }
              - { id: d, uses: toy.read, with: { value: 0 }, when: 'steps.b.value == 3' }
            outputs: { c: '{{ steps.c.value }}' }",
        outcome: "done",
        ends: "a done, b done, c done, d skipped",
    },
    Case {
        name: "a failure ends the list, and finally runs",
        steps: "
            steps:
              - { id: a, uses: toy.read, with: { fails: 9 } }
              - { id: b, uses: toy.read }
            finally:
              - { id: f, uses: toy.change, with: { value: clean } }",
        outcome: "failed",
        ends: "a failed, b pending, f done",
    },
    Case {
        name: "what stands in finally is done, whatever fails in it",
        steps: "
            steps:
              - { id: a, uses: toy.read }
            finally:
              - { id: f, uses: toy.read, with: { fails: 9 } }
              - { id: g, for_each: [1, 2, 3], uses: toy.change, with: { value: '{{ item }}', fails: '{{ 9 if item == 1 else 0 }}' } }
              - { id: h, uses: toy.change, with: { value: clean } }
              - { id: i, uses: toy.read, with: { fails: 9 }, on_error: stop }
              - { id: j, uses: toy.read }",
        outcome: "failed",
        ends: "a done, f failed, g failed, g[1] failed, g[2] done, g[3] done, h done, i failed, j pending",
    },
    Case {
        name: "a failure that is let pass",
        steps: "
            steps:
              - { id: a, uses: toy.read, with: { fails: 9 }, on_error: continue }
              - { id: b, uses: toy.read }",
        outcome: "done",
        ends: "a failed, b done",
    },
    Case {
        name: "tried again",
        steps: "
            steps:
              - { id: a, uses: toy.read, with: { fails: 2, value: 7 }, retry: { attempts: 3, delay: 1s } }
              - { id: b, uses: toy.read, with: { fails: 2 }, retry: { attempts: 2, delay: 1s } }
            finally:
              - { id: f, uses: toy.read, with: { fails: 9 } }",
        outcome: "failed",
        ends: "a done, b failed, f failed",
    },
    Case {
        name: "a gate that waits",
        steps: "
            steps:
              - { id: a, gate: toy.gate, with: { verdicts: ffippp }, passes: { consecutive: 2, every: 1s, within: 1m } }
              - { id: b, uses: toy.read, with: { value: '{{ steps.a.letter }}' }, needs: [a] }",
        outcome: "done",
        ends: "a done, b done",
    },
    Case {
        name: "a gate that stops",
        steps: "
            steps:
              - { id: a, gate: toy.gate, with: { verdicts: ffffffffffffffffffff }, passes: { every: 1s, within: 5s } }
              - { id: b, uses: toy.read }",
        outcome: "stopped",
        ends: "a stopped, b pending",
    },
    Case {
        name: "a gate that will never pass",
        steps: "
            steps:
              - id: a
                gate: toy.gate
                with: { verdicts: ffffx }
                passes: { every: 1s, within: 1h, fail_if: 'seen.letter == \"x\"' }
              - { id: b, uses: toy.read }",
        outcome: "stopped",
        ends: "a stopped, b pending",
    },
    Case {
        name: "a gate that gets no further",
        steps: "
            steps:
              - id: a
                gate: toy.gate
                with: { verdicts: f, values: [9, 7, 5] }
                passes: { every: 1s, within: 1h, progress: seen.value, stalled: 4s }",
        outcome: "stopped",
        ends: "a stopped",
    },
    Case {
        name: "a gate that holds for a while",
        steps: "
            steps:
              - id: a
                gate: toy.gate
                with: { verdicts: ppfp, values: [9, 7, 5, 0] }
                passes: { for: 10s, every: 3s, within: 5m, progress: seen.value, stalled: 4s, fail_if: 'seen.value > 9' }
              - { id: b, uses: toy.change, with: { value: '{{ steps.a.value }}' }, needs: [a] }",
        outcome: "done",
        ends: "a done, b done",
    },
    Case {
        name: "a gate whose samples are slower than its time",
        steps: "
            steps:
              - { id: a, gate: toy.gate, with: { takes: 1m }, passes: { every: 1s, within: 10s } }",
        outcome: "stopped",
        ends: "a stopped",
    },
    Case {
        name: "what is expected does not hold",
        steps: "
            steps:
              - id: a
                gate: toy.gate
                with: { value: 3 }
                expect: [ { that: 'seen.value > 3', else: '{{ seen.value }} is too few' } ]",
        outcome: "stopped",
        ends: "a stopped",
    },
    Case {
        name: "a loop, and what is made of it",
        steps: "
            steps:
              - { id: a, for_each: ['x', 'y', 'z'], uses: toy.change, with: { value: '{{ item }}{{ index }}' } }
              - { id: b, uses: toy.read, with: { value: '{{ steps.a | map(attribute=\"output.value\") | join(\",\") }}' } }
            outputs: { b: '{{ steps.b.value }}' }",
        outcome: "done",
        ends: "a done, a[x] done, a[y] done, a[z] done, b done",
    },
    Case {
        name: "a loop over nothing, and a group within a loop",
        steps: "
            steps:
              - { id: a, for_each: [], uses: toy.read }
              - id: b
                for_each: [1, 2, 3]
                max_parallel: 2
                steps:
                  - { id: c, uses: toy.read, with: { value: '{{ item }}' } }
                  - { id: d, uses: toy.change, with: { value: '{{ steps.c.value * 10 }}' }, when: 'item != 2' }
            outputs: { last: '{{ steps.b[2].d.value }}' }",
        outcome: "done",
        ends: "a done, b done, b[1] done, b[1]/c done, b[1]/d done, b[2] done, b[2]/c done, b[2]/d skipped, b[3] done, \
               b[3]/c done, b[3]/d done",
    },
    Case {
        name: "a loop that chooses by what it knows",
        steps: "
            steps:
              - { id: last, uses: toy.read, with: { value: y } }
              - id: a
                for_each: ['x', 'y', 'z']
                next_by: item == steps.last.value
                uses: toy.change
                with: { value: '{{ item }}{{ index }} before {{ remaining | join(\",\") }}' }
            outputs: { a: '{{ steps.a | map(attribute=\"output.value\") | join(\"; \") }}' }",
        outcome: "done",
        ends: "last done, a done, a[x] done, a[y] done, a[z] done",
    },
    Case {
        name: "a loop that looks before it chooses",
        steps: "
            steps:
              - id: a
                for_each: [{ name: one }, { name: two }, { name: three }]
                next_by:
                  uses: toy.read
                  with: { value: '{{ remaining | length }}' }
                  by: '0 if index + 1 == seen.value else 1'
                max_parallel: 2
                on_error: continue
                steps:
                  - { id: b, uses: toy.change, with: { value: '{{ item.name }}' } }
                  - { id: c, uses: toy.read, with: { takes: 2s, fails: '{{ 9 if item.name == \"two\" else 0 }}' } }
              - { id: d, uses: toy.read, with: { value: after } }",
        outcome: "done",
        ends: "a done, a[one] done, a[one]/b done, a[one]/c done, a[two] failed, a[two]/b done, a[two]/c failed, \
               a[three] done, a[three]/b done, a[three]/c done, d done",
    },
    Case {
        name: "a loop that has to look twice, and then cannot choose",
        steps: "
            steps:
              - id: a
                for_each: [1, 2]
                next_by: { uses: toy.read, with: { fails: 2 }, retry: { attempts: 3, delay: 1s }, by: item }
                uses: toy.change
                with: { value: '{{ item }}' }
              - id: b
                for_each: [1, x]
                next_by: item
                uses: toy.change
            finally:
              - { id: f, uses: toy.change, with: { value: clean } }",
        outcome: "failed",
        ends: "a done, a[1] done, a[2] done, b failed, b[1] pending, b[x] pending, f done",
    },
    Case {
        name: "the rest of a loop goes on, or it does not",
        steps: "
            steps:
              - id: a
                for_each: [1, 2, 3]
                on_error: continue
                uses: toy.read
                with: { fails: '{{ 9 if item == 2 else 0 }}' }
              - id: b
                for_each: [1, 2, 3]
                uses: toy.read
                with: { fails: '{{ 9 if item == 2 else 0 }}' }
              - { id: c, uses: toy.read }",
        outcome: "failed",
        ends: "a done, a[1] done, a[2] failed, a[3] done, b failed, b[1] done, b[2] failed, b[3] pending, c pending",
    },
    Case {
        name: "beside one another",
        steps: "
            steps:
              - id: p
                parallel:
                  - { id: a, uses: toy.read, with: { takes: 2s, value: 1 } }
                  - { id: b, uses: toy.change, with: { takes: 1s, value: 2 } }
                  - { id: c, uses: toy.read, with: { value: 3 } }
              - { id: d, uses: toy.read, with: { value: '{{ steps.p.a.value + steps.p.b.value + steps.p.c.value }}' } }
            outputs: { d: '{{ steps.d.value }}' }",
        outcome: "done",
        ends: "p done, p/a done, p/b done, p/c done, d done",
    },
    Case {
        name: "too slow",
        steps: "
            steps:
              - { id: a, uses: toy.read, with: { takes: 1m }, timeout: 5s }",
        outcome: "failed",
        ends: "a failed",
    },
    Case {
        name: "an expression that cannot be evaluated",
        steps: "
            steps:
              - { id: a, uses: toy.read, with: { value: { b: 1 } } }
              - { id: c, uses: toy.read, with: { value: '{{ steps.a.value.nothing }}' } }",
        outcome: "failed",
        ends: "a done, c failed",
    },
    Case {
        name: "a step that cannot even start, and an act beside it",
        steps: "
            steps:
              - { id: a, uses: toy.read, with: { value: { b: 1 } } }
              - id: p
                parallel:
                  - { id: c, uses: toy.read, with: { value: '{{ steps.a.value.nothing }}' } }
                  - { id: d, uses: toy.change }",
        outcome: "failed",
        ends: "a done, p failed, p/c failed, p/d pending",
    },
    Case {
        name: "an output that looks like the engine's own reference",
        steps: "
            steps:
              - id: a
                uses: toy.echo
                with: { value: { $blob: '0000000000000000000000000000000000000000000000000000000000000000' } }
              - { id: b, uses: toy.read, with: { value: '{{ steps.a }}' } }",
        outcome: "done",
        ends: "a done, b done",
    },
    Case {
        name: "a call",
        steps: "
            steps:
              - { id: c, call: one, with: { value: 3 } }
              - { id: d, uses: toy.read, with: { value: '{{ steps.c.sum + 1 }} {{ steps.c.text }}' } }
            outputs: { d: '{{ steps.d.value }}' }",
        outcome: "done",
        ends: "c done, c/a done, c/b done, c/clean done, d done",
    },
    Case {
        name: "a call in a call, and one that is skipped",
        steps: "
            steps:
              - { id: c, call: two, with: { value: 2 } }
              - { id: no, call: two, with: { value: 1 }, when: 'steps.c.sum == 1' }
            outputs: { sum: '{{ steps.c.sum }}' }",
        outcome: "done",
        ends: "c done, c/in done, c/in/a done, c/in/b done, c/in/clean done, c/again done, c/again/a done, \
               c/again/b done, c/again/clean done, c/sweep done, no skipped",
    },
    Case {
        name: "calls in a loop, several at once",
        steps: "
            steps:
              - { id: c, for_each: [1, 3], max_parallel: 2, call: slow, with: { value: '{{ item }}' } }",
        outcome: "done",
        ends: "c done, c[1] done, c[1]/a done, c[1]/b done, c[1]/c done, c[1]/clean done, c[3] done, c[3]/a done, \
               c[3]/b done, c[3]/c done, c[3]/clean done",
    },
    Case {
        name: "calls in a loop, one of which fails",
        steps: "
            steps:
              - id: c
                for_each: [1, 2, 3]
                on_error: continue
                call: two
                with: { value: '{{ item }}', fails: '{{ 9 if item == 2 else 0 }}' }
              - { id: d, uses: toy.read, with: { value: '{{ steps.c[2].output.sum }}' } }",
        outcome: "done",
        ends: "c done, c[1] done, c[1]/in done, c[1]/in/a done, c[1]/in/b done, c[1]/in/clean done, c[1]/again skipped, \
               c[1]/sweep done, c[2] failed, c[2]/in failed, c[2]/in/a failed, c[2]/in/b pending, c[2]/in/clean done, \
               c[2]/again pending, c[2]/sweep done, c[3] done, c[3]/in done, c[3]/in/a done, c[3]/in/b done, \
               c[3]/in/clean done, c[3]/again done, c[3]/again/a done, c[3]/again/b done, c[3]/again/clean done, \
               c[3]/sweep done, d done",
    },
    Case {
        name: "a failure beside a call: it tidies up before its caller goes on",
        steps: "
            steps:
              - id: p
                on_error: continue
                parallel:
                  - { id: c, call: slow }
                  - { id: x, uses: toy.read, with: { takes: 5s, fails: 9 } }
              - { id: d, uses: toy.change, with: { value: after } }
            finally:
              - { id: f, uses: toy.change, with: { value: end } }",
        outcome: "done",
        ends: "p failed, p/c running, p/c/a done, p/c/b pending, p/c/c pending, p/c/clean done, p/x failed, d done, f done",
    },
    Case {
        name: "a gate stops inside a call",
        steps: "
            steps:
              - { id: c, call: gated }
              - { id: d, uses: toy.read }
            finally:
              - { id: f, uses: toy.change, with: { value: end } }",
        outcome: "stopped",
        ends: "c failed, c/g stopped, c/clean done, d pending, f done",
    },
    Case {
        name: "what a called runbook gives cannot be made",
        steps: "
            steps:
              - { id: c, call: nothing, on_error: continue }
              - { id: e, call: bare }
              - { id: d, call: nothing }",
        outcome: "failed",
        ends: "c failed, c/a done, c/clean done, e done, e/a done, d failed, d/a done, d/clean done",
    },
    Case {
        name: "what is given does not fit",
        steps: "
            steps:
              - { id: a, uses: toy.read, with: { value: 2 } }
              - { id: c, call: typed, with: { count: '{{ steps.a.value }}' }, on_error: continue }
              - { id: d, call: typed, with: { count: '{{ steps.a.value + 1 }}', soak: 1m } }
            outputs: { all: '{{ steps.d.all }}' }",
        outcome: "done",
        ends: "a done, c failed, d done, d/a done",
    },
    Case {
        name: "acts, a gate, a loop that chooses and a call in what is called",
        steps: "
            steps:
              - { id: c, call: full, with: { value: 1 } }
              - { id: d, call: full, with: { value: 2, answers: maybe } }
              - { id: e, call: full, with: { value: 3, fails: 9 }, on_error: continue }
              - { id: r, uses: toy.read, with: { value: '{{ steps.d.sum }}' } }",
        outcome: "done",
        ends: "c done, c/g done, c/send done, c/l done, c/l[3] done, c/l[1] done, c/l[2] done, c/in done, c/in/a done, \
               c/in/b done, c/in/clean done, c/away done, \
               d done, d/g done, d/send done, d/l done, d/l[3] done, d/l[1] done, d/l[2] done, d/in done, d/in/a done, \
               d/in/b done, d/in/clean done, d/away done, \
               e failed, e/g done, e/send done, e/l done, e/l[3] done, e/l[1] done, e/l[2] done, e/in failed, \
               e/in/a failed, e/in/b pending, e/in/clean done, e/away done, r done",
    },
    Case {
        name: "another lock than the run's",
        steps: "
            inputs: { name: { type: string, default: x } }
            lock: 'cluster/{{ inputs.name }}'
            steps:
              - { id: a, uses: toy.read, with: { value: x } }
              - { id: c, call: locked, with: { value: '{{ steps.a.value }}' } }
              - { id: d, call: locked, with: { value: '{{ steps.a.value }}y' } }",
        outcome: "failed",
        ends: "a done, c done, c/a done, d failed",
    },
    Case {
        name: "acts that are done once",
        steps: "
            steps:
              - { id: a, uses: toy.read, with: { value: 1 } }
              - { id: b, uses: toy.send, with: { value: '{{ steps.a.value + 1 }}' }, timeout: 30s }
              - { id: l, for_each: [x, y], uses: toy.send, with: { value: '{{ item }}' } }
              - id: p
                parallel:
                  - { id: c, uses: toy.send, with: { value: '{{ steps.b.value }}', takes: 1s } }
                  - { id: d, uses: toy.read, with: { value: 3 } }
                  - { id: e, uses: toy.change, with: { value: 4 } }
            outputs: { c: '{{ steps.p.c.value }}' }
            finally:
              - { id: f, uses: toy.send, with: { value: 9 } }",
        outcome: "done",
        ends: "a done, b done, l done, l[x] done, l[y] done, p done, p/c done, p/d done, p/e done, f done",
    },
    Case {
        name: "an answer that was lost",
        steps: "
            steps:
              - { id: a, uses: toy.send, with: { value: 1, answers: maybe } }
              - { id: b, uses: toy.send, with: { value: 2, answers: lost } }
              - { id: c, uses: toy.send, with: { value: 3, answers: bad } }
              - { id: d, uses: toy.send, with: { value: 4, answers: hang }, timeout: 30s }
              - { id: e, uses: toy.send, with: { value: 5, answers: panic } }
              - { id: f, uses: toy.send, with: { value: 6, answers: no }, on_error: continue }
              - { id: g, uses: toy.send, with: { value: 7, previews: already } }
              - { id: h, uses: toy.send, with: { value: 8, previews: refused } }",
        outcome: "failed",
        ends: "a done, b done, c done, d done, e done, f failed, g done, h failed",
    },
    Case {
        name: "a secret",
        steps: "
            steps:
              - { id: a, uses: toy.secret }
              - { id: b, uses: toy.read, with: { value: between } }
              - { id: c, uses: toy.take, with: { secret: '{{ steps.a.secret }}' } }
            outputs: { length: '{{ steps.c.value }}' }",
        outcome: "done",
        ends: "a done, b done, c done",
    },
    Case {
        name: "under a lock",
        steps: "
            lock: it
            steps:
              - { id: a, uses: toy.read, with: { value: 1 } }
              - { id: b, uses: toy.change, with: { value: '{{ steps.a.value + 1 }}' } }
              - { id: c, gate: toy.gate, with: { verdicts: fp }, passes: { every: 1s, within: 1m } }
            finally:
              - { id: f, uses: toy.change, with: { value: 3 } }",
        outcome: "done",
        ends: "a done, b done, c done, f done",
    },
];
