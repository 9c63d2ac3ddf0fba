//! `aws.parameters` against a parameter store that answers as the service does.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluice_plugin::Action;

use super::Parameters;
use crate::standin::{ACCOUNT, Answer, Expect, Request, StandIn, aws, check};

const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
const JWT: &str = "eyJ0eXAiOiJKV1QifQ.eyJqdGkiOiJBIn0.c2ln-_A";

/// A store with these parameters: name, type and value.
fn store(request: &Request, parameters: &[(&str, &str, String)]) -> Answer {
    if request.operation != "GetParameters" {
        return Answer::identity(ACCOUNT);
    }
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let asked: Vec<_> = body["Names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in asked {
        let (plain, selector) =
            name.split_once(':').map_or((name, None), |(plain, rest)| (plain, Some(format!(":{rest}"))));
        match parameters.iter().find(|(known, _, _)| *known == plain) {
            Some((_, kind, value)) => found.push(json!({
                "Name": plain, "Type": kind, "Value": value, "Version": 3, "Selector": selector,
                "ARN": format!("arn:aws:ssm:us-east-2:{ACCOUNT}:parameter{plain}"), "DataType": "text",
            })),
            None => missing.push(name),
        }
    }
    Answer::json(&json!({ "Parameters": found, "InvalidParameters": missing }))
}

fn parameters() -> Vec<(&'static str, &'static str, String)> {
    vec![
        ("/lab/nats_host", "String", " nats://a:4222,nats://b:4222\n".to_owned()),
        ("/lab/jwt", "SecureString", format!("{JWT}\n")),
        ("/lab/seed", "SecureString", format!("  {SEED}")),
        ("/lab/encrypted_host", "SecureString", "nats://a:4222".to_owned()),
        ("/lab/raw", "SecureString", "kms:alias/aws/ssm:AAAA".to_owned()),
        ("/lab/empty", "String", " \n".to_owned()),
        ("/lab/half", "SecureString", "eyJ0eXAi.eyJ".to_owned()),
    ]
}

fn asks(fields: Value) -> Value {
    let mut with = json!({ "aws": aws() });
    with.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    with
}

async fn ask(fields: Value, expect: Expect<'_>) -> BTreeMap<String, String> {
    let stand_in = StandIn::start(|request, _| store(request, &parameters())).await;
    check(&stand_in, "parameters", asks(fields), expect).await
}

#[tokio::test]
async fn plain_ones_are_text_and_secret_ones_are_sealed_in_one_call() {
    let sealed = ask(
        json!({
            "names": {
                "host": "/lab/nats_host", "jwt": "/lab/jwt", "a/b~c": "/lab/seed:3", "none": "/lab/none",
                "same": "/lab/nats_host", "shown": "/lab/encrypted_host",
                "absent": "/lab/none",
            },
            "secret": ["jwt", "a/b~c", "none"],
            "optional": ["none", "absent"],
            "kinds": { "jwt": "jwt", "a/b~c": "seed", "shown": "text" },
        }),
        Expect::Output(json!({
            "values": {
                "host": "nats://a:4222,nats://b:4222", "same": "nats://a:4222,nats://b:4222", "shown": "nats://a:4222",
                "absent": null,
            },
            "secrets": {
                "jwt": { "$secret": "steps.creds#/secrets/jwt" },
                "a/b~c": { "$secret": "steps.creds#/secrets/a~1b~0c" }, "none": null,
            },
            "versions": { "host": 3, "same": 3, "jwt": 3, "a/b~c": 3, "shown": 3 },
        })),
    )
    .await;
    let expect = [("/secrets/a~1b~0c".to_owned(), SEED.to_owned()), ("/secrets/jwt".to_owned(), JWT.to_owned())];
    assert_eq!(sealed, BTreeMap::from(expect));
}

