//! What a user's JWT says of itself. The signature is the server's business; nothing here trusts the claims.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use sluice_plugin::Timestamp;

/// The claims of a user JWT that an operator wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) name: String,
    /// `U...`
    pub(crate) user_key: String,
    /// `A...`: the account, also where a signing key issued the JWT.
    pub(crate) account: String,
    /// The account's key or one of its signing keys.
    pub(crate) issuer: String,
    /// Seconds since 1970.
    pub(crate) issued_at: Option<i64>,
    /// Seconds since 1970; `None` never expires.
    pub(crate) expires_at: Option<i64>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    name: String,
    #[serde(default)]
    sub: String,
    #[serde(default)]
    iss: String,
    iat: Option<i64>,
    exp: Option<i64>,
    #[serde(default)]
    nats: RawNats,
}

#[derive(Default, Deserialize)]
struct RawNats {
    issuer_account: Option<String>,
}

impl Claims {
    pub(crate) fn decode(jwt: &str) -> Result<Self, String> {
        if jwt.starts_with("SU") {
            return Err("the JWT is a seed: jwt and seed are exchanged".to_owned());
        }
        if !jwt.starts_with("eyJ") {
            return Err("the JWT does not start with eyJ: is this the right parameter?".to_owned());
        }
        let parts: Vec<&str> = jwt.split('.').collect();
        let [_, body, _] = parts.as_slice() else {
            return Err("the JWT has not three parts: was it cut off?".to_owned());
        };
        let body = URL_SAFE_NO_PAD
            .decode(body.trim_end_matches('='))
            .map_err(|_| "the JWT's middle part is not base64".to_owned())?;
        let raw: Raw = serde_json::from_slice(&body)
            .map_err(|_| "the JWT's middle part is not the claims of a NATS user".to_owned())?;
        if !raw.sub.starts_with('U') {
            return Err("the JWT is not a user's: its subject does not start with U".to_owned());
        }
        Ok(Self {
            name: raw.name,
            user_key: raw.sub,
            account: raw.nats.issuer_account.unwrap_or_else(|| raw.iss.clone()),
            issuer: raw.iss,
            issued_at: raw.iat,
            // 0 is written by some tools and means the same as nothing.
            expires_at: raw.exp.filter(|exp| *exp > 0),
        })
    }

    pub(crate) fn expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|exp| exp <= now.0 / 1000)
    }

    /// "never expires", "expires in 3 days", "expired 2 hours ago".
    pub(crate) fn expiry(&self, now: Timestamp) -> String {
        let Some(exp) = self.expires_at else { return "never expires".to_owned() };
        let seconds = exp - now.0 / 1000;
        let (count, unit) = match seconds.unsigned_abs() {
            few @ 0..=119 => (few, "seconds"),
            some @ 120..=7_199 => (some / 60, "minutes"),
            more @ 7_200..=172_799 => (more / 3_600, "hours"),
            many => (many / 86_400, "days"),
        };
        if seconds > 0 { format!("expires in {count} {unit}") } else { format!("expired {count} {unit} ago") }
    }
}

#[cfg(test)]
mod tests {
    use super::super::creds::tests::minted;
    use super::*;

    #[test]
    fn expiry_is_told_politely() {
        let now = Timestamp(1_800_000_000_000);
        let cases = [
            (None, false, "never expires"),
            (Some(0), false, "never expires"),
            (Some(1_800_000_060), false, "expires in 60 seconds"),
            (Some(1_800_000_000), true, "expired 0 seconds ago"),
            (Some(1_799_992_800), true, "expired 2 hours ago"),
            (Some(1_800_864_000), false, "expires in 10 days"),
        ];
        for (exp, expired, words) in cases {
            let claims = Claims::decode(&minted(exp).0).unwrap();
            assert_eq!((claims.expired(now), claims.expiry(now).as_str()), (expired, words), "{exp:?}");
        }
    }

    #[test]
    fn claims_name_user_and_account() {
        let claims = Claims::decode(&minted(None).0).unwrap();
        assert_eq!(claims.name, "admin");
        assert!(claims.user_key.starts_with('U') && claims.account.starts_with('A'));
        assert_eq!(claims.issuer, claims.account);
    }
}
