//! The lab's parameter store, written to as an administrator would. Knows no product.

use serde_json::{Value, json};
use sluice_lab::Lab;

use super::wire::post;

/// `kind` is `String` or `SecureString`.
pub(crate) fn put(lab: &Lab, name: &str, value: &str, kind: &str) {
    ask(lab, "PutParameter", &json!({ "Name": name, "Value": value, "Type": kind, "Overwrite": true }));
}

pub(crate) fn delete(lab: &Lab, name: &str) {
    ask(lab, "DeleteParameter", &json!({ "Name": name }));
}

/// Names and values of all below a path.
pub(crate) fn below(lab: &Lab, path: &str) -> Vec<(String, String)> {
    let found = ask(lab, "GetParametersByPath", &json!({ "Path": path, "Recursive": true }));
    let text = |parameter: &Value, part: &str| parameter[part].as_str().unwrap().to_owned();
    let all = found["Parameters"].as_array().unwrap().iter();
    all.map(|parameter| (text(parameter, "Name"), text(parameter, "Value"))).collect()
}

fn ask(lab: &Lab, operation: &str, body: &Value) -> Value {
    let headers = format!("X-Amz-Target: AmazonSSM.{operation}\r\nContent-Type: application/x-amz-json-1.1");
    serde_json::from_str(&post(lab, "ssm", &headers, &body.to_string())).unwrap_or_default()
}
