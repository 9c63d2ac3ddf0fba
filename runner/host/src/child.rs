//! Child processes: an empty environment plus what is listed, and no secret where `ps` shows it.
//!
//! What is run, and what is done with its output, is the caller's; standard input is closed unless it says otherwise.

use std::process::Stdio;

use sluice_plugin::{Problem, Secret};
use tokio::process::Command;

use crate::redact::Redactor;

/// A child's environment variable. Only this user and root can read a process's environment.
pub enum EnvValue {
    Plain(String),
    Secret(Secret),
}

/// A command ready to be given its streams. The child dies with the handle. Refuses an argument in which a known
/// secret, or something that looks like one, can be seen: every user of the machine sees arguments.
pub fn command(redactor: &Redactor, argv: &[String], env: &[(String, EnvValue)]) -> Result<Command, Problem> {
    let Some((program, arguments)) = argv.split_first().filter(|(program, _)| !program.is_empty()) else {
        return Err(Problem::not_applied("bad_input", "there is no program to run"));
    };
    if let Some(at) = argv.iter().position(|argument| redactor.finds(argument)) {
        let message = format!(
            "argument {at} of `{}` holds a secret, and every user can see arguments; \
            pass it in a private file or in the environment",
            redactor.text(program)
        );
        return Err(Problem::not_applied("secret_in_argv", message));
    }
    let mut command = Command::new(program);
    command.args(arguments).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    for (name, value) in env {
        let value = match value {
            EnvValue::Plain(value) => value,
            EnvValue::Secret(secret) => secret.expose(),
        };
        command.env(name, value);
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[tokio::test]
    async fn a_child_sees_only_the_listed_environment() {
        let env =
            [("A".to_owned(), EnvValue::Plain("1".into())), ("B".to_owned(), EnvValue::Secret(Secret::new("two")))];
        let mut command = command(&Redactor::new(), &argv(&["/usr/bin/env"]), &env).unwrap();
        let output = command.output().await.unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "A=1\nB=two\n");
    }

    #[test]
    fn no_argument_holds_a_secret() {
        let redactor = Redactor::new();
        redactor.add("token", "correct-horse");
        let check = |words: &[&str], code: Option<&str>| {
            let found = command(&redactor, &argv(words), &[]).err().map(|problem| problem.code);
            assert_eq!(found.as_deref(), code, "{words:?}");
        };
        check(&["/bin/true", "--flag", "value"], None);
        check(&["/bin/true", "--token=correct-horse"], Some("secret_in_argv"));
        check(&["/bin/true", "Y29ycmVjdC1ob3JzZQ=="], Some("secret_in_argv"));
        check(&["/bin/true", "AKIAIOSFODNN7EXAMPLE"], Some("secret_in_argv"));
        check(&[], Some("bad_input"));
        check(&[""], Some("bad_input"));
    }
}
