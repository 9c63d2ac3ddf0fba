//! Names of private files and of runs, as they may become part of a path.

/// A name that could lead out of the folder, or that cannot be a file's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` cannot name a private file: {why}")]
pub struct BadFileName {
    pub name: String,
    pub why: &'static str,
}

/// `a/b/c` into its parts.
pub(super) fn parts(name: &str) -> Result<Vec<&str>, BadFileName> {
    let parts: Vec<&str> = name.split('/').collect();
    for part in &parts {
        component(part).map_err(|error| BadFileName { name: name.to_owned(), ..error })?;
    }
    Ok(parts)
}

/// One part of a path.
pub(super) fn component(part: &str) -> Result<&str, BadFileName> {
    let why = match part {
        "" => "it is empty, begins or ends with `/`, or has two of them in a row",
        "." | ".." => "`.` and `..` are not allowed",
        _ if part.len() > 200 => "it is longer than 200 bytes",
        _ if part.contains(['/', '\\']) => "it holds a slash",
        _ if part.chars().any(char::is_control) => "it holds a control character",
        _ => return Ok(part),
    };
    Err(BadFileName { name: part.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        let check = |name: &str, good: bool| assert_eq!(parts(name).is_ok(), good, "{name:?}");
        check("admin.creds", true);
        check("nats/admin.creds", true);
        check("a/b/c", true);
        check("...", true);
        check("größe", true);
        check("", false);
        check("/etc/passwd", false);
        check("a//b", false);
        check("a/", false);
        check("..", false);
        check("../a", false);
        check("a/../b", false);
        check("a/./b", false);
        check("a\\b", false);
        check("a\0b", false);
        check("a\nb", false);
        check(&"a".repeat(201), false);
    }
}
