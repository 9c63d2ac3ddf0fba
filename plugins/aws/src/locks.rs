//! Parameters that are locks: a folder for each lock, and in it one parameter for each generation, made without
//! overwriting another. Plain requests, each sent once; who holds what is for the caller to say.
//!
//! It knows no run: a value is text, and never a secret.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_ssm::types::ParameterType;
use sluice_plugin::inventory::Aws;
use sluice_plugin::{Problem, Purpose};

use crate::clients::{ClientSet, Clients};

/// Rights that a lock needs beside `sts:GetCallerIdentity`, on `parameter<prefix>/sluice/lock/*`.
pub const RIGHTS: [&str; 3] = ["ssm:GetParametersByPath", "ssm:PutParameter", "ssm:DeleteParameters"];

const BY_PATH: &str = "ssm:GetParametersByPath";
const PUT: &str = "ssm:PutParameter";
const DELETE: &str = "ssm:DeleteParameters";

/// AWS takes at most this many names in one request.
const MOST_NAMES: usize = 10;

/// The locks of one account, region and path.
pub struct LockParameters {
    clients: Arc<Clients>,
    aws: Aws,
    folder: String,
}

/// One generation of a lock, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub generation: u64,
    pub value: String,
}

impl LockParameters {
    /// Asks nothing yet. `prefix` is the cluster's path in the parameter store.
    pub fn new(aws: Aws, prefix: &str) -> Self {
        Self { clients: Arc::default(), aws, folder: folder(prefix) }
    }

    /// Whom AWS takes this process for; an error if that is not the account of the inventory.
    pub async fn caller(&self) -> Result<String, Problem> {
        Ok(self.clients.identity(&self.aws, Purpose::Act).await?.arn)
    }

    /// The generations of one lock that are there, oldest first.
    pub async fn entries(&self, lock: &str) -> Result<Vec<Entry>, Problem> {
        let mut found = self.below(&format!("{}/{}", self.folder, encoded(lock))).await?;
        Ok(found.remove(lock).unwrap_or_default())
    }

    /// Those of all locks, by the lock's name.
    pub async fn all(&self) -> Result<BTreeMap<String, Vec<Entry>>, Problem> {
        self.below(&self.folder).await
    }

    async fn below(&self, path: &str) -> Result<BTreeMap<String, Vec<Entry>>, Problem> {
        let aws = self.open().await?;
        let mut found = BTreeMap::<String, Vec<Entry>>::new();
        let mut token = None;
        loop {
            let request = aws.ssm.client.get_parameters_by_path().path(path).recursive(true).set_next_token(token);
            let answer = request.send().await.map_err(|error| aws.problem(&aws.ssm, BY_PATH, path, &error))?;
            for parameter in answer.parameters() {
                let place = parameter.name().and_then(|name| self.place(name));
                let Some((lock, generation)) = place else { continue };
                let value = parameter.value().unwrap_or_default().to_owned();
                found.entry(lock).or_default().push(Entry { generation, value });
            }
            // A page may be empty and still not be the last.
            token = answer.next_token;
            if token.as_deref().is_none_or(str::is_empty) {
                break;
            }
        }
        found.values_mut().for_each(|entries| entries.sort_by_key(|entry| entry.generation));
        Ok(found)
    }

    /// False: this generation is there already.
    pub async fn create(&self, lock: &str, entry: &Entry) -> Result<bool, Problem> {
        Ok(self.put(lock, entry, false).await?.is_some())
    }

    /// Writes over a generation that is the caller's own. False: somebody had removed it, and it is there again.
    pub async fn overwrite(&self, lock: &str, entry: &Entry) -> Result<bool, Problem> {
        Ok(self.put(lock, entry, true).await?.is_some_and(|version| version > 1))
    }

