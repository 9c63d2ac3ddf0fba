//! The runbooks that are part of the program.

/// Names and texts, in the order of the alphabet. A build without AWS has those that do without.
const TABLE: &[(&str, &str)] = &[
    ("alerts", include_str!("../../runbooks/alerts.yaml")),
    #[cfg(feature = "aws")]
    ("bootstrap-check", include_str!("../../runbooks/bootstrap-check.yaml")),
    #[cfg(feature = "aws")]
    ("cancel-refresh", include_str!("../../runbooks/cancel-refresh.yaml")),
    ("collect-metrics", include_str!("../../runbooks/collect-metrics.yaml")),
    #[cfg(feature = "aws")]
    ("connect", include_str!("../../runbooks/connect.yaml")),
    ("health-check", include_str!("../../runbooks/health-check.yaml")),
    ("hello", include_str!("../../runbooks/hello.yaml")),
    #[cfg(feature = "aws")]
    ("logs", include_str!("../../runbooks/logs.yaml")),
    #[cfg(feature = "aws")]
    ("node-inspect", include_str!("../../runbooks/node-inspect.yaml")),
    #[cfg(feature = "aws")]
    ("node-run", include_str!("../../runbooks/node-run.yaml")),
    #[cfg(feature = "aws")]
    ("node-session", include_str!("../../runbooks/node-session.yaml")),
    #[cfg(feature = "aws")]
    ("replace-node", include_str!("../../runbooks/replace-node.yaml")),
    #[cfg(feature = "aws")]
    ("rolling-replace", include_str!("../../runbooks/rolling-replace.yaml")),
    #[cfg(feature = "aws")]
    ("rollout-watch", include_str!("../../runbooks/rollout-watch.yaml")),
    ("sync-alerts", include_str!("../../runbooks/sync-alerts.yaml")),
];

/// The alert table that ships.
pub(crate) const THRESHOLDS: &str = include_str!("../../runbooks/thresholds.yaml");

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, _)| *name)
}

/// The text of a built-in runbook.
pub(crate) fn text(name: &str) -> Option<&'static str> {
    TABLE.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_of_the_name_it_stands_under() {
        for (name, text) in TABLE {
            assert!(text.lines().any(|line| line == format!("runbook: {name}")), "{name}");
        }
        assert!(TABLE.is_sorted_by_key(|(name, _)| *name));
    }
}
