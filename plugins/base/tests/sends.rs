//! A server takes a request and then cuts, hangs, or answers something that tells nothing: it is sent once, nobody claims
//! to know, and a look or a person ends the doubt.

use futures::future::join_all;
use serde_json::{Value, json};
use sluice_engine::journal::{Outcome, Ruling};
use sluice_engine::machine::Status;
use sluice_engine::machine::state::State;
use sluice_engine::run::Ending;

use crate::server::{Server, Then};
use crate::world::World;

const DONE: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"id\": \"7\"}";
const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
const PAGE: &str = "HTTP/1.1 200 OK\r\ncontent-type: Text/HTML; charset=utf-8\r\ncontent-length: 6\r\n\r\n<html>";
const BROKEN: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";

/// Everything after which nobody knows.
const TROUBLE: &[Then] = &[
    Then::Cuts,
    Then::Hangs,
    Then::Answers(BROKEN),
    Then::Answers("HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n"),
    Then::Answers("HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>"),
    Then::Answers(PAGE),
    Then::Answers("HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n"),
    Then::Answers("HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
    Then::Answers("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 400\r\n\r\n{\"half\": "),
    Then::Answers("this is no HTTP at all, connection: close\r\n\r\n"),
];

fn runbook(url: &str, more: &str) -> String {
    format!(
        "
runbook: sends
steps:
  - id: send
    uses: base.http_send
    timeout: 1s
    with:
      url: {url}/things
      json: {{ a: 1 }}
      timeout: 500ms
{more}
  - {{ id: then, uses: base.echo, with: {{ value: '{{{{ steps.send }}}}' }} }}
"
    )
}

fn status(state: &State) -> &Status {
    &state.steps.slots[0].status
}

#[tokio::test]
async fn whatever_the_server_does_it_is_asked_once() {
    join_all(TROUBLE.iter().map(|then| async move {
        let server = Server::start(*then, DONE).await;
        let world = World::new(&server.url);
        let (ending, state) = world.start(&runbook(&server.url, "")).await;
        assert_eq!(ending, Ending::Parked, "{then:?}");
        assert!(matches!(status(&state), Status::Stuck { .. }), "{then:?}: {:?}", status(&state));
        assert_eq!(world.kinds("send").await, ["intended", "failed", "reconciled"], "{then:?}");
        assert_eq!(server.seen("POST"), ["POST /things {\"a\":1}"], "{then:?}");
        // Without a `look` nothing else is asked either.
        assert_eq!(server.seen("GET"), Vec::<String>::new(), "{then:?}");
        let output = json!({ "status": 201, "body": null, "duration_ms": 0, "looked": false });
        let (ending, _) = world.settle("send", Ruling::Done { output }).await;
        assert_eq!(ending, Ending::Ended(Outcome::Done), "{then:?}");
        assert_eq!(server.seen("POST").len(), 1, "{then:?}");
    }))
    .await;
}

#[tokio::test]
async fn a_look_tells_what_a_lost_answer_did_not() {
    let check = async |then: Then, look: &'static str, more: &str, sends: usize, ended: bool| {
        let server = Server::start(then, look).await;
        let world = World::new(&server.url);
        let more = format!("      look: {{ url: {}/things/7{more} }}", server.url);
        let (ending, state) = world.start(&runbook(&server.url, &more)).await;
        assert_eq!(server.seen("POST").len(), sends, "{then:?} {look}");
        assert_eq!(ending == Ending::Ended(Outcome::Done), ended, "{then:?} {look}: {ending:?}");
        state
    };
    let (found, wrong, lost, never, page) = tokio::join!(
        check(Then::Cuts, DONE, "", 1, true),
        // Something else is there: it was not done, and is sent again, each time after a look.
        check(Then::Answers(BROKEN), DONE, ", contains: '\"id\": \"8\"'", 3, false),
        check(Then::Hangs, BROKEN, "", 1, false),
        check(Then::Cuts, NOT_FOUND, "", 3, false),
        // A login page in between says of nothing that it is there.
        check(Then::Cuts, PAGE, "", 1, false),
    );
    let Status::Done(output) = status(&found) else { panic!("{:?}", status(&found)) };
    assert_eq!((&output["looked"], &output["body"]), (&json!(true), &json!({ "id": "7" })));
    for state in [&lost, &page] {
        assert!(matches!(status(state), Status::Stuck { .. }), "{:?}", status(state));
    }
    for state in [&wrong, &never] {
        let Status::Failed(problem) = status(state) else { panic!("{:?}", status(state)) };
        assert_eq!(problem.code, "not_done");
    }
}

#[tokio::test]
async fn what_is_known_is_said_at_once() {
    let check = async |then: Then, url: Option<&str>, more: &str| -> (Vec<&'static str>, Value, usize) {
        let server = Server::start(then, DONE).await;
        let url = url.unwrap_or(&server.url).to_owned();
        let world = World::new(&url);
        let (_, state) = world.start(&runbook(&url, more)).await;
        let said = match status(&state) {
            Status::Failed(problem) => json!(problem.applied),
            Status::Done(output) => output["body"].clone(),
            other => panic!("{other:?}"),
        };
        (world.kinds("send").await, said, server.seen("POST").len())
    };
    let done = Then::Answers(DONE);
    assert_eq!(check(done, None, "").await, (vec!["intended", "done"], json!({ "id": "7" }), 1));
    let conflict = Then::Answers("HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n");
    let refused = check(conflict, None, "      refused_status: [409]").await;
    assert_eq!(refused, (vec!["intended", "failed"], json!("no"), 1));
    let html = Then::Answers("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(check(html, None, "      accept_html: true").await, (vec!["intended", "done"], json!("ok"), 1));
    // Nobody listens: the connection was never made.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = check(done, Some(&format!("http://{gone}")), "").await;
    assert_eq!(nobody, (vec!["intended", "failed"], json!("no"), 0));
}