    /// The version of the parameter by now, which begins with 1; `None` where nothing was written.
    async fn put(&self, lock: &str, entry: &Entry, overwrite: bool) -> Result<Option<i64>, Problem> {
        let aws = self.open().await?;
        let name = self.name(lock, entry.generation);
        let request = aws.ssm.client.put_parameter().name(&name).value(&entry.value);
        let answer = request.r#type(ParameterType::String).overwrite(overwrite).send().await;
        match answer {
            Ok(written) => Ok(Some(written.version())),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_parameter_already_exists()) => Ok(None),
            Err(error) => Err(aws.problem(&aws.ssm, PUT, &name, &error)),
        }
    }

    /// Those that are not there are no error.
    pub async fn remove(&self, lock: &str, generations: &[u64]) -> Result<(), Problem> {
        let aws = self.open().await?;
        let names: Vec<_> = generations.iter().map(|generation| self.name(lock, *generation)).collect();
        for names in names.chunks(MOST_NAMES) {
            let answer = aws.ssm.client.delete_parameters().set_names(Some(names.to_vec())).send().await;
            answer.map_err(|error| aws.problem(&aws.ssm, DELETE, &names.join(", "), &error))?;
        }
        Ok(())
    }

    async fn open(&self) -> Result<Arc<ClientSet>, Problem> {
        self.clients.open(&self.aws, Purpose::Act).await
    }

    fn name(&self, lock: &str, generation: u64) -> String {
        format!("{}/{}/{generation}", self.folder, encoded(lock))
    }

    /// The lock and the generation that a parameter stands for; `None` of what somebody else put there.
    fn place(&self, name: &str) -> Option<(String, u64)> {
        let (lock, generation) = name.strip_prefix(&self.folder)?.strip_prefix('/')?.split_once('/')?;
        Some((decoded(lock)?, generation.parse().ok()?))
    }
}

/// Where the locks of a cluster with this path stand.
pub fn folder(prefix: &str) -> String {
    format!("{}/sluice/lock", prefix.trim_end_matches('/'))
}

/// Any text as one part of a parameter's path: letters, digits and `-` stand for themselves, each other byte is `_` and
/// two digits. Empty text is `_`.
fn encoded(lock: &str) -> String {
    if lock.is_empty() {
        return "_".to_owned();
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let part = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("_{byte:02X}") };
    lock.bytes().map(part).collect()
}

fn decoded(part: &str) -> Option<String> {
    if part == "_" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'_' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = rest.get(2..)?;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_is_one_part_of_a_path_and_comes_back() {
        let check = |lock: &str, expect: &str| {
            assert_eq!(encoded(lock), expect);
            assert_eq!(decoded(expect).as_deref(), Some(lock));
        };
        check("cluster/nats-staging", "cluster_2Fnats-staging");
        check("", "_");
        check("_", "_5F");
        check("a_2Fb", "a_5F2Fb");
        check("..", "_2E_2E");
        check("größe/💧", "gr_C3_B6_C3_9Fe_2F_F0_9F_92_A7");
        for broken in ["_2", "_zz", "a_", "_FF", "_+1"] {
            assert!(decoded(broken).is_none_or(|text| encoded(&text) != broken), "{broken}");
        }
    }

    #[test]
    fn what_is_no_lock_is_passed_over() {
        let aws = Aws { account: None, region: "us-east-2".into(), profile: None, act_role: None };
        let locks = LockParameters::new(aws, "/nats-cluster/nats-staging/");
        let check = |name: &str, expect: Option<(&str, u64)>| {
            let expect = expect.map(|(lock, generation)| (lock.to_owned(), generation));
            assert_eq!(locks.place(name), expect, "{name}");
        };
        assert_eq!(locks.name("a/b", 7), "/nats-cluster/nats-staging/sluice/lock/a_2Fb/7");
        check("/nats-cluster/nats-staging/sluice/lock/a_2Fb/7", Some(("a/b", 7)));
        check("/nats-cluster/nats-staging/sluice/lock/a_2Fb/seven", None);
        check("/nats-cluster/nats-staging/sluice/lock/7", None);
        check("/nats-cluster/nats-staging/sluice/locks/a/7", None);
        check("/nats-cluster/nats-staging/admin/nats_admin_jwt", None);
    }
}
