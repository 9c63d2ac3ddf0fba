//! The actions, one file each.

mod caller_identity;
mod groups;
mod node_instance;
mod parameters;

pub(crate) use caller_identity::CallerIdentity;
pub(crate) use groups::Groups;
pub(crate) use node_instance::NodeInstance;
pub(crate) use parameters::Parameters;
