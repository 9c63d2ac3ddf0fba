//! The kit for plugins: an action is a function with a typed input and a typed output.
//!
//! ```
//! use sluice_sdk::{Host, JsonSchema, NativePlugin, Problem, read, Deserialize, Serialize};
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Whom {
//!     /// The name of who is greeted.
//!     name: String,
//! }
//!
//! #[derive(Serialize, JsonSchema)]
//! struct Greeting {
//!     text: String,
//! }
//!
//! async fn greet(_host: &dyn Host, whom: Whom) -> Result<Greeting, Problem> {
//!     Ok(Greeting { text: format!("hello, {}", whom.name) })
//! }
//!
//! pub fn plugin() -> NativePlugin {
//!     sluice_sdk::plugin("hello", env!("CARGO_PKG_VERSION"), "Say hello")
//!         .action(read("greet", "Say hello to somebody", greet))
//!         .build()
//! }
//!
//! sluice_sdk::export!(plugin);
//! ```
//!
//! The same crate is a plugin compiled into a program and, built for `wasm32-unknown-unknown`, one in a sandbox. What it
//! reaches, it reaches through [`Host`]; there are no files, no sockets, no clock and no environment.

mod action;
mod asks;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod guest;

pub use action::{Judged, TypedAction, change, destroy, gate, read};
pub use asks::{Asks, HttpAsk, SecretAsk};
pub use schemars::{self, JsonSchema};
pub use serde::{self, Deserialize, Serialize};
pub use serde_json::{self, Value, json};
pub use sluice_plugin::{
    Applied, ByHand, GateClass, Header, Host, HttpRequest, HttpResponse, Level, Method, NativePlugin, Preview, Problem,
    Progress, Reconciled, Secret, SecretRef, Timestamp, Verdict, schema,
};

use sluice_plugin::{Action, PluginName, PluginSpec};

/// A plugin in the making.
pub struct Builder {
    about: PluginSpec,
    actions: Vec<(&'static str, Box<dyn Action>)>,
}

/// Begins a plugin. Its name is the part of each action's name before the dot.
///
/// # Panics
/// Where the name is no name: small letters, digits and `_`.
#[expect(clippy::panic, reason = "a constant of the plugin's author, and the first test shows it")]
pub fn plugin(name: &'static str, version: &str, summary: &str) -> Builder {
    let name = PluginName::parse(name).unwrap_or_else(|error| panic!("{error}"));
    let (version, summary) = (version.to_owned(), summary.to_owned());
    Builder {
        about: PluginSpec { name, version, summary, powers: Vec::new(), actions: Vec::new() },
        actions: Vec::new(),
    }
}

impl Builder {
    #[must_use]
    pub fn action(mut self, action: TypedAction) -> Self {
        let operation = action.operation();
        self.actions.push((operation, action.of(&self.about.name)));
        self
    }

    pub fn build(self) -> NativePlugin {
        NativePlugin::new(self.about, self.actions)
    }
}

/// Makes the plugin that the function gives the one of this component: `export!(plugin)`, and `export!(plugin, asks)` where
/// it has to be granted something. Says nothing when the crate is built for a program.
#[macro_export]
macro_rules! export {
    ($plugin:path) => {
        $crate::export!($plugin, $crate::Asks::nothing);
    };
    ($plugin:path, $asks:path) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Component;

            impl $crate::guest::Made for Component {
                fn plugin() -> $crate::NativePlugin {
                    $plugin()
                }

                fn asks() -> $crate::Asks {
                    $asks()
                }
            }

            type Exported = $crate::guest::Guest<Component>;

    $crate::guest::export_component!(Exported with_types_in $crate::guest::wit);
        };
    };
}
