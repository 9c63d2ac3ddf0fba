//! The engine, what components are linked with, and the way from bytes to one that can be called.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use semver::Version;
use sha2::{Digest as _, Sha256};
use sluice_plugin::wit::Unreadable;
use sluice_plugin::{ActionSpec, Applied, PluginSpec, Purpose};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Engine, OptLevel};

use crate::bounds::Bounds;
use crate::bridge::State;
use crate::cache::{Cache, Kept};
use crate::description::{self, Described};
use crate::instance::{Ended, Linked, ask_alone};
use crate::questions::{self, Entrances};
use crate::refused::Refused;
use crate::ticker::Ticker;
use crate::wit::{OFFERED, PACKAGE, World};

/// A component made by a compiler has a few hundred KiB, one with an interpreter in it a few MiB.
pub const LARGEST: usize = 64 << 20;

/// Where components live. One for a process.
pub struct Home {
    engine: Engine,
    linker: Linker<State>,
    ticker: Ticker,
    cache: Option<Cache>,
    key: String,
}

/// One that was taken: it fits, and what it says of itself can be believed to be a description.
#[derive(Clone)]
pub struct Component {
    pub(crate) linked: Linked,
    pub described: Described,
    /// Of its file, 64 hexadecimal digits.
    pub sha256: String,
}

impl Home {
    /// Without a cache every process compiles what it uses.
    pub fn new(cache: Option<Cache>) -> Result<Arc<Self>, Refused> {
        let machine = |error: wasmtime::Error| Refused::Machine(error.to_string());
        let engine = Engine::new(&config()).map_err(machine)?;
        let mut linker = Linker::new(&engine);
        World::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state).map_err(machine)?;
        let key = key(&engine);
        Ok(Arc::new(Self { engine, linker, ticker: Ticker::default(), cache, key }))
    }

    /// Takes a component if its file has this digest.
    pub fn load(self: &Arc<Self>, bytes: &[u8], pinned: &str) -> Result<Component, Refused> {
        let found = digest(bytes);
        if found != pinned {
            return Err(Refused::Tampered { pinned: pinned.to_owned(), found });
        }
        let key = format!("{found}-{}", self.key);
        if let Some(component) = self.cached(&key, &found) {
            return Ok(component);
        }
        let (component, kept) = self.compile(bytes, found)?;
        if let Some(cache) = &self.cache {
            cache.keep(&key, &kept);
        }
        Ok(component)
    }

    /// Takes one that nobody has pinned yet, to show what it is. Nothing is kept of it.
    pub fn look(self: &Arc<Self>, bytes: &[u8]) -> Result<Component, Refused> {
        self.compile(bytes, digest(bytes)).map(|(component, _)| component)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn ticker(&self) -> &Ticker {
        &self.ticker
    }

    /// What is there and cannot be used is as good as nothing.
    fn cached(self: &Arc<Self>, key: &str, sha256: &str) -> Option<Component> {
        let found = self.cache.as_ref()?.find(key)?;
        let described: Described = serde_json::from_slice(found.description()).ok()?;
        // SAFETY: these bytes were written by this very function's counterpart for this engine, in a folder that is this
        // user's alone, and their digest was checked after they were read.
        #[expect(unsafe_code, reason = "native code that was compiled before can be had in no other way")]
        let component = unsafe { wasmtime::component::Component::deserialize(&self.engine, found.code()) }.ok()?;
        let linked = self.link(&component).ok()?;
        Some(Component { linked, described, sha256: sha256.to_owned() })
    }

    fn compile(self: &Arc<Self>, bytes: &[u8], sha256: String) -> Result<(Component, Kept), Refused> {
        looks_like_one(bytes)?;
        let compiled = machine_code(&self.engine, bytes)?;
        self.imports(&compiled)?;
        let linked = self.link(&compiled)?;
        let described = describe(&linked)?;
        description::check(&described).map_err(Refused::Description)?;
        answers_what_it_says(&linked.entrances, &described).map_err(Refused::Description)?;
        let code = compiled.serialize().map_err(|error| Refused::Machine(error.to_string()))?;
        let description = serde_json::to_vec(&described).map_err(|error| Refused::Description(error.to_string()))?;
        let component = Component { linked, described, sha256 };
        Ok((component, Kept { code, description }))
    }

    /// What it asks for must be what is offered: said here in words of our own, since the linker's say too little.
    fn imports(&self, component: &wasmtime::component::Component) -> Result<(), Refused> {
        let kind = component.component_type();
        for (name, _) in kind.imports(&self.engine) {
            let Some(rest) = name.strip_prefix(PACKAGE) else {
                let name = name.to_owned();
                return Err(if name.starts_with("wasi:") { Refused::Wasi(name) } else { Refused::Stranger(name) });
            };
            fits(rest)?;
        }
        let exports = kind.exports(&self.engine).filter_map(|(name, _)| name.strip_prefix(PACKAGE));
        exports.filter(|rest| rest.contains('@')).try_for_each(fits)
    }

    fn link(self: &Arc<Self>, component: &wasmtime::component::Component) -> Result<Linked, Refused> {
        let ready = self.linker.instantiate_pre(component);
        let ready = ready.map_err(|error| Refused::DoesNotFit(causes(&error)))?;
        let entrances = Entrances::find(&ready)?;
        Ok(Linked { home: self.clone(), ready, entrances })
    }
}

