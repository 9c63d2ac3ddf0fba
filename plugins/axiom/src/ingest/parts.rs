//! A batch that Axiom does not read, sent in parts until the events that it does not read stand alone: one bad event keeps no
//! others waiting. Where it reads none of them the events are not what is wrong, and all of them wait.

use sluice_plugin::{Host, Timestamp};

use super::batch::Batch;
use super::{Output, Place, Stop};

/// Requests for one batch: a small one is gone through to its end, whatever is in it; of a thousand events a bad one stands alone
/// after twenty.
fn requests(batch: &Batch<'_>) -> usize {
    (2 * batch.events().len()).clamp(24, 128)
}

pub(super) async fn send(
    place: &Place<'_>,
    (host, deadline): (&dyn Host, Option<Timestamp>),
    batch: Batch<'_>,
    done: &mut Output,
) -> Result<(), Stop> {
    let mut requests = 0..requests(&batch);
    let (mut parts, mut alone, mut refusal, mut read) = (vec![batch], Vec::new(), None, false);
    let mut end = Ok(());
    while let Some(part) = parts.pop() {
        if requests.next().is_none() {
            parts.push(part);
            break;
        }
        match place.send(host, deadline, &part, done).await {
            Ok(()) => read = true,
            Err(Stop::Refused(problem)) if matches!(problem.code.as_str(), "bad_events" | "too_large") => {
                match part.halves() {
                    Some([first, second]) => parts.extend([second, first]),
                    None => alone.push((part, problem.message.clone())),
                }
                refusal.get_or_insert(problem);
            }
            Err(stop) => {
                end = Err(stop);
                break;
            }
        }
    }
    if read {
        for (part, why) in alone {
            done.refused(&part, &why);
        }
    }
    match (end, refusal) {
        (Ok(()), Some(problem)) if !read || !parts.is_empty() => Err(Stop::Refused(problem)),
        (end, _) => end,
    }
}
