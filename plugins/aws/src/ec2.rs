//! One instance as EC2 sees it, asked by its id and never by a tag.

use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::Instance;
use sluice_plugin::Problem;

use crate::clients::ClientSet;

pub(crate) const DESCRIBE_INSTANCES: &str = "ec2:DescribeInstances";

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

/// `running`, `shutting-down`, ...
pub(crate) fn state(instance: Option<&Instance>) -> Option<String> {
    instance.and_then(|instance| instance.state()?.name()).map(|state| state.as_str().to_owned())
}
