//! Ids and names that stand in the path of a URL. There each of them is one segment, and never more than that.

use std::fmt;

use sluice_plugin::Problem;

/// What Terraform Cloud takes for the name of an organization or a workspace, and makes as an id.
pub(crate) const NAME: &str = "^[A-Za-z0-9_-]{1,90}$";

/// A commit's whole SHA-1.
pub(crate) const COMMIT: &str = "^[0-9a-f]{40}$";

/// An id or a name that is safe in a path as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'a>(&'a str);

impl<'a> Segment<'a> {
    /// `pointer`: the field it came in.
    pub(crate) fn of(name: &'a str, pointer: &str) -> Result<Self, Problem> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if (1..=90).contains(&name.len()) && name.bytes().all(plain) {
            return Ok(Self(name));
        }
        let message = format!(
            "`{}` is neither a name nor an id of Terraform Cloud: letters, digits, `-` and `_`",
            name.escape_debug()
        );
        Err(Problem::bad_input(pointer, message))
    }
}

impl fmt::Display for Segment<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

pub(crate) fn full_commit(commit: &str) -> Result<&str, Problem> {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let fine = commit.len() == 40 && commit.bytes().all(hex);
    let why = "a commit is written as its whole SHA-1, 40 digits in small letters, as `git rev-parse HEAD` prints it";
    fine.then_some(commit).ok_or_else(|| Problem::bad_input("/commit", why))
}
