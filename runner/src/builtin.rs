//! The runbooks that are part of the program.

/// Their names, in the order of the alphabet.
pub(crate) const NAMES: &[&str] = &[
    "alerts",
    "bootstrap-check",
    "cancel-refresh",
    "collect-metrics",
    "connect",
    "health-check",
    "hello",
    "logs",
    "node-inspect",
    "node-run",
    "node-session",
    "replace-node",
    "rolling-replace",
    "rollout-watch",
];

/// The alert table that ships.
pub(crate) const THRESHOLDS: &str = include_str!("../../runbooks/thresholds.yaml");

/// The text of a built-in runbook.
pub(crate) fn text(name: &str) -> Option<&'static str> {
    match name {
        "alerts" => Some(include_str!("../../runbooks/alerts.yaml")),
        "bootstrap-check" => Some(include_str!("../../runbooks/bootstrap-check.yaml")),
        "cancel-refresh" => Some(include_str!("../../runbooks/cancel-refresh.yaml")),
        "collect-metrics" => Some(include_str!("../../runbooks/collect-metrics.yaml")),
        "connect" => Some(include_str!("../../runbooks/connect.yaml")),
        "health-check" => Some(include_str!("../../runbooks/health-check.yaml")),
        "hello" => Some(include_str!("../../runbooks/hello.yaml")),
        "logs" => Some(include_str!("../../runbooks/logs.yaml")),
        "node-inspect" => Some(include_str!("../../runbooks/node-inspect.yaml")),
        "node-run" => Some(include_str!("../../runbooks/node-run.yaml")),
        "node-session" => Some(include_str!("../../runbooks/node-session.yaml")),
        "replace-node" => Some(include_str!("../../runbooks/replace-node.yaml")),
        "rolling-replace" => Some(include_str!("../../runbooks/rolling-replace.yaml")),
        "rollout-watch" => Some(include_str!("../../runbooks/rollout-watch.yaml")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_text_of_that_name() {
        for name in NAMES {
            let text = text(name).unwrap();
            assert!(text.lines().any(|line| line == format!("runbook: {name}")), "{name}");
        }
    }
}
