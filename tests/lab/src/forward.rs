//! A node's name, once it leads to where the node has moved: connections to its home are passed on.
//! It knows addresses; who moved and why is elsewhere.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::plan::{PORTS, Plan};

/// After a while passes on what comes for node `n`, until it is aborted.
pub(crate) fn lead(plan: &Plan, n: u8, after: Duration) -> JoinHandle<()> {
    let pairs = PORTS.map(|port| (plan.address(Plan::home(n), port), plan.address(Plan::elsewhere(n), port)));
    tokio::spawn(async move {
        tokio::time::sleep(after).await;
        // A set ends its tasks when it is dropped, and with them their sockets.
        let mut ports: JoinSet<()> = pairs.into_iter().map(|(from, to)| pass_on(from, to)).collect();
        while ports.join_next().await.is_some() {}
    })
}

async fn pass_on(from: SocketAddr, to: SocketAddr) {
    let listener = loop {
        match TcpListener::bind(from).await {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((mut near, _)) => drop(open.spawn(async move {
                    // Whoever goes first, the other hears it as the end of the connection.
                    if let Ok(mut far) = TcpStream::connect(to).await {
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                })),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = open.join_next() => {}
        }
    }
}
