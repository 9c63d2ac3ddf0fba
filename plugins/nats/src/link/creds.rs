//! A user's credentials as they come from the parameter store: looked at before they are used, and written as the
//! creds file that the `nats` command reads. No message here shows any part of a value.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use sluice_plugin::{Host, Problem, Secret, schema};

use super::jwt::Claims;

/// A JWT and a seed as leaves of `with`: references to secrets, or texts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CredsInput {
    /// The user's JWT.
    #[schemars(schema_with = "schema::secret")]
    pub(crate) jwt: Value,
    /// The user's NKey seed.
    #[schemars(schema_with = "schema::secret")]
    pub(crate) seed: Value,
}

/// Credentials that look as they should.
pub(crate) struct UserCreds {
    pub(crate) jwt: Secret,
    pub(crate) seed: Secret,
    pub(crate) claims: Claims,
}

impl CredsInput {
    /// `pointer` is where the two leaves stand in `with`.
    pub(crate) fn reveal(&self, host: &dyn Host, pointer: &str) -> Result<UserCreds, Problem> {
        let jwt = host.reveal(&self.jwt)?;
        let seed = host.reveal(&self.seed)?;
        UserCreds::parse(&jwt, &seed, pointer)
    }
}

impl UserCreds {
    pub(crate) fn parse(jwt: &Secret, seed: &Secret, pointer: &str) -> Result<Self, Problem> {
        let (jwt_at, seed_at) = (format!("{pointer}/jwt"), format!("{pointer}/seed"));
        let jwt = jwt.expose().trim();
        let seed = seed.expose().trim();
        check_encrypted(jwt, "the JWT", &jwt_at)?;
        check_encrypted(seed, "the seed", &seed_at)?;
        let claims = Claims::decode(jwt).map_err(|why| Problem::bad_input(&jwt_at, why))?;
        check_seed(seed, &claims).map_err(|why| Problem::bad_input(&seed_at, why))?;
        Ok(Self { jwt: Secret::new(jwt), seed: Secret::new(seed), claims })
    }

    /// The exact bytes the `nats` command and every client read, with the newline at the end that they need.
    pub(crate) fn file(&self) -> Secret {
        let parts = [
            "-----BEGIN NATS USER JWT-----\n",
            self.jwt.expose(),
            "\n------END NATS USER JWT------\n\n",
            "************************* IMPORTANT *************************\n",
            "NKEY Seed printed below can be used to sign and prove identity.\n",
            "NKEYs are sensitive and should be treated as secrets.\n\n",
            "-----BEGIN USER NKEY SEED-----\n",
            self.seed.expose(),
            "\n------END USER NKEY SEED------\n\n",
            "*************************************************************\n",
        ];
        Secret::new(parts.concat())
    }
}

fn check_encrypted(value: &str, what: &str, pointer: &str) -> Result<(), Problem> {
    if value.is_empty() {
        return Err(Problem::bad_input(
            pointer,
            format!("{what} is empty: was the parameter found and read with decryption?"),
        ));
    }
    // KMS ciphertext in base64 starts with AQICA; the older blob format with AQECA.
    if value.starts_with("AQICA") || value.starts_with("AQECA") || value.starts_with("kms:") {
        return Err(Problem::bad_input(
            pointer,
            format!("{what} is still encrypted: read the parameter with decryption"),
        ));
    }
    Ok(())
}

fn check_seed(seed: &str, claims: &Claims) -> Result<(), String> {
    if seed.starts_with("eyJ") {
        return Err("the seed is a JWT: jwt and seed are exchanged".to_owned());
    }
    match seed.get(..2) {
        Some("SU") => {}
        Some("SA") => return Err("the seed is an account's (SA), not a user's (SU)".to_owned()),
        Some("SO") => {
            return Err("the seed is an operator's (SO), not a user's (SU): it should not be here at all".to_owned());
        }
        _ => return Err("the seed does not start with SU, as a user's NKey seed does".to_owned()),
    }
    let pair = nkeys::KeyPair::from_seed(seed)
        .map_err(|_| "the seed is damaged: its checksum is wrong; was it cut off?".to_owned())?;
    let key = pair.public_key();
    if key == claims.user_key {
        return Ok(());
    }
    Err(format!("the seed belongs to user key {key} and the JWT to {}: they are not a pair", claims.user_key))
}

