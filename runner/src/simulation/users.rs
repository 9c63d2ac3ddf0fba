//! Credentials that look as real ones do, for users that exist in a world only; the tests of the world use them too.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::json;
use sluice_plugin::inventory::CredsAt;
use sluice_world::{Parameter, Setup, User};

/// A user's JWT and seed, as the account would give them out.
pub(crate) struct Minted {
    jwt: String,
    seed: String,
    key: String,
    name: String,
}

impl Minted {
    pub(crate) fn new(name: &str) -> Result<Self, nkeys::error::Error> {
        let (account, user) = (KeyPair::new_account(), KeyPair::new_user());
        let claims = json!({
            "jti": "x", "iat": 1_789_000_000, "iss": account.public_key(), "name": name, "sub": user.public_key(),
            "nats": { "type": "user", "version": 2 }
        });
        let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
        let body = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = URL_SAFE_NO_PAD.encode(account.sign(body.as_bytes())?);
        let (jwt, seed) = (format!("{body}.{signature}"), user.seed()?);
        Ok(Self { jwt, seed, key: user.public_key(), name: name.to_owned() })
    }

    /// Known to the cluster, and in the parameter store as the admin's. With `system` it may ask the servers too.
    pub(crate) fn as_admin(&self, setup: &mut Setup, system: bool) {
        let at = setup.cluster.creds.admin.clone();
        self.known(setup, ("PIVOT", true, system), at);
    }

    /// The user of the system account, where the inventory has one.
    pub(crate) fn as_system(&self, setup: &mut Setup) {
        if let Some(at) = setup.cluster.creds.system.clone() {
            self.known(setup, ("SYS", false, true), at);
        }
    }

    fn known(&self, setup: &mut Setup, (account, jetstream, system): (&str, bool, bool), at: CredsAt) {
        let (jwt, key, name) = (self.jwt.clone(), self.key.clone(), self.name.clone());
        setup.users.push(User { jwt, key, name, account: account.into(), jetstream, system });
        for (name, value) in [(at.jwt, &self.jwt), (at.seed, &self.seed)] {
            // Put in by hand, so with a newline at its end.
            setup.parameters.push(Parameter { name, value: format!("{value}\n"), encrypted: true, version: 1 });
        }
    }
}
