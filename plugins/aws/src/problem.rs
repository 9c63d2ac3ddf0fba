//! What a person is told when a request failed: what happened, where, and the line to type next.
//!
//! The codes are stable: `credentials`, `unreachable`, `denied`, `throttled`, `not_found`, `clock`, `unsupported`,
//! `server_error`, `bad_answer`, `refused`, and for an act whose outcome is open `no_proof`. AWS's own codes are an open set and stand in the details.

use serde_json::json;
use sluice_plugin::Problem;

use crate::failure::Failure;

/// What was asked, of whom, and as whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// `ssm:GetParameters`: the words in which the right is granted.
    pub(crate) operation: &'a str,
    /// The names it was asked about.
    pub(crate) on: &'a str,
    pub(crate) region: &'a str,
    pub(crate) profile: Option<&'a str>,
    /// Known once a request was on its way.
    pub(crate) endpoint: Option<&'a str>,
}

/// What AWS's code means for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Credentials,
    Clock,
    Denied,
    Throttled,
    NotFound,
    Unsupported,
    Server,
    /// Success, and nobody can read it.
    Unreadable,
    Refused,
}

/// For a call that only reads: whatever happened, nothing was applied.
pub(crate) fn problem(failure: &Failure, asked: Asked<'_>) -> Problem {
    let problem = match failure {
        Failure::Credentials { cause } => no_credentials(cause.as_deref(), asked),
        Failure::Unreachable { cause } => unreachable(cause, asked),
        Failure::Page { status, title } => web_page(*status, title, asked),
        Failure::Answer { status, code, message } => answer(*status, code.as_deref(), message, asked),
        Failure::Local { cause } => {
            let message = format!("the request {} could not be made: {cause}", asked.operation);
            Problem::not_applied("bad_request", message)
        }
    };
    problem.with_details(details(failure, asked))
}

/// For a call that acts: only AWS's own no, or a request that never left, proves that nothing was done.
pub(crate) fn act_problem(failure: &Failure, asked: Asked<'_>) -> Problem {
    let said = match failure {
        Failure::Credentials { .. } | Failure::Local { .. } => return problem(failure, asked),
        Failure::Answer { status, code: Some(code), .. } if is_a_no(*status, code) => return problem(failure, asked),
        Failure::Unreachable { cause } => format!("{} gave no answer: {cause}", place(asked)),
        Failure::Page { status, title } => {
            format!("{} answered with HTTP {status} and a web page {title}", place(asked)).trim_end().to_owned()
        }
        Failure::Answer { status, code, message } => {
            let code = code.as_deref().unwrap_or("no code");
            format!("{} answered with HTTP {status} ({code}: {message})", place(asked))
        }
    };
    let Asked { operation, on, region, .. } = asked;
    let message = format!(
        "whether {operation} on {on} in {region} was done is not known: {said}; it was sent once, and before anybody \
         sends it again somebody has to look"
    );
    Problem::maybe_applied("no_proof", message).with_details(details(failure, asked))
}

/// A time-out that AWS reports is an answer, and no proof.
fn is_a_no(status: u16, code: &str) -> bool {
    (400..500).contains(&status) && status != 408 && !code.contains("Timeout")
}

fn no_credentials(cause: Option<&str>, asked: Asked<'_>) -> Problem {
    let cause = cause.unwrap_or("there are none");
    let message = match asked.profile {
        Some(profile) => format!(
            "no valid credentials from profile {profile}: {cause}; log in with `aws sso login --profile {profile}`, or \
             set the profile up with `aws configure sso --profile {profile}`"
        ),
        None => format!(
            "no valid AWS credentials: {cause}; the inventory names no profile, so the environment, the default \
             profile and the machine's role were tried; log in with `aws sso login`, or name a `profile` in the \
             cluster's `aws`"
        ),
    };
    Problem::not_applied("credentials", message).retryable()
}

fn unreachable(cause: &str, asked: Asked<'_>) -> Problem {
    let operation = asked.operation;
    let message = match asked.endpoint {
        Some(endpoint) => format!(
            "{endpoint} did not answer {operation}: {cause}; look at the network (VPN, proxy, DNS) and at \
             AWS_ENDPOINT_URL, then try again"
        ),
        None => format!(
            "{operation} could not be sent to {}: {cause}; look at the network, and at what gives the credentials \
             (SSO, credential_process, the machine's role), then try again",
            place(asked)
        ),
    };
    Problem::not_applied("unreachable", message).retryable()
}

fn web_page(status: u16, title: &str, asked: Asked<'_>) -> Problem {
    let title = if title.is_empty() { String::new() } else { format!(" ({title})") };
    let said = format!("{} answered {} with HTTP {status} and a web page{title}", place(asked), asked.operation);
    if status >= 500 {
        let message = format!("{said} instead of an AWS answer; what answers there has failed inside, try again");
        return Problem::not_applied("server_error", message).retryable();
    }
    let message = format!(
        "{said} instead of an AWS answer; look for a proxy or a login page in between, and at AWS_ENDPOINT_URL"
    );
    Problem::not_applied("bad_answer", message)
}

