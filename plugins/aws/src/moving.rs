//! What moves in an Auto Scaling group: instance refreshes that have not ended, and scaling activities.
//!
//! It reads and does not judge. A status this program never heard of has not ended.

use std::time::Duration;

use aws_sdk_autoscaling::types::{Activity as SdkActivity, InstanceRefresh};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::Problem;

use crate::action::{millis, text};
use crate::clients::ClientSet;

pub(crate) const DESCRIBE_REFRESHES: &str = "autoscaling:DescribeInstanceRefreshes";
pub(crate) const DESCRIBE_ACTIVITIES: &str = "autoscaling:DescribeScalingActivities";

/// So many activities are read at most. Those that have not ended are among the newest.
pub(crate) const MOST_ACTIVITIES: i32 = 100;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    pub(crate) id: String,
    /// `InProgress`, `Cancelling`, `Baking`, ...
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
    pub(crate) percentage: Option<i32>,
    /// Milliseconds since 1970 in UTC.
    pub(crate) started_at: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Activity {
    pub(crate) id: String,
    /// `Successful`, `Failed`, `InProgress`, ...
    pub(crate) status: String,
    /// Why it failed, as AWS tells it.
    pub(crate) message: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) cause: Option<String>,
    /// Per cent.
    pub(crate) progress: Option<i32>,
    /// Milliseconds since 1970 in UTC.
    pub(crate) started_at: Option<i64>,
    /// Milliseconds since 1970 in UTC; null while it goes on.
    pub(crate) ended_at: Option<i64>,
}

/// Those that have not ended. AWS lists the newest first and runs one at a time, so the first page holds every one.
pub(crate) async fn refreshes(aws: &ClientSet, group: &str) -> Result<Vec<Refresh>, Problem> {
    let all = all_refreshes(aws, group).await?;
    Ok(all.into_iter().filter(Refresh::goes_on).collect())
}

/// Those of the first page, ended or not, in the order of AWS.
pub(crate) async fn all_refreshes(aws: &ClientSet, group: &str) -> Result<Vec<Refresh>, Problem> {
    let answer = aws.autoscaling.client.describe_instance_refreshes().auto_scaling_group_name(group).send().await;
    let answer = answer.map_err(|error| aws.problem(&aws.autoscaling, DESCRIBE_REFRESHES, group, &error))?;
    Ok(answer.instance_refreshes().iter().map(Refresh::of).collect())
}

/// The one that goes on, else the newest, as AWS lists them.
pub(crate) fn newest(refreshes: &[Refresh]) -> Option<&Refresh> {
    refreshes.iter().find(|refresh| refresh.goes_on()).or(refreshes.first())
}

/// The newest `most` of them, newest first.
pub(crate) async fn activities(aws: &ClientSet, group: &str, most: i32) -> Result<Vec<Activity>, Problem> {
    let request = aws.autoscaling.client.describe_scaling_activities().auto_scaling_group_name(group);
    let answer = request.max_records(most).send().await;
    let answer = answer.map_err(|error| aws.problem(&aws.autoscaling, DESCRIBE_ACTIVITIES, group, &error))?;
    let mut activities: Vec<Activity> = answer.activities().iter().map(Activity::of).collect();
    activities.sort_by_key(|activity| std::cmp::Reverse(activity.started_at));
    Ok(activities)
}

pub(crate) async fn newest_activity(aws: &ClientSet, group: &str) -> Result<Option<Activity>, Problem> {
    Ok(activities(aws, group, 10).await?.into_iter().next())
}

impl Refresh {
    fn of(refresh: &InstanceRefresh) -> Self {
        Self {
            id: refresh.instance_refresh_id().unwrap_or_default().to_owned(),
            status: refresh.status().map_or("unknown", |status| status.as_str()).to_owned(),
            reason: text(refresh.status_reason()),
            percentage: refresh.percentage_complete(),
            started_at: millis(refresh.start_time()),
        }
    }

