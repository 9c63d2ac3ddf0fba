//! The machine's own policy, `/etc/sluice/policy.yaml`: a floor that inventories may tighten and never lower. One that is
//! there and cannot be read, or could have been written by others, lets nothing through.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};
use sluice_engine::inventory::{Inventory, parse};
use sluice_engine::runbook::Checked;
use sluice_engine::yaml;

use crate::error::{CommandError, Result};
use crate::prepare::safe;

const FLOOR: &str = "/etc/sluice/policy.yaml";

/// What the floor says of the clusters of a run, beside what their own inventory says.
pub(crate) fn policy_for(inventory: &Inventory, runbook: &Checked, inputs: &Value) -> Result<Value> {
    of_file(Path::new(FLOOR), inventory, runbook, inputs)
}

fn of_file(path: &Path, inventory: &Inventory, runbook: &Checked, inputs: &Value) -> Result<Value> {
    let mut policy = stated(inventory, runbook, inputs);
    if let Some(floor) = read(path)? {
        let floor = Inventory { clusters: inventory.clusters.clone(), policy: floor.policy, ..Inventory::default() };
        let named = stated(&floor, runbook, inputs).into_iter();
        policy.extend(named.map(|(cluster, stated)| (format!("{cluster}, by {}", path.display()), stated)));
    }
    Ok(Value::Object(policy))
}

fn stated(inventory: &Inventory, runbook: &Checked, inputs: &Value) -> Map<String, Value> {
    match inventory.policy_for(runbook, inputs) {
        Value::Object(policy) => policy,
        _ => Map::new(),
    }
}

fn read(path: &Path) -> Result<Option<Inventory>> {
    let name = path.display().to_string();
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CommandError::failed(format!("cannot read the policy {name}: {error}"))),
    };
    safe(&format!("the policy {name}"), path)?;
    let invalid = |found| CommandError::invalid(&format!("the policy {name}"), found);
    let source = yaml::read(&name, &bytes).map_err(|found| invalid(vec![found]))?;
    let floor = parse(&source).map_err(invalid)?;
    let only = Inventory { policy: floor.policy.clone(), ..Inventory::default() };
    if format!("{floor:?}") != format!("{only:?}") {
        return Err(CommandError::refused(format!("the policy {name} holds more than `policy`"))
            .hint("everything else stands in an inventory"));
    }
    Ok(Some(floor))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use sluice_engine::confirm::Policy;
    use sluice_engine::runbook::{load, resolve_inputs};
    use sluice_engine::source::Source;

    use super::*;

    const BOOK: &str = "runbook: a\ninputs: { cluster: { type: cluster } }\n\
                        steps: [ { id: b, uses: base.echo, with: { value: \"{{ inputs.cluster.name }}\" } } ]\n";
    const INVENTORY: &str = "clusters: { one: { nodes: 3, labels: { tier: production } } }\n";

    fn policy(floor: Option<&str>, mode: u32) -> Result<Policy> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.yaml");
        if let Some(floor) = floor {
            fs::write(&path, floor).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let inventory = parse(&Source::new("sluice.yaml", INVENTORY)).unwrap();
        let mut registry = sluice_engine::registry::Registry::default();
        let make = || std::sync::Arc::new(sluice_base::plugin()) as std::sync::Arc<dyn sluice_plugin::Plugin>;
        registry.add(sluice_plugin::PluginName::parse("base").unwrap(), make).unwrap();
        let runbook = load(&Source::new("a.yaml", BOOK), &registry).unwrap().runbook;
        let given = [("cluster".to_owned(), sluice_engine::runbook::Given::Text("one".into()))].into();
        let inputs = resolve_inputs(&runbook, &given, &inventory).unwrap();
        of_file(&path, &inventory, &runbook, &inputs).map(|policy| Policy::of_sources(&policy).unwrap())
    }

    #[test]
    fn a_floor_tightens_and_never_lowers() {
        let people = |floor: Option<&str>| policy(floor, 0o600).unwrap().people;
        assert_eq!(people(None), 1);
        assert_eq!(people(Some("policy: [ { confirm: { people: 2 } } ]")), 2);
        assert_eq!(people(Some("policy: [ { when: { tier: production }, confirm: { people: 3 } } ]")), 3);
        assert_eq!(people(Some("policy: [ { when: { tier: staging }, confirm: { people: 3 } } ]")), 1);
    }

    #[test]
    fn one_that_cannot_be_relied_on_lets_nothing_through() {
        let refused = |floor: &str, mode: u32| policy(Some(floor), mode).unwrap_err().message;
        assert!(refused("policy: [ { confirm: { people: 2 } } ]", 0o666).contains("not safe"));
        assert!(refused("policy: [ { confrim: {} } ]", 0o600).contains("not valid"));
        assert!(refused("clusters: { a: { nodes: 3 } }", 0o600).contains("more than `policy`"));
    }
}
