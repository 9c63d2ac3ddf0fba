//! The runbooks that are part of the program.

/// Their names, in the order of the alphabet.
pub(crate) const NAMES: &[&str] = &["hello"];

/// The text of a built-in runbook.
pub(crate) fn text(name: &str) -> Option<&'static str> {
    match name {
        "hello" => Some(include_str!("../../runbooks/hello.yaml")),
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
