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

/// A request of the AWS JSON protocol; the lab checks no signature.
fn ask(lab: &Lab, operation: &str, body: &Value) {
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
}
