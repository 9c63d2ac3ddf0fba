//! Acts that must not be done twice, killed at every point: what was to happen happens once, what did not happen is
//! begun again, and what nobody can tell is left to a person.

use crate::books::Bench;
use crate::crash::crashes;

fn book(steps: &str) -> Bench {
    Bench::new(&format!("runbook: acts\nsummary: Acts in a simulated world.\n{steps}"))
}

/// The run ends alike and does the same deeds, wherever a process dies. Gives the deeds.
async fn same_everywhere(steps: &str, outcome: &str) -> Vec<String> {
    let bench = book(steps);
    let (expect, _, crashes) = crashes(&bench).await;
    assert_eq!(expect.outcome, outcome, "{}", expect.summary());
    let mut deeds: Option<Vec<String>> = None;
    let points = crashes.len();
    for crash in crashes {
        let end = crash.end.unwrap_or_else(|why| panic!("{}: {why}", crash.point));
        assert_eq!(end.differs_from(&expect), None, "{}", crash.point);
        let mut done = crash.deeds;
        done.sort();
        assert_eq!(&done, deeds.get_or_insert(done.clone()), "{}", crash.point);
    }
    eprintln!("{outcome}: {points} points");
    deeds.unwrap()
}

#[tokio::test]
async fn every_act_is_done_once_wherever_a_process_dies() {
    let steps = "
steps:
  - { id: said, uses: world.change, with: { value: 1 } }
  - { id: broken, uses: world.change, with: { value: 2, outcome: broken_done, takes: 2s } }
  - { id: silent, uses: world.change, with: { value: 3, outcome: silent_done, takes: 1s }, timeout: 30s }
  - { id: more, for_each: ['x', 'y'], uses: world.change, with: { value: '{{ item }}', takes: 1s } }
  - id: beside
    parallel:
      - { id: slow, uses: world.change, with: { value: 4, takes: 5s } }
      - { id: lost, uses: world.change, with: { value: 5, outcome: broken_done } }
      - { id: look, uses: world.things }
finally:
  - { id: last, uses: world.change, with: { value: '{{ steps.broken.value }}' } }
outputs: { all: '{{ steps.said.value + steps.broken.value + steps.silent.value }}' }
";
    let deeds = same_everywhere(steps, "done").await;
    let once = ["beside/lost", "beside/slow", "broken", "last", "more[x]", "more[y]", "said", "silent"];
    assert_eq!(deeds, once);
}

#[tokio::test]
async fn what_never_happens_fails_and_finally_happens() {
    for outcome in ["refused", "broken_not", "silent_not"] {
        let steps = format!(
            "
steps:
  - {{ id: a, uses: world.change, with: {{ outcome: {outcome}, takes: 1s }}, timeout: 20s }}
  - {{ id: b, uses: world.change }}
finally:
  - {{ id: f, uses: world.change }}
"
        );
        assert_eq!(same_everywhere(&steps, "failed").await, ["f"], "{outcome}");
    }
}

/// Looking does not tell: the run waits for a person, and nothing is done a second time.
#[tokio::test]
async fn what_cannot_be_told_is_never_done_again() {
    let bench = book(
        "
steps:
  - { id: a, uses: world.change, with: { takes: 1s, hidden: true }, timeout: 20s }
  - { id: b, uses: world.change, with: { takes: 1s, hidden: true }, timeout: 20s }
",
    );
    let (expect, _, crashes) = crashes(&bench).await;
    assert_eq!(expect.outcome, "done");
    let mut parked = 0;
    for crash in crashes {
        let end = crash.end.unwrap();
        let mut deeds = crash.deeds.clone();
        deeds.sort();
        deeds.dedup();
        assert_eq!(deeds.len(), crash.deeds.len(), "{}: twice: {:?}", crash.point, crash.deeds);
        if end.outcome == "open" {
            parked += 1;
        } else {
            assert_eq!(end.differs_from(&expect), None, "{}", crash.point);
        }
    }
    assert!(parked >= 4, "only {parked} crashes left something open");
}
