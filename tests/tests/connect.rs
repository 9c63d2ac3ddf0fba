//! `sluice run connect` on a real cluster: what it gives to a person or a command, what it says when something is
//! wrong, and that it leaves nothing behind and no secret anywhere, however it ends.

mod plans;
mod scan;
mod terminal;
mod world;

use std::fs;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sluice_lab::Fault;

use self::scan::{in_files, in_processes};
use self::terminal::Step;
use self::world::{HOLD, Mute, World, until, user};
use crate::common::parameters;
use crate::common::sluice::{Done, Running};

/// What every shell sets by itself.
const OF_SHELL: &[&str] = &["PWD", "OLDPWD", "SHLVL", "_"];

#[tokio::test]
async fn both_identities_connect_and_leave_nothing() {
    let world = World::new().await;
    the_scan_finds_what_it_should(&world);
    admin_is_shown_what_there_is(&world);
    a_command_runs_as_the_service(&world);
    nothing_is_logged(&world);
    values_are_trimmed_and_the_inventory_stands_in(&world);
    the_inventory_says_where_things_are(&world);
    on_a_terminal(&world);
}

/// A secret in a scanned place is found, whatever it looks like: otherwise none of what follows means anything.
fn the_scan_finds_what_it_should(world: &World) {
    use base64::Engine as _;
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let seed = &world.admin.seed;
    let check = |name: &str, text: &str| {
        let leak = world.sluice.file(name, text);
        let found = world.found_in_files();
        assert!(found.len() == 1 && found[0].contains(&leak.display().to_string()), "{name}: {found:?}");
        fs::remove_file(leak).unwrap();
    };
    check("tmp/plain", &format!("a {seed} b"));
    check(".local/state/sluice/base64", &base64(&format!("user:{seed}")));
    check("run/escaped", &world.admin.jwt.replace('.', "%2E"));
    check("claims", world.messenger.jwt.split('.').nth(1).unwrap());
    let leak = world.sluice.file("tmp/left.creds", "no secret");
    assert_eq!(world.left(), [format!("{} is left", leak.display())]);
    fs::remove_file(leak).unwrap();
    let mut leaking = Command::new("sleep").arg("60").env("LEAK", seed).spawn().unwrap();
    until("the environment is seen", || in_processes(&world.secrets, &[]).iter().any(|line| line.contains("environ")));
    leaking.kill().unwrap();
    leaking.wait().unwrap();
    let mut leaking = Command::new("sh").args(["-c", "sleep 60; :", seed]).spawn().unwrap();
    until("the argument is seen", || in_processes(&world.secrets, &[]).iter().any(|line| line.contains("cmdline")));
    leaking.kill().unwrap();
    leaking.wait().unwrap();
    world.nothing_left();
}

fn admin_is_shown_what_there_is(world: &World) {
    let done = world.connect(&["--json"]).expect_code(0);
    let report = done.json();
    let outputs = &report["outputs"];
    let says = |name: &str, part: &str| assert!(outputs[name].to_string().contains(part), "{name}: {outputs:#}");
    says("who", "user admin of account PIVOT");
    says("who", "never expires");
    says("host_from", "the nats_host parameter");
    says("notes", "no system rights");
    says("notes", "the nodes' endpoints were read instead");
    assert_eq!(outputs["host"], world.lab.plan().nats_host());
    assert_eq!(outputs["streams"], json!(["pivot_main"]));
    assert_eq!(outputs["stream_info"][0]["name"], "pivot_main");
    assert_eq!(outputs["stream_info"][0]["replicas"], 3);
    assert_eq!(outputs["jetstream"].as_array().unwrap().len(), 3);
    assert_eq!(report["session"]["output"]["skipped"], true);
    // The same for a person.
    let done = world.connect(&[]).expect_code(0);
    for part in ["user admin of account PIVOT", "pivot_main  interest", "nats-staging-node-3  "] {
        assert!(done.stdout.contains(part), "{part}: {}", done.said());
    }
}

