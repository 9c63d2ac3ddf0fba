//! The `nats_host` parameter, whose form the team's page does not say: `host`, `host:port`, a `nats://` URL, or a comma
//! list of those.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use sluice_plugin::Problem;

const DEFAULT_PORT: u16 = 4222;

/// One server to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Address {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `tls://`: the connection must be encrypted.
    pub(crate) tls: bool,
}

/// As given in `with`: one text, or a list of texts; each may hold a comma list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Urls {
    One(String),
    Many(Vec<String>),
}

impl Urls {
    /// At least one address; `pointer` is where the field stands in `with`.
    pub(crate) fn parse(&self, pointer: &str) -> Result<Vec<Address>, Problem> {
        let texts: Vec<&str> = match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts.iter().map(String::as_str).collect(),
        };
        let parts = texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|part| !part.is_empty());
        let addresses: Vec<Address> = parts.map(|part| Address::parse(part, pointer)).collect::<Result<_, _>>()?;
        if addresses.is_empty() {
            return Err(Problem::bad_input(
                pointer,
                "no server is given: write `host:4222`, a nats:// URL, or a comma list",
            ));
        }
        Ok(addresses)
    }
}

impl Address {
    fn parse(text: &str, pointer: &str) -> Result<Self, Problem> {
        let bad = |why: &str| {
            let shown: String = text.chars().take(80).flat_map(char::escape_default).collect();
            Problem::bad_input(pointer, format!("`{shown}` is not the address of a NATS server: {why}"))
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("nats", text));
        let tls = match scheme {
            "nats" => false,
            "tls" => true,
            _ => return Err(bad("the scheme is nats:// or tls://")),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err(Problem::bad_input(
                pointer,
                "a server's address holds no user or password here: give the credentials as `creds`",
            ));
        }
        let (host, port) = split_port(rest).ok_or_else(|| bad("write `host:port`, with a port from 1 to 65535"))?;
        let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(fits) {
            return Err(bad("the host is a name or an address"));
        }
        Ok(Self { host: host.to_owned(), port, tls })
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls { "tls" } else { "nats" };
        if self.host.contains(':') {
            format!("{scheme}://[{}]:{}", self.host, self.port)
        } else {
            format!("{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.url())
    }
}

impl JsonSchema for Urls {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Urls".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "array"], "items": { "type": "string" } })
    }
}

fn split_port(text: &str) -> Option<(&str, u16)> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']')?;
        return match rest.strip_prefix(':') {
            None if rest.is_empty() => Some((host, DEFAULT_PORT)),
            None => None,
            Some(port) => Some((host, parse_port(port)?)),
        };
    }
    match text.split_once(':') {
        None => Some((text, DEFAULT_PORT)),
        Some((host, port)) if !host.contains(':') && !port.contains(':') => Some((host, parse_port(port)?)),
        Some(_) => None,
    }
}

fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(text: &str) -> Vec<String> {
        Urls::One(text.into()).parse("/urls").unwrap().iter().map(Address::url).collect()
    }

    #[test]
    fn every_form_of_nats_host_is_read() {
        let cases = [
            ("n1.internal", "nats://n1.internal:4222"),
            ("n1.internal:4333", "nats://n1.internal:4333"),
            ("nats://n1.internal", "nats://n1.internal:4222"),
            ("nats://n1.internal:4222/", "nats://n1.internal:4222"),
            ("tls://n1:443", "tls://n1:443"),
            (" 127.0.0.1:4222\n", "nats://127.0.0.1:4222"),
            ("[::1]:4222", "nats://[::1]:4222"),
            ("[::1]", "nats://[::1]:4222"),
        ];
        for (text, expect) in cases {
            assert_eq!(urls(text), [expect], "{text}");
        }
        assert_eq!(urls("nats://a:1,b , c:3,"), ["nats://a:1", "nats://b:4222", "nats://c:3"]);
        let many = Urls::Many(vec!["a".into(), "b,c".into()]).parse("").unwrap();
        assert_eq!(many.len(), 3);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in
            ["", ",", "http://a", "a:0", "a:65536", "a:b", "a b", "a/b", "::1", "nats://", "[::1", "[::1]4222", "a;rm"]
        {
            let problem = Urls::One(text.into()).parse("/urls").unwrap_err();
            assert_eq!(problem.path.as_deref(), Some("/urls"), "{text}");
        }
        let secret = Urls::One("nats://user:hunter2@a".into()).parse("/urls").unwrap_err();
        assert!(!secret.message.contains("hunter2"));
    }
}
