//! The plugin `axiom` as a component. There is nothing here but what it asks for.

use sluice_sdk::Asks;

fn asks() -> Asks {
    Asks::nothing()
        .http(
            "https://api.axiom.co:443",
            &["ingest", "sync_monitors"],
            &["POST /v1/datasets/_apl"],
            "queries datasets, sends events, and keeps monitors",
        )
        .secret("axiom_token", "the token it asks with")
}

sluice_sdk::export!(sluice_axiom::plugin, asks);