fn answer(status: u16, code: Option<&str>, message: &str, asked: Asked<'_>) -> Problem {
    let Asked { operation, on, region, .. } = asked;
    let said = match (code, message.is_empty()) {
        (Some(code), true) => code.to_owned(),
        (Some(code), false) => format!("{code}: {message}"),
        (None, _) => format!("HTTP {status}: {message}"),
    };
    match meaning(status, code) {
        Meaning::Credentials => no_credentials(Some(&format!("AWS does not accept them ({said})")), asked),
        Meaning::Clock => {
            let text = format!("AWS refused {operation} because of this machine's clock ({said}); set the clock");
            Problem::not_applied("clock", text).retryable()
        }
        Meaning::Denied => denied(message, asked),
        Meaning::Throttled => {
            let text = format!("AWS throttles {operation} in {region} ({said}); wait a little and try again");
            Problem::not_applied("throttled", text).retryable()
        }
        Meaning::NotFound => {
            Problem::not_applied("not_found", format!("{operation} found no {on} in {region} ({said})"))
        }
        Meaning::Unsupported => {
            Problem::not_applied("unsupported", format!("{} does not offer {operation} ({said})", place(asked)))
        }
        Meaning::Server => {
            let text = format!("{operation} failed inside AWS in {region} ({said}); try again");
            Problem::not_applied("server_error", text).retryable()
        }
        Meaning::Unreadable => {
            let text = format!("the answer of {} to {operation} cannot be read ({said}); try again", place(asked));
            Problem::not_applied("bad_answer", text).retryable()
        }
        Meaning::Refused => {
            Problem::not_applied("refused", format!("AWS refused {operation} on {on} in {region} ({said})"))
        }
    }
}

fn denied(message: &str, asked: Asked<'_>) -> Problem {
    let Asked { operation, on, region, profile, .. } = asked;
    let who = profile.map_or_else(|| "these credentials".to_owned(), |profile| format!("profile {profile}"));
    let lower = message.to_ascii_lowercase();
    let right = if lower.contains("kms") || lower.contains("ciphertext") { "kms:Decrypt" } else { operation };
    let text = format!(
        "{who} may not do {operation} on {on} in {region}: {message}; the missing right is {right}, and `sluice iam` \
         prints all that are needed"
    );
    Problem::not_applied("denied", text)
}

fn meaning(status: u16, code: Option<&str>) -> Meaning {
    match code.unwrap_or_default() {
        "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "AuthFailure"
        | "UnrecognizedClientException"
        | "InvalidAccessKeyId"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidToken"
        | "TokenRefreshRequired" => Meaning::Credentials,
        "RequestTimeTooSkewed" | "RequestInTheFuture" => Meaning::Clock,
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "NotAuthorized"
        | "UnauthorizedAccess"
        | "AuthorizationError" => Meaning::Denied,
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "BandwidthLimitExceeded"
        | "SlowDown"
        | "PriorRequestNotComplete"
        | "EC2ThrottledException" => Meaning::Throttled,
        "ParameterNotFound"
        | "ParameterVersionNotFound"
        | "InvalidInstanceID.NotFound"
        | "ResourceNotFoundException" => Meaning::NotFound,
        "InvalidAction" | "UnknownOperationException" | "UnsupportedOperation" | "NotImplemented" => {
            Meaning::Unsupported
        }
        _ if status == 429 => Meaning::Throttled,
        _ if status >= 500 => Meaning::Server,
        _ if status < 300 => Meaning::Unreadable,
        _ => Meaning::Refused,
    }
}

fn place(asked: Asked<'_>) -> String {
    let service = asked.operation.split_once(':').map_or(asked.operation, |(service, _)| service);
    asked.endpoint.map_or_else(|| format!("the {service} endpoint of {}", asked.region), str::to_owned)
}

