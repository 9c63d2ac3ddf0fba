//! The actions, one file each.

mod activities;
mod bootstrap_line;
mod caller_identity;
mod cancel_refresh;
mod choose_nodes;
mod cluster_idle;
mod groups;
mod insights;
mod inspect_node;
mod log_lines;
mod new_instance;
mod newest_refresh;
mod node_instance;
mod parameters;
mod run_command;
mod start_refresh;
mod terminate_instance;

pub(crate) use activities::Activities;
pub(crate) use bootstrap_line::BootstrapLine;
pub(crate) use caller_identity::CallerIdentity;
pub(crate) use cancel_refresh::CancelRefresh;
pub(crate) use choose_nodes::ChooseNodes;
pub(crate) use cluster_idle::ClusterIdle;
pub(crate) use groups::Groups;
pub(crate) use insights::Insights;
pub(crate) use inspect_node::InspectNode;
pub(crate) use log_lines::LogLines;
pub(crate) use new_instance::NewInstance;
pub(crate) use newest_refresh::NewestRefresh;
pub(crate) use node_instance::NodeInstance;
pub(crate) use parameters::Parameters;
pub(crate) use run_command::RunCommand;
pub(crate) use start_refresh::StartRefresh;
pub(crate) use terminate_instance::TerminateInstance;
