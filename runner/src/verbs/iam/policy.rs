//! From rights as actions name them to policies: what stands in braces is filled in from the inventory, and rights on
//! the same resources become one statement.
//!
//! A field that only a run can know becomes `*`, but for names of parameters: those lie below the cluster's own path. What
//! stands behind ` if ` in a resource becomes a condition, `arn:...:instance/* if ssm:resourceTag/Name=lab-node-1`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sluice_plugin::Permission;
use sluice_plugin::inventory::{Cluster, Node};

use crate::plugins::parameter_locks;

/// The service under which the plugin `aws` names the rights of an act itself.
pub(super) const OF_THE_ACT: &str = "aws_act";

/// A right, and which action needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Right {
    pub(super) needed_by: String,
    pub(super) is: Permission,
}

/// What fields in braces are filled in from.
pub(super) struct Place {
    cluster: Option<Cluster>,
    /// As roots of fields: the same for each node that is meant.
    roots: Vec<Value>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Policy(BTreeMap<BTreeSet<String>, BTreeSet<String>>);

impl Place {
    pub(super) fn new(cluster: Option<&Cluster>, nodes: &[Node]) -> Self {
        let root = |node: Option<&Node>| json!({ "cluster": cluster, "aws": cluster.map(|cluster| &cluster.aws), "node": node });
        let roots = match nodes {
            [] => vec![root(None)],
            nodes => nodes.iter().map(|node| root(Some(node))).collect(),
        };
        Self { cluster: cluster.cloned(), roots }
    }

    pub(super) fn act_role(&self) -> Option<&str> {
        self.cluster.as_ref()?.aws.as_ref()?.act_role.as_deref()
    }

    fn account(&self) -> &str {
        let account = self.cluster.as_ref().and_then(|cluster| cluster.aws.as_ref()?.account.as_deref());
        account.unwrap_or("*")
    }

    /// All resources that `on` means.
    fn resources(&self, on: &str) -> BTreeSet<String> {
        let filled = self.roots.iter().flat_map(|root| self.filled(on, root));
        filled.map(|resource| self.in_partition(&resource)).collect()
    }

    fn filled(&self, on: &str, root: &Value) -> Vec<String> {
        let Some((before, rest)) = on.split_once('{') else { return vec![on.to_owned()] };
        let Some((field, after)) = rest.split_once('}') else { return vec![on.to_owned()] };
        let values = if field == "names" { self.parameters() } else { vec![value(root, field)] };
        let ends = self.filled(after, root);
        values.iter().flat_map(|value| ends.iter().map(move |end| format!("{before}{value}{end}"))).collect()
    }

    /// Where a cluster's parameters are: below its path, and wherever its entry says they are.
    fn parameters(&self) -> Vec<String> {
        let Some(cluster) = &self.cluster else { return vec!["*".to_owned()] };
        let below = format!("{}/", cluster.ssm_prefix);
        let creds = std::iter::once(&cluster.creds.admin).chain(&cluster.creds.system);
        let creds = creds.flat_map(|at| [at.jwt.clone(), at.seed.clone()]);
        let services = cluster.services.values().map(|service| format!("{}/*", service.ssm_path));
        let elsewhere = creds.chain(services).filter(|path| !path.starts_with(&below));
        std::iter::once(format!("{below}*")).chain(elsewhere).collect()
    }

