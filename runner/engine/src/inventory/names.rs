//! Names that come from outside, parsed once. They end up in host names, parameters and commands.

use std::fmt;

/// A DNS label: `nats-staging`. Small letters, digits and `-`, no `-` at either end, 1 to 63 of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterName(String);

/// `axiom_token`: small letters, digits and `_`, a letter first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(String);

impl ClusterName {
    pub const FORM: &str = "small letters, digits and `-`, no `-` at either end, at most 63 characters";
    pub(super) const PATTERN: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";

    pub fn parse(text: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let inside = !text.is_empty() && text.len() <= 63 && text.bytes().all(fits);
        (inside && !text.starts_with('-') && !text.ends_with('-')).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SecretName {
    pub const FORM: &str = "small letters, digits and `_`, a letter first, at most 64 characters";
    pub(super) const PATTERN: &str = "^[a-z][a-z0-9_]{0,63}$";

    pub fn parse(text: &str) -> Option<Self> {
        crate::runbook::is_word(text, '_').then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_are_dns_labels() {
        let check = |text: &str, fits: bool| assert_eq!(ClusterName::parse(text).is_some(), fits, "{text}");
        check("nats-staging", true);
        check("a", true);
        check("0a", true);
        check(&"a".repeat(63), true);
        check(&"a".repeat(64), false);
        check("", false);
        check("-a", false);
        check("a-", false);
        check("Nats", false);
        check("a.b", false);
        check("a_b", false);
        check("a b", false);
    }
}
