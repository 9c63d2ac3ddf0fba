//! What one plugin was granted: origins it may reach, paths on them that only read, secrets it may use.
//!
//! The inventory says it, the runner reads it, and this decides. A refusal holds the line that would grant it, to be
//! pasted into `sluice.yaml`; nothing is ever asked while a run goes on.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use sluice_plugin::{ActionName, Method, Problem, Purpose};
use url::{Host, Url};

/// Everything granted to one plugin. The default grants nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grants {
    pub http: Vec<HttpGrant>,
    /// Names of the inventory's `secrets`.
    pub secrets: Vec<String>,
}

/// One origin a plugin may send requests to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpGrant {
    pub origin: Origin,
    /// The origin may lie on this machine or in a private network. Link-local addresses also have to be written as such.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
    /// Requests that change nothing although their method could.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<ReadingPath>,
    /// The operations that may change something there, each only in an act; without it, every act may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<Vec<String>>,
}

/// Scheme, host and port; nothing else. Written `https://api.axiom.co:443`; a port that the scheme implies may be left
/// out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin {
    scheme: Scheme,
    host: Host<String>,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

/// `POST /v1/datasets/_apl`; `*` stands for one whole segment of the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReadingPath {
    method: Method,
    path: String,
}

/// A grant that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct BadGrant {
    text: String,
    wanted: &'static str,
}

impl Grants {
    /// The grant under which this request may be sent, or the refusal.
    pub(crate) fn http(
        &self,
        action: &ActionName,
        purpose: Purpose,
        method: Method,
        url: &Url,
    ) -> Result<HttpGrant, Problem> {
        let (plugin, origin) = (action.plugin(), Origin::of(url)?);
        let Some(grant) = self.joined(&origin) else {
            let grant = HttpGrant { origin: origin.clone(), private: false, read: Vec::new(), write: None };
            return Err(refused(plugin, &format!("may not reach {origin}"), "allow it", &grant));
        };
        let path = url.path();
        if may(purpose, method) && grant.lets_write(method, action)
            || grant.read.iter().any(|reading| reading.covers(method, path))
        {
            return Ok(grant);
        }
        if may(purpose, method) {
            let operation = action.operation();
            let what = format!("may not send {} {path} to {origin} in `{operation}`", method.as_str());
            let write = grant.write.iter().flatten().cloned().chain([operation.to_owned()]).collect();
            return Err(refused(
                plugin,
                &what,
                "let this action change something there",
                &HttpGrant { write: Some(write), ..grant },
            ));
        }
        let what = format!("may not send {} {path} to {origin} while it only reads", method.as_str());
        let reading = ReadingPath { method, path: path.to_owned() };
        let grant = HttpGrant { read: grant.read.iter().cloned().chain([reading]).collect(), ..grant.clone() };
        Err(refused(plugin, &what, "say that this request changes nothing", &grant))
    }

    /// All that is granted for this origin, wherever it was written.
    fn joined(&self, origin: &Origin) -> Option<HttpGrant> {
        let mut grants = self.http.iter().filter(|grant| grant.origin == *origin);
        let first = grants.next()?.clone();
        Some(grants.fold(first, |joined, grant| HttpGrant {
            private: joined.private || grant.private,
            read: joined.read.into_iter().chain(grant.read.iter().cloned()).collect(),
            write: joined.write.zip(grant.write.clone()).map(|(all, more)| all.into_iter().chain(more).collect()),
            ..joined
        }))
    }

    pub(crate) fn secret(&self, action: &ActionName, name: &str) -> Result<(), Problem> {
        if self.secrets.iter().any(|granted| granted == name) {
            return Ok(());
        }
        let plugin = action.plugin();
        let line = format!("plugins: {{ {plugin}: {{ grants: {{ secrets: [{name}] }} }} }}");
        Err(denied(format!("plugin {plugin} may not use the secret `{name}`"), "allow it", &line))
    }
}

impl HttpGrant {
    fn lets_write(&self, method: Method, action: &ActionName) -> bool {
        method.reads() || self.write.as_ref().is_none_or(|may| may.iter().any(|may| may == action.operation()))
    }

