//! What AWS says of a command on an instance: whether it is over, how it ended, and what it printed.
//!
//! The words for a status differ between documentation and service by their spaces, so those do not count. A status this
//! program never heard of is not an end.

use aws_sdk_ssm::operation::get_command_invocation::GetCommandInvocationOutput;

/// AWS keeps so many characters of what a command prints, and of its errors.
const MOST_OUTPUT: usize = 24_000;
const MOST_ERRORS: usize = 8_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invocation {
    /// The details without spaces: `InProgress`, `Success`, `ExecutionTimedOut`.
    pub(crate) status: String,
    /// Nothing while it goes on.
    pub(crate) ended: Option<Ended>,
    /// Nothing where it has none: it was not begun, or was killed.
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// AWS kept only the beginning of one of them.
    pub(crate) cut: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, well or not.
    Exited,
    /// It was begun and killed, since its time was over.
    TimedOut,
    /// It was begun and somebody cancelled it.
    Cancelled,
    /// By AWS's own word it was never begun.
    NotBegun,
    /// In a way that proves neither that it was begun nor that it was not.
    Unclear,
}

impl Invocation {
    pub(crate) fn of(answer: &GetCommandInvocationOutput) -> Self {
        let status = answer.status().map_or("", |status| status.as_str());
        let details: String = answer.status_details().unwrap_or_default().split_whitespace().collect();
        let details = if details.is_empty() { status.to_owned() } else { details };
        let begun = answer.response_code() >= 0 || answer.execution_start_date_time().is_some_and(|at| !at.is_empty());
        let over = ["Success", "Failed", "Cancelled", "TimedOut"].contains(&status);
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let (stdout, stderr) = (text(answer.standard_output_content()), text(answer.standard_error_content()));
        Self {
            ended: over.then(|| ended(&details, begun)),
            exit: Some(answer.response_code()).filter(|code| *code >= 0),
            cut: is_cut(&stdout, MOST_OUTPUT) || is_cut(&stderr, MOST_ERRORS),
            status: details,
            stdout,
            stderr,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_some()
    }
}

fn ended(details: &str, begun: bool) -> Ended {
    match details {
        "Success" | "Failed" if begun => Ended::Exited,
        "ExecutionTimedOut" => Ended::TimedOut,
        "Cancelled" if begun => Ended::Cancelled,
        "DeliveryTimedOut" | "Undeliverable" | "Terminated" | "AccessDenied" if !begun => Ended::NotBegun,
        _ => Ended::Unclear,
    }
}

fn is_cut(text: &str, most: usize) -> bool {
    let marked = text.trim_end().ends_with("truncated---");
    marked || text.chars().nth(most - 1).is_some()
}

#[cfg(test)]
mod tests {
    use aws_sdk_ssm::types::CommandInvocationStatus;

    use super::*;

    fn answer(status: &str, details: &str, code: i32, began: &str) -> Invocation {
        let answer = GetCommandInvocationOutput::builder().status(CommandInvocationStatus::from(status));
        let answer = answer.status_details(details).response_code(code).execution_start_date_time(began);
        Invocation::of(&answer.build())
    }

    #[test]
    fn how_a_command_ended() {
        let check = |status: &str, details: &str, code: i32, expect: Option<Ended>| {
            let began = if code >= 0 { "2026-11-22T17:54:46.927Z" } else { "" };
            assert_eq!(answer(status, details, code, began).ended, expect, "{status} {details} {code}");
        };
        check("Pending", "Pending", -1, None);
        check("InProgress", "In Progress", -1, None);
        check("Delayed", "Delayed", -1, None);
        check("Cancelling", "Cancelling", 0, None);
        check("Pondering", "Pondering", 0, None);
        check("", "", -1, None);

        check("Success", "Success", 0, Some(Ended::Exited));
        check("Failed", "Failed", 1, Some(Ended::Exited));
        check("Failed", "", 1, Some(Ended::Exited));
        for details in ["Execution Timed Out", "ExecutionTimedOut", " Execution  Timed Out "] {
            check("TimedOut", details, 0, Some(Ended::TimedOut));
            check("TimedOut", details, -1, Some(Ended::TimedOut));
        }
        check("Cancelled", "Cancelled", 0, Some(Ended::Cancelled));

        for details in ["Delivery Timed Out", "DeliveryTimedOut"] {
            check("TimedOut", details, -1, Some(Ended::NotBegun));
        }
        for details in ["Undeliverable", "Terminated", "AccessDenied", "Access Denied"] {
            check("Failed", details, -1, Some(Ended::NotBegun));
        }

        // Nobody can tell from these.
        check("Success", "Success", -1, Some(Ended::Unclear));
        check("Failed", "Failed", -1, Some(Ended::Unclear));
        check("Cancelled", "Cancelled", -1, Some(Ended::Unclear));
        check("TimedOut", "TimedOut", -1, Some(Ended::Unclear));
        check("TimedOut", "Delivery Timed Out", 0, Some(Ended::Unclear));
        check("Failed", "Rate Exceeded", -1, Some(Ended::Unclear));
    }

    #[test]
    fn one_that_began_may_have_done_something() {
        let began = answer("Failed", "Undeliverable", -1, "2026-11-22T17:54:46.927Z");
        assert_eq!((began.ended, began.exit), (Some(Ended::Unclear), None));
        let began = answer("Cancelled", "Cancelled", -1, "2026-11-22T17:54:46.927Z");
        assert_eq!(began.ended, Some(Ended::Cancelled));
    }

    #[test]
    fn what_aws_did_not_keep_is_known() {
        let check = |stdout: &str, stderr: &str, expect: bool| {
            let answer = GetCommandInvocationOutput::builder().standard_output_content(stdout);
            let found = Invocation::of(&answer.standard_error_content(stderr).build());
            assert_eq!(found.cut, expect, "{} {}", stdout.len(), stderr.len());
        };
        check("", "", false);
        check(&"a".repeat(23_999), &"b".repeat(7_999), false);
        check(&"a".repeat(24_000), "", true);
        check(&"é".repeat(12_000), "", false);
        check("", &"b".repeat(8_000), true);
        check("some\n---Output truncated---", "", true);
        check("", "some\n---Error truncated---\n", true);
    }
}
