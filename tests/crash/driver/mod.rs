//! A replacement whose process is killed, taken up again, and judged by what the lab recorded: what the acceptance tests
//! and `cargo lab crash` share. It knows the product's command line and that a runbook takes `cluster` and `node`, or `nodes`.

pub(crate) mod book;
pub(crate) mod desk;
pub(crate) mod point;
pub(crate) mod stage;
pub(crate) mod terminal;

/// What went wrong, for a person.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// An error with where it came from.
pub(crate) trait Because<T> {
    fn because(self, what: impl std::fmt::Display) -> Outcome<T>;
}

impl<T, E: std::fmt::Display> Because<T> for Result<T, E> {
    fn because(self, what: impl std::fmt::Display) -> Outcome<T> {
        self.map_err(|error| format!("{what}: {error}"))
    }
}