#[tokio::test]
async fn names_go_in_batches_of_ten_each_once_and_decrypted() {
    let stand_in = StandIn::start(|request, _| {
        let names: Vec<_> = (0..23).map(|number| format!("/p/{number:02}")).collect();
        let all: Vec<_> = names.iter().map(|name| (name.as_str(), "String", name.clone())).collect();
        store(request, &all)
    })
    .await;
    let named = |key: usize| (format!("k{key:02}"), json!(format!("/p/{:02}", key % 23)));
    let names: serde_json::Map<_, _> = (0..30).map(named).collect();
    let versions: serde_json::Map<_, _> = names.keys().map(|key| (key.clone(), json!(3))).collect();
    let expect = Expect::Output(json!({ "values": names, "secrets": {}, "versions": versions }));
    check(&stand_in, "parameters", asks(json!({ "names": names })), expect).await;
    let bodies = stand_in.asked().into_iter().filter(|request| request.operation == "GetParameters");
    let bodies: Vec<Value> = bodies.map(|request| serde_json::from_str(&request.body).unwrap()).collect();
    let sizes: Vec<_> = bodies.iter().map(|body| body["Names"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [10, 10, 3]);
    assert!(bodies.iter().all(|body| body["WithDecryption"] == true));
}

#[tokio::test]
async fn all_missing_names_are_told_at_once() {
    let names = json!({ "a": "/lab/none", "b": "/lab/nats_host", "c": "/lab/nowhere", "d": "/lab/maybe" });
    let says = ["/lab/none (`a`), /lab/nowhere (`c`)", "us-east-2", "ssm_prefix", "optional"];
    ask(json!({ "names": names, "optional": ["d"] }), Expect::problem("not_found", &says)).await;
}

#[tokio::test]
async fn a_value_that_is_not_what_it_should_be_is_refused_by_name() {
    let one = |name: &str, kind: Option<&str>, secret: bool, decrypt: bool| {
        let kinds = kind.map_or_else(|| json!({}), |kind| json!({ "k": kind }));
        let secret = if secret { json!(["k"]) } else { json!([]) };
        json!({ "names": { "k": name }, "kinds": kinds, "secret": secret, "decrypt": decrypt })
    };
    let raw = Expect::problem("not_decrypted", &["/lab/raw (`k`)", "kms:Decrypt"]);
    ask(one("/lab/raw", None, true, true), raw).await;
    ask(one("/lab/jwt", Some("jwt"), true, false), Expect::problem("not_decrypted", &["decrypt"])).await;
    ask(one("/lab/half", Some("jwt"), true, true), Expect::problem("bad_value", &["/lab/half", "no JWT"])).await;
    ask(one("/lab/half", Some("seed"), true, true), Expect::problem("bad_value", &["no NKey user seed"])).await;
    ask(one("/lab/empty", None, false, true), Expect::problem("bad_value", &["/lab/empty (`k`) is empty"])).await;
    ask(one("/lab/encrypted_host", None, false, true), Expect::problem("not_sealed", &["stored encrypted"])).await;
    ask(one("/lab/jwt", Some("text"), false, true), Expect::problem("not_sealed", &["looks like a secret"])).await;
    let two = json!({ "names": { "a": "/lab/half", "b": "/lab/empty" }, "kinds": { "a": "jwt" }, "secret": ["a"] });
    let sealed = ask(two, Expect::problem("bad_value", &["no JWT", "; /lab/empty (`b`) is empty"])).await;
    assert!(sealed.is_empty());
}

#[tokio::test]
async fn what_goes_wrong_is_named() {
    let answered = async |answer: Answer, expect: Expect<'_>| {
        let stand_in = StandIn::start(move |request, _| match request.operation.as_str() {
            "GetParameters" => answer.clone(),
            _ => Answer::identity(ACCOUNT),
        })
        .await;
        check(&stand_in, "parameters", asks(json!({ "names": { "a": "/lab/a" } })), expect).await;
    };
    let no = |message| Answer::json_error(400, "AccessDeniedException", message);
    answered(no("not authorized"), Expect::problem("denied", &["ssm:GetParameters", "/lab/a", "us-east-2"])).await;
    answered(no("The ciphertext refers to a key"), Expect::problem("denied", &["kms:Decrypt"])).await;
    let expired = Answer::json_error(400, "ExpiredTokenException", "The security token is expired");
    answered(expired, Expect::retryable("credentials", &["is expired", "aws sso login"])).await;
    let key = Answer::json_error(400, "InvalidKeyId", "disabled");
    answered(key, Expect::problem("refused", &["InvalidKeyId: disabled"])).await;
    answered(Answer::page(500), Expect::retryable("server_error", &["HTTP 500", "web page"])).await;
    answered(Answer::page(502), Expect::retryable("server_error", &["HTTP 502"])).await;
    answered(Answer::HangUp, Expect::retryable("unreachable", &["ssm:GetParameters"])).await;
    let cut = Answer::Says { status: 200, kind: "application/x-amz-json-1.1", body: "{\"Param".to_owned() };
    answered(cut, Expect::retryable("bad_answer", &["ssm:GetParameters", "HTTP 200"])).await;
}

