//! The files behind what runbooks name: other runbooks that they call, and threshold files.
//!
//! A name is found as `sluice run` finds it; a path starts from the folder of the file that names it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sluice_engine::runbook::{Book, Library, NoBook};
use sluice_engine::source::Source;
use sluice_engine::{thresholds, yaml};

use crate::context::Context;
use crate::error::{CommandError, Kind, Result};
use crate::find::{self, Found};
use crate::prepare::safe;
use crate::{builtin, paths, trust};

/// What can be named from here.
pub(crate) struct Files<'a> {
    /// The inventory's folder, where all that stands there may be looked at.
    beside: Option<PathBuf>,
    /// What is run is read: only beside a trusted inventory, and only what nobody else can write.
    run: Option<&'a Context>,
    notes: RefCell<BTreeSet<String>>,
}

impl<'a> Files<'a> {
    /// For looking only.
    pub(crate) fn to_look_at(beside: Option<&Path>) -> Self {
        Self { beside: beside.map(Path::to_owned), run: None, notes: RefCell::default() }
    }

    pub(crate) fn of_run(context: &'a Context) -> Self {
        Self { beside: None, run: Some(context), notes: RefCell::default() }
    }

    /// Lines about called runbooks that are others than somebody may think.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.notes.borrow().iter().cloned().collect()
    }

    /// Rows for an input of type `thresholds` that nobody gives: the runbook's own default, then `thresholds.yaml` beside
    /// the inventory or among its runbooks, then the one that ships.
    pub(crate) fn rows(&self, book: &Book, default: Option<&str>) -> Result<Value> {
        if let Some(path) = default {
            let folder = folder(book).ok_or_else(|| {
                CommandError::usage(format!("a runbook that is built in has no threshold file `{path}` beside it"))
            })?;
            return self.rows_at(&folder.join(path));
        }
        let beside = match self.run {
            Some(context) => context.trusted_inventory()?.map(|found| found.folder().to_owned()),
            None => self.beside.clone(),
        };
        match beside.as_deref().and_then(own_thresholds) {
            Some(path) => self.rows_at(&path),
            None => rows_of(&Source::new("thresholds.yaml (built in)", builtin::THRESHOLDS)),
        }
    }

    /// The rows of the file at this path.
    pub(crate) fn rows_at(&self, path: &Path) -> Result<Value> {
        let name = paths::shown(path);
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let bytes = std::fs::read(&path)
            .map_err(|error| CommandError::usage(format!("cannot read the threshold file {name}: {error}")))?;
        self.safe(&format!("the threshold file {name}"), &path)?;
        let source = yaml::read(&name, &bytes)
            .map_err(|found| CommandError::invalid(&format!("the threshold file {name}"), vec![found]))?;
        rows_of(&source)
    }

    fn named(&self, name: &str) -> Result<Found> {
        let Some(context) = self.run else { return find::runbook(name, self.beside.as_deref()) };
        let Some(inventory) = context.inventory()? else { return find::runbook(name, None) };
        if context.is_trusted(inventory)? {
            return find::runbook(name, Some(inventory.folder()));
        }
        let Some(file) = find::file_beside(name, inventory.folder()) else { return find::runbook(name, None) };
        let file = paths::shown(&file);
        if builtin::text(name).is_none() {
            return Err(CommandError::refused(format!("{file} stands beside an inventory that is not trusted"))
                .hint(format!("look at it and trust it: {}", trust::command(inventory))));
        }
        self.note(format!(
            "{file} stands beside an inventory that is not trusted; the built-in `{name}` is called instead"
        ));
        find::runbook(name, None)
    }

    fn safe(&self, what: &str, path: &Path) -> Result<()> {
        if self.run.is_some() { safe(what, path) } else { Ok(()) }
    }

    fn note(&self, text: String) {
        self.notes.borrow_mut().insert(text);
    }

    fn find(&self, name: &str, caller: &Book) -> Result<Found> {
        let found = if find::is_path(name) {
            let folder = folder(caller).ok_or_else(|| {
                CommandError::usage(format!("a runbook that is built in has no file `{name}` beside it"))
                    .hint("call it by its name")
            })?;
            // Without the dots, for people.
            let path: PathBuf = folder.join(name).components().collect();
            find::file_from(&path, "the folder of the file that calls it")?
        } else {
            self.named(name)?
        };
        if let Some(path) = &found.path {
            self.safe(&format!("the runbook {}", found.source.name()), path)?;
        }
        if found.hides_builtin {
            self.note(format!("{} is called, and hides the built-in runbook `{name}`", found.source.name()));
        }
        Ok(found)
    }
}

impl Library for Files<'_> {
    fn book(&self, name: &str, caller: &Book) -> std::result::Result<Book, NoBook> {
        self.find(name, caller).map(|found| book(&found)).map_err(no_book)
    }

    fn thresholds(&self, book: &Book, _: &str, default: Option<&str>) -> std::result::Result<Value, NoBook> {
        self.rows(book, default).map_err(no_book)
    }
}

