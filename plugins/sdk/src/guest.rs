//! The boundary of a component: the exported functions, and a host that is the imported ones.
//!
//! All imported functions answer at once, so what a plugin awaits is ready when it is polled. It must not await anything
//! else: there is nobody who would wake it.

use std::future::Future;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Once, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sluice_plugin::wit::{Unreadable, milliseconds};
use sluice_plugin::{
    Call, Host, HttpRequest, HttpResponse, Level, NativePlugin, Plugin as _, Problem, Progress, Secret, Timestamp,
};

use crate::asks::Asks;
use crate::guest::wit::exports::sluice::plugin as exported;
use crate::guest::wit::sluice::plugin::{host, host_actor, host_progress, types};

#[doc(hidden)]
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::pedantic, clippy::restriction)]
pub mod wit {
    wit_bindgen::generate!({
        path: "../../schemas/plugin.wit",
        world: "whole-plugin",
        pub_export_macro: true,
        export_macro_name: "export_component",
    });
}

pub use wit::export_component;

mod convert {
    sluice_plugin::convert_wit!(super::types);
}

/// What [`crate::export!`] fills in.
pub trait Made: 'static {
    fn plugin() -> NativePlugin;

    fn asks() -> Asks;
}

/// The component's exports.
pub struct Guest<T>(PhantomData<T>);

static PLUGIN: OnceLock<NativePlugin> = OnceLock::new();

fn plugin<T: Made>() -> &'static NativePlugin {
    static HOOK: Once = Once::new();
    // There is no standard error here: without this, nobody would ever read why a plugin panicked.
    HOOK.call_once(|| {
        let tell = |panic: &std::panic::PanicHookInfo<'_>| {
            host::log(types::Level::Error, &panic.to_string().replace(":\n", ": "));
        };
        std::panic::set_hook(Box::new(tell));
    });
    PLUGIN.get_or_init(T::plugin)
}

impl<T: Made> exported::plugin::Guest for Guest<T> {
    fn describe() -> types::PluginSpec {
        plugin::<T>().describe().clone().into()
    }

    fn run(action: String, call: types::Call) -> Result<types::Outcome, types::Problem> {
        let call = told(call)?;
        Ok(ready(plugin::<T>().run(&action, &Imported::new(), &call))?.into())
    }
}

impl<T: Made> exported::plugin_check::Guest for Guest<T> {
    fn check(action: String, with: String) -> Vec<types::Problem> {
        match sluice_plugin::wit::json("`with`", &with) {
            Ok(with) => plugin::<T>().check(&action, &with).into_iter().map(Into::into).collect(),
            Err(error) => vec![unreadable(&error).into()],
        }
    }
}

impl<T: Made> exported::plugin_preview::Guest for Guest<T> {
    fn preview(action: String, call: types::Call) -> Result<types::Preview, types::Problem> {
        let call = told(call)?;
        Ok(ready(plugin::<T>().preview(&action, &Imported::new(), &call))?.into())
    }
}

impl<T: Made> exported::plugin_reconcile::Guest for Guest<T> {
    fn reconcile(action: String, call: types::Call) -> Result<types::Reconciled, types::Problem> {
        let call = told(call)?;
        Ok(ready(plugin::<T>().reconcile(&action, &Imported::new(), &call))?.into())
    }
}

impl<T: Made> exported::plugin_by_hand::Guest for Guest<T> {
    fn by_hand(action: String, call: types::Call) -> Vec<String> {
        let Ok(call) = told(call) else { return Vec::new() };
        let commands = plugin::<T>().by_hand(&action, &call);
        commands.iter().filter_map(|command| serde_json::to_string(command).ok()).collect()
    }
}

impl<T: Made> exported::plugin_foresee::Guest for Guest<T> {
    fn foresee(action: String, call: types::Call) -> Option<String> {
        let call = told(call).ok()?;
        plugin::<T>().foresee(&action, &call).map(|output| output.to_string())
    }
}

impl<T: Made> exported::plugin_asks::Guest for Guest<T> {
    fn asks() -> exported::plugin_asks::Wants {
        let asks = T::asks();
        let http = asks.http.into_iter().map(|ask| exported::plugin_asks::HttpAsk {
            origin: ask.origin,
            write: ask.write,
            read: ask.read,
            why: ask.why,
        });
        let secrets = asks.secrets.into_iter();
        let secrets = secrets.map(|ask| exported::plugin_asks::SecretAsk { name: ask.name, why: ask.why });
        exported::plugin_asks::Wants { http: http.collect(), secrets: secrets.collect() }
    }
}

fn told(call: types::Call) -> Result<Call, Problem> {
    Call::try_from(call).map_err(|error| unreadable(&error))
}

fn unreadable(error: &Unreadable) -> Problem {
    Problem::not_applied("bad_input", error.to_string())
}

#[expect(clippy::panic, reason = "an error of the plugin's author; it ends this call and reaches the log")]
fn ready<T>(answer: impl Future<Output = T>) -> T {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("a plugin may await nothing but its host: nobody wakes it here"),
    }
}

/// The host, as it is imported.
struct Imported {
    actor: String,
}

impl Imported {
    fn new() -> Self {
        Self { actor: host_actor::actor() }
    }
}

#[async_trait]
impl Host for Imported {
    fn now(&self) -> Timestamp {
        Timestamp(host::now_ms())
    }

    fn actor(&self) -> &str {
        &self.actor
    }

    async fn sleep(&self, time: Duration) {
        host::sleep_ms(milliseconds(time));
    }

    fn log(&self, level: Level, message: &str) {
        host::log(level.into(), message);
    }

    fn progress(&self, progress: Progress) {
        host_progress::progress(&progress.into());
    }

    async fn http(&self, request: HttpRequest) -> Result<HttpResponse, Problem> {
        Ok(host::http(&request.into())?.into())
    }

    fn reveal(&self, leaf: &Value) -> Result<Secret, Problem> {
        Ok(Secret::new(host::reveal(&leaf.to_string())?))
    }

    fn seal(&self, pointer: &str, secret: Secret) -> Value {
        let leaf = host::seal(pointer, secret.expose());
        sluice_plugin::wit::json("a sealed secret", &leaf).unwrap_or(Value::Null)
    }

    fn private_file(&self, name: &str, content: &Secret) -> Result<PathBuf, Problem> {
        Ok(PathBuf::from(host::private_file(name, content.expose())?))
    }
}
