//! The one place that makes HCL of a text from outside: a string that holds it and nothing else.

/// `messenger` is `"messenger"`. `None` of a text that begins something in a template or holds control characters: no
/// name does.
pub(crate) fn quoted(text: &str) -> Option<String> {
    let odd = text.contains("${") || text.contains("%{") || text.chars().any(char::is_control);
    (!odd).then(|| format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\"")))
}

#[cfg(test)]
mod tests {
    use hcl_edit::expr::Expression;

    use super::*;
    use crate::hcl::is_one_expression;

    #[test]
    fn a_text_is_one_string() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(quoted(text).as_deref(), expect);
            if let Some(hcl) = expect {
                assert_eq!(is_one_expression(hcl), Ok(()), "{hcl}");
                assert_eq!(hcl.parse::<Expression>().unwrap().as_str(), Some(text), "{hcl}");
            }
        };
        check("messenger", Some(r#""messenger""#));
        check("", Some(r#""""#));
        check(r#"x"] y"#, Some(r#""x\"] y""#));
        check(r"a\", Some(r#""a\\""#));
        check("a$b%c{d}$", Some(r#""a$b%c{d}$""#));
        check("größe", Some(r#""größe""#));
        check(r#"x"]} ${file("/etc/passwd")}"#, None);
        check("%{ if true }", None);
        check("a\nb", None);
        check("\u{1b}[2J", None);
    }
}
