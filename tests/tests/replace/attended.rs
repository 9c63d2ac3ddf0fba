//! Somebody sits there, reads, and types the name.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use sluice_lab::{ACT_ROLE, AdminSys, Fault, Options};

use super::site::{PATIENCE, Site, says, side_by_side, text};

#[test]
fn a_node_is_replaced_before_somebody_who_types_its_name() {
    side_by_side(
        &[("system rights, a role for the act, 10,000 messages", with_rights)],
        &[("the seed's plain admin, an empty stream", plain), ("the data comes back slowly", slowly)],
    );
}

fn plain() {
    let site = Site::busy(Options::default());
    let person = replaced(&site, 2);
    // Without rights on the system account the meta leader stays where it is, and nobody is told otherwise.
    says(&person, &["replace/step_down_meta", "skipped"]);
    site.ended(&[2]);
}

fn with_rights() {
    let options = Options {
        admin_sys: AdminSys::Import,
        with_system_creds: true,
        preload: 10_000,
        act_role: true,
        ..Options::default()
    };
    let site = Site::busy(options);
    let shown = replaced(&site, 1);
    says(&shown, &[ACT_ROLE]);
    site.ended(&[1]);
    let act = &site.terminations()[0].call;
    assert_eq!(act.role.as_deref(), Some(ACT_ROLE), "{act:#?}");
    // Who did it and in which run, in the account's own record.
    let (session, run) = (act.session.clone().unwrap(), site.last_run());
    assert!(session.contains(&run[run.len() - 12..]), "{session} does not name the run {run}");
    assumed_narrowly(&site);
}

/// For a minute the new server has a fiftieth of a machine to copy 140 MB with: healthy, current and without lag long before
/// it is there.
fn slowly() {
    const LEAST: Duration = Duration::from_secs(60);
    let site = Site::busy(Options { preload: 12_000, preload_size: 12_000, ..Options::default() });
    let mut person = site.asked(1);
    person.types(&format!("{}\n", site.name(1)));
    site.until("the instance is ended", |site| !site.terminations().is_empty());
    site.fault(Fault::Slow { node: site.name(1), duty: 0.02 });
    person.sees("new  ");
    let copied = Instant::now();
    thread::sleep(LEAST);
    // The last that is shown of it; a stream that is all there is not named any more.
    let shown = person.shown();
    let (_, stands) = shown.rsplit_once("data_back").expect("it waits for the data");
    assert!(stands.contains("pivot_main ") && stands.contains(" of "), "all was there within {LEAST:?}:\n{shown}");
    site.fault(Fault::Thaw { node: site.name(1) });
    let done = person.end_within(PATIENCE * 3).expect_code(0);
    let took = copied.elapsed();
    assert!(took > LEAST + Duration::from_secs(30), "it took only {took:?}");
    says(&done.stdout, &["replace-node done"]);
    site.ended(&[1]);
}

/// The session may do exactly this, on exactly this group.
fn assumed_narrowly(site: &Site) {
    let assumed = site.ask(site.lab.calls_of("AssumeRole"));
    assert!(!assumed.is_empty(), "nobody assumed the role");
    for call in &assumed {
        let policy: serde_json::Value = serde_json::from_str(&text(&call.params["Policy"])).unwrap();
        let [statement] = policy["Statement"].as_array().unwrap().as_slice() else { panic!("{policy:#}") };
        let one = |value: &serde_json::Value| value.as_array().map_or_else(|| value.clone(), |all| json!(all[0]));
        let action = text(&one(&statement["Action"]));
        assert_eq!(action, "autoscaling:TerminateInstanceInAutoScalingGroup", "{policy:#}");
        assert!(text(&one(&statement["Resource"])).ends_with(&site.lab.plan().group(1)), "{policy:#}");
    }
}

/// To the end; what was on the screen.
fn replaced(site: &Site, n: u8) -> String {
    let mut person = site.asked(n);
    says(
        &person.shown(),
        &[
            "aws.terminate_instance",
            &format!("instance: {}", site.first[&site.name(n)]),
            &format!("node: {}", site.name(n)),
            "judged again after the yes, right before the act:",
            "2 left without",
            "runbook built in, inventory",
            "one person says yes",
        ],
    );
    site.nothing_ended();
    person.types(&format!("{}\n", site.name(n)));
    let done = person.end().expect_code(0);
    says(&done.stdout, &["replace-node done", &site.first[&site.name(n)]]);
    let report = site.last();
    assert_eq!((&report["status"], &report["exit"]), (&json!("done"), &json!(0)));
    let new = site.ask(site.lab.instances())[&site.name(n)].clone();
    assert_eq!(report["outputs"]["instance"], new, "{}", report["outputs"]);
    assert_eq!(report["outputs"]["instance_before"], site.first[&site.name(n)]);
    done.stdout
}