/// The runbook as the engine knows it.
pub(crate) fn book(found: &Found) -> Book {
    let id = match &found.path {
        Some(path) => path.display().to_string(),
        None => format!("built in: {}", found.source.name()),
    };
    Book { id, origin: found.origin.clone(), source: found.source.clone() }
}

fn rows_of(source: &Source) -> Result<Value> {
    thresholds::parse(source)
        .map_err(|found| CommandError::invalid(&format!("the threshold file {}", source.name()), vec![found]))
}

fn folder(book: &Book) -> Option<&Path> {
    Some(Path::new(&book.id)).filter(|path| path.is_absolute()).and_then(Path::parent)
}

fn own_thresholds(folder: &Path) -> Option<PathBuf> {
    let places = [folder.join("thresholds.yaml"), folder.join("runbooks/thresholds.yaml")];
    places.into_iter().find(|path| path.is_file())
}

fn no_book(mut error: CommandError) -> NoBook {
    match error.diagnostics.pop() {
        Some(found) if error.kind == Kind::Invalid => NoBook::Unreadable(Box::new(found)),
        _ => NoBook::Missing { why: error.message, help: error.hints.into_iter().next() },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A folder of its own, gone at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let path = std::env::temp_dir().join(format!("sluice-library-{name}-{}", std::process::id()));
            for (file, text) in files {
                let file = path.join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            Self(path.canonicalize().unwrap())
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn caller(folder: &Folder, file: &str) -> Book {
        book(&find::file(&folder.0.join(file)).unwrap())
    }

    #[test]
    fn names_are_found_beside_the_inventory_and_paths_beside_the_caller() {
        let folder = Folder::new(
            "names",
            &[
                ("runbooks/top.yaml", "top"),
                ("runbooks/other.yaml", "other"),
                ("runbooks/hello.yaml", "own"),
                ("team/near.yaml", "near"),
                ("team/top.yaml", "top"),
            ],
        );
        let files = Files::to_look_at(Some(&folder.0));
        let check = |name: &str, from: &str, expect: std::result::Result<&str, &str>| match (
            files.book(name, &caller(&folder, from)),
            expect,
        ) {
            (Ok(found), Ok(text)) => assert_eq!(found.source.text(), text, "{name} from {from}"),
            (Err(NoBook::Missing { why, .. }), Err(part)) => assert!(why.contains(part), "{name}: {why}"),
            (found, _) => panic!("{name} from {from}: {found:?}"),
        };
        check("other", "runbooks/top.yaml", Ok("other"));
        check("other", "team/top.yaml", Ok("other"));
        check("./near.yaml", "team/top.yaml", Ok("near"));
        check("../runbooks/other.yaml", "team/top.yaml", Ok("other"));
        check("./near.yaml", "runbooks/top.yaml", Err("cannot read the runbook"));
        check("othr", "team/top.yaml", Err("there is no runbook `othr`"));
        check("hello", "team/top.yaml", Ok("own"));
        assert_eq!(files.notes().len(), 1);
        // The same file is one runbook, whatever it was called by.
        let id = |name: &str| files.book(name, &caller(&folder, "team/top.yaml")).unwrap().id;
        assert_eq!(id("other"), id("../runbooks/other.yaml"));
    }

    #[test]
    fn a_built_in_runbook_has_no_folder() {
        let files = Files::to_look_at(None);
        let hello = book(&find::runbook("hello", None).unwrap());
        assert!(matches!(files.book("./other.yaml", &hello), Err(NoBook::Missing { .. })));
        assert!(files.book("health-check", &hello).is_ok());
        assert!(files.rows(&hello, Some("mine.yaml")).is_err());
    }

    #[test]
    fn a_default_of_thresholds_is_a_path_from_the_runbook() {
        let row = |id: &str| format!("thresholds: [{{ id: {id} }}]\n");
        let folder = Folder::new(
            "rows",
            &[
                ("team/top.yaml", "top"),
                ("team/mine.yaml", &row("mine")),
                ("team/bad.yaml", "thresholds: 1\n"),
                ("thresholds.yaml", &row("beside")),
            ],
        );
        let check = |beside: Option<&Path>, default: Option<&str>, expect: Option<&str>| {
            let found = Files::to_look_at(beside).rows(&caller(&folder, "team/top.yaml"), default).ok();
            assert_eq!(found.as_ref().map(|rows| rows[0]["id"].as_str().unwrap()), expect, "{default:?}");
        };
        check(None, Some("mine.yaml"), Some("mine"));
        check(Some(&folder.0), Some("mine.yaml"), Some("mine"));
        check(Some(&folder.0), Some("../thresholds.yaml"), Some("beside"));
        check(Some(&folder.0), None, Some("beside"));
        check(Some(&folder.0), Some("none.yaml"), None);
        check(Some(&folder.0), Some("bad.yaml"), None);
        assert!(Files::to_look_at(None).rows(&caller(&folder, "team/top.yaml"), None).unwrap()[0]["id"].is_string());
    }
}