/// The service may not ask the JetStream API: that is shown, and it connects all the same.
fn a_command_runs_as_the_service(world: &World) {
    let command = format!(
        "env; cat $XDG_CONFIG_HOME/nats/context/$NATS_CONTEXT.json $XDG_CONFIG_HOME/nats/context.txt; echo; \
         stat -c %a $NATS_CREDS $(dirname $NATS_CREDS) $XDG_CONFIG_HOME/nats/context/*; {HOLD}; exit 7"
    );
    let (running, child) = world.hold(&["-i", "service=messenger"], &command);
    // While it runs, the secrets stand in exactly one file, and in no process.
    let found = in_files(&world.secrets, &[world.sluice.home()]);
    assert!(found.len() == 1 && found[0].contains("user.creds: messenger's jwt, messenger's seed"), "{found:?}");
    let environ = fs::read(format!("/proc/{child}/environ")).unwrap();
    world.no_secret_in("the child's environment", &environ);
    assert_eq!(in_processes(&world.of_nats, &[]), Vec::<String>::new());
    let creds = fs::read_to_string(found[0].split(": ").next().unwrap()).unwrap();
    let lines: Vec<&str> = creds.lines().collect();
    assert_eq!((lines[1], lines[9]), (world.messenger.jwt.as_str(), world.messenger.seed.as_str()));
    world.go();
    let done = running.end().expect_code(1);
    world.clean(&done);
    assert!(done.stderr.contains("ended with exit code 7"), "{}", done.said());
    for part in ["user messenger is accepted", "these credentials may not list streams"] {
        assert!(done.stderr.contains(part), "{part}: {}", done.said());
    }
    the_session_was_given_what_nats_needs(world, &done.stdout);
}

fn the_session_was_given_what_nats_needs(world: &World, printed: &str) {
    let of = |name: &str| printed.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap().to_owned();
    assert_eq!(of("NATS_URL"), world.lab.plan().nats_host());
    let (creds, context) = (of("NATS_CREDS"), of("NATS_CONTEXT"));
    let made: Value = serde_json::from_str(printed.lines().find(|line| line.starts_with('{')).unwrap()).unwrap();
    assert_eq!((made["creds"].as_str(), made["url"].as_str()), (Some(&*creds), Some(&*of("NATS_URL"))));
    assert!(printed.lines().any(|line| line == context), "{printed}");
    let modes: Vec<&str> = printed.lines().filter(|line| line.len() == 3 && line.starts_with(['6', '7'])).collect();
    assert_eq!(modes, ["600", "700", "600"], "{printed}");
    let names = printed.lines().take_while(|line| !line.starts_with('{')).filter_map(|line| line.split_once('='));
    let mut names: Vec<&str> = names.map(|(name, _)| name).filter(|name| !OF_SHELL.contains(name)).collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LANG", "NATS_CONTEXT", "NATS_CREDS", "NATS_URL", "PATH", "XDG_CONFIG_HOME"]);
}

