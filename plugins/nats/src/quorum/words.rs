//! What a passing quorum means, in one sentence for the person who confirms.

use super::{Quorum, Target};
use crate::look::Look;
use crate::reasons::{many, size};

pub(super) fn pass(quorum: &Quorum, look: &Look) -> String {
    let Quorum { voters_now, voters, voters_left, majority, target, .. } = quorum;
    let votes = format!(
        "{voters_now} of {voters} voters now, {voters_left} left without {} and {majority} needed",
        target.name
    );
    let blind = match look.listed() {
        _ if look.target_tells_all() => String::new(),
        Some(listed) => format!("; of what it alone holds, only streams of account {} were listed", listed.name()),
        None => "; what it alone holds could not be seen".to_owned(),
    };
    let alone = if super::alone(look) { "; seen by the nodes' endpoints alone" } else { "" };
    format!("{votes}; {}{blind}{alone}", of_target(target, look))
}

fn of_target(target: &Target, look: &Look) -> String {
    if target.up {
        let connections = target.connections.map_or_else(String::new, |count| many(count, "connection"));
        let serves = if connections.is_empty() { connections } else { format!(", serves {connections}") };
        return format!("it {}{serves}, holds {} that the new one has to copy back", leads(target), size(target.bytes));
    }
    let state = look.nodes.iter().find(|node| node.name == target.name).map_or("", |node| node.state.as_str());
    let led =
        if target.leads_meta || !target.leads.is_empty() { format!(", {}", leads(target)) } else { String::new() };
    format!("it is not up ({state}){led}, about {} have to be copied back", size(target.bytes))
}

/// "leads the meta group, pivot_main and 2 consumers".
fn leads(target: &Target) -> String {
    const NAMED: usize = 3;
    let parts = |name: &&String| name.matches('/').count();
    let streams: Vec<&String> = target.leads.iter().filter(|name| parts(name) == 1).collect();
    let consumers = target.leads.len().saturating_sub(streams.len()) as u64;
    let mut led: Vec<String> = Vec::new();
    if target.leads_meta {
        led.push("the meta group".to_owned());
    }
    if streams.len() > NAMED {
        led.push(many(streams.len() as u64, "stream"));
    } else {
        let short = |path: &&String| path.split_once('/').map_or("", |(_, name)| name).to_owned();
        led.extend(streams.iter().map(short));
    }
    if consumers > 0 {
        led.push(many(consumers, "consumer"));
    }
    match led.pop() {
        None => "leads nothing".to_owned(),
        Some(last) if led.is_empty() => format!("leads {last}"),
        Some(last) => format!("leads {} and {last}", led.join(", ")),
    }
}
