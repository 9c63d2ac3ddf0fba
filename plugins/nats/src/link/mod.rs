//! NATS connections with credentials: parsing what comes from the parameter store, connecting without any retry, and
//! asking the JetStream API and the system services. What the answers mean for a cluster is judged elsewhere.

pub(crate) mod address;
pub(crate) mod ask;
pub(crate) mod client;
pub(crate) mod connect;
pub(crate) mod creds;
pub(crate) mod jetstream;
pub(crate) mod jwt;
pub(crate) mod subject;
pub(crate) mod system;
pub(crate) mod wire;
