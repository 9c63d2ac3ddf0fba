//! Keys and JWTs of one lab: operator, accounts SYS and PIVOT, and their users, signed here with the nkeys crate.
//! It knows the claims nats-server reads, not where they are used.

use data_encoding::BASE64URL_NOPAD;
use nkeys::{KeyPair, KeyPairType};
use serde_json::{Value, json};

use crate::error::{Context, Result};

/// A user: its JWT and the seed of its key.
#[derive(Clone)]
pub(crate) struct User {
    /// User name, as in the JWT.
    pub(crate) name: String,
    /// The signed claims.
    pub(crate) jwt: String,
    /// The private seed (`SU...`).
    pub(crate) seed: String,
}

impl User {
    /// The text of a creds file, in the exact form the clients parse.
    pub(crate) fn creds(&self) -> String {
        format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            self.jwt, self.seed
        )
    }
}

/// Everything a lab signs with or hands out.
pub(crate) struct Keys {
    /// The operator's JWT, for the server's configuration.
    pub(crate) operator: String,
    /// Public key and JWT of the system account.
    pub(crate) system: (String, String),
    /// Public key and JWT of the account with the stream.
    pub(crate) pivot: (String, String),
    /// admin, still, one per service, and sys.
    pub(crate) users: Vec<User>,
}

const STEP_DOWN: [&str; 2] = ["$JS.API.STREAM.LEADER.STEPDOWN.>", "$JS.API.CONSUMER.LEADER.STEPDOWN.>"];

impl Keys {
    /// Makes all keys anew. With `import` the admin may ask `$SYS.REQ.SERVER.*`, which it cannot by default.
    pub(crate) fn mint(services: &[&str], import: bool) -> Result<Self> {
        let operator = KeyPair::new_operator();
        let (system, pivot) = (KeyPair::new_account(), KeyPair::new_account());
        let mut users = vec![
            user(&pivot, "admin", json!({}), json!({}))?,
            // An admin who may not move leaders.
            user(&pivot, "still", json!({ "deny": STEP_DOWN }), json!({}))?,
            user(&system, "sys", json!({}), json!({}))?,
        ];
        for service in services {
            let (publish, subscribe) = service_rights(service);
            users.push(user(&pivot, service, publish, subscribe)?);
        }
        let system_key = system.public_key();
        Ok(Keys {
            operator: sign(&operator, &operator, "lab", json!({ "type": "operator", "version": 2 }))?,
            system: (system_key.clone(), sign(&operator, &system, "SYS", system_claims(import))?),
            pivot: (pivot.public_key(), sign(&operator, &pivot, "PIVOT", pivot_claims(import, &system_key))?),
            users,
        })
    }

    /// The user of this name.
    pub(crate) fn user(&self, name: &str) -> Result<&User> {
        self.users.iter().find(|user| user.name == name).context(format!("no user '{name}' in this lab"))
    }
}

/// A service may use its own subjects, its inbox, and its own durable consumer.
fn service_rights(service: &str) -> (Value, Value) {
    let own = format!("{service}.>");
    let consumer = format!("pivot_main.{service}-worker");
    let publish = json!([
        own,
        "_INBOX.>",
        format!("$JS.API.CONSUMER.INFO.{consumer}"),
        format!("$JS.API.CONSUMER.MSG.NEXT.{consumer}"),
        format!("$JS.ACK.{consumer}.>")
    ]);
    (json!({ "allow": publish }), json!({ "allow": [own, "_INBOX.>"] }))
}

fn user(account: &KeyPair, name: &str, publish: Value, subscribe: Value) -> Result<User> {
    let key = KeyPair::new(KeyPairType::User);
    let claims = json!({
        "type": "user", "version": 2, "pub": publish, "sub": subscribe, "subs": -1, "data": -1, "payload": -1
    });
    Ok(User { name: name.to_owned(), jwt: sign(account, &key, name, claims)?, seed: key.seed().context("user key")? })
}

fn account(jetstream: bool) -> Value {
    let storage = if jetstream { -1 } else { 0 };
    json!({
        "type": "account", "version": 2,
        "limits": {
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1,
            "leaf": -1, "mem_storage": storage, "disk_storage": storage, "streams": storage, "consumer": storage
        }
    })
}

const SYSTEM_SERVICES: [&str; 2] = ["$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.*.*"];

fn system_claims(export: bool) -> Value {
    let mut claims = account(false);
    if let (true, Some(map)) = (export, claims.as_object_mut()) {
        // "Stream", because every server answers: with Singleton only the first answer would come through.
        let exports =
            SYSTEM_SERVICES.map(|s| json!({ "name": s, "subject": s, "type": "service", "response_type": "Stream" }));
        map.insert("exports".into(), json!(exports));
    }
    claims
}

fn pivot_claims(import: bool, system: &str) -> Value {
    let mut claims = account(true);
    if let (true, Some(map)) = (import, claims.as_object_mut()) {
        let imports = SYSTEM_SERVICES.map(|s| json!({ "name": s, "subject": s, "account": system, "type": "service" }));
        map.insert("imports".into(), json!(imports));
    }
    claims
}

fn sign(issuer: &KeyPair, subject: &KeyPair, name: &str, nats: Value) -> Result<String> {
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({
        "jti": subject.public_key(), "iat": now, "iss": issuer.public_key(), "sub": subject.public_key(),
        "name": name, "nats": nats
    });
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", encode(&json!({ "typ": "JWT", "alg": "ed25519-nkey" })), encode(&claims));
    let signature = issuer.sign(signed.as_bytes()).context(format!("signing the JWT of {name}"))?;
    Ok(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_name_their_issuer_and_verify() {
        let keys = Keys::mint(&["facebox"], false).unwrap();
        let admin = keys.user("admin").unwrap();
        let parts: Vec<&str> = admin.jwt.split('.').collect();
        let claims: Value = serde_json::from_slice(&BASE64URL_NOPAD.decode(parts[1].as_bytes()).unwrap()).unwrap();
        assert_eq!(claims["iss"], json!(keys.pivot.0));
        let signed = format!("{}.{}", parts[0], parts[1]);
        let signature = BASE64URL_NOPAD.decode(parts[2].as_bytes()).unwrap();
        KeyPair::from_public_key(&keys.pivot.0).unwrap().verify(signed.as_bytes(), &signature).unwrap();
        assert!(admin.seed.starts_with("SU"));
        assert!(keys.user("nobody").is_err());
    }
}
