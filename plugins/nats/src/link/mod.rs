//! NATS connections with credentials.
