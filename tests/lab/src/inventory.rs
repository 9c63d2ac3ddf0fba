//! What the product is given: the inventory `sluice.yaml` and the environment. It knows the product's words for
//! things, not the product.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::error::{Context, Result};
use crate::plan::{ACCOUNT, ACT_ROLE, Plan, REGION, SERVICES, STREAM};
use crate::ship::{DATASET, INSTANCE_FIELD, NODE_FIELD};

/// Writes `sluice.yaml` into the lab's folder.
pub(crate) fn write(plan: &Plan) -> Result<()> {
    let path = plan.folder.join("sluice.yaml");
    std::fs::create_dir_all(plan.folder.join("state")).context("state folder")?;
    std::fs::write(plan.folder.join("aws-config"), "").context("aws-config")?;
    std::fs::write(&path, text(plan)).context(path.display())?;
    // The product refuses an inventory that others can write, and a umask of 002 would let the group.
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).context(path.display())
}

fn text(plan: &Plan) -> String {
    let cluster = &plan.options.cluster;
    let services = SERVICES.map(|service| format!("{service}: {{}}")).join(", ");
    let prefix = format!("/nats-cluster/{cluster}/system");
    let creds = format!(
        "    # The lab's admin has no system rights, as in production; this user has them.\n    \
         creds: {{ system: {{ jwt: {prefix}/nats_system_jwt, seed: {prefix}/nats_system_nkey_seed }} }}\n"
    );
    // In the fields' own names, though they are the standard ones: what the shippers write is looked for.
    let logs = format!(
        "    logs: {{ axiom: {{ dataset: {DATASET}, node_field: {NODE_FIELD}, instance_field: {INSTANCE_FIELD} }} }}\n"
    );
    format!(
        "# The inventory of the lab '{name}': the cluster of the runbook, on loopback.\n\
         clusters:\n\
         \x20 {cluster}:\n\
         \x20   nodes: 3\n\
         \x20   # Nodes are addressed by IP here. Default: \"{{{{ cluster }}}}-node-{{{{ n }}}}.{{{{ cluster }}}}.internal\"\n\
         \x20   node_host: \"{net}.{{{{ n }}}}\"\n\
         \x20   aws: {{ account: \"{ACCOUNT}\", region: {REGION}{role} }}\n\
         \x20   labels: {{ tier: {tier} }}\n\
         \x20   streams: [{STREAM}]\n\
         \x20   services: {{ {services} }}\n\
         {creds}{logs}\
         plugins:\n\
         \x20 axiom: {{ grants: {{ http: [{{ origin: \"{axiom}\", private: true, read: [\"POST /v1/datasets/_apl\"] }}], secrets: [axiom_token, axiom_ingest_token, axiom_monitors_token] }} }}\n\
         \x20 terraform: {{ grants: {{ http: [{{ origin: \"{terraform}\", private: true }}, {{ origin: \"{archive}\", private: true }}], secrets: [terraform_token] }} }}\n\
         secrets:\n\
         \x20 axiom_token: {{ env: AXIOM_TOKEN, to: [\"{axiom}\"] }}\n\
         \x20 axiom_ingest_token: {{ env: AXIOM_INGEST_TOKEN, to: [\"{axiom}\"] }}\n\
         \x20 axiom_monitors_token: {{ env: AXIOM_MONITORS_TOKEN, to: [\"{axiom}\"] }}\n\
         \x20 terraform_token: {{ env: TFE_TOKEN, to: [\"{terraform}\"] }}\n\
         axiom: {{ url: \"{axiom}\" }}\n\
         # Journals of runs in this lab; they go with it.\n\
         store: {{ path: \"{folder}/state\" }}\n",
        name = plan.name,
        role = if plan.options.act_role { format!(", act_role: {ACT_ROLE:?}") } else { String::new() },
        net = plan.net_text(),
        tier = plan.options.tier,
        axiom = format_args!("http://{}", plan.axiom()),
        terraform = format_args!("http://{}", plan.terraform()),
        archive = format_args!("http://{}", plan.terraform_archive()),
        creds = if plan.options.with_system_creds { creds.as_str() } else { "" },
        folder = plan.folder.display(),
    )
}

/// Variables of the caller's environment that would lead away from the lab: every other `AWS_...`.
pub fn foreign(plan: &Plan) -> Vec<String> {
    let own = environment(plan);
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| name.starts_with("AWS_") && own.iter().all(|(key, _)| key != name)).collect()
}

/// All the environment the product needs in this lab.
pub fn environment(plan: &Plan) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", format!("http://{}", plan.aws())),
        ("AWS_ACCESS_KEY_ID", "AKIALABOPERATOR00000".into()),
        ("AWS_SECRET_ACCESS_KEY", "lab".into()),
        ("AWS_REGION", REGION.into()),
        ("AWS_DEFAULT_REGION", REGION.into()),
        // The operator's own profiles must not leak into the lab, nor the lab's calls out of it.
        ("AWS_CONFIG_FILE", plan.folder.join("aws-config").display().to_string()),
        ("AWS_SHARED_CREDENTIALS_FILE", plan.folder.join("aws-config").display().to_string()),
        ("AWS_EC2_METADATA_DISABLED", "true".into()),
        ("AXIOM_TOKEN", plan.axiom_token()),
        ("AXIOM_INGEST_TOKEN", plan.axiom_ingest_token()),
        ("AXIOM_MONITORS_TOKEN", plan.axiom_monitors_token()),
        ("TFE_ADDRESS", format!("http://{}", plan.terraform())),
        ("TFE_TOKEN", plan.terraform_token()),
        ("SLUICE_INVENTORY", plan.folder.join("sluice.yaml").display().to_string()),
        ("SLUICE_LAB", plan.name.clone()),
        ("SLUICE_LAB_CONTROL", format!("http://{}", plan.control())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Options;

    #[test]
    fn the_inventory_has_the_agreed_shape() {
        let options = Options { with_system_creds: true, ..Options::default() };
        let plan =
            Plan { name: "a".into(), options, net: [127, 77, 3], folder: "/x".into(), route_password: String::new() };
        let text = text(&plan);
        for line in [
            "  nats-staging:",
            "    node_host: \"127.77.3.{{ n }}\"",
            "    aws: { account: \"123456789012\", region: us-east-2 }",
            "    services: { facebox: {}, messenger: {} }",
            "    logs: { axiom: { dataset: nats-logs, node_field: host, instance_field: instance_id } }",
            "  axiom_token: { env: AXIOM_TOKEN, to: [\"http://127.77.3.12:8080\"] }",
            "  axiom_ingest_token: { env: AXIOM_INGEST_TOKEN, to: [\"http://127.77.3.12:8080\"] }",
            "  axiom_monitors_token: { env: AXIOM_MONITORS_TOKEN, to: [\"http://127.77.3.12:8080\"] }",
            "  terraform_token: { env: TFE_TOKEN, to: [\"http://127.77.3.13:8080\"] }",
            "axiom: { url: \"http://127.77.3.12:8080\" }",
            "store: { path: \"/x/state\" }",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in:\n{text}");
        }
        assert!(text.contains("creds: { system: { jwt: /nats-cluster/nats-staging/system/nats_system_jwt, seed:"));
    }
}
