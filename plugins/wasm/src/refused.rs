//! Why a component is not taken at all. What goes wrong in a call of one that was taken is a `Problem` of that call.

use semver::Version;

use crate::wit::OFFERED;

/// Says what is wrong with the component; which plugin and which file, whoever asked for it knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    #[error("it is no WebAssembly component: {0}")]
    NoComponent(String),
    #[error("it is a core module and not yet a component; `sluice plugin build` makes one of it")]
    CoreModule,
    #[error("it is larger than {most} MiB")]
    TooLarge { most: usize },
    #[error("it is not compiled after {within} s, and one that is no trap is in a few")]
    SlowToCompile { within: u64 },
    #[error("its digest is {found}, and the inventory pins {pinned}: it is not the file that somebody looked at")]
    Tampered { pinned: String, found: String },
    #[error("it is no plugin: it exports no `sluice:plugin/plugin`")]
    NoPlugin,
    #[error("it needs version {}.{} of the plugin API, and this Sluice offers {}.{}: {}", needs.major, needs.minor, OFFERED.major, OFFERED.minor, mends(needs))]
    OtherApi { needs: Version },
    #[error(
        "it asks for WASI (`{0}`), which is given to no plugin: build it for wasm32-unknown-unknown, without files, sockets and clocks"
    )]
    Wasi(String),
    #[error("it asks for `{0}`, which is given to no plugin: a plugin imports `sluice:plugin` and nothing else")]
    Stranger(String),
    #[error("it does not fit `sluice:plugin` {OFFERED}: {0}")]
    DoesNotFit(String),
    #[error("what it says of itself cannot be taken: {0}")]
    Description(String),
    #[error("it did not say what it is: {0}")]
    Speechless(String),
    #[error("WebAssembly cannot be run on this machine: {0}")]
    Machine(String),
}

fn mends(needs: &Version) -> String {
    if *needs > OFFERED {
        "take a newer Sluice, or an older version of the plugin".to_owned()
    } else {
        "build it again with the kit of this Sluice, or take a newer version of the plugin".to_owned()
    }
}
