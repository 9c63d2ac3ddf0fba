//! Tables and properties of the redactor: what is replaced, what is left alone, and that no cut of a stream lets a
//! known secret through.

use std::io::Write;

use proptest::prelude::*;
use serde_json::json;

use super::*;

const SEED: &str = "SUAIBDPBAUTWCWBKIO6XHQNINK5FWJW4OHLXC3HQ2KFE4PEJUA44CNHTC4";
const JWT: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiJOQVRTIn0.c2lnbmF0dXJl";
const PEM: &str = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----";

fn with(values: &[(&str, &str)]) -> Redactor {
    let redactor = Redactor::new();
    values.iter().for_each(|(name, value)| redactor.add(name, value));
    redactor
}

#[test]
fn shapes_are_replaced_without_being_known() {
    let check = |text: &str, expect: &str| assert_eq!(with(&[]).text(text), expect, "{text}");
    check(&format!("token {JWT}, next"), "token [redacted jwt], next");
    check(&format!("jwt={JWT}"), "jwt=[redacted jwt]");
    check(&format!("seed {SEED}\n"), "seed [redacted nkey_seed]\n");
    check(&format!("\"a\\n{SEED}\\n\""), "\"a\\n[redacted nkey_seed]\\n\"");
    check("key AKIAIOSFODNN7EXAMPLE.", "key [redacted aws_key_id].");
    check("key ASIAIOSFODNN7EXAMPLE.", "key [redacted aws_key_id].");
    check("slack xoxb-123456789012-abcDEF ok", "slack [redacted slack_token] ok");
    check("slack xapp-1-A012345-6789 ok", "slack [redacted slack_token] ok");
    check(&format!("a\n{PEM}\nb"), "a\n[redacted pem]\nb");
    check(&format!("a {}", &PEM[..45]), "a [redacted pem]");
    check(&PEM.replace('\n', "\\n"), "[redacted pem]");
    check("-----BEGIN NATS USER JWT-----\nabc\n------END NATS USER JWT------\nrest", "[redacted pem]\nrest");
}

#[test]
fn ordinary_text_is_borrowed_and_left_alone() {
    let redactor = with(&[("token", "correct-horse")]);
    let check = |text: &str| assert!(matches!(redactor.text(text), Cow::Borrowed(same) if same == text), "{text}");
    check("");
    check("SUCCESS: all 3 nodes are up, xoxo, AKIA, eyJ");
    check("eyJhIjoxfQ");
    check("UAIBDPBAUTWCWBKIO6XHQNINK5FWJW4OHLXC3HQ2KFE4PEJUA44CNHTC");
    check("----- BEGIN -----");
    check("i-0123456789abcdef0 in us-east-2a, arn:aws:iam::123456789012:role/x");
    check("correct-hors");
    check("Größe ✓ \u{1F600}");
}

#[test]
fn known_values_are_replaced_in_every_form() {
    let redactor = with(&[("token", "s3cr3t/+ \"x\""), ("other", "täglich<&>neu")]);
    let check = |text: &str, expect: &str| assert_eq!(redactor.text(text), expect, "{text}");
    check("a s3cr3t/+ \"x\" b", "a [redacted token] b");
    check("{\"a\":\"s3cr3t/+ \\\"x\\\"\"}", "{\"a\":\"[redacted token]\"}");
    check("?t=s3cr3t%2F%2B+%22x%22&u", "?t=[redacted token]&u");
    check("?t=s3cr3t%2f%2b%20%22x%22&u", "?t=[redacted token]&u");
    check("czNjcjN0LysgIngi", "[redacted token]");
    check("t\\u00e4glich<&>neu", "[redacted other]");
    check("täglich\\u003c\\u0026\\u003eneu", "[redacted other]");
    check("ä täglich<&>neu ä", "ä [redacted other] ä");
}

#[test]
fn overlapping_and_nested_values_leave_nothing_behind() {
    let check = |values: &[(&str, &str)], text: &str, expect: &str| assert_eq!(with(values).text(text), expect);
    check(&[("a", "abcdefgh"), ("b", "efghijkl")], "-abcdefghijkl-", "-[redacted a]-");
    check(&[("short", "abcdef"), ("long", "abcdefghij")], "abcdefghij", "[redacted long]");
    check(&[("a", "aaaaaaaa")], &"a".repeat(13), "[redacted a]");
    check(&[("a", "abcdefgh")], "abcdefghabcdefgh", "[redacted a][redacted a]");
    check(&[("all", JWT)], JWT, "[redacted all]");
}

#[test]
fn a_short_value_is_replaced_only_as_a_whole() {
    let redactor = with(&[("pin", "1234"), ("none", "")]);
    assert_eq!(redactor.text("1234"), "[redacted pin]");
    assert_eq!(redactor.text("port 12345"), "port 12345");
    assert_eq!(redactor.text(""), "");
}

