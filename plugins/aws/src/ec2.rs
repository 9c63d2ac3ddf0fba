//! One instance as EC2 sees it, asked by its id and never by a tag; and the versions of launch templates.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::Instance;
use sluice_plugin::Problem;

use crate::clients::ClientSet;

pub(crate) const DESCRIBE_INSTANCES: &str = "ec2:DescribeInstances";
pub(crate) const DESCRIBE_TEMPLATES: &str = "ec2:DescribeLaunchTemplates";

/// EC2's view of one instance; nothing when EC2 does not know it yet, as its lists lag behind.
pub(crate) async fn describe(aws: &ClientSet, id: &str) -> Result<Option<Instance>, Problem> {
    let answer = match aws.ec2.client.describe_instances().instance_ids(id).send().await {
        Ok(answer) => answer,
        Err(error) if error.code() == Some("InvalidInstanceID.NotFound") => return Ok(None),
        Err(error) => return Err(aws.problem(&aws.ec2, DESCRIBE_INSTANCES, id, &error)),
    };
    let mut instances =
        answer.reservations.unwrap_or_default().into_iter().flat_map(|one| one.instances.unwrap_or_default());
    Ok(instances.find(|instance| instance.instance_id() == Some(id)))
}

/// The numbers behind `$Latest` and `$Default` of a launch template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) latest: i64,
    pub(crate) default: i64,
}

/// Of the templates with these ids, by id. One that EC2 does not know is missing.
pub(crate) async fn versions(aws: &ClientSet, ids: BTreeSet<String>) -> Result<BTreeMap<String, Versions>, Problem> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names = ids.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let request = aws.ec2.client.describe_launch_templates().set_launch_template_ids(Some(ids.into_iter().collect()));
    let answer = match request.send().await {
        Ok(answer) => answer,
        // One of them is gone: nothing launched from it is up to date.
        Err(error) if error.code().is_some_and(|code| code.starts_with("InvalidLaunchTemplateId")) => {
            return Ok(BTreeMap::new());
        }
        Err(error) => return Err(aws.problem(&aws.ec2, DESCRIBE_TEMPLATES, &names, &error)),
    };
    let known = answer.launch_templates().iter().filter_map(|template| {
        let (latest, default) = (template.latest_version_number()?, template.default_version_number()?);
        Some((template.launch_template_id()?.to_owned(), Versions { latest, default }))
    });
    Ok(known.collect())
}

/// `running`, `shutting-down`, ...
pub(crate) fn state(instance: Option<&Instance>) -> Option<String> {
    instance.and_then(|instance| instance.state()?.name()).map(|state| state.as_str().to_owned())
}
