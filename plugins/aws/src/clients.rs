//! One set of service clients per region, profile and kind of use, kept for the life of the process.
//!
//! A set is made at the first call that needs it, checks once that it talks to the account the inventory names, and
//! is thrown away when its credentials stop working, so that a login in another window is seen by the next call.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use sluice_plugin::inventory::Aws;
use sluice_plugin::{Problem, Purpose};
use tokio::sync::{Mutex, OnceCell};

use crate::connect::{Connection, Retries, Surroundings};
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::problem::{Asked, act_problem, problem};

/// All client sets of one plugin.
#[derive(Default)]
pub(crate) struct Clients {
    surroundings: Surroundings,
    sets: Mutex<HashMap<Connection, Arc<ClientSet>>>,
}

/// The clients of one region and profile. For acts they never send anything twice.
pub(crate) struct ClientSet {
    pub(crate) autoscaling: Service<aws_sdk_autoscaling::Client>,
    pub(crate) ec2: Service<aws_sdk_ec2::Client>,
    pub(crate) logs: Service<aws_sdk_cloudwatchlogs::Client>,
    pub(crate) ssm: Service<aws_sdk_ssm::Client>,
    pub(crate) sts: Service<aws_sdk_sts::Client>,
    config: SdkConfig,
    connection: Connection,
    identity: OnceCell<Identity>,
    stale: AtomicBool,
}

/// A client and where its requests go.
#[derive(Clone)]
pub(crate) struct Service<C> {
    pub(crate) client: C,
    endpoint: Endpoint,
}

/// Whom AWS takes the caller for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) account: String,
    pub(crate) arn: String,
    pub(crate) user_id: String,
}

impl Clients {
    #[cfg(test)]
    pub(crate) fn with(surroundings: Surroundings) -> Self {
        Self { surroundings, sets: Mutex::default() }
    }

    /// The set for this place, after it was checked that it leads to the account the inventory names.
    pub(crate) async fn open(&self, aws: &Aws, purpose: Purpose) -> Result<Arc<ClientSet>, Problem> {
        let set = self.set(aws, purpose).await;
        if let Some(expected) = &aws.account {
            let identity = set.identity.get_or_try_init(|| set.ask_identity()).await?;
            set.expect(expected, identity)?;
        }
        Ok(set)
    }

    /// Asks anew whom AWS takes the caller for, and compares it with the inventory.
    pub(crate) async fn identity(&self, aws: &Aws, purpose: Purpose) -> Result<Identity, Problem> {
        let set = self.set(aws, purpose).await;
        let identity = set.ask_identity().await?;
        if let Some(expected) = &aws.account {
            set.expect(expected, &identity)?;
        }
        Ok(identity)
    }

    async fn set(&self, aws: &Aws, purpose: Purpose) -> Arc<ClientSet> {
        let connection =
            Connection { region: aws.region.clone(), profile: aws.profile.clone(), retries: Retries::of(purpose) };
        let mut sets = self.sets.lock().await;
        if let Some(set) = sets.get(&connection).filter(|set| !set.stale.load(Ordering::Relaxed)) {
            return set.clone();
        }
        let config = connection.load(&self.surroundings).await;
        let set = Arc::new(ClientSet::new(&config, connection.clone()));
        sets.insert(connection, set.clone());
        set
    }
}

impl ClientSet {
    fn new(config: &SdkConfig, connection: Connection) -> Self {
        let [ec2, logs, sts] = std::array::from_fn(|_| Endpoint::default());
        Self {
            autoscaling: autoscaling(config),
            ec2: Service::new(ec2, |endpoint| {
                let config = aws_sdk_ec2::config::Builder::from(config).interceptor(endpoint).build();
                aws_sdk_ec2::Client::from_conf(config)
            }),
            logs: Service::new(logs, |endpoint| {
                let config = aws_sdk_cloudwatchlogs::config::Builder::from(config).interceptor(endpoint).build();
                aws_sdk_cloudwatchlogs::Client::from_conf(config)
            }),
            ssm: ssm(config),
            sts: Service::new(sts, |endpoint| {
                let config = aws_sdk_sts::config::Builder::from(config).interceptor(endpoint).build();
                aws_sdk_sts::Client::from_conf(config)
            }),
            config: config.clone(),
            connection,
            identity: OnceCell::new(),
            stale: AtomicBool::new(false),
        }
    }

