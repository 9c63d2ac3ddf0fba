//! The gates around a replacement over the world, by the real plugin: what they let pass, in every state of the node
//! that is to go.

use std::sync::Arc;
use std::time::Duration;

use sluice_engine::journal::Outcome;
use sluice_engine::run::Ending;
use sluice_store::MemoryStore;
use sluice_world::{Fault, Processes};

use crate::books::Bench;

const GATES: &str = r#"
runbook: gates
summary: May node-2 go, and is all of it there.
inputs: { cluster: { type: cluster } }
steps:
  - id: params
    uses: aws.parameters
    with:
      aws: "{{ inputs.cluster.aws }}"
      names: { jwt: "{{ inputs.cluster.creds.admin.jwt }}", seed: "{{ inputs.cluster.creds.admin.seed }}" }
      secret: [jwt, seed]
  - id: before
    uses: nats.baseline
    with: { cluster: "{{ inputs.cluster }}" }
  - id: quorum
    gate: nats.quorum
    with:
      cluster: "{{ inputs.cluster }}"
      without: "{{ inputs.cluster.nodes[1] }}"
      creds: { jwt: "{{ steps.params.secrets.jwt }}", seed: "{{ steps.params.secrets.seed }}" }
    expect:
      - { that: seen.voters_left >= seen.majority, else: too few }
    passes: { consecutive: 3, every: 5s, within: 2m }
  - id: current
    gate: nats.replicas_current
    with:
      cluster: "{{ inputs.cluster }}"
      without: "{{ inputs.cluster.nodes[1] }}"
      creds: { jwt: "{{ steps.params.secrets.jwt }}", seed: "{{ steps.params.secrets.seed }}" }
    passes: { consecutive: 3, every: 5s, within: 2m }
"#;

/// Runs the gates `after` the faults; the step that stopped it, if one did.
async fn check(bench: &Bench, faults: &[Fault], after: u64, stopped: Option<&str>) {
    bench.world.begin_again(bench.setup(1));
    faults.iter().for_each(|fault| bench.world.happen(fault.clone()));
    bench.world.run(bench.world.clock().sleep(Duration::from_secs(after))).await;
    let process =
        Processes::new(bench.world.clone(), Arc::new(MemoryStore::default())).start(1, bench.registry.clone());
    let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let (ending, _) = bench.world.run(process.engine.start(bench.order(), &mut signals)).await.unwrap();
    match (ending, stopped) {
        (Ending::Ended(Outcome::Done), None) => {}
        (Ending::Ended(Outcome::Stopped { key, .. }), Some(gate)) => assert_eq!(key.to_string(), gate, "{faults:?}"),
        (other, _) => panic!("{faults:?} after {after} s: {other:?}"),
    }
}

#[tokio::test]
async fn only_the_other_nodes_must_be_well() {
    let bench = Bench::new(GATES);
    let node = |number: usize| format!("nats-staging-node-{number}");
    let target = node(2);
    check(&bench, &[], 0, None).await;
    let states = [
        Fault::Kill { node: target.clone() },
        Fault::Freeze { node: target.clone() },
        Fault::CutOff { node: target.clone() },
        Fault::Slow { node: target.clone(), percent: 5 },
        Fault::Terminate { node: target.clone() },
    ];
    for state in &states {
        for after in [0, 1, 5, 30] {
            check(&bench, std::slice::from_ref(state), after, None).await;
        }
    }
    for other in [Fault::Kill { node: node(1) }, Fault::Freeze { node: node(1) }, Fault::CutOff { node: node(1) }] {
        check(&bench, std::slice::from_ref(&other), 30, Some("quorum")).await;
        check(&bench, &[other, states[0].clone()], 30, Some("quorum")).await;
    }
    check(&bench, &[Fault::GhostPeer { server: "old".into() }], 30, Some("quorum")).await;
    check(&bench, &[Fault::DeleteStream { stream: "pivot_main".into() }], 30, None).await;
}
