//! An operator's session of a role, with a policy. Knows no product.

use sluice_lab::{Lab, OPERATOR_ROLE};
use url::form_urlencoded::Serializer;

use super::wire::post;

/// What the environment of its commands has to say; the session may do what this policy allows and nothing else.
pub(crate) fn of_operator(lab: &Lab, name: &str, policy: &str) -> [(&'static str, String); 3] {
    let body = Serializer::new(String::new())
        .append_pair("Action", "AssumeRole")
        .append_pair("Version", "2011-06-15")
        .append_pair("RoleArn", OPERATOR_ROLE)
        .append_pair("RoleSessionName", name)
        .append_pair("Policy", policy)
        .finish();
    let answer = post(lab, "sts", "Content-Type: application/x-www-form-urlencoded", &body);
    let part = |tag: &str| {
        let (_, rest) = answer.split_once(&format!("<{tag}>")).unwrap();
        rest.split('<').next().unwrap().to_owned()
    };
    [
        ("AWS_ACCESS_KEY_ID", part("AccessKeyId")),
        ("AWS_SECRET_ACCESS_KEY", part("SecretAccessKey")),
        ("AWS_SESSION_TOKEN", part("SessionToken")),
    ]
}
