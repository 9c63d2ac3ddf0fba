//! Where a secret may stand, judged twice: by evaluation and by the checker.

use super::super::{EvalCode, TypeCode};
use super::world::{evaluated, inferred};

#[test]
fn a_secret_alone_is_a_value() {
    stands("steps.creds.jwt", r#"{"$secret":"steps.creds#/jwt"}"#, "a secret");
    stands(r#"steps.creds["jwt"]"#, r#"{"$secret":"steps.creds#/jwt"}"#, "a secret");
    stands("steps.creds.all[0]", r#"{"$secret":"a"}"#, "a secret");
    stands("[steps.token][0]", r#"{"$secret":"secrets.token"}"#, "a secret");
    stands("steps.token if seen.ok else steps.creds.jwt", r#"{"$secret":"secrets.token"}"#, "a secret");
    stands("seen.ok and steps.token", r#"{"$secret":"secrets.token"}"#, "a boolean or a secret");
}

#[test]
fn what_stands_beside_a_secret_is_free() {
    stands("steps.creds.user", r#""admin""#, "a string");
    stands("steps.creds.user ~ 1", r#""admin1""#, "a string");
    stands(r#"{"a": steps.token, "b": 1}.b"#, "1", "an integer");
}

#[test]
fn a_secret_may_be_asked_whether_it_is_there() {
    stands("steps.creds.jwt is defined", "true", "a boolean");
    stands("steps.creds is not defined", "false", "a boolean");
}

#[test]
fn a_secret_is_no_operand() {
    refused("steps.creds.jwt | lower", "steps.creds.jwt");
    refused("steps.token | tojson", "steps.token");
    refused("steps.token | length", "steps.token");
    refused("steps.token | string", "steps.token");
    refused(r#"steps.token | default("x")"#, "steps.token");
    refused("[1, 2] | contains(steps.token)", "steps.token");
    refused("inputs.node.aws | default(steps.token)", "steps.token");
    refused(r#"steps.token ~ "x""#, "steps.token");
    refused(r#""x" ~ steps.token"#, "steps.token");
    refused("steps.token + 1", "steps.token");
    refused("-steps.token", "steps.token");
    refused(r#"steps.token == "x""#, "steps.token");
    refused("steps.token != none", "steps.token");
    refused("steps.token in [1]", "steps.token");
    refused("1 in [steps.token]", "[steps.token]");
    refused("steps.token is none", "steps.token");
    refused("steps.token is string", "steps.token");
    refused("not steps.token", "steps.token");
    refused("steps.token and seen.ok", "steps.token");
    refused("steps.token or seen.ok", "steps.token");
    refused("1 if steps.token else 2", "steps.token");
    refused("inputs.cluster[steps.token]", "steps.token");
    refused("steps.creds.jwt.x", "x");
    refused(r#"steps.creds.jwt["$secret"]"#, r#""$secret""#);
}

#[test]
fn what_holds_a_secret_is_no_operand_and_no_value() {
    refused("steps.creds", "steps.creds");
    refused("steps.creds.all", "steps.creds.all");
    refused("[steps.token]", "[steps.token]");
    refused(r#"{"a": {"b": steps.token}}"#, r#"{"a": {"b": steps.token}}"#);
    refused("steps.creds | tojson", "steps.creds");
    refused("steps.creds | keys", "steps.creds");
    refused("steps.creds.all | length", "steps.creds.all");
    refused(r#"steps.creds.all | map(attribute="$secret")"#, "steps.creds.all");
    refused("steps.creds == steps.creds", "steps.creds");
    refused("1 if steps.creds else 2", "steps.creds");
}

fn stands(text: &str, value: &str, ty: &str) {
    assert_eq!(evaluated(text), value, "{text}");
    assert_eq!(inferred(text), ty, "{text}");
}

fn refused(text: &str, under: &str) {
    let evaluated = evaluated(text);
    assert!(evaluated.starts_with(&format!("{:?} |{under}| ", EvalCode::Secret)), "{text}: {evaluated}");
    let inferred = inferred(text);
    assert!(inferred.contains(&format!("\n{:?} |{under}| ", TypeCode::Secret)), "{text}: {inferred}");
    assert!(!evaluated.contains("secrets.token") && !evaluated.contains("#/jwt"), "{evaluated}");
}