/// Not even where everything is logged, nor in the stream of events, nor where a run is shown again.
fn nothing_is_logged(world: &World) {
    let arguments = ["run", "connect", "-i", "cluster=nats-staging", "--json=events", "--", "sh", "-c", "exit 0"];
    let mut command = world.sluice.command(&arguments);
    command.env("SLUICE_LOG", "trace");
    let done = Running::new(command).end().expect_code(0);
    world.clean(&done);
    assert!(done.stderr.contains("TRACE"), "nothing was logged: {}", done.said());
    assert!(done.stdout.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{}", done.stdout);
    for arguments in [&["runs"][..], &["runs", "show", "last"], &["runs", "show", "last", "--json"]] {
        world.clean(&world.sluice.run(arguments).expect_code(0));
    }
}

fn values_are_trimmed_and_the_inventory_stands_in(world: &World) {
    world.put("/admin/nats_admin_jwt", &format!(" \n{}\n", world.admin.jwt));
    world.put("/admin/nats_admin_nkey_seed", &format!("{}\r\n", world.admin.seed));
    world.delete("/services/facebox/nats_host");
    let done = world.connect(&["--json"]).expect_code(0);
    let outputs = &done.json()["outputs"];
    assert!(outputs["host_from"].as_str().unwrap().contains("inventory"), "{outputs:#}");
    assert_eq!(outputs["host"], world.lab.plan().nats_host());
    world.restore();
}

/// A service's parameters may stand elsewhere, and so may the port for clients.
fn the_inventory_says_where_things_are(world: &World) {
    let moved = user(&world.lab, |text| text.replace("messenger: {}", "messenger: { ssm_path: /elsewhere/messenger }"));
    let connect = ["run", "connect", "-i", "cluster=nats-staging", "-i", "service=messenger", "--json"];
    let done = moved.run(&connect).expect_code(1);
    assert!(done.stdout.contains("/elsewhere/messenger/nats_admin_jwt"), "{}", done.said());
    for (name, value) in [("jwt", &world.messenger.jwt), ("nkey_seed", &world.messenger.seed)] {
        parameters::put(&world.lab, &format!("/elsewhere/messenger/nats_admin_{name}"), value, "SecureString");
    }
    let done = moved.run(&connect).expect_code(0);
    let outputs = &done.json()["outputs"];
    assert!(outputs["who"].to_string().contains("user messenger"), "{outputs:#}");
    assert!(outputs["host_from"].to_string().contains("inventory"), "{outputs:#}");
    let net = world.lab.plan().net_text();
    let other = user(&world.lab, |text| {
        text.replace("    streams:", "    ports: { client: 4999 }\n    streams:")
            .replace("messenger: {}", "x: { ssm_path: /x }")
    });
    world.delete("/services/facebox/nats_host");
    let done = other.run(&["run", "connect", "-i", "cluster=nats-staging"]).expect_code(3);
    assert!(done.said().contains(&format!("{net}.1:4999")), "{}", done.said());
    world.restore();
}

/// A person gets a shell, and Ctrl-C in it is the shell's.
fn on_a_terminal(world: &World) {
    let shell = |steps: &[Step]| {
        let done = terminal::run(&world.sluice, &["run", "connect", "-i", "cluster=nats-staging"], steps);
        world.clean(&done);
        done
    };
    const BANNER: &str = "gone when this shell ends";
    let done = shell(&[
        Step::Sees(BANNER),
        // Before the shell listens, Ctrl-C would end it; and with the line that it breaks off, it forgets what was
        // typed since. So a person waits for the prompt, before and after.
        Step::Types("PS1='rea''dy: '\n"),
        Step::Sees("ready: "),
        Step::Types("\u{3}"),
        Step::Sees("ready: "),
        Step::Types("test -s $NATS_CREDS && tty && echo cre''ds of $NATS_CONTEXT\n"),
        Step::Sees("creds of sluice"),
        Step::Types("exit 3\n"),
    ])
    .expect_code(0);
    for part in ["user admin of account PIVOT", "pivot_main  interest", "nats-staging-node-2", "/dev/pts/"] {
        assert!(done.stdout.contains(part), "{part}: {}", done.said());
    }
    shell(&[Step::Sees(BANNER), Step::Signals("SIGTERM")]).expect_code(130);
    shell(&[Step::Sees(BANNER), Step::HangsUp]).expect_code(130);
}

#[tokio::test]
async fn what_is_wrong_is_said_in_an_operators_words() {
    let world = World::new().await;
    let check = |done: Done, code: i32, parts: &[&str]| {
        let done = done.expect_code(code);
        world.clean(&done);
        for part in parts {
            assert!(done.stderr.contains(part), "`{part}` is missing: {}", done.said());
        }
        world.restore();
    };
    let messenger = &["-i", "service=messenger"];
    // The parameter store.
    check(world.connect(&["-i", "service=nobody"]), 1, &["services/nobody/nats_admin_jwt", "us-east-2", "ssm_prefix"]);
    world.put("/admin/nats_admin_jwt", "kms:alias/aws/ssm:AQICAHxyz");
    check(world.connect(&[]), 1, &["admin/nats_admin_jwt", "came back encrypted", "kms:Decrypt"]);
    world.put("/admin/nats_admin_nkey_seed", &world.admin.jwt);
    check(world.connect(&[]), 1, &["admin/nats_admin_nkey_seed", "holds no NKey user seed"]);
    world.put("/admin/nats_admin_nkey_seed", &world.messenger.seed);
    check(world.connect(&[]), 3, &["they are not a pair"]);
    // The credentials.
    world.put("/services/messenger/nats_admin_jwt", &expired(&world.messenger.jwt));
    check(world.connect(messenger), 3, &["user messenger", "expired", "days ago"]);
    let forged = world.messenger.jwt.rsplit_once('.').unwrap().0.to_owned() + ".AAAA";
    world.put("/services/messenger/nats_admin_jwt", &forged);
    check(world.connect(messenger), 3, &["does not accept the credentials of user messenger"]);
    // The way to the cluster.
    world.put("/services/messenger/nats_host", "nats-staging-node-1.nats-staging.invalid");
    check(world.connect(messenger), 3, &["does not resolve", "VPN", "WARP", "region"]);
    world.put("/services/messenger/nats_host", "127.0.0.1:1");
    check(world.connect(messenger), 3, &["connection refused", "127.0.0.1:1"]);
    let mute = Mute::listen();
    world.put("/services/messenger/nats_host", &mute.address.to_string());
    check(world.connect(messenger), 3, &["no answer in time", "VPN"]);
    // AWS.
    world.lab.fault(aws_error("ExpiredTokenException")).await.unwrap();
    check(world.connect(&[]), 1, &["ExpiredTokenException", "aws sso login"]);
    world.lab.fault(Fault::Clear).await.unwrap();
    world.lab.fault(Fault::AwsDown).await.unwrap();
    let done = world.connect(&[]);
    world.lab.fault(Fault::AwsUp).await.unwrap();
    check(done, 1, &["did not answer", "VPN"]);
    let elsewhere = user(&world.lab, |inventory| inventory.replace("region: us-east-2", "region: eu-north-1"));
    let done = elsewhere.run(&["run", "connect", "-i", "cluster=nats-staging"]);
    check(done, 1, &["eu-north-1", "`region`", "admin/nats_admin_jwt"]);
}

fn aws_error(code: &str) -> Fault {
    Fault::AwsError { operation: "GetParameters".into(), times: 99, code: code.into(), status: 400 }
}

/// The same JWT, as if its time were over. Its signature is wrong now, and nobody gets to look at it.
fn expired(jwt: &str) -> String {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let parts: Vec<&str> = jwt.split('.').collect();
    let mut claims: Value = serde_json::from_slice(&base64.decode(parts[1]).unwrap()).unwrap();
    claims["exp"] = json!(1_600_000_000);
    format!("{}.{}.{}", parts[0], base64.encode(claims.to_string()), parts[2])
}

#[tokio::test]
async fn signals_leave_nothing_and_a_killed_run_goes_on() {
    let mut world = World::new().await;
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        while_it_connects(&world, signal);
        in_the_session(&world, signal);
    }
    while_it_fetches(&mut world);
    killed_in_the_session(&world).await;
    killed_while_it_connects(&world);
}

