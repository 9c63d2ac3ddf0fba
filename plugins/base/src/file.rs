//! `base.file`: a file with this content and this mode. Doing it twice is doing it once.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sluice_plugin::by_hand::{ByHand, Word};
use sluice_plugin::{Abilities, Action, ActionSpec, Call, Effect, Host, Outcome, Preview, Problem, Reconciled};

use crate::describe::{example, input, input_of, output, spec};
use crate::files::{self, Target, blocking};

pub(crate) struct WriteFile;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Absolute, or relative to the directory Sluice was started in. Its folder has to be there.
    path: String,
    /// The whole content. Not for secrets: it stands in the journal.
    content: String,
    /// Permission bits, `"0644"`. Without it those of the file that is there stay, and a new one gets 0644.
    #[serde(default)]
    #[schemars(regex(pattern = r"^0?[0-7]{3}$"))]
    mode: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// Where it really is.
    path: String,
    /// False when it was there already.
    changed: bool,
    /// Of the content, in hexadecimal.
    sha256: String,
}

/// What is there and what is wanted.
struct Look {
    target: Target,
    mode: u32,
    same: bool,
}

#[async_trait]
impl Action for WriteFile {
    fn spec(&self) -> ActionSpec {
        let mut spec = spec::<Input, Output>("file", "Write a file", Effect::Change);
        spec.idempotent = true;
        spec.abilities = Abilities { check: true, preview: true, reconcile: true };
        let sha256 = digest(b"the cluster is being repaired\n");
        spec.examples = vec![example(
            "a notice",
            json!({ "path": "/etc/motd", "content": "the cluster is being repaired\n", "mode": "0644" }),
            json!({ "path": "/etc/motd", "changed": true, "sha256": sha256 }),
        )];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        let Ok(input) = input::<Input>(with) else { return Vec::new() };
        mode(&input).err().into_iter().collect()
    }

    async fn run(&self, _host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input_of(call)?;
        let answer = blocking(move || {
            let look = look(&input)?;
            if !look.same {
                look.target.write(input.content.as_bytes(), look.mode)?;
            }
            answer(&input, &look, !look.same)
        });
        answer.await.map(Outcome::plain)
    }

    async fn preview(&self, _host: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        let input: Input = input_of(call)?;
        blocking(move || {
            let look = look(&input)?;
            if look.same {
                return Ok(Preview::Already { output: answer(&input, &look, false)? });
            }
            let mode = format!("{:04o}", look.mode);
            let path = look.target.path.display().to_string();
            let binding = json!({ "path": path, "sha256": digest(input.content.as_bytes()), "mode": mode });
            let there = look.target.found.as_ref().map(std::fs::Metadata::len);
            Ok(Preview::Ready { binding, facts: json!({ "bytes": input.content.len(), "bytes_now": there }) })
        })
        .await
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input_of::<Input>(call) else { return Vec::new() };
        let file = || Word::from(input.path.as_str());
        let look_for = format!("sha256 {}", digest(input.content.as_bytes()));
        let content = vec![input.content.as_str().into()];
        let write = ByHand::run("tee", ["--".into(), file()], "the content").with_input(content);
        let mode =
            input.mode.iter().map(|mode| ByHand::run("chmod", [mode.as_str().into(), "--".into(), file()], "nothing"));
        let look = ByHand::run("sha256sum", ["--".into(), file()], &look_for);
        std::iter::once(write).chain(mode).chain([look]).collect()
    }

    async fn reconcile(&self, _host: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        let input: Input = input_of(call)?;
        blocking(move || {
            let look = look(&input)?;
            let found = look.target.content()?.map(|content| digest(&content));
            let evidence = json!({ "path": look.target.path.display().to_string(), "sha256": found });
            if look.same {
                return Ok(Reconciled::Done { output: answer(&input, &look, true)?, evidence });
            }
            Ok(Reconciled::NotDone { evidence })
        })
        .await
    }
}

fn look(input: &Input) -> Result<Look, Problem> {
    let target = Target::at(&input.path)?;
    let mode = mode(input)?.or(target.mode()).unwrap_or(0o644);
    let same = target.mode() == Some(mode) && target.content()?.as_deref() == Some(input.content.as_bytes());
    Ok(Look { target, mode, same })
}

fn mode(input: &Input) -> Result<Option<u32>, Problem> {
    input.mode.as_deref().map(files::mode).transpose()
}

fn answer(input: &Input, look: &Look, changed: bool) -> Result<Value, Problem> {
    let path = look.target.path.display().to_string();
    output(&Output { path, changed, sha256: digest(input.content.as_bytes()) })
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
