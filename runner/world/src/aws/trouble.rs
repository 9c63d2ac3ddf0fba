//! AWS that does not answer as it should, in the codes of the real plugin. `times` counts calls that failed for good:
//! what the client tried again by itself is over by then.

use sluice_plugin::Problem;

use crate::fault::AwsTrouble;
use crate::state::State;

/// What this call meets, if anything. A read that was done and whose answer is lost is no better than one not done.
pub(super) fn meet(state: &mut State, operation: &str, region: &str) -> Result<(), Problem> {
    next(state, operation).map_or(Ok(()), |how| Err(problem(how, operation, region)))
}

/// What an act meets. Only AWS's own no proves that it was not done; with the answer lost it was.
pub(super) fn meet_act<T>(
    state: &mut State,
    operation: &str,
    region: &str,
    deed: impl FnOnce(&mut State) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let Some(how) = next(state, operation) else { return deed(state) };
    let problem = problem(how, operation, region);
    if how == AwsTrouble::AnswerLost {
        deed(state)?;
    }
    Err(match how {
        AwsTrouble::Throttled | AwsTrouble::Denied | AwsTrouble::Expired => problem,
        AwsTrouble::Down | AwsTrouble::ServerError | AwsTrouble::AnswerLost => {
            let message = format!("whether {operation} in {region} was done is not known: {problem}");
            Problem::maybe_applied("no_proof", message)
        }
    })
}

fn next(state: &mut State, operation: &str) -> Option<AwsTrouble> {
    let hits = |asked: &Option<String>| asked.as_deref().is_none_or(|asked| asked == operation);
    let fault = state.aws.iter_mut().find(|fault| fault.times > 0 && hits(&fault.operation))?;
    fault.times -= 1;
    Some(fault.how)
}

fn problem(how: AwsTrouble, operation: &str, region: &str) -> Problem {
    let say = |code: &str, message: String| Problem::not_applied(code, message);
    match how {
        AwsTrouble::Throttled => {
            say("throttled", format!("AWS throttles {operation} in {region}; wait a little and try again")).retryable()
        }
        AwsTrouble::Down | AwsTrouble::AnswerLost => {
            say("unreachable", format!("no answer to {operation} from {region}; look at the network")).retryable()
        }
        AwsTrouble::ServerError => {
            say("server_error", format!("{operation} was answered with HTTP 500 and a web page; try again")).retryable()
        }
        AwsTrouble::Denied => say("denied", format!("the caller may not do {operation} in {region}")),
        AwsTrouble::Expired => {
            say("credentials", "the credentials have expired; log in with `aws sso login`".to_owned()).retryable()
        }
    }
}