    pub(crate) fn goes_on(&self) -> bool {
        let ended = ["Successful", "Failed", "Cancelled", "RollbackFailed", "RollbackSuccessful"];
        !ended.contains(&self.status.as_str())
    }

    /// `instance refresh 5d0a is InProgress`.
    pub(crate) fn said(&self) -> String {
        format!("instance refresh {} is {}", self.id, self.status)
    }
}

impl Activity {
    pub(crate) fn of(activity: &SdkActivity) -> Self {
        Self {
            id: activity.activity_id().unwrap_or_default().to_owned(),
            status: activity.status_code().map_or("unknown", |status| status.as_str()).to_owned(),
            message: text(activity.status_message()),
            description: text(activity.description()),
            cause: text(activity.cause()),
            progress: activity.progress(),
            started_at: millis(activity.start_time()),
            ended_at: millis(activity.end_time()),
        }
    }

    pub(crate) fn goes_on(&self) -> bool {
        !["Successful", "Failed", "Cancelled"].contains(&self.status.as_str())
    }

    /// How long it took, if it is a launch that went well: `Launching a new EC2 instance: i-...`.
    pub(crate) fn launched_within(&self) -> Option<Duration> {
        let launches = self.description.as_deref().is_some_and(|said| said.starts_with("Launching"));
        let took = self.ended_at?.checked_sub(self.started_at?)?;
        let took = u64::try_from(took).ok().filter(|_| launches && self.status == "Successful");
        took.map(Duration::from_millis)
    }

    /// Whether it is the end of this instance: `Terminating EC2 instance: i-...`.
    pub(crate) fn ends(&self, instance: &str) -> bool {
        let description = self.description.as_deref().unwrap_or_default();
        description.starts_with("Terminating") && names(description, instance)
    }

    /// `Failed: Launching a new EC2 instance (We currently do not have sufficient m8gd.medium capacity)`.
    pub(crate) fn said(&self) -> String {
        let description = self.description.as_deref().unwrap_or("a scaling activity without a description");
        match &self.message {
            Some(message) => format!("{}: {description} ({message})", self.status),
            None => format!("{}: {description}", self.status),
        }
    }
}

/// The id as a whole word: one id may be the beginning of another.
fn names(text: &str, instance: &str) -> bool {
    text.split(|one: char| !(one.is_ascii_alphanumeric() || one == '-')).any(|word| word == instance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_refresh_is_the_one_that_goes_on_or_stands_first() {
        let check = |refreshes: &[(&str, &str)], expect: Option<&str>| {
            let all = refreshes.iter().map(|(id, status)| Refresh {
                id: (*id).into(),
                status: (*status).into(),
                reason: None,
                percentage: None,
                started_at: None,
            });
            assert_eq!(newest(&all.collect::<Vec<_>>()).map(|one| one.id.as_str()), expect, "{refreshes:?}");
        };
        check(&[], None);
        check(&[("b", "Cancelled"), ("a", "Successful")], Some("b"));
        check(&[("b", "Successful"), ("a", "Pondering")], Some("a"));
        check(&[("b", "Pending"), ("a", "Successful")], Some("b"));
    }

    #[test]
    fn an_activity_ends_the_instance_it_names_and_no_other() {
        let check = |description: &str, expect: bool| {
            let activity = Activity {
                id: "a".into(),
                status: "InProgress".into(),
                message: None,
                description: Some(description.into()),
                cause: None,
                progress: None,
                started_at: None,
                ended_at: None,
            };
            assert_eq!(activity.ends("i-0a1"), expect, "{description}");
        };
        check("Terminating EC2 instance: i-0a1", true);
        check("Terminating EC2 instance: i-0a1 - waiting for a hook", true);
        check("Terminating EC2 instance: i-0a12", false);
        check("Launching a new EC2 instance: i-0a1", false);
        check("Terminating EC2 instance", false);
    }
}