    pub(crate) fn region(&self) -> &str {
        &self.connection.region
    }

    /// `us-east-2 (profile staging)`, for messages.
    pub(crate) fn place(&self) -> String {
        match &self.connection.profile {
            Some(profile) => format!("{} (profile {profile})", self.connection.region),
            None => self.connection.region.clone(),
        }
    }

    /// A client of its own for Auto Scaling, as whoever these credentials are of. It keeps the set's way with retries.
    pub(crate) fn autoscaling_as(&self, credentials: Credentials) -> Service<aws_sdk_autoscaling::Client> {
        autoscaling(&self.config_as(credentials))
    }

    /// The same for Systems Manager.
    pub(crate) fn ssm_as(&self, credentials: Credentials) -> Service<aws_sdk_ssm::Client> {
        ssm(&self.config_as(credentials))
    }

    fn config_as(&self, credentials: Credentials) -> SdkConfig {
        let provider = SharedCredentialsProvider::new(credentials);
        self.config.to_builder().credentials_provider(provider).build()
    }

    /// What to tell about a failed request to `service`. Remembers when the credentials are to blame.
    pub(crate) fn problem<C, E>(&self, service: &Service<C>, operation: &str, on: &str, error: &SdkError<E>) -> Problem
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        self.remember(problem(&Failure::of(error), self.asked(service, operation, on)))
    }

    /// The same of a request that may have changed something.
    pub(crate) fn act_problem<C, E>(
        &self,
        service: &Service<C>,
        operation: &str,
        on: &str,
        error: &SdkError<E>,
    ) -> Problem
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        self.remember(act_problem(&Failure::of(error), self.asked(service, operation, on)))
    }

    fn asked<'a, C>(&'a self, service: &'a Service<C>, operation: &'a str, on: &'a str) -> Asked<'a> {
        Asked {
            operation,
            on,
            region: &self.connection.region,
            profile: self.connection.profile.as_deref(),
            endpoint: service.endpoint.origin(),
        }
    }

    fn remember(&self, problem: Problem) -> Problem {
        if problem.code == "credentials" {
            self.stale.store(true, Ordering::Relaxed);
        }
        problem
    }

    async fn ask_identity(&self) -> Result<Identity, Problem> {
        let answer = self.sts.client.get_caller_identity().send().await;
        let answer = answer.map_err(|error| self.problem(&self.sts, "sts:GetCallerIdentity", "the caller", &error))?;
        Ok(Identity {
            account: answer.account.unwrap_or_default(),
            arn: answer.arn.unwrap_or_default(),
            user_id: answer.user_id.unwrap_or_default(),
        })
    }

    fn expect(&self, expected: &str, identity: &Identity) -> Result<(), Problem> {
        if identity.account == expected {
            return Ok(());
        }
        // A login to the right account must be seen by the next call.
        self.stale.store(true, Ordering::Relaxed);
        let whose = match &self.connection.profile {
            Some(profile) => format!("profile {profile} leads"),
            None => "the credentials of this environment lead".to_owned(),
        };
        let message = format!(
            "the inventory expects AWS account {expected}, and {whose} to account {} ({}); nothing else was asked of \
             it; log in to account {expected}, or set the right `profile` in the cluster's `aws`",
            identity.account, identity.arn
        );
        let details = serde_json::json!({ "expected": expected, "account": identity.account, "arn": identity.arn });
        Err(Problem::not_applied("wrong_account", message).with_details(details))
    }
}

fn autoscaling(config: &SdkConfig) -> Service<aws_sdk_autoscaling::Client> {
    Service::new(Endpoint::default(), |endpoint| {
        let config = aws_sdk_autoscaling::config::Builder::from(config).interceptor(endpoint).build();
        aws_sdk_autoscaling::Client::from_conf(config)
    })
}

fn ssm(config: &SdkConfig) -> Service<aws_sdk_ssm::Client> {
    Service::new(Endpoint::default(), |endpoint| {
        let config = aws_sdk_ssm::config::Builder::from(config).interceptor(endpoint).build();
        aws_sdk_ssm::Client::from_conf(config)
    })
}

impl<C> Service<C> {
    fn new(endpoint: Endpoint, client: impl FnOnce(Endpoint) -> C) -> Self {
        Self { client: client(endpoint.clone()), endpoint }
    }
}

#[cfg(test)]
mod tests;