    fn in_partition(&self, resource: &str) -> String {
        let region = self.cluster.as_ref().and_then(|cluster| Some(cluster.aws.as_ref()?.region.as_str()));
        let partition = match region {
            Some(region) if region.starts_with("cn-") => "aws-cn",
            Some(region) if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        match resource.strip_prefix("arn:aws:") {
            Some(rest) => format!("arn:{partition}:{rest}"),
            None => resource.to_owned(),
        }
    }
}

/// `cluster.aws.region` in the inventory's words.
fn value(root: &Value, field: &str) -> String {
    let found = field.split('.').try_fold(root, |value, key| value.get(key));
    found.and_then(Value::as_str).unwrap_or("*").to_owned()
}

impl Policy {
    /// With a role, the rights of the acts are the role's, and the caller may assume it.
    pub(super) fn of_caller(rights: &[Right], place: &Place, role: Option<&str>) -> Self {
        let mut policy = Self::default();
        for right in rights {
            match (right.is.service.as_str(), role) {
                ("aws", _) | (OF_THE_ACT, None) => policy.allow(&right.is.right, place.resources(&right.is.on)),
                _ => {}
            }
        }
        if let Some(role) = role {
            policy.allow("sts:AssumeRole", BTreeSet::from([role.to_owned()]));
        }
        policy
    }

    pub(super) fn of_role(rights: &[Right], place: &Place) -> Self {
        let mut policy = Self::default();
        for right in rights.iter().filter(|right| right.is.service == OF_THE_ACT) {
            policy.allow(&right.is.right, place.resources(&right.is.on));
        }
        policy
    }

    fn allow(&mut self, right: &str, on: BTreeSet<String>) {
        // One right on several resources, by whichever action, is one list of resources.
        let before: Vec<_> =
            self.0.iter().filter(|(_, rights)| rights.contains(right)).map(|(on, _)| on.clone()).collect();
        let all = before.iter().flatten().cloned().chain(on).collect::<BTreeSet<String>>();
        let all = if all.contains("*") { BTreeSet::from(["*".to_owned()]) } else { all };
        for on in before {
            if let Some(rights) = self.0.get_mut(&on) {
                rights.remove(right);
            }
        }
        self.0.retain(|_, rights| !rights.is_empty());
        self.0.entry(all).or_default().insert(right.to_owned());
    }

