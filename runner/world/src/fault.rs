//! What can go wrong in a world, and when. A fault is something that happens; what follows from it is the world's.

use std::time::Duration;

/// Something that happens to the cluster, to AWS, or to the machine that looks at them. Nodes are named as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server's process dies; its disk stays.
    Kill {
        node: String,
    },
    /// It is started again, with the disk it had.
    Start {
        node: String,
    },
    /// It accepts connections and never answers.
    Freeze {
        node: String,
    },
    /// It does everything at this part of a hundred of its speed.
    Slow {
        node: String,
        percent: u64,
    },
    /// No longer frozen or slow.
    Thaw {
        node: String,
    },
    /// The way to the node is broken for us; the others still hear it.
    CutOff {
        node: String,
    },
    Reconnect {
        node: String,
    },
    /// Somebody ends its instance. Its group starts another, with an empty disk.
    Terminate {
        node: String,
    },
    /// The same, and the new server calls itself by this name.
    TerminateRenamed {
        node: String,
        server: String,
    },
    /// The meta group counts a peer that no server is.
    GhostPeer {
        server: String,
    },
    DeleteStream {
        stream: String,
    },
    /// Clients get this many errors from the JetStream API of the node.
    ApiErrors {
        node: String,
        count: u64,
    },
    /// The node drops so many clients that read too slowly.
    SlowConsumers {
        node: String,
        count: u64,
    },
    /// An operator switches this process of the node's group off, such as `Launch`.
    SuspendProcess {
        node: String,
        process: String,
    },
    /// The operator switches it on again.
    ResumeProcess {
        node: String,
        process: String,
    },
    /// Somebody starts an instance refresh of the node's group.
    InstanceRefresh {
        node: String,
    },
    /// Somebody (Terraform) refreshes all groups, one after another: each when the one before was successful, and a pause
    /// in between.
    Rollout {
        pause: Duration,
    },
    /// The next launches of the node's group fail for want of capacity, so many times.
    NoCapacity {
        node: String,
        times: u32,
    },
    /// The next instances of the node come, and no server ever runs on them.
    NeverBoots {
        node: String,
    },
    /// From now on a new instance takes so long from its start to that of its server.
    BootTakes(Duration),
    /// Somebody mends what kept the node's instance from coming up: it comes up now.
    Boots {
        node: String,
    },
    /// The next servers of the node call themselves by this name.
    BootsAs {
        node: String,
        server: String,
    },
    /// The node's name goes on leading to the old address for so long after its next instance has come.
    StaleName {
        node: String,
        time: Duration,
    },
    /// The next servers of the node find no disk for their data, and run without JetStream.
    NoDisk {
        node: String,
    },
    /// The disk of the node's server is gone while it runs: JetStream goes off.
    LoseDisk {
        node: String,
    },
    /// From now on no event of the node arrives in Axiom, whichever its instance.
    NoEvents {
        node: String,
    },
    /// Axiom answers nobody's queries.
    AxiomDown,
    /// The meta group's leader hands over to the node.
    LeadsMeta {
        node: String,
    },
    /// What the node leads it leads again right after it stepped down.
    KeepsLeading {
        node: String,
    },
    /// The stream and its consumers have one replica, on this node.
    OneReplica {
        stream: String,
        node: String,
    },
    /// The node's server dies, and something else answers its monitoring port with what a healthy one would say.
    Impostor {
        node: String,
    },
    /// What the next start of the node says in the log.
    BootSays {
        node: String,
        says: BootLine,
    },
    Aws(AwsFault),
    /// AWS answers again as it should; whoever had to log in has.
    AwsWell,
    /// Our machine sleeps; the world goes on.
    Suspend(Duration),
    /// Our wall clock is set forward or back by so many milliseconds.
    SetClock(i64),
}

/// The line of a node's start that tells how it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootLine {
    Ok,
    Failed,
    /// Neither good nor bad.
    Unclear,
    /// It never comes.
    Missing,
}

/// AWS says no, or nothing, to the next `times` calls of one operation, or of any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsFault {
    /// As rights are called: `ssm:GetParameters`. `None`: any.
    pub operation: Option<String>,
    pub how: AwsTrouble,
    pub times: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwsTrouble {
    Throttled,
    /// No answer, and nothing was done.
    Down,
    /// HTTP 500 and a web page.
    ServerError,
    Denied,
    /// The caller has to log in again.
    Expired,
    /// What was asked was done, and the answer did not come.
    AnswerLost,
}

/// When a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So long after the world began.
    At(Duration),
    /// At the n-th call over the network, counted from 1: before it is answered, or right after.
    Before {
        call: usize,
    },
    After {
        call: usize,
    },
}
