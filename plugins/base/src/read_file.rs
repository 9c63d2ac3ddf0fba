//! `base.read_file`: the text of a file, when it is small enough to stand in a journal.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Effect, Host, Outcome, Problem};

use crate::describe::{example, input_of, output, spec};
use crate::file::digest;
use crate::files::{blocking, read};

pub(crate) struct ReadFile;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Absolute, or relative to the directory Sluice was started in.
    path: String,
    /// A larger file is an error.
    #[serde(default = "one_mebibyte")]
    #[schemars(range(max = 16_777_216))]
    max_bytes: u64,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// Where it really is.
    path: String,
    content: String,
    bytes: usize,
    /// Of the content, in hexadecimal.
    sha256: String,
}

fn one_mebibyte() -> u64 {
    1 << 20
}

#[async_trait]
impl Action for ReadFile {
    fn spec(&self) -> ActionSpec {
        let mut spec = spec::<Input, Output>("read_file", "Read a text file", Effect::Read);
        spec.idempotent = true;
        let text = "nats-staging-node-1\n";
        spec.examples = vec![example(
            "the machine's name",
            json!({ "path": "/etc/hostname" }),
            json!({ "path": "/etc/hostname", "content": text, "bytes": text.len(), "sha256": digest(text.as_bytes()) }),
        )];
        spec
    }

    async fn run(&self, _host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input_of(call)?;
        let (path, content) = blocking(move || read(&input.path, input.max_bytes)).await?;
        let sha256 = digest(&content);
        let path = path.display().to_string();
        let content = String::from_utf8(content)
            .map_err(|_| Problem::bad_input("/path", format!("{path} is not text in UTF-8")))?;
        output(&Output { bytes: content.len(), path, content, sha256 }).map(Outcome::plain)
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let read = |input: Input| ByHand::run("cat", ["--".to_owned(), input.path], "what the file says");
        input_of(call).map(read).into_iter().collect()
    }
}
