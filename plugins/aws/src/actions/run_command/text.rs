//! The text of a free command: what may be sent at all.
//!
//! AWS keeps a text in its history and in its trail, where many can read it, so what looks like a secret is refused. A
//! text that AWS itself would fill in is refused too: it would not be what a person has confirmed.

use serde_json::Value;
use sluice_plugin::Problem;

const LONGEST: usize = 8 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text(String);

impl Text {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("the command is empty".to_owned());
        }
        if text.len() > LONGEST {
            return Err(format!("the command has {} bytes, and at most {LONGEST} are sent", text.len()));
        }
        if text.contains('\0') {
            return Err("the command holds a NUL, at which a shell would end it".to_owned());
        }
        if let Some(shape) = secret_shape(text) {
            return Err(format!(
                "the command holds what looks like {shape}; its text would stand in the history of Systems Manager and in \
                 CloudTrail: let the command read the secret on the node instead"
            ));
        }
        if asks_for_parameters(text) {
            return Err(
                "the command holds `{{ssm:...}}`, which Systems Manager would fill in: what runs would not be what \
                        was confirmed; let the command read the parameter on the node instead"
                    .to_owned(),
            );
        }
        Ok(Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What can be said of the input before anything is asked of AWS. Leaves may still hold expressions.
pub(super) fn check(with: &Value) -> Vec<Problem> {
    let text = with.get("command").and_then(Value::as_str).filter(|text| !text.contains("{{"));
    let wrong = text.and_then(|text| Text::parse(text).err());
    wrong.map(|why| Problem::bad_input("/command", why)).into_iter().collect()
}

/// Rather one too many: a secret that is out stays out.
fn secret_shape(text: &str) -> Option<&'static str> {
    let base64url = |char: char| char.is_ascii_alphanumeric() || "-_".contains(char);
    let base32 = |char: char| char.is_ascii_uppercase() || ('2'..='7').contains(&char);
    let key = |char: char| char.is_ascii_uppercase() || char.is_ascii_digit();
    let token = |char: char| char.is_ascii_alphanumeric() || char == '-';
    if follows(text, &["eyJ"], base64url, 10) {
        return Some("a JWT (eyJ...)");
    }
    if follows(text, &["SU", "SA", "SO", "SN", "SC", "SX"], base32, 56) {
        return Some("the seed of an NKey (SU...)");
    }
    if follows(text, &["AKIA", "ASIA"], key, 16) {
        return Some("a key of AWS (AKIA...)");
    }
    if follows(text, &["xoxa-", "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-", "xoxc-", "xoxd-", "xapp-"], token, 8) {
        return Some("a token of Slack (xox...)");
    }
    if text.contains("-----BEGIN ") {
        return Some("a key in PEM (-----BEGIN ...)");
    }
    has_password(text).then_some("an address with a password (//user:password@host)")
}

/// One of `starts`, and after it at least so many of these characters.
fn follows(text: &str, starts: &[&str], is: impl Fn(char) -> bool, least: usize) -> bool {
    let ends = starts.iter().flat_map(|start| text.match_indices(start).map(|(at, found)| at + found.len()));
    ends.filter_map(|end| text.get(end..)).any(|rest| rest.chars().take_while(|char| is(*char)).count() >= least)
}

fn has_password(text: &str) -> bool {
    let ends = |char: char| char.is_whitespace() || "/'\",".contains(char);
    let hosts = text.split("://").skip(1).filter_map(|rest| rest.split(ends).next());
    // A variable is none yet.
    hosts
        .filter_map(|host| host.rsplit_once('@')?.0.split_once(':'))
        .any(|(_, password)| !password.is_empty() && !password.starts_with('$'))
}

fn asks_for_parameters(text: &str) -> bool {
    text.split("{{").skip(1).any(|rest| rest.trim_start().to_ascii_lowercase().starts_with("ssm"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

    #[test]
    fn what_is_sent_is_no_secret_and_is_what_was_confirmed() {
        let check = |text: &str, refused: Option<&str>| match (Text::parse(text), refused) {
            (Ok(found), None) => assert_eq!(found.as_str(), text),
            (Err(why), Some(part)) => assert!(why.contains(part), "`{part}` is not in: {why}"),
            (found, _) => panic!("{text:?}: {found:?}"),
        };
        check("systemctl restart nats", None);
        check("  systemctl restart nats\nsystemctl status nats\n", None);
        check("docker ps --format '{{.Names}}'", None);
        check("echo SUCCESS AKIA eyJ xoxo; echo '$(id)' `id`; rm -rf /tmp/x", None);
        check("curl http://user@host/ http://$USER:$PASSWORD@host/ https://h:80/a@b:c", None);
        check(&"a".repeat(8192), None);

        check("", Some("empty"));
        check(" \n\t", Some("empty"));
        check(&"a".repeat(8193), Some("8193 bytes"));
        check(&"é".repeat(4097), Some("8194 bytes"));
        check("a\0b", Some("NUL"));
        check("TOKEN=eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5 x", Some("a JWT"));
        check(&format!("nats --nkey <(echo {SEED})"), Some("seed of an NKey"));
        check(&format!("x{}", SEED.replacen("SU", "SO", 1)), Some("seed of an NKey"));
        check("AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE aws s3 ls", Some("key of AWS"));
        check("export K=ASIAIOSFODNN7EXAMPLE", Some("key of AWS"));
        check("curl -d token=xoxb-123456789012-abc x", Some("token of Slack"));
        check("cat > k <<E\n-----BEGIN PRIVATE KEY-----\nE", Some("PEM"));
        check("nats --server nats://me:pass@b:4222 stream ls", Some("password"));
        check("echo {{ssm:/nats-cluster/x/admin}}", Some("fill in"));
        check("echo {{ ssm-secure:/x }}", Some("fill in"));
        check("echo {{\n SSM:/x}}", Some("fill in"));
    }

    #[test]
    fn a_refusal_does_not_repeat_the_secret() {
        let why = Text::parse(&format!("echo {SEED}")).unwrap_err();
        assert!(!why.contains(SEED), "{why}");
    }

    #[test]
    fn a_runbook_is_checked_where_its_text_stands_in_it() {
        let check_it = |command: &str| check(&json!({ "command": command })).len();
        assert_eq!((check_it("true"), check_it(" "), check_it("{{ inputs.command }}")), (0, 1, 0));
        assert!(check(&json!({})).is_empty());
    }
}