    /// The refusal when the granted origin turned out to lie at `address`. `grantable`: with `private: true` it could
    /// be reached.
    pub(crate) fn refuse_address(&self, plugin: &str, address: IpAddr, grantable: bool) -> Problem {
        let what = format!("may not reach {}: {address} is not a public address", self.origin);
        if !grantable {
            return denied_for_good(format!("plugin {plugin} {what}, and no grant for a name opens it"));
        }
        refused(plugin, &what, "allow it", &Self { private: true, ..self.clone() })
    }
}

fn may(purpose: Purpose, method: Method) -> bool {
    match purpose {
        Purpose::Act => true,
        Purpose::Read | Purpose::Preview | Purpose::Reconcile => method.reads(),
    }
}

fn refused(plugin: &str, what: &str, aim: &str, grant: &HttpGrant) -> Problem {
    let line = format!("plugins: {{ {plugin}: {{ grants: {{ http: [{}] }} }} }}", grant.yaml());
    denied(format!("plugin {plugin} {what}"), aim, &line)
}

fn denied(what: String, aim: &str, line: &str) -> Problem {
    let problem = denied_for_good(format!("{what}; to {aim}, put this into sluice.yaml: {line}"));
    problem.with_details(serde_json::json!({ "grant": line }))
}

pub(crate) fn denied_for_good(message: String) -> Problem {
    // Whoever waits for it to mend itself waits in vain: what is granted is read once.
    Problem::not_applied("denied", message).with_details(serde_json::json!({ "grant": null }))
}

impl HttpGrant {
    /// One line of YAML. JSON quoting is YAML quoting.
    fn yaml(&self) -> String {
        let mut line = format!("{{ origin: \"{}\"", self.origin);
        if self.private {
            line.push_str(", private: true");
        }
        if !self.read.is_empty() {
            let paths: Vec<String> =
                self.read.iter().map(|path| serde_json::Value::from(path.to_string()).to_string()).collect();
            line.push_str(&format!(", read: [{}]", paths.join(", ")));
        }
        if let Some(write) = &self.write {
            line.push_str(&format!(", write: [{}]", write.join(", ")));
        }
        line + " }"
    }
}

impl Origin {
    pub fn parse(text: &str) -> Result<Self, BadGrant> {
        let bad = || BadGrant { text: text.to_owned(), wanted: "an origin: `https://host:port`, without a path" };
        let url = Url::parse(text).map_err(|_| bad())?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !bare || text.ends_with('/') || text.contains(['*', '@']) {
            return Err(bad());
        }
        Self::of(&url).map_err(|_| bad())
    }

    /// The origin of a URL that a request may have: http or https, with a host.
    pub fn of(url: &Url) -> Result<Self, Problem> {
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => return Err(bad_url(format!("the scheme `{other}` is not http or https"))),
        };
        let host = url.host().ok_or_else(|| bad_url("the URL has no host".to_owned()))?.to_owned();
        let port = url.port_or_known_default().ok_or_else(|| bad_url("the URL has no port".to_owned()))?;
        Ok(Self { scheme, host, port })
    }

    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub fn host(&self) -> &Host<String> {
        &self.host
    }
}

pub(crate) fn bad_url(message: String) -> Problem {
    Problem::not_applied("bad_input", message)
}

impl ReadingPath {
    pub fn parse(text: &str) -> Result<Self, BadGrant> {
        let bad = || BadGrant { text: text.to_owned(), wanted: "a method and a path: `POST /v1/query`" };
        let (method, path) = text.split_once(' ').ok_or_else(bad)?;
        let method = serde_json::from_value(method.into()).map_err(|_| bad())?;
        if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
            return Err(bad());
        }
        Ok(Self { method, path: path.to_owned() })
    }

    /// Both are compared as they go over the wire, with `..` already resolved by the URL parser.
    fn covers(&self, method: Method, path: &str) -> bool {
        // A server may take an escaped slash for a real one, which would make one segment into many.
        let escaped = path.to_ascii_lowercase();
        if method != self.method || escaped.contains("%2f") || escaped.contains("%5c") {
            return false;
        }
        let (mut granted, mut asked) = (self.path.split('/'), path.split('/'));
        loop {
            match (granted.next(), asked.next()) {
                (None, None) => return true,
                (Some("*"), Some(segment)) if !segment.is_empty() => {}
                (Some(left), Some(right)) if left == right => {}
                (Some(_) | None, Some(_) | None) => return false,
            }
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(out, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl fmt::Display for ReadingPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.method.as_str(), self.path)
    }
}

