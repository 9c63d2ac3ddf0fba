//! The programs of a node tell the truth about it, whatever becomes of its server and its machine.

use std::time::Duration;

use serde_json::Value;
use sluice_lab::{AdminSys, Fault, Lab, Options};

use super::check;
use crate::{lab, node, until};

#[tokio::test]
async fn the_programs_of_a_node_tell_the_truth() {
    let lab = lab().await;
    let status = lab.status().await.unwrap();
    let pid = |status: &Value| node(status, 2)["pid"].to_string();
    let shown = format!("=MainPID={}\nNRestarts=0\nActiveState=active\nSubState=running\n", pid(&status));
    let journal = format!(" nats-staging-node-2 nats-server[{}]: [{}] ", pid(&status), pid(&status));
    check(
        &lab,
        &[
            (2, "systemctl is-active nats nats-monitor.service fluent-bit", 0, "=active\nactive\nactive\n", "="),
            (2, "systemctl show nats -p SubState,ActiveState --property=MainPID,NRestarts", 0, &shown, "="),
            (2, "/usr/bin/systemctl status nats --no-pager -l", 0, "Active: active (running) since ", "="),
            (2, "systemctl is-active sshd", 4, "=inactive\n", "exit status 4"),
            (2, "systemctl show --value -p LoadState sshd", 0, "=not-found\n", "="),
            (2, "systemctl status sshd --no-pager", 4, "=", "Unit sshd.service could not be found."),
            (2, "systemctl restart nats", 1, "=", "not 'restart'"),
            (2, "journalctl -u nats -n 2 --no-pager -o short-iso", 0, &journal, "="),
            (2, "journalctl -u nats --no-pager -o cat | grep -c 'Server is ready'", 0, "=1\n", "="),
            (2, "journalctl -u fluent-bit -n 5 --no-pager", 0, "=-- No entries --\n", "="),
            (1, "nats --context pivot stream info pivot_main", 0, "Last Sequence: 0\n", "="),
            (1, "nats context select pivot; nats stream ls", 0, "pivot_main", "="),
            (
                1,
                "nats --context pivot server report jetstream",
                1,
                "=",
                "nats: error: server request failed, ensure the account used has system",
            ),
            (
                2,
                "nats --context pivot server report jetstream",
                1,
                "=",
                "=nats: error: unknown context \"pivot\"\nfailed to run commands: exit status 1",
            ),
            (2, "nats stream ls", 1, "=", "nats: error: nats: Authorization Violation"),
        ],
    )
    .await;

    // A command may end the node's server: it is no other's.
    check(&lab, &[(2, "kill -9 $(systemctl show -p MainPID --value nats)", 0, "=", "=")]).await;
    check(
        &lab,
        &[
            (2, "systemctl is-active nats", 3, "=failed\n", "exit status 3"),
            (
                2,
                "systemctl show -p ActiveState,Result,MainPID,ExecMainStatus nats",
                0,
                "=MainPID=0\nResult=signal\nExecMainStatus=9\nActiveState=failed\n",
                "=",
            ),
            (2, "systemctl status nats", 3, "Active: failed (Result: signal) since ", "exit status 3"),
            (1, "systemctl is-active nats", 0, "=active\n", "="),
        ],
    )
    .await;
    lab.fault(Fault::AxiomSilent { node: "2".into() }).await.unwrap();
    check(&lab, &[(2, "systemctl is-active fluent-bit nats-monitor", 0, "=failed\nactive\n", "=")]).await;
    lab.fault(Fault::Clear).await.unwrap();
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
    check(&lab, &[(2, "systemctl is-active nats fluent-bit", 0, "=active\nactive\n", "=")]).await;

    // Another machine: its disk is not there, and nothing of the old one's log is.
    lab.fault(Fault::NvmeNotMounted { node: "2".into(), runs: true }).await.unwrap();
    lab.fault(Fault::Replace { node: "2".into(), new_name: false, boot_delay: None }).await.unwrap();
    until("a server without a disk", 40, &lab, |status| {
        node(status, 2)["setup"] == "no-jet-stream" && node(status, 2)["doing"] == "running"
    })
    .await;
    check(
        &lab,
        &[
            (2, "df -P /var/lib/nats | grep -c ' /var/lib/nats$'", 1, "=0\n", "exit status 1"),
            (2, "head -n 1 /var/log/nats-bootstrap.log", 0, "not mounted", "="),
            (2, "journalctl -u nats --no-pager | grep -c 'Starting nats-server'", 0, "=1\n", "="),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_admin_with_system_rights_is_told_more() {
    let lab = Lab::up(Options { admin_sys: AdminSys::Import, ..Options::default() }).await.unwrap();
    check(
        &lab,
        &[
            (1, "nats --context pivot server report jetstream", 0, "nats-staging-node-3", "="),
            (1, "nats --context=pivot server report connections", 0, "Connections Report", "="),
        ],
    )
    .await;
}
