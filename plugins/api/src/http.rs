//! HTTP as the host offers it: a request and a whole answer, no client, no streams.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::secret::SecretRef;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    pub method: Method,
    pub url: String,
    pub headers: Vec<Header>,
    pub body: Vec<u8>,
    /// For the whole exchange, redirects included.
    pub timeout: Duration,
    /// The answer's body is cut off here, with an error.
    pub max_body: usize,
}

/// A header whose value may be a secret with something before it, such as `Bearer `: the host joins them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub name: String,
    pub value: String,
    pub secret: Option<SecretRef>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: HttpBody,
}

pub type HttpBody = Vec<u8>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

impl HttpRequest {
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            method: Method::Get,
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: Duration::from_secs(10),
            max_body: 16 << 20,
        }
    }
}

impl Header {
    pub fn plain(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: value.to_owned(), secret: None }
    }

    pub fn secret(name: &str, prefix: &str, secret: SecretRef) -> Self {
        Self { name: name.to_owned(), value: prefix.to_owned(), secret: Some(secret) }
    }
}

impl Method {
    /// GET and HEAD: the only ones allowed outside acts, unless a grant lists the path as reading.
    pub fn reads(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}