    pub(super) fn document(&self) -> Value {
        let statements: Vec<Value> = self.0.iter().flat_map(|(on, rights)| statements(on, rights)).collect();
        json!({ "Version": "2012-10-17", "Statement": statements })
    }
}

/// One for what needs no condition, and one for each condition's key and resource, with all the values that it may have.
fn statements(on: &BTreeSet<String>, rights: &BTreeSet<String>) -> Vec<Value> {
    let (mut plain, mut conditions) = (Vec::new(), BTreeMap::<(&str, &str), Vec<&str>>::new());
    for resource in on {
        match condition(resource) {
            Some((resource, key, value)) => conditions.entry((resource, key)).or_default().push(value),
            None => plain.push(resource),
        }
    }
    let without = (!plain.is_empty()).then(|| json!({ "Effect": "Allow", "Action": rights, "Resource": plain }));
    let with = conditions.into_iter().map(|((resource, key), values)| {
        // A value that nobody knows is a star, which means any only here.
        let condition = json!({ "StringLike": { key: values } });
        json!({ "Effect": "Allow", "Action": rights, "Resource": [resource], "Condition": condition })
    });
    without.into_iter().chain(with).collect()
}

fn condition(resource: &str) -> Option<(&str, &str, &str)> {
    let (resource, condition) = resource.split_once(" if ")?;
    let (key, value) = condition.split_once('=')?;
    Some((resource, key, value))
}

/// Anybody of the account whose own policy lets them. Whoever grants it may name people here instead.
pub(super) fn trust(place: &Place) -> Value {
    let principal = place.in_partition(&format!("arn:aws:iam::{}:root", place.account()));
    let statement = json!({ "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "sts:AssumeRole" });
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

/// What a lock in the parameter store needs.
pub(super) fn of_the_lock() -> Vec<Right> {
    let folder = parameter_locks::folder("{cluster.ssm_prefix}");
    let on = [format!("{folder}/*"), folder];
    let right = |right: &str, on: &String| Right {
        needed_by: "the run's lock".to_owned(),
        is: Permission {
            service: "aws".to_owned(),
            right: right.to_owned(),
            on: format!("arn:aws:ssm:{{aws.region}}:{{aws.account}}:parameter{on}"),
        },
    };
    parameter_locks::RIGHTS.iter().flat_map(|name| on.iter().map(move |on| right(name, on))).collect()
}

#[cfg(test)]
mod tests {
    use sluice_engine::inventory::parse;
    use sluice_engine::source::Source;
    use sluice_plugin::ActionName;

    use super::*;

    fn statements(document: &Value) -> &Vec<Value> {
        document["Statement"].as_array().unwrap()
    }

    const ROLE: &str = "arn:aws:iam::123456789012:role/act";

    fn cluster(aws: &str) -> Cluster {
        let text = format!(
            "clusters:\n  lab:\n    nodes: 2\n    aws: {{ {aws} }}\n    services: {{ s: {{ ssm_path: /s }} }}\n"
        );
        parse(&Source::new("sluice.yaml", text.as_str())).unwrap().cluster("lab").unwrap().clone()
    }

    fn of(aws: &str, nodes: usize) -> Place {
        let cluster = cluster(aws);
        Place::new(Some(&cluster), &cluster.nodes[..nodes])
    }

    /// What the shipped actions say they need.
    fn rights(actions: &[&str]) -> Vec<Right> {
        let registry = crate::plugins::registry(Vec::new()).unwrap();
        let of = |name: &&str| {
            let action = registry.action(&ActionName::parse(&format!("aws.{name}")).unwrap()).unwrap();
            let right = |is: &Permission| Right { needed_by: action.spec.name.to_string(), is: is.clone() };
            action.spec.permissions.iter().map(right).collect::<Vec<_>>()
        };
        actions.iter().flat_map(of).collect()
    }

    fn on(document: &Value, right: &str) -> Option<Vec<String>> {
        let has = |one: &&Value| one["Action"].as_array().unwrap().iter().any(|action| action == right);
        let found: Vec<_> = statements(document).iter().filter(has).collect();
        assert!(found.len() < 2, "{right} stands there twice: {document}");
        let texts = found.first()?["Resource"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned());
        Some(texts.collect())
    }

    const ACCOUNT: &str = "account: '123456789012', region: us-east-2";
    const END: &str = "autoscaling:TerminateInstanceInAutoScalingGroup";

    fn group(number: u32) -> String {
        format!(
            "arn:aws:autoscaling:us-east-2:123456789012:autoScalingGroup:*:autoScalingGroupName/lab-node-{number}-asg"
        )
    }

    #[test]
    fn without_a_role_the_caller_has_all_of_it_on_just_these_groups() {
        let rights = rights(&["terminate_instance", "cluster_idle"]);
        let document = Policy::of_caller(&rights, &of(ACCOUNT, 2), None).document();
        assert_eq!(on(&document, END), Some(vec![group(1), group(2)]));
        assert_eq!(on(&document, "autoscaling:DescribeInstanceRefreshes"), Some(vec!["*".to_owned()]));
        assert_eq!(on(&document, "sts:AssumeRole"), None);
        let document = Policy::of_caller(&rights, &of(ACCOUNT, 1), None).document();
        assert_eq!(on(&document, END), Some(vec![group(1)]));
    }

    #[test]
    fn with_a_role_the_act_is_the_roles_alone() {
        let place = of(&format!("{ACCOUNT}, act_role: '{ROLE}'"), 1);
        let rights = rights(&["terminate_instance"]);
        let caller = Policy::of_caller(&rights, &place, place.act_role()).document();
        assert_eq!(on(&caller, END), None);
        assert_eq!(on(&caller, "sts:AssumeRole"), Some(vec![ROLE.to_owned()]));
        assert_eq!(on(&caller, "ec2:DescribeInstances"), Some(vec!["*".to_owned()]));
        let role = Policy::of_role(&rights, &place).document();
        assert_eq!(statements(&role).len(), 1);
        assert_eq!(on(&role, END), Some(vec![group(1)]));
        assert_eq!(statements(&trust(&place))[0]["Principal"]["AWS"], "arn:aws:iam::123456789012:root");
    }

    #[test]
    fn parameters_logs_and_the_lock_are_those_of_the_cluster() {
        let mut rights = rights(&["parameters", "bootstrap_line"]);
        rights.extend(of_the_lock());
        let document = Policy::of_caller(&rights, &of(ACCOUNT, 2), None).document();
        let parameter = |path: &str| format!("arn:aws:ssm:us-east-2:123456789012:parameter{path}");
        let fetched = [parameter("/nats-cluster/lab/*"), parameter("/s/*")];
        assert_eq!(on(&document, "ssm:GetParameters"), Some(fetched.to_vec()));
        let lock = [parameter("/nats-cluster/lab/sluice/lock"), parameter("/nats-cluster/lab/sluice/lock/*")];
        for right in parameter_locks::RIGHTS {
            assert_eq!(on(&document, right), Some(lock.to_vec()), "{right}");
        }
        let logs = "arn:aws:logs:us-east-2:123456789012:log-group:/aws/ec2/nats-cluster/lab/diagnostic:*";
        assert_eq!(on(&document, "logs:FilterLogEvents"), Some(vec![logs.to_owned()]));
    }

    /// What may be sent to any instance is root on all of them.
    #[test]
    fn commands_may_be_sent_to_instances_that_bear_the_name_of_a_node() {
        const SEND: &str = "ssm:SendCommand";
        let sent = |document: &Value| {
            let has = |one: &&Value| one["Action"].as_array().unwrap().iter().any(|action| action == SEND);
            statements(document).iter().filter(has).cloned().collect::<Vec<_>>()
        };
        let named = |names: &[&str], account: &str| {
            let instances = format!("arn:aws:ec2:us-east-2:{account}:instance/*");
            let document = "arn:aws:ssm:us-east-2:*:document/AWS-RunShellScript";
            [
                json!({ "Effect": "Allow", "Action": [SEND], "Resource": [document] }),
                json!({
                    "Effect": "Allow", "Action": [SEND], "Resource": [instances],
                    "Condition": { "StringLike": { "ssm:resourceTag/Name": names } },
                }),
            ]
        };
        let both = rights(&["run_command", "inspect_node"]);
        let document = Policy::of_caller(&both, &of(ACCOUNT, 2), None).document();
        assert_eq!(sent(&document), named(&["lab-node-1", "lab-node-2"], "123456789012"));
        let document = Policy::of_caller(&both, &of("region: us-east-2", 1), None).document();
        assert_eq!(sent(&document), named(&["lab-node-1"], "*"));

        // To look is the caller's own; a free command is the role's, where there is one.
        let place = of(&format!("{ACCOUNT}, act_role: '{ROLE}'"), 1);
        let act = rights(&["run_command"]);
        assert_eq!(sent(&Policy::of_role(&act, &place).document()), named(&["lab-node-1"], "123456789012"));
        assert!(sent(&Policy::of_caller(&act, &place, place.act_role()).document()).is_empty());
        let look = rights(&["inspect_node"]);
        let caller = Policy::of_caller(&look, &place, place.act_role()).document();
        assert_eq!(sent(&caller), named(&["lab-node-1"], "123456789012"));
        assert_eq!(on(&caller, "ssm:GetCommandInvocation"), Some(vec!["*".to_owned()]));
    }

    #[test]
    fn what_nobody_knows_is_a_star_and_a_region_has_its_partition() {
        let rights = rights(&["terminate_instance"]);
        let document = Policy::of_caller(&rights, &of("region: cn-north-1", 1), None).document();
        let group = "arn:aws-cn:autoscaling:cn-north-1:*:autoScalingGroup:*:autoScalingGroupName/lab-node-1-asg";
        assert_eq!(on(&document, END), Some(vec![group.to_owned()]));
        let document = Policy::of_caller(&rights, &Place::new(None, &[]), None).document();
        assert!(on(&document, END).unwrap()[0].ends_with("autoScalingGroupName/*"));
    }
}
