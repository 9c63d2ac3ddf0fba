//! The plugin `terraform` as a component. There is nothing here but what it asks for.

use sluice_sdk::Asks;

fn asks() -> Asks {
    Asks::nothing()
        .http(
            "https://app.terraform.io:443",
            &["apply", "discard"],
            &[],
            "looks at workspaces, runs and plans, and applies or discards runs",
        )
        .read("https://archivist.terraform.io:443", "reads plans where Terraform Cloud keeps them")
        .secret("terraform_token", "the token it asks with")
}

sluice_sdk::export!(sluice_terraform::plugin, asks);
