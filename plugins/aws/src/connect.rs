//! How the connection of one client set is made: region, profile, retries and time-outs.
//!
//! What the inventory does not say (endpoints, where profiles are read) is left to the SDK's own standard places.
//! It knows no service and no action.

use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use sluice_plugin::Purpose;

/// What a connection is made from when it is not the inventory. The default is what every AWS tool does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// Instead of `AWS_ENDPOINT_URL*` and the services' own addresses.
    pub(crate) endpoint: Option<String>,
    /// Instead of the profile or the standard chain.
    pub(crate) credentials: Option<SharedCredentialsProvider>,
    pub(crate) patience: Patience,
}

/// How long a request may take. One attempt includes connecting; the whole includes all attempts and pauses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) connect: Duration,
    pub(crate) attempt: Duration,
    pub(crate) whole: Duration,
}

/// Whether the SDK may send a request again by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Retries {
    Standard,
    /// For acts: a request that may have left must never be sent twice, whatever `AWS_MAX_ATTEMPTS` says.
    Off,
}

/// Region, profile and retries of one client set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Connection {
    pub(crate) region: String,
    pub(crate) profile: Option<String>,
    pub(crate) retries: Retries,
}

impl Connection {
    /// Reads the SDK's configuration files; opens nothing yet.
    pub(crate) async fn load(&self, surroundings: &Surroundings) -> SdkConfig {
        let region = Region::new(self.region.clone());
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .region(region.clone())
            .retry_config(self.retries.config())
            .timeout_config(surroundings.patience.config());
        let loader = match &self.profile {
            Some(profile) => loader.profile_name(profile).credentials_provider(credentials_of(profile, region)),
            None => loader,
        };
        surroundings.apply(loader).load().await
    }
}

/// The profile and nothing else. The SDK's chain would take `AWS_ACCESS_KEY_ID` first, and the credentials would then
/// come from the environment although the inventory names a profile.
fn credentials_of(profile: &str, region: Region) -> ProfileFileCredentialsProvider {
    let config = ProviderConfig::without_region().with_region(Some(region));
    ProfileFileCredentialsProvider::builder().configure(&config).profile_name(profile).build()
}

impl Surroundings {
    fn apply(&self, loader: ConfigLoader) -> ConfigLoader {
        let loader = match &self.endpoint {
            Some(endpoint) => loader.endpoint_url(endpoint),
            None => loader,
        };
        match &self.credentials {
            Some(credentials) => loader.credentials_provider(credentials.clone()),
            None => loader,
        }
    }
}

impl Retries {
    /// Everything but an act may be asked again.
    pub(crate) fn of(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Read | Purpose::Preview | Purpose::Reconcile => Self::Standard,
            Purpose::Act => Self::Off,
        }
    }

    fn config(self) -> RetryConfig {
        match self {
            Self::Standard => RetryConfig::standard()
                .with_max_attempts(3)
                .with_initial_backoff(Duration::from_millis(200))
                .with_max_backoff(Duration::from_secs(2)),
            Self::Off => RetryConfig::disabled(),
        }
    }
}

impl Patience {
    fn config(self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.whole)
            .build()
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), attempt: Duration::from_secs(8), whole: Duration::from_secs(20) }
    }
}
