//! Which run a person means: an id, the beginning of one, or `last`.

use sluice_engine::ids::RunId;
use sluice_engine::journal::Store;

use crate::error::{CommandError, Result};

/// Fewer characters are more likely a mistake than an id.
const SHORTEST: usize = 6;

pub(crate) async fn run(store: &dyn Store, wanted: &str) -> Result<RunId> {
    let wanted = wanted.to_ascii_lowercase();
    if let Some(run) = RunId::parse(&wanted) {
        return Ok(run);
    }
    choose(&wanted, store.journals().await?)
}

/// Ids sort by the time their runs were started.
fn choose(wanted: &str, mut runs: Vec<RunId>) -> Result<RunId> {
    runs.sort();
    if wanted == "last" {
        return runs
            .pop()
            .ok_or_else(|| CommandError::usage("nothing was ever run here").hint("start with `sluice run hello`"));
    }
    let fits = |char: char| char.is_ascii_hexdigit() || char == '-';
    if wanted.len() < SHORTEST || !wanted.chars().all(fits) {
        return Err(CommandError::usage(format!("`{wanted}` is no run")).hint(format!(
            "give `last`, a run's id, or at least its first {SHORTEST} characters; `sluice runs` lists them"
        )));
    }
    let found: Vec<&RunId> = runs.iter().filter(|run| run.as_str().starts_with(wanted)).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            Err(CommandError::usage(format!("there is no run that begins with {wanted}"))
                .hint("`sluice runs` lists them"))
        }
        several => {
            let ids: Vec<&str> = several.iter().take(5).map(|run| run.as_str()).collect();
            Err(CommandError::usage(format!("{} runs begin with {wanted}", several.len()))
                .hint(format!("give more of the id: {}", ids.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_found_by_its_beginning() {
        let ids = [
            "0198c1f2-0000-7000-8000-000000000001",
            "0198c1f2-0000-7000-8000-000000000002",
            "0198c1f3-aaaa-7000-8000-000000000000",
        ];
        let check = |wanted: &str, expect: std::result::Result<usize, &str>| {
            let runs = ids.iter().rev().map(|id| RunId::parse(id).unwrap()).collect();
            match (choose(wanted, runs), expect) {
                (Ok(found), Ok(at)) => assert_eq!(found.as_str(), ids[at], "{wanted}"),
                (Err(error), Err(part)) => assert!(error.message.contains(part), "{wanted}: {}", error.message),
                (found, _) => panic!("{wanted}: {found:?}"),
            }
        };
        check("last", Ok(2));
        check("0198c1f3", Ok(2));
        check("0198c1f2-0000-7000-8000-000000000002", Ok(1));
        check("0198c1f2", Err("2 runs begin"));
        check("0199ffff", Err("no run that begins"));
        check("0198", Err("is no run"));
        check("hello-world", Err("is no run"));
        assert!(choose("last", Vec::new()).is_err());
    }
}
