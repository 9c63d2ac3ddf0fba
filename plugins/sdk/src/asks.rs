//! What a plugin needs to be granted, for the person who adds it. Nothing here grants anything.

/// Everything a plugin asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asks {
    pub http: Vec<HttpAsk>,
    pub secrets: Vec<SecretAsk>,
}

/// An origin it sends requests to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAsk {
    /// `https://api.example.com:443`
    pub origin: String,
    /// The actions that change something there.
    pub write: Vec<String>,
    /// Requests that change nothing although their method could: `POST /v1/query`.
    pub read: Vec<String>,
    pub why: String,
}

/// A secret of the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretAsk {
    pub name: String,
    pub why: String,
}

impl Asks {
    pub fn nothing() -> Self {
        Self::default()
    }

    /// An origin that is only read from, with GET and HEAD.
    #[must_use]
    pub fn read(self, origin: &str, why: &str) -> Self {
        self.http(origin, &[], &[], why)
    }

    #[must_use]
    pub fn http(mut self, origin: &str, write: &[&str], read: &[&str], why: &str) -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let (write, read) = (texts(write), texts(read));
        self.http.push(HttpAsk { origin: origin.to_owned(), write, read, why: why.to_owned() });
        self
    }

    #[must_use]
    pub fn secret(mut self, name: &str, why: &str) -> Self {
        self.secrets.push(SecretAsk { name: name.to_owned(), why: why.to_owned() });
        self
    }
}