#[tokio::test]
async fn a_throttled_read_is_asked_again() {
    let stand_in = StandIn::start(|request, nth| match (request.operation.as_str(), nth) {
        ("GetParameters", 1) => Answer::json_error(400, "ThrottlingException", "Rate exceeded"),
        ("GetParameters", 2) => Answer::page(500),
        _ => store(request, &parameters()),
    })
    .await;
    let expect = json!({ "values": { "h": "nats://a:4222,nats://b:4222" }, "secrets": {}, "versions": { "h": 3 } });
    check(&stand_in, "parameters", asks(json!({ "names": { "h": "/lab/nats_host" } })), Expect::Output(expect)).await;
    assert_eq!(stand_in.counts()["GetParameters"], 3);
}

#[test]
fn the_lists_must_speak_of_keys_that_are_there() {
    let check = |with: Value, expect: &[(&str, &str)]| {
        let action = Parameters(std::sync::Arc::default());
        let problems = action.check(&with);
        let found: Vec<_> = problems.iter().map(|problem| problem.path.as_deref().unwrap()).collect();
        assert_eq!(found, expect.iter().map(|(path, _)| *path).collect::<Vec<_>>(), "{with}");
        for (problem, (_, part)) in problems.iter().zip(expect) {
            assert!(problem.message.contains(part), "{problem}");
        }
    };
    let names = json!({ "a": "/a", "b": "{{ inputs.cluster.creds.admin.jwt }}" });
    check(json!({ "aws": "{{ inputs.cluster.aws }}", "names": names, "secret": ["a", "b"] }), &[]);
    check(json!({ "names": "{{ inputs.names }}", "secret": ["x"] }), &[]);
    check(
        json!({ "names": names, "secret": ["a", "x"], "optional": ["y"], "kinds": { "z": "text" } }),
        &[("/secret/1", "`x` is not a key of `names`, which has a, b"), ("/optional/0", "`y`"), ("/kinds/z", "`z`")],
    );
    check(json!({ "names": names, "kinds": { "a": "jwt", "b": "text" } }), &[("/kinds/a", "list it under `secret`")]);
}

#[tokio::test]
async fn a_name_that_cannot_be_one_is_never_sent() {
    let stand_in = StandIn::start(|_, _| Answer::HangUp).await;
    let bad = async |name: &str, part: &str| {
        let with = asks(json!({ "names": { "a": name } }));
        check(&stand_in, "parameters", with, Expect::problem("bad_input", &[part])).await;
    };
    bad("", "is empty").await;
    bad("/a b", "`/a b` is no name").await;
    bad("/a\u{202e}", "is no name").await;
    bad(&"a".repeat(2049), "2048").await;
    assert!(stand_in.asked().is_empty());
}
