//! Whether a parameter's value is what it was said to be, judged without ever repeating it.

use std::fmt;

use super::fetch::Found;
use super::request::Kind;

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Empty,
    NotDecrypted,
    NoJwt,
    NoSeed,
    /// It is encrypted and was not listed under `secret`.
    NotSealed,
    /// It was asked for as plain text and looks like a secret.
    LooksSecret,
}

pub(super) fn judge(found: &Found, kind: Option<Kind>, secret: bool, decrypt: bool) -> Result<(), Fault> {
    let text = found.value.expose();
    if text.is_empty() {
        return Err(Fault::Empty);
    }
    if (found.encrypted && !decrypt) || is_ciphertext(text) {
        return Err(Fault::NotDecrypted);
    }
    match kind {
        Some(Kind::Jwt) if !is_jwt(text) => return Err(Fault::NoJwt),
        Some(Kind::Seed) if !is_seed(text) => return Err(Fault::NoSeed),
        Some(Kind::Jwt | Kind::Seed | Kind::Text) | None => {}
    }
    match secret {
        true => Ok(()),
        false if looks_secret(text) => Err(Fault::LooksSecret),
        false if found.encrypted && kind != Some(Kind::Text) => Err(Fault::NotSealed),
        false => Ok(()),
    }
}

/// `kms:` is what a stand-in of the service gives; the others open every ciphertext of KMS in base64.
fn is_ciphertext(text: &str) -> bool {
    text.starts_with("kms:") || (text.len() > 100 && (text.starts_with("AQICAH") || text.starts_with("AQECAH")))
}

fn is_jwt(text: &str) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    text.starts_with("eyJ") && text.split('.').count() == 3 && text.split('.').all(is_part)
}

fn is_seed(text: &str) -> bool {
    text.len() == 58 && text.starts_with("SU") && text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'))
}

fn looks_secret(text: &str) -> bool {
    is_jwt(text) || is_seed(text) || text.contains("-----BEGIN ") || has_password(text)
}

/// `nats://user:password@host` or `nats://token@host`, anywhere in a list of addresses.
fn has_password(text: &str) -> bool {
    let authorities = text.split("://").skip(1).filter_map(|rest| rest.split(['/', ',', ' ']).next());
    authorities.into_iter().any(|authority| authority.contains('@'))
}

impl Fault {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Empty | Self::NoJwt | Self::NoSeed => "bad_value",
            Self::NotDecrypted => "not_decrypted",
            Self::NotSealed | Self::LooksSecret => "not_sealed",
        }
    }

    /// The field of `with` to look at.
    pub(super) fn pointer(self) -> &'static str {
        match self {
            Self::Empty => "/names",
            Self::NoJwt | Self::NoSeed => "/kinds",
            Self::NotDecrypted => "/decrypt",
            Self::NotSealed | Self::LooksSecret => "/secret",
        }
    }
}

/// Follows the parameter's name.
impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Empty => "is empty",
            Self::NotDecrypted => {
                "came back encrypted: leave `decrypt` on, and let the caller use kms:Decrypt on the parameter's key"
            }
            Self::NoJwt => "holds no JWT (three parts, the first starting with eyJ)",
            Self::NoSeed => "holds no NKey user seed (58 characters, starting with SU)",
            Self::NotSealed => {
                "is stored encrypted: list its key under `secret`, or give it the kind `text` if it may be shown"
            }
            Self::LooksSecret => "looks like a secret and was asked for as plain text: list its key under `secret`",
        })
    }
}

#[cfg(test)]
mod tests {
    use sluice_plugin::Secret;

    use super::*;

    const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    const JWT: &str = "eyJ0eXAiOiJKV1QifQ.eyJqdGkiOiJBIn0.c2ln-_A";

    fn check(text: &str, encrypted: bool, kind: Option<Kind>, secret: bool, expect: Result<(), Fault>) {
        let found = Found { value: Secret::new(text), encrypted, version: 1 };
        assert_eq!(judge(&found, kind, secret, true), expect, "{text}");
    }

    #[test]
    fn a_value_is_what_it_was_said_to_be() {
        let (jwt, seed, text) = (Some(Kind::Jwt), Some(Kind::Seed), Some(Kind::Text));
        check(JWT, true, jwt, true, Ok(()));
        check("eyJ0.eyJq", true, jwt, true, Err(Fault::NoJwt));
        check("eyJ0.eyJq.c2l=", true, jwt, true, Err(Fault::NoJwt));
        check("eyJ0..c2", true, jwt, true, Err(Fault::NoJwt));
        check("hello", true, jwt, true, Err(Fault::NoJwt));
        check(SEED, true, seed, true, Ok(()));
        check(&SEED[..57], true, seed, true, Err(Fault::NoSeed));
        check(&SEED.to_lowercase(), true, seed, true, Err(Fault::NoSeed));
        check(&SEED.replacen("SU", "SA", 1), true, seed, true, Err(Fault::NoSeed));
        check("", false, None, true, Err(Fault::Empty));
        check("", false, text, false, Err(Fault::Empty));
        check("anything", true, None, true, Ok(()));
    }

    #[test]
    fn ciphertext_is_never_taken_for_a_value() {
        check("kms:alias/aws/ssm:x", true, None, true, Err(Fault::NotDecrypted));
        check(&format!("AQICAH{}", "a".repeat(200)), true, Some(Kind::Jwt), true, Err(Fault::NotDecrypted));
        let found = Found { value: Secret::new("opaque"), encrypted: true, version: 1 };
        assert_eq!(judge(&found, None, true, false), Err(Fault::NotDecrypted));
    }

    #[test]
    fn a_secret_does_not_come_out_as_text() {
        let text = Some(Kind::Text);
        check("nats://a:4222,nats://b:4222", false, None, false, Ok(()));
        check("nats://a:4222", true, None, false, Err(Fault::NotSealed));
        check("nats://a:4222", true, text, false, Ok(()));
        check("nats://a:4222,nats://me:pass@b:4222", false, text, false, Err(Fault::LooksSecret));
        check("nats://me@b:4222", false, None, false, Err(Fault::LooksSecret));
        check(JWT, false, text, false, Err(Fault::LooksSecret));
        check(SEED, false, None, false, Err(Fault::LooksSecret));
        check("-----BEGIN NATS USER JWT-----", false, None, false, Err(Fault::LooksSecret));
    }
}