#[test]
fn a_document_is_redacted_leaf_by_leaf() {
    let redactor = with(&[("token", "correct-horse"), ("pin", "98765432")]);
    let mut document = json!({
        "a": ["x correct-horse", 1, null, true], "correct-horse": 2, "n": 98_765_432, "r": { "$secret": "steps.a#/b" },
    });
    redactor.json(&mut document);
    let expect = json!({
        "a": ["x [redacted token]", 1, null, true], "[redacted token]": 2, "n": "[redacted pin]",
        "r": { "$secret": "steps.a#/b" },
    });
    assert_eq!(document, expect);
}

fn streamed(redactor: Redactor, pieces: &[&[u8]]) -> String {
    let mut writer = RedactingWriter::new(Vec::new(), Arc::new(redactor));
    for piece in pieces {
        writer.write_all(piece).unwrap();
        writer.flush().unwrap();
    }
    String::from_utf8(writer.finish().unwrap()).unwrap()
}

#[test]
fn a_stream_is_redacted_wherever_it_is_cut() {
    let text = format!("one correct-horse two {SEED} three {JWT} four\n{PEM}\nfive xoxb-123456789012-abcDEF.");
    let whole = with(&[("token", "correct-horse")]).text(&text).into_owned();
    for first in 0..text.len() {
        let (left, right) = text.as_bytes().split_at(first);
        assert_eq!(streamed(with(&[("token", "correct-horse")]), &[left, right]), whole, "cut at {first}");
    }
    let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert_eq!(streamed(with(&[("token", "correct-horse")]), &single), whole);
}

#[test]
fn what_cannot_be_a_secret_is_not_held_back() {
    let redactor = Arc::new(with(&[("token", "correct-horse")]));
    let check = |text: &str, expect: &str| {
        let mut out = Vec::new();
        let mut writer = RedactingWriter::new(&mut out, redactor.clone());
        writer.write_all(text.as_bytes()).unwrap();
        std::mem::forget(writer);
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    };
    check("waiting for node-2 ...", "waiting for node-2 ...");
    check("Password: ", "Password: ");
    check("one correct-ho", "one ");
    check("one SUAIBDP", "one ");
}

#[test]
fn an_endless_secret_is_swallowed_and_what_follows_is_not() {
    let long = format!("eyJ{} after", "a".repeat(200_000));
    let pieces: Vec<&[u8]> = long.as_bytes().chunks(8_192).collect();
    assert_eq!(streamed(with(&[("token", "correct-horse")]), &pieces), "[redacted jwt] after");
    let pem = format!("-----BEGIN X KEY-----\n{}-----END X KEY-----\nafter", "abc\n".repeat(30_000));
    let pieces: Vec<&[u8]> = pem.as_bytes().chunks(1_000).collect();
    assert_eq!(streamed(with(&[]), &pieces), "[redacted pem]-----END X KEY-----\nafter");
    let repeated = "ab".repeat(200_000);
    let pieces: Vec<&[u8]> = repeated.as_bytes().chunks(10_000).collect();
    assert!(!streamed(with(&[("token", "abababab")]), &pieces).contains("abababab"));
}

fn secret() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{8,40}", "\\PC{8,20}", "[a-z\n/+=&<>%\"\\\\]{8,60}", "[ab]{8,12}"]
        .prop_filter("the mark itself would hold it", |text| {
            text.len() >= 8 && text.trim().len() >= 8 && !"[redacted s0] [redacted s1]".contains(text.as_str())
        })
}

/// Each form as a program would write it, not as the redactor thinks of it.
fn encoded(secret: &str, way: usize) -> String {
    use base64::Engine as _;
    match way % 7 {
        0 => base64::engine::general_purpose::STANDARD.encode(secret),
        1 => base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(secret),
        2 => url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        3 => serde_json::to_string(secret).unwrap(),
        4 => base64::engine::general_purpose::STANDARD.encode(format!("user:{secret}")),
        _ => secret.to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_known_secret_survives(
        secrets in prop::collection::vec(secret(), 1..4),
        parts in prop::collection::vec((0_usize..4, 0_usize..7, "[a-z \n]{0,12}"), 0..8),
        cuts in prop::collection::vec(1_usize..40, 1..60),
    ) {
        let redactor = Redactor::new();
        for (index, secret) in secrets.iter().enumerate() {
            redactor.add(&format!("s{index}"), secret);
        }
        let mut text = String::new();
        for (which, way, filler) in &parts {
            text.push_str(filler);
            text.push_str(&encoded(&secrets[which % secrets.len()], *way));
        }
        let whole = redactor.text(&text).into_owned();
        let mut writer = RedactingWriter::new(Vec::new(), Arc::new(redactor));
        let mut rest = text.as_bytes();
        for cut in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            writer.write_all(piece).unwrap();
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        let stream = String::from_utf8(writer.finish().unwrap()).unwrap();
        for secret in &secrets {
            for way in 0..4 {
                prop_assert!(!whole.contains(encoded(secret, way).trim_matches('"')), "{whole:?}");
                prop_assert!(!stream.contains(encoded(secret, way).trim_matches('"')), "{stream:?}");
            }
            prop_assert!(!whole.contains(secret.as_str()) && !stream.contains(secret.as_str()), "{stream:?}");
        }
        prop_assert_eq!(stream, whole);
    }
}