/// A compiler can be stopped by nobody: past this whoever waits is told, and it works on until the process ends.
const COMPILED_WITHIN: Duration = Duration::from_secs(120);

fn machine_code(engine: &Engine, bytes: &[u8]) -> Result<wasmtime::component::Component, Refused> {
    let (engine, bytes) = (engine.clone(), bytes.to_vec());
    let compiled = within(COMPILED_WITHIN, move || wasmtime::component::Component::from_binary(&engine, &bytes));
    let slow = Refused::SlowToCompile { within: COMPILED_WITHIN.as_secs() };
    compiled.ok_or(slow)?.map_err(|error| Refused::NoComponent(first_line(&error)))
}

/// What this gives, if it is there in time.
fn within<T: Send + 'static>(time: Duration, make: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (give, given) = std::sync::mpsc::sync_channel(1);
    let worker = std::thread::Builder::new().name("sluice-compile".to_owned());
    worker.spawn(move || drop(give.send(make()))).ok()?;
    given.recv_timeout(time).ok()
}

/// Asks a component what it is, with nothing granted.
fn describe(linked: &Linked) -> Result<Described, Refused> {
    let (spec, asks) = ask_alone(linked, &questions::Describe).map_err(|ended| match ended {
        // A type that does not fit is found when an instance is made, and not when it is linked.
        Ended::Other(error) => Refused::DoesNotFit(causes(&error)),
        other => Refused::Speechless(other.problem(&Bounds::WORDS, Applied::No, Purpose::Read).message),
    })?;
    let spec = PluginSpec::try_from(spec).map_err(|error: Unreadable| Refused::Description(error.to_string()))?;
    Ok(Described { spec, asks })
}

fn answers_what_it_says(entrances: &Entrances, described: &Described) -> Result<(), String> {
    let lacks = |spec: &ActionSpec| {
        let able = &spec.abilities;
        let lacking = [
            (able.check && !entrances.checks(), "plugin-check"),
            (able.preview && !entrances.previews(), "plugin-preview"),
            (able.reconcile && !entrances.reconciles(), "plugin-reconcile"),
        ];
        lacking.into_iter().find(|(lacking, _)| *lacking).map(|(_, interface)| (spec.name.clone(), interface))
    };
    match described.spec.actions.iter().find_map(lacks) {
        Some((name, interface)) => Err(format!("`{name}` is said to answer `{interface}`, which it does not export")),
        None => Ok(()),
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.epoch_interruption(true);
    config.cranelift_opt_level(OptLevel::Speed);
    // Deep recursion ends here, and not in the stack of the runner.
    config.max_wasm_stack(512 << 10);
    config.async_stack_size(1 << 20);
    // Many instances at once must not fill the address space of a machine that limits it.
    config.memory_reservation(256 << 20);
    config
}

/// Raised when a description that was kept would not be taken any more.
const RULES: u32 = 1;

/// What compiled code and what was kept beside it depend on, beside the component.
fn key(engine: &Engine) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    include_str!("../../../schemas/plugin.wit").hash(&mut hasher);
    format!("{}-{RULES}-{:016x}", env!("CARGO_PKG_VERSION"), hasher.finish())
}

fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The first eight bytes say which of the two kinds of WebAssembly it is.
fn looks_like_one(bytes: &[u8]) -> Result<(), Refused> {
    if bytes.len() > LARGEST {
        return Err(Refused::TooLarge { most: LARGEST >> 20 });
    }
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => Err(Refused::CoreModule),
        Some([0, b'a', b's', b'm', ..]) => Ok(()),
        _ => Err(Refused::NoComponent("it does not begin as WebAssembly does".to_owned())),
    }
}

/// `host@0.1.3`
fn fits(interface: &str) -> Result<(), Refused> {
    let version = interface.split_once('@').and_then(|(_, version)| Version::parse(version).ok());
    match version {
        Some(needs) if (needs.major, needs.minor) != (OFFERED.major, OFFERED.minor) => Err(Refused::OtherApi { needs }),
        Some(_) => Ok(()),
        None => Err(Refused::Stranger(format!("{PACKAGE}{interface}"))),
    }
}

pub(crate) fn first_line(error: &wasmtime::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// The error and what caused it, in one line.
pub(crate) fn causes(error: &wasmtime::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_a_compiler_without_an_end() {
        assert_eq!(within(Duration::from_secs(60), || 1), Some(1));
        let (hold, held) = std::sync::mpsc::channel::<()>();
        assert_eq!(within(Duration::from_millis(10), move || held.recv().is_ok()), None);
        drop(hold);
        assert_eq!(within(Duration::from_secs(60), || panic!("as a compiler may")), None::<()>);
    }
}
