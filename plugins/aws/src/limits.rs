//! Times of inputs that have a shortest and a longest.

use std::time::Duration;

use sluice_plugin::{Problem, format_duration, parse_duration};

/// `pointer`: the field it comes from.
pub(crate) fn time(text: &str, pointer: &str, shortest: Duration, longest: Duration) -> Result<Duration, Problem> {
    let time = parse_duration(text).map_err(|why| Problem::bad_input(pointer, why))?;
    if (shortest..=longest).contains(&time) {
        return Ok(time);
    }
    let (shortest, longest) = (format_duration(shortest), format_duration(longest));
    Err(Problem::bad_input(pointer, format!("`{text}` is not between {shortest} and {longest}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_lies_between_two() {
        let check = |text: &str, expect: Option<u64>| {
            let found = time(text, "/timeout", Duration::from_secs(10), Duration::from_secs(600));
            assert_eq!(found.as_ref().ok(), expect.map(Duration::from_secs).as_ref(), "{text}");
            assert!(found.is_ok() || found.unwrap_err().path.as_deref() == Some("/timeout"));
        };
        check("10s", Some(10));
        check("10m", Some(600));
        check("9999ms", None);
        check("601s", None);
        check("soon", None);
    }
}
