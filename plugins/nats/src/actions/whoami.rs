//! `nats.whoami`: what the credentials are, and who the server says they are.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Host, Outcome, Problem};

use super::common;
use crate::by_hand::Nats;
use crate::link::address::Urls;
use crate::link::connect::{self, Link, NoLink};
use crate::link::creds::{CredsInput, UserCreds};
use crate::link::jetstream;
use crate::link::subject::Subject;
use crate::link::wire::Wire;
use crate::monitor::reach::Unreached;

pub(super) struct WhoAmI(pub(super) Arc<dyn Wire>);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// `host`, `host:port`, a `nats://` URL, a comma list, or a list. The first that answers is used.
    urls: Urls,
    creds: CredsInput,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    jwt: JwtView,
    /// The server that was reached.
    server: Option<Server>,
    /// Who the server says this is; not every user may ask.
    account_name: Option<String>,
    user_name: Option<String>,
    /// True when the server accepted the credentials.
    accepted: bool,
    unreached: Option<Unreached>,
    /// One line.
    summary: String,
}

/// What the JWT says of itself.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct JwtView {
    name: String,
    user_key: String,
    account: String,
    issuer: String,
    issued_at: Option<i64>,
    /// Seconds since 1970.
    expires_at: Option<i64>,
    expired: bool,
    /// "never expires", "expires in 3 days", "expired 2 hours ago".
    expiry: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Server {
    name: String,
    id: String,
    url: String,
}

#[async_trait]
impl Action for WhoAmI {
    fn spec(&self) -> ActionSpec {
        let with = serde_json::json!({
            "urls": "nats-staging-node-1.nats-staging.internal:4222",
            "creds": { "jwt": { "$secret": "steps.creds#/jwt" }, "seed": { "$secret": "steps.creds#/seed" } }
        });
        let example = common::example("the admin user", with, include_str!("../../examples/whoami.json"));
        let summary = "Say who the credentials are, and who the server says they are";
        let spec = common::reads::<Input, Output>("nats.whoami", summary, vec![example]);
        ActionSpec { permissions: vec![common::needs("$SYS.REQ.USER.INFO", "{urls}")], ..spec }
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { urls, creds } = common::input(call)?;
        let addresses = urls.parse("/urls")?;
        let creds = creds.reveal(host, "/creds")?;
        let jwt = view(host, &creds);
        let mut output = Output {
            jwt,
            server: None,
            account_name: None,
            user_name: None,
            accepted: false,
            unreached: None,
            summary: String::new(),
        };
        // An expired JWT is refused by every server; asking would only write into its log.
        if !output.jwt.expired {
            match connect::first(&*self.0, &addresses, &creds).await {
                Ok(link) => output.reached(&link).await,
                Err(none) => output.refused(&none),
            }
        } else {
            output.summary = format!(
                "the credentials of {} have {}: get new ones from the parameter store",
                output.who(),
                output.jwt.expiry
            );
        }
        common::plain(&output)
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { urls, creds }) = common::input(call) else { return Vec::new() };
        let look_for = "the user and the account you mean, and when they expire";
        let ask = |nats: Nats| nats.commands(&[(&["account", "info"], look_for)]);
        Nats::new(&urls, &creds).map(ask).unwrap_or_default()
    }
}

impl Output {
    async fn reached(&mut self, link: &Link) {
        self.accepted = true;
        self.server =
            Some(Server { name: link.server_name.clone(), id: link.server_id.clone(), url: link.url.clone() });
        match jetstream::me(link).await {
            Ok(me) => {
                self.summary = format!(
                    "{} of account {}, on {}, {}",
                    self.who(),
                    me.account_name,
                    link.server_name,
                    self.jwt.expiry
                );
                self.account_name = Some(me.account_name).filter(|name| !name.is_empty());
                self.user_name = Some(me.user_name).filter(|name| !name.is_empty());
            }
            Err(none) => {
                let why = none.why(&Subject::user_info());
                self.summary =
                    format!("{} is accepted by {}, {} ({why})", self.who(), link.server_name, self.jwt.expiry);
            }
        }
    }

    fn refused(&mut self, none: &NoLink) {
        self.summary = format!("{}: {}", self.who(), none.why());
        match none {
            NoLink::Unreached(unreached) => self.unreached = Some(unreached.clone()),
            NoLink::Rejected(_) => {}
        }
    }

    fn who(&self) -> String {
        format!("user {}", if self.jwt.name.is_empty() { &self.jwt.user_key } else { &self.jwt.name })
    }
}

fn view(host: &dyn Host, creds: &UserCreds) -> JwtView {
    let (claims, now) = (&creds.claims, host.now());
    JwtView {
        name: claims.name.clone(),
        user_key: claims.user_key.clone(),
        account: claims.account.clone(),
        issuer: claims.issuer.clone(),
        issued_at: claims.issued_at,
        expires_at: claims.expires_at,
        expired: claims.expired(now),
        expiry: claims.expiry(now),
    }
}
