//! An operator's session of a role, with a policy. Knows no product.

use std::fmt::Write as _;

use sluice_lab::{Lab, OPERATOR_ROLE};

use super::wire::post;

/// What the environment of its commands has to say; the session may do what this policy allows and nothing else.
pub(crate) fn of_operator(lab: &Lab, name: &str, policy: &str) -> [(&'static str, String); 3] {
    let mut body = "Action=AssumeRole&Version=2011-06-15".to_owned();
    for (field, value) in [("RoleArn", OPERATOR_ROLE), ("RoleSessionName", name), ("Policy", policy)] {
        write!(body, "&{field}={}", encoded(value)).unwrap();
    }
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

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(byte.into());
        } else {
            write!(out, "%{byte:02X}").unwrap();
        }
        out
    })
}
