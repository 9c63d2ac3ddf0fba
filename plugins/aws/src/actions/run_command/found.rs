//! Which command in the history of an instance is the one of this act: by its comment, which names run, step and attempt.
//!
//! A look that saw nothing saw all there is, or nobody can tell.

use aws_sdk_ssm::types::{Command, CommandFilter, CommandFilterKey};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sluice_plugin::{Call, Problem};

use crate::clients::ClientSet;
use crate::command::{self, DOCUMENT, LIST};

/// AWS gives no more at once, and keeps thirty days. More pages than this nobody reads through.
const PAGE: i32 = 50;
const MOST_PAGES: usize = 40;

/// The comment of this act's command, the same whenever it is looked for.
pub(super) fn identity(call: &Call) -> String {
    let plain = format!("sluice {} {} {}", call.run, call.attempt.0, call.step);
    if plain.len() <= 100 && command::comment(&plain) == plain {
        return plain;
    }
    let digest: String = Sha256::digest(&call.step).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    command::comment(&format!("sluice {} {} #{digest}", call.run, call.attempt.0))
}

/// What the history holds under a comment; the evidence as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct History {
    pub(super) comment: String,
    /// So many commands of the instance were looked through.
    pub(super) looked_through: usize,
    /// There are more than anybody reads through.
    pub(super) more: bool,
    pub(super) found: Vec<Known>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Known {
    pub(super) command: String,
    pub(super) status: String,
    /// Its text is that of this act.
    pub(super) same_text: bool,
}

pub(super) async fn look(aws: &ClientSet, instance: &str, (comment, text): (&str, &str)) -> Result<History, Problem> {
    let only = CommandFilter::builder().key(CommandFilterKey::DocumentName).value(DOCUMENT).build();
    let only = only.map_err(|error| Problem::not_applied("bad_request", format!("{LIST}: {error}")))?;
    let mut history = History { comment: comment.to_owned(), looked_through: 0, more: false, found: Vec::new() };
    let mut token = None::<String>;
    for _ in 0..MOST_PAGES {
        let request = aws.ssm.client.list_commands().instance_id(instance).filters(only.clone()).max_results(PAGE);
        let answer = request.set_next_token(token.clone()).send().await;
        let answer = answer.map_err(|error| aws.problem(&aws.ssm, LIST, instance, &error))?;
        let listed = answer.commands();
        history.looked_through += listed.len();
        let ours = listed.iter().filter(|one| one.comment() == Some(comment));
        history.found.extend(ours.map(|one| Known::of(one, text)));
        token = answer.next_token.filter(|next| !next.is_empty());
        if token.is_none() {
            return Ok(history);
        }
    }
    history.more = true;
    Ok(history)
}

impl Known {
    fn of(command: &Command, text: &str) -> Self {
        let sent = command.parameters().and_then(|parameters| parameters.get("commands"));
        Self {
            command: command.command_id().unwrap_or_default().to_owned(),
            status: command.status().map_or("unknown", |status| status.as_str()).to_owned(),
            same_text: sent.is_some_and(|lines| lines.join("\n") == text),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use sluice_plugin::{Attempt, Purpose};

    use super::*;

    fn call(step: &str, attempt: u32) -> Call {
        let run = "01944b5c-6d3e-7f2a-8b1c-2d3e4f5a6b7c".to_owned();
        let (step, attempt) = (step.to_owned(), Attempt(attempt));
        Call { run, step, attempt, purpose: Purpose::Act, deadline: None, with: Value::Null }
    }

    #[test]
    fn an_act_has_one_comment_and_no_other_act_has_it() {
        let run = "sluice 01944b5c-6d3e-7f2a-8b1c-2d3e4f5a6b7c";
        assert_eq!(identity(&call("roll[node-2]/restart", 1)), format!("{run} 1 roll[node-2]/restart"));
        let long = format!("roll[{}]/restart", "n".repeat(80));
        let same_start = format!("{long}2");
        let all = [
            identity(&call("restart", 1)),
            identity(&call("restart", 11)),
            identity(&call("1 restart", 1)),
            identity(&call(&long, 1)),
            identity(&call(&long, 2)),
            identity(&call(&same_start, 1)),
            identity(&call("roll[é]/restart", 1)),
            identity(&call("roll[è]/restart", 1)),
        ];
        let unlike: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(unlike.len(), all.len(), "{all:?}");
        assert!(all.iter().all(|one| one.len() <= 100 && one.is_ascii()), "{all:?}");
        assert_eq!(identity(&call(&long, 1)), identity(&call(&long, 1)));
    }
}
