//! What README shows is what Sluice takes: its runbooks and its inventory are valid as they stand there.

use crate::common::sluice::Sluice;

const README: &str = include_str!("../../README.md");

#[test]
fn every_file_in_it_is_valid() {
    let sluice = Sluice::alone();
    let mut shown = README.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut take = |begin: &str, name: &str| {
        let text = shown.next().unwrap();
        assert!(text.starts_with(begin), "another file stands here: {text}");
        sluice.file(name, text);
    };
    take("clusters:", "short/sluice.yaml");
    take("clusters:", "sluice.yaml");
    take("runbook:", "runbooks/is-it-up.yaml");
    take("plugins:", "own/sluice.yaml");
    assert_eq!(shown.next(), None);
    sluice.run(&["trust", "--inventory", "own/sluice.yaml", "--print-digest"]).expect_code(0);
    sluice.run(&["check", "--inventory", "short/sluice.yaml"]).expect_code(0);
    // The long one has all that replacing a node wants: not even a warning.
    let done = sluice.run(&["check", "runbooks/is-it-up.yaml", "replace-node"]).expect_code(0);
    for part in ["sluice.yaml", "is-it-up.yaml", "replace-node"] {
        assert!(done.said().contains(part) && !done.said().contains("warning"), "{}", done.said());
    }
}
