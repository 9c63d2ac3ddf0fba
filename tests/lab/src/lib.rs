//! The lab: the world of the runbook on loopback with real parts. Three nats-servers in operator mode, moto as AWS,
//! stand-ins for Axiom and Terraform Cloud, faults, a referee that says whether losing a node was safe, and a ledger of acknowledged
//! messages.
//! Tests use [`Lab`]; people use `cargo lab`. It knows the product only by its command line and its inventory.

#![deny(clippy::print_stderr)]

/// A line for the person at the terminal. Nobody may be there to read it: then it is lost, and what is done goes on.
macro_rules! say {
    ($($part:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($part)*);
    }};
}

mod axiom;
mod background;
mod bench;
pub mod cli;
mod cloud;
mod control;
mod crash;
mod daemon;
mod demo;
mod error;
mod faults;
mod forward;
mod http;
mod impostor;
mod inventory;
mod jsz;
mod lab;
mod ledger;
mod load;
mod machine;
mod mint;
mod misdeeds;
mod orders;
mod plan;
mod process;
mod programs;
mod ready;
mod referee;
mod registry;
mod second;
mod server;
mod ship;
mod suite;
mod terraform;
mod upgrade;
mod view;

pub use axiom::{Ingest, Query};
pub use error::{Error, Result};
pub use faults::Fault;
pub use inventory::{environment, foreign};
pub use lab::{Call, Lab, Termination};
pub use ledger::{Audit, Counts};
pub use load::Load;
pub use orders::{Line, NoBoot};
pub use plan::{ACCOUNT, ACT_ROLE, AdminSys, NODES, OPERATOR_ROLE, Options, Plan, REGION, SERVICES, STREAM};
pub use process::Proc;
pub use referee::{Request, Verdict};
pub use registry::{Found, is_free, running, sweep};
pub use terraform::{Planned, TerraformOrder, TerraformRequest};

/// Told, in plain sentences, what is being waited for.
pub type Progress = dyn Fn(&str) + Send + Sync;
