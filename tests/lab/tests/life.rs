//! A lab comes, and leaves nothing; two do not meet.

use std::path::PathBuf;

use sluice_lab::{Lab, Load, NODES, Proc, is_free};

use crate::lab;

/// Everything by which one would notice that a lab is not gone.
struct Traces {
    processes: Vec<Proc>,
    folder: PathBuf,
    addresses: Vec<std::net::SocketAddr>,
}

impl Traces {
    fn of(lab: &Lab) -> Self {
        let plan = lab.plan();
        let servers = NODES.map(|n| plan.node_folder(n).join("server.pid"));
        let files = servers.into_iter().chain([plan.folder.join("adapter.pid")]);
        let mut addresses = plan.listens();
        addresses.push(plan.control());
        Traces { processes: files.map(|f| Proc::read(&f).unwrap()).collect(), folder: plan.folder.clone(), addresses }
    }

    fn assert_there(&self) {
        assert!(self.processes.iter().all(|process| process.alive()) && self.folder.exists());
        assert!(self.addresses.iter().all(|address| !is_free(*address)));
    }

    fn assert_gone(&self) {
        assert!(self.processes.iter().all(|process| !process.alive()), "a process is left");
        assert!(!self.folder.exists(), "{} is left", self.folder.display());
        let left: Vec<_> = self.addresses.iter().filter(|address| !is_free(**address)).collect();
        assert!(left.is_empty(), "{left:?} still listen");
    }
}

#[tokio::test]
async fn leaves_nothing() {
    let lab = lab().await;
    let traces = Traces::of(&lab);
    traces.assert_there();
    lab.down().unwrap();
    traces.assert_gone();
}

#[test]
fn leaves_nothing_after_a_panic() {
    let (send, receive) = std::sync::mpsc::channel();
    let test = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let lab = lab().await;
            send.send(Traces::of(&lab)).unwrap();
            panic!("as a failing test does");
        });
    });
    let traces = receive.recv().unwrap();
    assert!(test.join().is_err());
    traces.assert_gone();
}

#[tokio::test]
async fn two_side_by_side() {
    let (a, b) = tokio::join!(lab(), lab());
    assert_ne!(a.plan().net, b.plan().net);
    a.load(Load { rate: 1000, size: 10, count: Some(100), no_consume: true }).await.unwrap();
    let (in_a, in_b) = (a.status().await.unwrap(), b.status().await.unwrap());
    for n in 0..3 {
        assert_eq!(in_a["nodes"][n]["cluster_size"], 3);
        assert_eq!(in_b["nodes"][n]["cluster_size"], 3);
        assert_eq!(in_b["nodes"][n]["stream"]["last_seq"], 0, "the other lab's messages are here");
    }
    assert_eq!(a.audit().await.unwrap().in_stream, 100);
}