#[cfg(test)]
pub(crate) mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use nkeys::KeyPair;
    use serde_json::json;

    use super::*;

    /// A user's JWT and seed as an account would give them out.
    pub(crate) fn minted(expires: Option<i64>) -> (String, String) {
        let (account, user) = (KeyPair::new_account(), KeyPair::new_user());
        let claims = json!({
            "jti": "x", "iat": 1_795_371_058, "iss": account.public_key(), "name": "admin", "sub": user.public_key(),
            "exp": expires, "nats": { "type": "user", "version": 2 }
        });
        let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
        let body = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = URL_SAFE_NO_PAD.encode(account.sign(body.as_bytes()).unwrap());
        (format!("{body}.{signature}"), user.seed().unwrap())
    }

    fn refused(jwt: &str, seed: &str) -> Problem {
        match UserCreds::parse(&Secret::new(jwt), &Secret::new(seed), "/creds") {
            Ok(_) => panic!("this should not pass"),
            Err(problem) => problem,
        }
    }

    #[test]
    fn the_creds_file_is_the_one_every_client_reads() {
        let (jwt, seed) = minted(None);
        let spaced = (format!(" {jwt}\n"), format!("{seed}\r\n"));
        let creds = UserCreds::parse(&Secret::new(spaced.0), &Secret::new(spaced.1), "/creds").unwrap();
        let file = creds.file();
        let lines: Vec<&str> = file.expose().lines().collect();
        assert_eq!(lines[0], "-----BEGIN NATS USER JWT-----");
        assert_eq!(lines[1], jwt);
        assert_eq!(lines[2], "------END NATS USER JWT------");
        assert_eq!(lines[8..=10], ["-----BEGIN USER NKEY SEED-----", &seed, "------END USER NKEY SEED------"]);
        assert!(file.expose().ends_with("*\n"));
        async_nats::ConnectOptions::with_credentials(file.expose()).expect("the client reads it");
    }

    #[test]
    fn what_is_wrong_with_a_value_is_said_without_the_value() {
        let (jwt, seed) = minted(None);
        let (other_jwt, _) = minted(None);
        let account_seed = KeyPair::new_account().seed().unwrap();
        let other = if seed[20..].starts_with('B') { 'C' } else { 'B' };
        let damaged = format!("{}{other}{}", &seed[..20], &seed[21..]);
        let cases = [
            ("", seed.as_str(), "/creds/jwt", "empty"),
            (" \n", &seed, "/creds/jwt", "empty"),
            ("AQICAHhBq2c", &seed, "/creds/jwt", "still encrypted"),
            ("kms:alias/aws/ssm:x", &seed, "/creds/jwt", "still encrypted"),
            ("hello", &seed, "/creds/jwt", "eyJ"),
            (&seed, &jwt, "/creds/jwt", "exchanged"),
            ("eyJ0.e", &seed, "/creds/jwt", "three parts"),
            (&jwt, "", "/creds/seed", "empty"),
            (&jwt, "AQICAHhBq2c", "/creds/seed", "still encrypted"),
            (&jwt, &account_seed, "/creds/seed", "account"),
            (&jwt, "SOxx", "/creds/seed", "operator"),
            (&jwt, &damaged, "/creds/seed", "seed"),
            (&jwt, "nothing", "/creds/seed", "SU"),
            (&jwt, &jwt, "/creds/seed", "exchanged"),
            (&other_jwt, &seed, "/creds/seed", "not a pair"),
        ];
        for (jwt_given, seed_given, path, word) in cases {
            let problem = refused(jwt_given, seed_given);
            assert_eq!(problem.path.as_deref(), Some(path), "{}", problem.message);
            assert!(problem.message.contains(word), "{} should say {word}", problem.message);
            assert!(!problem.message.contains(&seed) && !problem.message.contains(&jwt));
        }
    }
}
