//! Calls of the lab's AWS as an administrator makes them. Knows no product.

use std::io::{Read, Write};
use std::net::TcpStream;

use sluice_lab::{Lab, REGION};

/// The body of a good answer; the lab checks no signature.
#[track_caller]
pub(crate) fn post(lab: &Lab, service: &str, headers: &str, body: &str) -> String {
    let scope = format!("AWS4-HMAC-SHA256 Credential=AKIALAB/20260101/{REGION}/{service}/aws4_request");
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {service}\r\nConnection: close\r\nAuthorization: {scope}\r\n{headers}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(lab.plan().aws()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{service} {headers}: {answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    body.to_owned()
}
