//! The faults a lab can be given, as the command line, the library and the control API name them.
//! What each does is elsewhere (`misdeeds`).

use clap::Subcommand;
use serde::{Deserialize, Serialize};

use crate::orders::{Line, NoBoot};

/// What EC2 says when a zone has no such machine left.
const NO_CAPACITY: &str = "Could not launch On-Demand Instances. InsufficientInstanceCapacity - We currently do not have \
                           sufficient m8gd.medium capacity in the Availability Zone you requested. Launching EC2 \
                           instance failed.";

/// One fault. NODE is 1, 2, 3 or the node's name.
#[derive(Clone, Debug, Serialize, Deserialize, Subcommand)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// End the node's server (SIGKILL); its instance and store stay
    Kill { node: String },
    /// Stop the node's server (SIGSTOP): it keeps its connections and answers nothing
    Freeze { node: String },
    /// Let a frozen or slowed server run again
    Thaw { node: String },
    /// Let the server run only part of the time, also after a replacement, which makes a lagging replica
    Slow {
        node: String,
        /// The part of the time it runs, as in 0.03
        #[arg(long)]
        duty: f64,
    },
    /// Start a killed server on its own store
    Start { node: String },
    /// Lose the store: the server is killed, its store removed, and it starts again with nothing
    Wipe {
        node: String,
        /// It does not start again
        #[arg(long)]
        #[serde(default)]
        stopped: bool,
    },
    /// Kill the server and let something answer on its monitoring port as a healthy server would
    Impostor {
        node: String,
        /// It gives another node's answers as they are, instead of under this node's name
        #[arg(long)]
        #[serde(default)]
        as_other: bool,
    },
    /// Lose the instance with its store; its group launches a new one
    Replace {
        node: String,
        /// The new server has a new name, so the old peer stays in the groups as a ghost
        #[arg(long)]
        #[serde(default)]
        new_name: bool,
        /// Seconds from launch to the start of the server
        #[arg(long)]
        boot_delay: Option<f64>,
    },
    /// Somebody else starts an instance refresh, which replaces the node
    Refresh { node: String },
    /// From now on: seconds that an instance refresh is pending before it ends the instance
    RefreshPending { seconds: f64 },
    /// Lose the instance, and its group launches none: the same as no-launch and replace
    EmptyGroup {
        node: String,
        #[arg(long, default_value = NO_CAPACITY)]
        #[serde(default = "no_capacity")]
        message: String,
    },
    /// From now on: seconds that every new instance takes from launch to the start of its server
    BootDelay { seconds: f64 },
    /// From now on: the node's group launches nothing; its activities fail with the message
    NoLaunch {
        node: String,
        #[arg(long, default_value = NO_CAPACITY)]
        #[serde(default = "no_capacity")]
        message: String,
    },
    /// From now on: somebody has suspended a process of the node's group
    Suspend {
        node: String,
        #[arg(default_value = "Launch")]
        process: String,
    },
    /// From now on: a new instance of the node is in service, and its server never comes up
    NeverBoots {
        node: String,
        #[arg(long, value_enum, default_value_t)]
        #[serde(default)]
        how: NoBoot,
    },
    /// From now on: a new instance's server has another name, another address, or both
    BootsAs {
        node: String,
        /// The server's name; the node's peer stays in the groups as a ghost
        #[arg(long, value_name = "NAME", required_unless_present = "elsewhere")]
        server_name: Option<String>,
        /// It lives at another address than where the node is looked for
        #[arg(long)]
        #[serde(default)]
        elsewhere: bool,
        /// Seconds until the node's own address leads there, as when DNS is stale; otherwise it never does
        #[arg(long, value_name = "SECONDS", requires = "elsewhere")]
        found_after: Option<f64>,
    },
    /// From now on: a new instance finds no disk, says so in its bootstrap log, and its server does not start
    NvmeNotMounted {
        node: String,
        /// The server runs all the same, without JetStream
        #[arg(long)]
        #[serde(default)]
        runs: bool,
    },
    /// From now on: the line "Axiom ingest check" of a new instance's bootstrap log is missing or says it failed
    BootstrapLine {
        node: String,
        #[arg(value_enum)]
        line: Line,
    },
    /// From now on: the lines of the node's boots in CloudWatch are a day old, those that are there too
    OldBootLines { node: String },
    /// Somebody deletes the log group of the boots
    LogGroupGone,
    /// From now on: Systems Manager does not know the node's machine, and refuses commands to it
    SsmUnregistered { node: String },
    /// From now on: the node's machine is not heard of, and no command reaches it
    SsmLost {
        node: String,
        /// Seconds until a command is given up, instead of the command's own TimeoutSeconds
        #[arg(long, value_name = "SECONDS")]
        #[serde(default)]
        after: Option<f64>,
    },
    /// From now on: nothing of the node arrives in Axiom
    AxiomSilent { node: String },
    /// From now on: Axiom refuses everything for its rate (429)
    #[command(name = "axiom-429")]
    #[serde(rename = "axiom-429")]
    Axiom429,
    /// From now on: Axiom answers everything with trouble (503)
    #[command(name = "axiom-503")]
    #[serde(rename = "axiom-503")]
    Axiom503,
    /// From now on: Axiom refuses connections
    AxiomAway {
        /// It accepts them, and cuts them when they have asked
        #[arg(long)]
        #[serde(default)]
        cut: bool,
    },
    /// From now on: Axiom does not store events that have this field, or one inside it, and says so in an answer with 200
    AxiomRejects { field: String },
    /// Do what the next requests that change something in Axiom ask, and cut the connection before the answer; those of
    /// the nodes' own shippers do not count
    AxiomLosesAnswers { times: u32 },
    /// Make a stream with one replica, on this node, with ten messages
    #[command(name = "r1-stream")]
    #[serde(rename = "r1-stream")]
    R1Stream { name: String, node: String },
    /// Let whoever leads the stream and its consumers step down, as rebalancing does; somebody else leads then
    MoveLeaders,
    /// Let whoever leads the meta group step down for this node
    MoveMeta { node: String },
    /// Delete a stream
    DeleteStream { name: String },
    /// Refuse connections to AWS
    AwsDown,
    /// Accept them again
    AwsUp,
    /// Let the next calls of an AWS operation fail
    AwsError {
        /// As in DescribeAutoScalingGroups; `*` for each
        operation: String,
        times: u32,
        /// The error code
        #[arg(long, default_value = "InternalFailure")]
        code: String,
        /// The HTTP status
        #[arg(long, default_value_t = 500)]
        status: u16,
    },
    /// Throttle the next calls of an AWS operation
    AwsThrottle { operation: String, times: u32 },
    /// Answer the next calls of an AWS operation with a page of HTML (503)
    AwsHtml { operation: String, times: u32 },
    /// Do what the next calls of an AWS operation ask, and never answer
    AwsTimeoutAfter {
        operation: String,
        times: u32,
        /// Cut the connection instead of staying silent
        #[arg(long)]
        #[serde(default)]
        cut: bool,
    },
    /// From now on: everybody's AWS credentials are expired
    AwsExpired,
    /// Take back all of it, ghosts and streams made here included; what is dead is started
    Clear,
}

fn no_capacity() -> String {
    NO_CAPACITY.to_owned()
}
