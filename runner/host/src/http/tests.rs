//! The host's HTTP against a server on loopback: what is refused, what is followed, what failures say.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sluice_plugin::{Applied, Header, Host, HttpRequest, Method, PluginName, Problem, Purpose, Secret};
use tokio::io::AsyncWriteExt;

use crate::grants::{Grants, Origin};
use crate::shared::testing::{Bench, Reply, Server, bench, bench_of, bench_of_names, grant, ok, plugin, status, to};
use crate::vault::Bound;

fn granted(server: &Server) -> Bench {
    bench(vec![grant(&server.origin(), true, &[])], &["token", "bound"])
}

fn post(url: String) -> HttpRequest {
    HttpRequest { method: Method::Post, body: b"{}".to_vec(), ..HttpRequest::get(url) }
}

async fn fails(bench: &Bench, purpose: Purpose, request: HttpRequest) -> Problem {
    bench.call(purpose, json!({})).http(request).await.unwrap_err()
}

fn kind(problem: &Problem) -> &Value {
    &problem.details.as_ref().unwrap()["kind"]
}

#[tokio::test]
async fn a_request_goes_out_as_it_was_made() {
    let server = Server::start(async |seen| match seen.line.as_str() {
        "GET /json?a=1" => status("200 OK", "X-Thing: One\r\n", "{\"a\":1}"),
        "POST /echo" => ok(&String::from_utf8(seen.body).unwrap()),
        "HEAD /" => Reply(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n".to_vec(), false),
        _ => status("404 Not Found", "", "no"),
    })
    .await;
    let bench = granted(&server);
    let mut request = HttpRequest::get(server.url("/json?a=1#part"));
    request.headers.push(Header::plain("X-Mine", "yes"));
    let response = bench.reading().http(request).await.unwrap();
    assert_eq!((response.status, response.body.as_slice()), (200, b"{\"a\":1}".as_slice()));
    assert!(response.headers.contains(&("x-thing".into(), "One".into())));
    assert_eq!(bench.reading().http(HttpRequest::get(server.url("/x"))).await.unwrap().status, 404);
    assert_eq!(bench.acting().http(post(server.url("/echo"))).await.unwrap().body, b"{}");
    let head = HttpRequest { method: Method::Head, ..HttpRequest::get(server.url("/")) };
    assert_eq!(bench.reading().http(head).await.unwrap().body, b"");
    let seen = server.seen.lock().unwrap().clone();
    assert!(seen[0].headers.contains("x-mine: yes\r\n") && seen[0].headers.contains("user-agent: sluice/"));
}

#[tokio::test]
async fn what_was_not_granted_is_not_even_connected_to() {
    let server = Server::start(async |_| ok("")).await;
    let port = server.address.port();
    let check = async |bench: Bench, purpose, request: HttpRequest, expect: &str| {
        let url = request.url.clone();
        let problem = fails(&bench, purpose, request).await;
        assert_eq!((problem.code.as_str(), problem.applied), ("denied", Applied::No), "{url}");
        assert!(problem.message.contains(expect), "{url}: {problem}");
    };
    let get = |url: String| HttpRequest::get(url);
    let ours = server.origin();
    check(bench(vec![], &[]), Purpose::Act, get(server.url("/")), &format!("{{ origin: \"{ours}\" }}")).await;
    let public = || bench(vec![grant(&ours, false, &[])], &[]);
    check(public(), Purpose::Act, get(server.url("/")), &format!("{{ origin: \"{ours}\", private: true }}")).await;
    // The same address in other clothes, and names that lead to it.
    for host in ["localhost", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "0177.0.0.1"] {
        let url = format!("http://{host}:{port}/");
        let origin = Origin::parse(url.trim_end_matches('/')).unwrap().to_string();
        check(public(), Purpose::Act, get(url.clone()), "").await;
        check(bench(vec![grant(&origin, false, &[])], &[]), Purpose::Act, get(url), "private: true").await;
    }
    let private = || bench(vec![grant(&ours, true, &[])], &[]);
    check(private(), Purpose::Read, post(server.url("/a")), "private: true, read: [\"POST /a\"]").await;
    check(private(), Purpose::Reconcile, post(server.url("/a")), "while it only reads").await;
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
    let reading = bench(vec![grant(&ours, true, &["POST /a"])], &[]);
    assert_eq!(reading.reading().http(post(server.url("/a"))).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_private_connection_is_not_lent_to_who_may_not_have_it() {
    let server = Server::start(async |_| ok("")).await;
    let url = format!("http://localhost:{}", server.address.port());
    let of = |private| Grants { http: vec![grant(&url, private, &[])], secrets: vec![] };
    let strict = PluginName::parse("strict").unwrap();
    let bench = bench_of([(plugin(), of(true)), (strict.clone(), of(false))]);
    bench.reading().http(HttpRequest::get(&url)).await.unwrap();
    let refused = bench.call_of(&strict, Purpose::Read, json!({})).http(HttpRequest::get(&url)).await;
    assert_eq!(refused.unwrap_err().code, "denied");
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn malformed_requests_are_told_apart() {
    let server = Server::start(async |_| ok("")).await;
    let bench = granted(&server);
    let check = async |request: HttpRequest| {
        let problem = fails(&bench, Purpose::Act, request).await;
        assert_eq!((problem.code.as_str(), problem.applied), ("bad_input", Applied::No), "{problem}");
    };
    check(HttpRequest::get("not a url")).await;
    check(HttpRequest::get("ftp://127.0.0.1/")).await;
    check(HttpRequest::get("data:,x")).await;
    check(HttpRequest::get(format!("http://user:pass@{}/", server.address))).await;
    for (name, value) in [
        ("Host", "other"),
        ("Content-Length", "3"),
        ("Transfer-Encoding", "chunked"),
        ("Proxy-Authorization", "x"),
        ("bad name", "x"),
        ("x", "a\r\nb: c"),
        ("", "x"),
    ] {
        let mut request = HttpRequest::get(server.url("/"));
        request.headers.push(Header::plain(name, value));
        check(request).await;
    }
    assert_eq!(server.lines().len(), 0);
}

#[tokio::test]
async fn redirects_are_judged_hop_by_hop() {
    let other = Server::start(async |_| ok("other")).await;
    let away = other.url("/landed");
    let server = Server::start(move |seen| {
        let away = away.clone();
        async move {
            match seen.line.rsplit('/').next().unwrap() {
                "here" => to("/there"),
                "there" => ok("there"),
                "away" => to(&away),
                "loop" => to("/loop"),
                "file" => to("file:///etc/passwd"),
                "metadata" => to("http://169.254.169.254/latest/meta-data"),
                "login" => to("http://user:pass@127.0.0.1/"),
                "nowhere" => to("http://["),
                "bare" => status("302 Found", "", "bare"),
                _ => status("404 Not Found", "", ""),
            }
        }
    })
    .await;
    let check = async |bench: &Bench, path: &str, expect: Result<&str, &str>| {
        let found = bench.reading().http(HttpRequest::get(server.url(path))).await;
        let found = found.map(|response| String::from_utf8(response.body).unwrap()).map_err(|problem| problem.code);
        assert_eq!(found.as_deref().map_err(String::as_str), expect, "{path}");
    };
    let alone = granted(&server);
    check(&alone, "/here", Ok("there")).await;
    check(&alone, "/away", Err("denied")).await;
    check(&alone, "/loop", Err("bad_redirect")).await;
    check(&alone, "/file", Err("bad_input")).await;
    check(&alone, "/metadata", Err("denied")).await;
    check(&alone, "/login", Err("bad_redirect")).await;
    check(&alone, "/nowhere", Err("bad_redirect")).await;
    check(&alone, "/bare", Ok("bare")).await;
    assert_eq!(other.lines().len(), 0);
    let both = bench(vec![grant(&server.origin(), true, &[]), grant(&other.origin(), true, &[])], &[]);
    check(&both, "/away", Ok("other")).await;
    let unfollowed = both.acting().http(post(server.url("/away"))).await.unwrap();
    assert_eq!((unfollowed.status, other.lines().len()), (302, 1));
    let hops = server.lines().iter().filter(|line| line.ends_with("/loop")).count();
    assert_eq!(hops, 11);
}

#[tokio::test]
async fn secrets_reach_only_the_origins_they_are_bound_to() {
    let other = Server::start(async |_| ok("")).await;
    let away = other.url("/");
    let server = Server::start(move |seen| {
        let away = away.clone();
        async move { if seen.line == "GET /away" { to(&away) } else { ok("") } }
    })
    .await;
    let http = vec![grant(&server.origin(), true, &[]), grant(&other.origin(), true, &[])];
    let bench = bench(http, &["token", "bound"]);
    let token = bench.vault.keep("token", Secret::new("correct-horse"), Bound::Granted);
    let home = Origin::parse(&other.origin()).unwrap();
    let bound = bench.vault.keep("bound", Secret::new("battery-staple"), Bound::To(vec![home]));
    let hidden = bench.vault.keep("hidden", Secret::new("not-granted-to-it"), Bound::Granted);
    let with = |path: &str, secret: &sluice_plugin::SecretRef| {
        let mut request = HttpRequest::get(server.url(path));
        request.headers.push(Header::secret("X-Token", "Bearer ", secret.clone()));
        request.headers.push(Header::plain("Authorization", "Basic eA=="));
        request.headers.push(Header::plain("X-Plain", "stays"));
        request
    };
    bench.reading().http(with("/", &token)).await.unwrap();
    bench.reading().http(with("/away", &token)).await.unwrap();
    assert_eq!(fails(&bench, Purpose::Read, with("/", &bound)).await.code, "denied");
    assert_eq!(fails(&bench, Purpose::Read, with("/", &hidden)).await.code, "denied");
    let first = server.seen.lock().unwrap()[0].headers.clone();
    assert!(first.contains("x-token: bearer correct-horse\r\n") && first.contains("authorization: "), "{first}");
    let landed = other.seen.lock().unwrap()[0].headers.clone();
    assert!(landed.contains("x-plain: stays") && !landed.contains("correct") && !landed.contains("authorization"));
    assert_eq!(server.lines(), ["GET /", "GET /away"]);
}

#[tokio::test]
async fn a_secret_does_not_leave_the_network_in_the_clear() {
    let bench = bench(vec![grant("http://example.com", false, &[])], &["token"]);
    let token = bench.vault.keep("token", Secret::new("correct-horse"), Bound::Granted);
    let mut request = HttpRequest::get("http://example.com/");
    request.headers.push(Header::secret("X-Token", "", token));
    let problem = fails(&bench, Purpose::Read, request).await;
    assert!(problem.message.contains("without TLS"), "{problem}");
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_an_error() {
    let server = Server::start(async |seen| match seen.line.rsplit('/').next().unwrap() {
        "announced" => status("200 OK", "", &"x".repeat(1001)),
        "fits" => status("200 OK", "", &"x".repeat(1000)),
        _ => Reply([b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &[b'x'; 1001]].concat(), true),
    })
    .await;
    let bench = granted(&server);
    let request = |path: &str| HttpRequest { max_body: 1000, ..HttpRequest::get(server.url(path)) };
    assert_eq!(bench.reading().http(request("/fits")).await.unwrap().body.len(), 1000);
    for path in ["/announced", "/endless"] {
        let problem = fails(&bench, Purpose::Read, request(path)).await;
        assert_eq!((problem.code.as_str(), problem.applied), ("too_large", Applied::No));
        let act = HttpRequest { method: Method::Put, ..request(path) };
        assert_eq!(fails(&bench, Purpose::Act, act).await.applied, Applied::Maybe, "{path}");
    }
}

/// Says something that is not TLS to everybody who connects.
async fn without_tls() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    address
}

#[tokio::test]
async fn failures_say_what_happened_and_whether_it_was_applied() {
    let server = Server::start(async |seen| match seen.line.rsplit('/').next().unwrap() {
        "silent" => std::future::pending().await,
        "hangs-up" => Reply(vec![], true),
        "half" => Reply(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec(), true),
        "slow-body" => Reply(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec(), false),
        _ => Reply(b"this is not http\r\n\r\n".to_vec(), true),
    })
    .await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (closed, tls) = (format!("http://{closed}"), format!("https://{}", without_tls().await));
    // A label this long fails in the resolver, before anybody is asked.
    let nowhere = format!("http://{}.invalid:80", "x".repeat(64));
    let http = [server.origin().as_str(), &closed, &tls, &nowhere].map(|origin| grant(origin, true, &[]));
    let bench = bench(http.to_vec(), &[]);
    let check = async |url: String, code: &str, expect: Option<&str>, connected: bool| {
        for purpose in [Purpose::Read, Purpose::Act] {
            let mut request = if purpose == Purpose::Act { post(url.clone()) } else { HttpRequest::get(&url) };
            request.timeout = if code == "timeout" { Duration::from_millis(50) } else { Duration::from_secs(20) };
            let problem = fails(&bench, purpose, request).await;
            assert_eq!(problem.code, code, "{problem}");
            if let Some(expect) = expect {
                assert_eq!(kind(&problem), expect, "{problem}");
            }
            let maybe = connected && purpose == Purpose::Act;
            assert_eq!(problem.applied == Applied::Maybe, maybe, "{purpose:?} {problem}");
            assert!(!problem.message.contains("query-with-secret"), "{problem}");
        }
    };
    check(format!("{closed}/?query-with-secret"), "unreachable", Some("refused"), false).await;
    check(format!("{nowhere}/?query-with-secret"), "unreachable", Some("name"), false).await;
    check(format!("{tls}/?query-with-secret"), "unreachable", Some("tls"), false).await;
    check(server.url("/silent"), "timeout", None, true).await;
    check(server.url("/slow-body"), "timeout", None, true).await;
    check(server.url("/hangs-up"), "unreachable", Some("lost"), true).await;
    check(server.url("/half"), "unreachable", Some("lost"), true).await;
    check(server.url("/nonsense"), "unreachable", Some("lost"), true).await;
    assert_eq!(server.lines().len(), 10, "nothing was sent twice: {:?}", server.lines());
}

#[tokio::test]
async fn reads_share_connections_and_acts_do_not() {
    let server = Server::start(async |_| ok("")).await;
    let bench = granted(&server);
    for _ in 0..5 {
        bench.reading().http(HttpRequest::get(server.url("/"))).await.unwrap();
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    for _ in 0..3 {
        bench.acting().http(post(server.url("/"))).await.unwrap();
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 4);
}

/// A server that closes idle connections: the next act must be sent once, and must not be reported as unknown.
#[tokio::test]
async fn an_act_after_a_closed_connection_is_sent_once() {
    let server = Server::start(async |_| Reply(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(), true)).await;
    let bench = granted(&server);
    for round in 1..=20 {
        bench.acting().http(post(server.url("/"))).await.unwrap();
        assert_eq!(server.lines().len(), round);
    }
}

/// A name that leads where it may when it is looked at, and elsewhere when it is looked at again: whoever checks and then asks
/// anew is led there. Elsewhere is this machine too, so that a mistake here reaches nobody.
#[tokio::test]
async fn a_name_that_changes_its_mind_leads_nowhere_else() {
    let check = async |answers: &'static [&'static str], expect: &[Result<(), &str>], asked: usize| {
        let server = Server::start(async |_| Reply(ok("").0, true)).await;
        let asks = Arc::new(AtomicUsize::new(0));
        let count = asks.clone();
        let leads = move || answers[count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)].parse().unwrap();
        let origin = format!("http://turns.example:{}", server.address.port());
        let bench = bench_of_names(vec![grant(&origin, true, &[])], leads);
        for expect in expect {
            let found = bench.acting().http(post(format!("{origin}/"))).await;
            match (found, expect) {
                (Ok(_), Ok(())) => {}
                (Err(problem), Err(part)) => {
                    assert_eq!(
                        (problem.code.as_str(), problem.applied),
                        ("denied", Applied::No),
                        "{answers:?} {problem}"
                    );
                    assert!(problem.message.contains(part), "{answers:?}: {problem}");
                }
                (found, expect) => panic!("{answers:?}: {found:?}, not {expect:?}"),
            }
        }
        assert_eq!(asks.load(Ordering::SeqCst), asked, "{answers:?}: one look-up for each connection");
        let through = expect.iter().filter(|expect| expect.is_ok()).count();
        assert_eq!(server.lines().len(), through, "{answers:?}");
    };
    let elsewhere = "0.0.0.0 is not a public address";
    // Each request of an act has a connection of its own.
    check(&["127.0.0.1", "0.0.0.0"], &[Ok(()), Err(elsewhere), Err(elsewhere)], 3).await;
    check(&["0.0.0.0", "127.0.0.1"], &[Err(elsewhere), Ok(())], 2).await;
    check(&["127.0.0.1", "127.0.0.1", "0.0.0.0"], &[Ok(()), Ok(()), Err(elsewhere)], 3).await;
}
