//! How a lock changes, alike in all stores: what it becomes, given what it is. `None`: it stays as it is.

use sluice_engine::journal::store::{Breach, Holder, Keep, Lock, Standing};

/// What to answer, and the lock to write.
pub(crate) type Changed = (bool, Option<Lock>);

/// The next generation for `holder`, if the lock is as it was seen.
pub(crate) fn taken(
    found: Option<Lock>,
    name: &str,
    seen: Option<&Lock>,
    holder: &Holder,
) -> (Option<u64>, Option<Lock>) {
    if found.as_ref() != seen {
        return (None, None);
    }
    let generation = found.map_or(0, |lock| lock.generation) + 1;
    let standing = Standing::Held { holder: holder.clone() };
    (Some(generation), Some(Lock { name: name.to_owned(), generation, standing }))
}

pub(crate) fn renewed(found: Option<Lock>, generation: u64, keep: Keep) -> Changed {
    change(found, generation, |holder| Standing::Held { holder: holder.heard(keep) })
}

pub(crate) fn released(found: Option<Lock>, generation: u64) -> Changed {
    change(found, generation, Standing::after)
}

pub(crate) fn broken(found: Option<Lock>, generation: u64, breach: &Breach) -> Changed {
    change(found, generation, |holder| Standing::broken(holder, breach))
}

/// Only what is held under this generation changes.
fn change(found: Option<Lock>, generation: u64, to: impl FnOnce(Holder) -> Standing) -> Changed {
    match found {
        Some(Lock { name, generation: is, standing: Standing::Held { holder } }) if is == generation => {
            (true, Some(Lock { name, generation, standing: to(holder) }))
        }
        _ => (false, None),
    }
}