fn details(failure: &Failure, asked: Asked<'_>) -> serde_json::Value {
    let (status, code) = match failure {
        Failure::Page { status, .. } => (Some(*status), None),
        Failure::Answer { status, code, .. } => (Some(*status), code.as_deref()),
        Failure::Credentials { .. } | Failure::Unreachable { .. } | Failure::Local { .. } => (None, None),
    };
    json!({
        "operation": asked.operation,
        "on": asked.on,
        "region": asked.region,
        "profile": asked.profile,
        "endpoint": asked.endpoint,
        "status": status,
        "aws_code": code,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'static> = Asked {
        operation: "ssm:GetParameters",
        on: "/a/jwt",
        region: "us-east-2",
        profile: Some("staging"),
        endpoint: Some("https://ssm.example"),
    };

    fn check(failure: Failure, code: &str, retryable: bool, parts: &[&str]) {
        let problem = problem(&failure, ASKED);
        assert_eq!((problem.code.as_str(), problem.retryable), (code, retryable), "{}", problem.message);
        for part in parts {
            assert!(problem.message.contains(part), "`{part}` is not in: {}", problem.message);
        }
        assert!(!problem.message.ends_with('.'), "{}", problem.message);
    }

    fn said(status: u16, code: &str, message: &str) -> Failure {
        let code = Some(code.to_owned()).filter(|code| !code.is_empty());
        Failure::Answer { status, code, message: message.to_owned() }
    }

    #[test]
    fn only_a_no_of_aws_proves_that_an_act_was_not_done() {
        use sluice_plugin::Applied::{Maybe, No};
        let check = |failure: Failure, applied, part: &str| {
            let problem = act_problem(&failure, ASKED);
            assert_eq!(problem.applied, applied, "{failure:?}: {problem}");
            assert!(problem.message.contains(part), "`{part}` is not in: {problem}");
            assert!(applied == No || !problem.retryable && problem.code == "no_proof", "{problem:?}");
        };
        let cause = || "timed out".to_owned();
        check(Failure::Credentials { cause: None }, No, "aws sso login");
        check(Failure::Local { cause: cause() }, No, "could not be made");
        for code in ["ValidationError", "AccessDenied", "ScalingActivityInProgress", "ResourceContention"] {
            check(said(400, code, "no"), No, code.strip_prefix("AccessDenied").unwrap_or(code));
        }
        check(said(400, "Throttling", "slow"), No, "throttles");
        check(said(403, "ExpiredToken", "expired"), No, "ExpiredToken");
        check(Failure::Unreachable { cause: cause() }, Maybe, "timed out");
        check(Failure::Page { status: 403, title: "Proxy".into() }, Maybe, "HTTP 403 and a web page Proxy");
        check(said(500, "InternalFailure", "oops"), Maybe, "InternalFailure");
        check(said(503, "ServiceUnavailable", ""), Maybe, "HTTP 503");
        check(said(503, "Throttling", ""), Maybe, "HTTP 503");
        check(said(400, "RequestTimeout", ""), Maybe, "RequestTimeout");
        check(said(408, "Slow", ""), Maybe, "HTTP 408");
        check(said(200, "", "no root element"), Maybe, "no root element");
        check(said(400, "", "no root element"), Maybe, "no root element");
    }

    #[test]
    fn every_failure_says_what_and_where_and_what_next() {
        let cause = || "refused".to_owned();
        let login = "aws sso login --profile staging";
        check(Failure::Credentials { cause: Some(cause()) }, "credentials", true, &["refused", login]);
        let setup = "aws configure sso --profile staging";
        check(Failure::Credentials { cause: None }, "credentials", true, &["there are none", login, setup]);
        check(said(400, "ExpiredTokenException", "expired"), "credentials", true, &["ExpiredTokenException", login]);
        check(said(403, "InvalidClientTokenId", ""), "credentials", true, &["InvalidClientTokenId", login]);
        check(said(403, "RequestTimeTooSkewed", ""), "clock", true, &["clock"]);
        check(Failure::Unreachable { cause: cause() }, "unreachable", true, &["https://ssm.example", "refused"]);
        let right = "missing right is ssm:GetParameters";
        check(said(400, "AccessDeniedException", "no"), "denied", false, &["profile staging", "/a/jwt", right]);
        check(said(400, "AccessDeniedException", "the ciphertext refers"), "denied", false, &["kms:Decrypt"]);
        check(said(403, "", "Forbidden"), "refused", false, &["HTTP 403: Forbidden"]);
        check(said(400, "ThrottlingException", "Rate exceeded"), "throttled", true, &["us-east-2", "Rate exceeded"]);
        check(said(429, "", "slow"), "throttled", true, &[]);
        check(said(400, "ParameterNotFound", ""), "not_found", false, &["/a/jwt", "us-east-2"]);
        check(said(400, "InvalidAction", "unknown"), "unsupported", false, &["https://ssm.example"]);
        check(said(503, "ServiceUnavailable", ""), "server_error", true, &["ServiceUnavailable"]);
        check(said(500, "", "no root element"), "server_error", true, &["HTTP 500"]);
        check(said(200, "", "EOF"), "bad_answer", true, &["https://ssm.example", "EOF"]);
        check(said(400, "ValidationException", "bad"), "refused", false, &["ValidationException: bad"]);
        let page = |status| Failure::Page { status, title: "Oops".to_owned() };
        check(page(500), "server_error", true, &["HTTP 500", "web page", "Oops", "https://ssm.example"]);
        check(page(200), "bad_answer", false, &["HTTP 200", "proxy"]);
        check(Failure::Local { cause: cause() }, "bad_request", false, &["refused"]);
    }

    #[test]
    fn without_profile_or_endpoint_the_message_still_helps() {
        let asked = Asked { profile: None, endpoint: None, ..ASKED };
        let message = |failure| problem(&failure, asked).message;
        assert!(message(Failure::Credentials { cause: None }).contains("the inventory names no profile"));
        assert!(
            message(Failure::Unreachable { cause: String::new() }).contains("sent to the ssm endpoint of us-east-2")
        );
        assert!(message(said(400, "AccessDenied", "no")).contains("these credentials may not"));
    }
}
