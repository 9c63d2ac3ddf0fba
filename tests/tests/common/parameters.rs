//! The lab's parameter store, written to as an administrator would. Knows no product.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};
use sluice_lab::{Lab, REGION};

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

/// A request of the AWS JSON protocol; the lab checks no signature.
fn ask(lab: &Lab, operation: &str, body: &Value) -> Value {
    let body = body.to_string();
    let scope = format!("AWS4-HMAC-SHA256 Credential=AKIALAB/20260101/{REGION}/ssm/aws4_request");
    let request = format!(
        "POST / HTTP/1.1\r\nHost: ssm\r\nConnection: close\r\nAuthorization: {scope}\r\n\
         X-Amz-Target: AmazonSSM.{operation}\r\nContent-Type: application/x-amz-json-1.1\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(lab.plan().aws()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{operation}: {answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_default()
}