fn send(running: &Running, signal: Signal) {
    kill(Pid::from_raw(running.pid().try_into().unwrap()), signal).unwrap();
}

fn is_gone(pid: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// It has the credentials, and waits for a server that says nothing.
fn while_it_connects(world: &World, signal: Signal) {
    let mute = Mute::listen();
    world.put("/services/messenger/nats_host", &mute.address.to_string());
    let running = world.start(&["-i", "service=messenger"]);
    let _connection = mute.wait();
    send(&running, signal);
    let done = running.end().expect_code(130);
    assert!(done.stderr.contains("sluice resume"), "{}", done.said());
    world.clean(&done);
    world.restore();
}

/// The command and what it started end with the run.
fn in_the_session(world: &World, signal: Signal) {
    let (running, child) = world.hold(&[], &format!("sleep 600 & {HOLD}"));
    let started: Vec<u32> = children(child);
    assert!(!started.is_empty());
    assert_eq!(in_files(&world.secrets, &[world.sluice.home()]).len(), 1);
    send(&running, signal);
    let done = running.end().expect_code(130);
    world.clean(&done);
    until("the session's processes end", || started.iter().chain([&child]).all(|pid| is_gone(*pid)));
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// AWS was asked and says nothing.
fn while_it_fetches(world: &mut World) {
    let aws = format!("http://{}", world.lab.plan().aws());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mute = Mute::listen();
        world.sluice.set("AWS_ENDPOINT_URL", &format!("http://{}", mute.address));
        let running = world.start(&[]);
        let _connection = mute.wait();
        send(&running, signal);
        world.clean(&running.end().expect_code(130));
    }
    world.sluice.set("AWS_ENDPOINT_URL", &aws);
}

async fn killed_in_the_session(world: &World) {
    let (running, child) = world.hold(&["-i", "service=messenger"], HOLD);
    send(&running, Signal::SIGKILL);
    // The command outlives it, with our pipes in its hands.
    world.go();
    assert_eq!(running.end().signal, Some(Signal::SIGKILL as i32));
    until("the session's process ends", || is_gone(child));
    // Nobody could tidy up: the scan sees it, and the next start removes it, whatever it is for.
    assert_eq!(in_files(&world.secrets, &[world.sluice.home()]).len(), 1);
    let done = world.sluice.run(&["runs"]).expect_code(0);
    assert!(done.stderr.contains("removed the private files that 1 run left behind"), "{}", done.said());
    world.clean(&done);
    let before = world.lab.calls(0).await.unwrap().len();
    let done = world.sluice.run(&["resume", "last", "--json=events", "--", "sh", "-c", "test -s $NATS_CREDS"]);
    world.clean(&done);
    let done = done.expect_code(0);
    // Fetched and written again: what the session needs, and nothing else.
    let events: Vec<Value> = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let keys = |kind: &str| -> Vec<String> {
        let of = events.iter().filter(|event| event["kind"] == kind || event["event"] == kind);
        of.map(|event| event["key"].as_str().or(event["body"]["key"].as_str()).unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(keys("renewed"), ["params", "context"], "{}", done.stdout);
    let calls = world.lab.calls(0).await.unwrap().split_off(before);
    let asked: Vec<&str> = calls.iter().filter_map(|call| call["operation"].as_str()).collect();
    assert_eq!(asked, ["GetCallerIdentity", "GetParameters"]);
}

fn killed_while_it_connects(world: &World) {
    let mute = Mute::listen();
    world.put("/services/messenger/nats_host", &mute.address.to_string());
    let running = world.start(&["-i", "service=messenger"]);
    let _connection = mute.wait();
    send(&running, Signal::SIGKILL);
    let done = running.end();
    world.clean(&done);
    world.restore();
    // Started anew, it sweeps too.
    world.connect(&[]).expect_code(0);
}
