//! `base.toy_change`, `base.toy_append`, `base.toy_destroy`: acts on one line of a text file, one of each kind of act.
//!
//! The first is idempotent, the second is not and has to be looked for after a crash, the third ends something (the
//! line) and has to be confirmed.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::{Abilities, Action, ActionSpec, ByHand, Call, Effect, Host, Outcome, Preview, Problem, Reconciled};

use super::{Lie, Scene, Script};
use crate::describe::{example, input_of, output, spec};
use crate::files::Target;

pub(crate) struct ToyChange(Deed);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Put,
    Append,
    Remove,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The text file to work on.
    file: String,
    /// One line.
    #[schemars(regex(pattern = r"^[^\r\n]+$"))]
    line: String,
    #[serde(default)]
    script: Script,
    /// Where the script's failure or lie comes in: before the file is written, or after.
    #[serde(default)]
    moment: Moment,
    /// What it answers when asked beforehand.
    #[serde(default)]
    preview: Foresight,
    /// What it answers when asked whether it was done.
    #[serde(default)]
    reconcile: Hindsight,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Moment {
    #[default]
    Before,
    After,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Foresight {
    #[default]
    Look,
    Refuse,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Hindsight {
    #[default]
    Look,
    CannotTell,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// False when there was nothing to do.
    changed: bool,
    /// How many calls there were, this one included.
    calls: u32,
    /// Lines in the file afterwards.
    lines: usize,
}

impl ToyChange {
    pub(crate) const PUT: Self = Self(Deed::Put);
    pub(crate) const APPEND: Self = Self(Deed::Append);
    pub(crate) const REMOVE: Self = Self(Deed::Remove);
}

#[async_trait]
impl Action for ToyChange {
    fn spec(&self) -> ActionSpec {
        let (operation, summary, effect) = match self.0 {
            Deed::Put => ("toy_change", "Put a line into a file, unless it is there", Effect::Change),
            Deed::Append => ("toy_append", "Append a line to a file, once more each time", Effect::Change),
            Deed::Remove => ("toy_destroy", "Take a line out of a file", Effect::Destroy),
        };
        let mut spec = spec::<Input, Output>(operation, summary, effect);
        spec.idempotent = self.0 == Deed::Put;
        spec.abilities = Abilities { check: false, preview: true, reconcile: true };
        spec.examples = vec![
            example(
                "as it should be",
                json!({ "file": "/tmp/toy.txt", "line": "hello" }),
                json!({ "changed": true, "calls": 1, "lines": 1 }),
            ),
            example(
                "an answer that is lost after the deed was done",
                json!({
                    "file": "/tmp/toy.txt", "line": "hello", "moment": "after",
                    "script": { "outcome": "fail", "problem": { "code": "timeout", "applied": "maybe" } },
                }),
                json!({ "changed": true, "calls": 1, "lines": 1 }),
            ),
        ];
        spec
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input_of(call)?;
        let (calls, scene) = input.script.play(host, call).await;
        let lies = matches!(scene, Ok(Scene::Lie(Lie::Claim)));
        let acts = input.moment == Moment::After || (scene.is_ok() && !lies);
        let mut page = Page::open(&input.file)?;
        let changed = acts && self.0.done_to(&mut page, &self.0.line(&input, call))?;
        match scene? {
            Scene::Lie(Lie::Schema) => Ok(Outcome::plain(json!({ "changed": "perhaps" }))),
            Scene::Truth | Scene::Lie(Lie::Claim) => answer(&page, changed || lies, calls).map(Outcome::plain),
        }
    }

    async fn preview(&self, _host: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        let input: Input = input_of(call)?;
        if matches!(input.preview, Foresight::Refuse) {
            return Ok(Preview::Refused { why: "the toy was told to refuse".to_owned() });
        }
        let page = Page::open(&input.file)?;
        let line = self.0.line(&input, call);
        if self.0.is_done(&page, &line) {
            return Ok(Preview::Already { output: answer(&page, false, 0)? });
        }
        let binding = json!({ "file": page.target.path.display().to_string(), "line": line });
        Ok(Preview::Ready { binding, facts: json!({ "lines": page.lines.len() }) })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input_of::<Input>(call) else { return Vec::new() };
        let line = self.0.line(&input, call);
        let look_for = match self.0 {
            Deed::Put | Deed::Append => format!("the line is there: {line}"),
            Deed::Remove => format!("the line is gone: {line}"),
        };
        let words = ["-c".to_owned(), self.0.script().to_owned(), "toy".to_owned(), line, input.file.clone()];
        vec![ByHand::run("sh", words, "nothing"), ByHand::run("cat", ["--".to_owned(), input.file], &look_for)]
    }

    async fn reconcile(&self, _host: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        let input: Input = input_of(call)?;
        let page = Page::open(&input.file)?;
        let evidence = json!({ "file": page.target.path.display().to_string(), "lines": page.lines.len() });
        Ok(match input.reconcile {
            Hindsight::CannotTell => Reconciled::CannotTell { evidence },
            Hindsight::Look if self.0.is_done(&page, &self.0.line(&input, call)) => {
                Reconciled::Done { output: answer(&page, true, 0)?, evidence }
            }
            Hindsight::Look => Reconciled::NotDone { evidence },
        })
    }
}

impl Deed {
    /// What an append leaves behind says which act it was, so that it can be told from another one later.
    fn line(self, input: &Input, call: &Call) -> String {
        match self {
            Self::Put | Self::Remove => input.line.clone(),
            Self::Append => format!("{} # {} {}", input.line, call.run, call.step),
        }
    }

    /// For a shell; `$1` is the line, `$2` the file.
    fn script(self) -> &'static str {
        match self {
            Self::Put => r#"grep -sqFx -e "$1" -- "$2" || printf '%s\n' "$1" >> "$2""#,
            Self::Append => r#"printf '%s\n' "$1" >> "$2""#,
            Self::Remove => {
                r#"test ! -e "$2" || { grep -vFx -e "$1" -- "$2" > "$2.new"; cat "$2.new" > "$2"; rm "$2.new"; }"#
            }
        }
    }

    fn is_done(self, page: &Page, line: &str) -> bool {
        let there = page.lines.iter().any(|found| found == line);
        match self {
            Self::Put | Self::Append => there,
            Self::Remove => !there,
        }
    }

    /// Whether anything was written.
    fn done_to(self, page: &mut Page, line: &str) -> Result<bool, Problem> {
        if self != Self::Append && self.is_done(page, line) {
            return Ok(false);
        }
        match self {
            Self::Put | Self::Append => page.lines.push(line.to_owned()),
            Self::Remove => page.lines.retain(|found| found != line),
        }
        page.save().map(|()| true)
    }
}

/// A text file by its lines.
struct Page {
    target: Target,
    lines: Vec<String>,
}

impl Page {
    fn open(path: &str) -> Result<Self, Problem> {
        let target = Target::at(path).map_err(|problem| Problem { path: Some("/file".to_owned()), ..problem })?;
        let content = target.content()?.unwrap_or_default();
        let text = String::from_utf8(content)
            .map_err(|_| Problem::bad_input("/file", format!("{} is not text in UTF-8", target.path.display())))?;
        Ok(Self { target, lines: text.lines().map(str::to_owned).collect() })
    }

    fn save(&self) -> Result<(), Problem> {
        let text: String = self.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        self.target.write(text.as_bytes(), self.target.mode().unwrap_or(0o644))
    }
}

fn answer(page: &Page, changed: bool, calls: u32) -> Result<Value, Problem> {
    output(&Output { changed, calls, lines: page.lines.len() })
}