impl TryFrom<String> for Origin {
    type Error = BadGrant;

    fn try_from(text: String) -> Result<Self, BadGrant> {
        Self::parse(&text)
    }
}

impl TryFrom<String> for ReadingPath {
    type Error = BadGrant;

    fn try_from(text: String) -> Result<Self, BadGrant> {
        Self::parse(&text)
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.to_string()
    }
}

impl From<ReadingPath> for String {
    fn from(path: ReadingPath) -> Self {
        path.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants() -> Grants {
        let grant = |origin: &str, read: &[&str]| HttpGrant {
            origin: Origin::parse(origin).unwrap(),
            private: false,
            read: read.iter().map(|path| ReadingPath::parse(path).unwrap()).collect(),
            write: None,
        };
        let http = vec![
            grant("https://api.axiom.co:443", &["POST /v1/datasets/_apl", "POST /v1/runs/*/query"]),
            grant("http://[::1]:8080", &[]),
            HttpGrant { write: Some(vec!["post".into()]), ..grant("https://one.example:443", &["POST /query"]) },
        ];
        Grants { http, secrets: vec!["axiom_token".into()] }
    }

    fn ask(purpose: Purpose, method: Method, url: &str) -> Result<(), Problem> {
        ask_in("axiom.look", purpose, method, url)
    }

    fn ask_in(action: &str, purpose: Purpose, method: Method, url: &str) -> Result<(), Problem> {
        let action = ActionName::parse(action).unwrap();
        grants().http(&action, purpose, method, &Url::parse(url).unwrap()).map(drop)
    }

    #[test]
    fn where_actions_are_named_no_other_changes_anything() {
        let check = |operation: &str, purpose, method, path: &str, good: bool| {
            let (action, url) = (format!("axiom.{operation}"), format!("https://one.example{path}"));
            let asked = ask_in(&action, purpose, method, &url);
            assert_eq!(asked.is_ok(), good, "{operation} {purpose:?} {method:?} {path}");
        };
        check("post", Purpose::Act, Method::Post, "/any", true);
        check("post", Purpose::Read, Method::Post, "/any", false);
        check("other", Purpose::Act, Method::Post, "/any", false);
        check("other", Purpose::Act, Method::Get, "/any", true);
        check("other", Purpose::Act, Method::Post, "/query", true);
        check("other", Purpose::Read, Method::Post, "/query", true);
        let refused = ask_in("axiom.other", Purpose::Act, Method::Put, "https://one.example/any").unwrap_err();
        let line = r#"origin: "https://one.example:443", read: ["POST /query"], write: [post, other] }"#;
        assert!(refused.message.contains(line), "{refused}");
    }

    #[test]
    fn scheme_host_and_port_must_be_those_granted() {
        let check = |url: &str, good: bool| assert_eq!(ask(Purpose::Read, Method::Get, url).is_ok(), good, "{url}");
        check("https://api.axiom.co/v1", true);
        check("https://api.axiom.co:443/", true);
        check("https://API.Axiom.CO/", true);
        check("https://api.axiom.co/../../etc", true);
        check("http://[::1]:8080/x", true);
        check("http://[0:0:0:0:0:0:0:1]:8080/x", true);
        check("http://api.axiom.co/", false);
        check("https://api.axiom.co:444/", false);
        check("https://api.axiom.co.evil.example/", false);
        check("https://evil.example/api.axiom.co", false);
        check("https://api.axiom.co@evil.example/", false);
        check("https://axiom.co/", false);
        check("https://xapi.axiom.co/", false);
        check("https://api.axiom.co./", false);
        check("https://api.axiom.co\u{ff0e}evil.example/", false);
        check("ftp://api.axiom.co/", false);
        check("file:///etc/passwd", false);
    }

    #[test]
    fn only_acts_may_write_unless_the_path_is_granted_as_reading() {
        let check = |purpose, method, path: &str, good: bool| {
            let url = format!("https://api.axiom.co{path}");
            assert_eq!(ask(purpose, method, &url).is_ok(), good, "{purpose:?} {method:?} {path}");
        };
        for purpose in [Purpose::Read, Purpose::Preview, Purpose::Reconcile] {
            check(purpose, Method::Get, "/any", true);
            check(purpose, Method::Head, "/any", true);
            check(purpose, Method::Post, "/any", false);
            check(purpose, Method::Put, "/v1/datasets/_apl", false);
            check(purpose, Method::Delete, "/v1/datasets/_apl", false);
            check(purpose, Method::Post, "/v1/datasets/_apl", true);
            check(purpose, Method::Post, "/v1/datasets/_apl?format=tabular", true);
            check(purpose, Method::Post, "/v1/datasets/_apl/x", false);
            check(purpose, Method::Post, "/v1/datasets/_aplx", false);
            check(purpose, Method::Post, "/v1/datasets/_apl/../x", false);
            check(purpose, Method::Post, "/v1/x/../datasets/_apl", true);
            check(purpose, Method::Post, "/v1/runs/run-1/query", true);
            check(purpose, Method::Post, "/v1/runs//query", false);
            check(purpose, Method::Post, "/v1/runs/a/b/query", false);
            check(purpose, Method::Post, "/v1/runs/a%2Fb/query", false);
            check(purpose, Method::Post, "/v1/runs/%2e%2e/query", false);
        }
        check(Purpose::Act, Method::Delete, "/any", true);
    }

    #[test]
    fn a_refusal_holds_the_line_that_grants_it() {
        let check = |method, url: &str, line: &str| {
            let problem = ask(Purpose::Read, method, url).unwrap_err();
            assert_eq!(problem.code, "denied");
            assert!(problem.message.ends_with(&format!("put this into sluice.yaml: {line}")), "{problem}");
            assert_eq!(problem.details.unwrap()["grant"], line);
        };
        check(
            Method::Get,
            "https://other.example/a?token=x",
            r#"plugins: { axiom: { grants: { http: [{ origin: "https://other.example:443" }] } } }"#,
        );
        check(
            Method::Post,
            "http://[::1]:8080/a?token=x",
            r#"plugins: { axiom: { grants: { http: [{ origin: "http://[::1]:8080", read: ["POST /a"] }] } } }"#,
        );
        let problem = grants().secret(&ActionName::parse("axiom.look").unwrap(), "other").unwrap_err();
        assert!(problem.message.ends_with("plugins: { axiom: { grants: { secrets: [other] } } }"), "{problem}");
    }

    #[test]
    fn grants_are_read_strictly() {
        let check = |text: &str, good: bool| assert_eq!(Origin::parse(text).is_ok(), good, "{text}");
        check("https://api.axiom.co:443", true);
        check("https://api.axiom.co", true);
        check("http://127.0.0.1:8222", true);
        check("https://api.axiom.co/", false);
        check("https://api.axiom.co/v1", false);
        check("https://api.axiom.co?x", false);
        check("https://*.axiom.co", false);
        check("https://user@api.axiom.co", false);
        check("api.axiom.co:443", false);
        check("nats://host:4222", false);
        let check = |text: &str, good: bool| assert_eq!(ReadingPath::parse(text).is_ok(), good, "{text}");
        check("POST /v1/query", true);
        check("post /v1/query", false);
        check("POST v1", false);
        check("POST /v1?x", false);
        check("/v1", false);
        let read = |json| serde_json::from_value::<Grants>(json);
        assert!(read(serde_json::json!({ "http": [{ "origin": "https://a", "privat": true }] })).is_err());
        assert_eq!(read(serde_json::json!({})).unwrap(), Grants::default());
    }
}
