//! The secrets of one run: which reference stands for which value, and where each may be sent.
//!
//! It knows values only in memory. Where they come from (environment, parameter store, a step) is told to it; every
//! value it is told also goes to the redactor.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use sluice_plugin::{Problem, Secret, SecretRef};

use crate::grants::{Origin, denied_for_good};
use crate::redact::Redactor;

pub struct Vault {
    redactor: Arc<Redactor>,
    kept: RwLock<BTreeMap<SecretRef, Kept>>,
}

struct Kept {
    secret: Secret,
    bound: Bound,
}

/// Where the host may send a secret in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Wherever the plugin that uses it may send requests.
    Granted,
    /// These origins only, whatever the plugin was granted beside them.
    To(Vec<Origin>),
}

/// What the references of the inventory's secrets begin with.
const INVENTORY: &str = "secrets.";

impl Vault {
    pub fn new(redactor: Arc<Redactor>) -> Self {
        Self { redactor, kept: RwLock::default() }
    }

    pub fn redactor(&self) -> &Arc<Redactor> {
        &self.redactor
    }

    /// Keeps a secret of the inventory and gives the reference for it, `secrets.<name>`.
    pub fn keep(&self, name: &str, secret: Secret, bound: Bound) -> SecretRef {
        let reference = SecretRef(format!("{INVENTORY}{name}"));
        self.insert(reference, secret, bound)
    }

    /// Keeps a secret that a step returns and gives the reference for it, `steps.<step path>#<pointer>`.
    pub fn seal(&self, step: &str, pointer: &str, secret: Secret) -> SecretRef {
        self.insert(SecretRef(format!("steps.{step}#{pointer}")), secret, Bound::Granted)
    }

    /// Fails with `secret_gone` when this process never had it or it was kept by one that is no more: whatever gave
    /// it has to be asked again.
    pub fn reveal(&self, reference: &SecretRef) -> Result<Secret, Problem> {
        let (secret, bound) = self.with(reference, |kept| (kept.secret.clone(), kept.bound.clone()))?;
        match bound {
            Bound::Granted => Ok(secret),
            Bound::To(_) => {
                let message = format!(
                    "the secret {} is only for certain origins (`to` in the inventory): the host puts it into a request, \
                     and nobody else sees it",
                    reference.0
                );
                Err(denied_for_good(message))
            }
        }
    }

    /// As [`Vault::reveal`], for a header of a request to `origin`.
    pub(crate) fn reveal_to(&self, reference: &SecretRef, origin: &Origin) -> Result<Secret, Problem> {
        let (secret, bound) = self.with(reference, |kept| (kept.secret.clone(), kept.bound.clone()))?;
        match bound {
            Bound::Granted => Ok(secret),
            Bound::To(origins) if origins.contains(origin) => Ok(secret),
            Bound::To(origins) => {
                let origins: Vec<String> = origins.iter().map(Origin::to_string).collect();
                let only = origins.join(", ");
                let message = format!("the secret {} may not be sent to {origin}, only to {only}", reference.0);
                Err(denied_for_good(message))
            }
        }
    }

    /// The name in `secrets.<name>`.
    pub(crate) fn inventory_name(reference: &SecretRef) -> Option<&str> {
        reference.0.strip_prefix(INVENTORY)
    }

    fn insert(&self, reference: SecretRef, secret: Secret, bound: Bound) -> SecretRef {
        self.redactor.add(&reference.0, secret.expose());
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.insert(reference.clone(), Kept { secret, bound });
        reference
    }

    fn with<T>(&self, reference: &SecretRef, read: impl FnOnce(&Kept) -> T) -> Result<T, Problem> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.get(reference).map(read).ok_or_else(|| {
            let message = format!("the secret {} is not in this process; it has to be fetched again", reference.0);
            Problem::not_applied("secret_gone", message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault() -> Vault {
        Vault::new(Arc::new(Redactor::new()))
    }

    #[test]
    fn references_say_where_a_secret_comes_from_and_what_is_kept_is_redacted() {
        let vault = vault();
        let token = vault.keep("axiom_token", Secret::new("xaat-1234"), Bound::Granted);
        let jwt = vault.seal("roll[node-2]/creds", "/jwt", Secret::new("the-jwt-itself"));
        assert_eq!((token.0.as_str(), jwt.0.as_str()), ("secrets.axiom_token", "steps.roll[node-2]/creds#/jwt"));
        assert_eq!(vault.reveal(&jwt).unwrap().expose(), "the-jwt-itself");
        assert_eq!(vault.redactor().text("a xaat-1234"), "a [redacted secrets.axiom_token]");
        assert_eq!(vault.redactor().text("the-jwt-itself"), "[redacted steps.roll[node-2]/creds#/jwt]");
        vault.seal("roll[node-2]/creds", "/jwt", Secret::new("a-newer-jwt"));
        assert_eq!(vault.reveal(&jwt).unwrap().expose(), "a-newer-jwt");
    }

    #[test]
    fn an_unknown_reference_is_told_apart() {
        let problem = vault().reveal(&SecretRef("steps.creds#/jwt".into())).err().unwrap();
        assert_eq!(problem.code, "secret_gone");
    }

    #[test]
    fn a_bound_secret_goes_nowhere_else() {
        let vault = vault();
        let home = Origin::parse("https://api.axiom.co").unwrap();
        let away = Origin::parse("https://evil.example").unwrap();
        let bound = vault.keep("a", Secret::new("aaaaaaaa"), Bound::To(vec![home.clone()]));
        let free = vault.keep("b", Secret::new("bbbbbbbb"), Bound::Granted);
        assert_eq!(vault.reveal(&bound).err().unwrap().code, "denied");
        assert!(vault.reveal_to(&bound, &home).is_ok() && vault.reveal_to(&free, &away).is_ok());
        assert_eq!(vault.reveal_to(&bound, &away).err().unwrap().code, "denied");
    }
}
