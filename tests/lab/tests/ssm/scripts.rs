//! Scripts run as the agent runs them, and what is shown of their output.

use serde_json::json;

use super::{check, ended, instance, run, script, send};
use crate::lab;

#[tokio::test]
async fn a_script_runs_as_the_agent_runs_it() {
    let lab = lab().await;
    check(
        &lab,
        &[
            (1, "echo hello; echo oops >&2", 0, "=hello\n", "=oops\n"),
            (1, "echo a\nfalse", 1, "=a\n", "=failed to run commands: exit status 1"),
            (1, "false\necho b", 0, "=b\n", "="),
            (1, "echo why >&2; exit 7", 7, "=", "=why\nfailed to run commands: exit status 7"),
            (1, "kill -9 $$", -1, "=", "=failed to run commands: signal: killed"),
            (1, "[[ a == a ]] && echo yes", 127, "=", "not found"),
            (1, "#!/bin/bash\n[[ a == a ]] && echo yes", 0, "=yes\n", "="),
            (
                2,
                "echo \"${HOME-none} $AWS_SSM_REGION_NAME\"; [ -z \"$AWS_ACCESS_KEY_ID\" ]",
                0,
                "=none us-east-2\n",
                "=",
            ),
            (2, "read line || echo no input", 0, "=no input\n", "="),
            // The seed's paths are the node's own, also in a redirection and in what programs say.
            (
                1,
                "grep -o 'mounted at /var/lib/nats$' /var/log/nats-bootstrap.log",
                0,
                "=mounted at /var/lib/nats\n",
                "=",
            ),
            (2, "grep -c mounted < /var/log/nats-bootstrap.log", 0, "=1\n", "="),
            (2, "ls '/var/lib/nats'", 0, "=jetstream\n", "="),
            (
                2,
                "cat /var/lib/nats/none",
                1,
                "=",
                "=cat: /var/lib/nats/none: No such file or directory\nfailed to run commands: exit status 1",
            ),
            (2, "cat /var/lib/nats-none", 1, "=", "cat: /var/lib/nats-none: No such file"),
            (2, "df -B1 -P /var/lib/nats | tail -n 1", 0, "/dev/nvme1n1 ", "="),
            (2, "df -h | grep -c ' /var/lib/nats$'; df -P / | grep -c /var/lib/nats", 1, "=1\n0\n", "exit status 1"),
            (2, "pkill nats-server", 1, "=", "one machine"),
        ],
    )
    .await;

    let long = run(&lab, 1, "yes | head -c 24001; yes | head -c 9000 >&2").await;
    let (out, err) = (long["StandardOutputContent"].as_str().unwrap(), long["StandardErrorContent"].as_str().unwrap());
    assert_eq!((out.len(), err.len(), out.ends_with("y\n--output truncated--")), (24_000, 8_000, true));
    let short = run(&lab, 1, "yes | head -c 23999").await;
    assert_eq!(short["StandardOutputContent"].as_str().unwrap().len(), 23_999);

    // Its own exit code 137 is taken for the agent's.
    let odd = run(&lab, 1, "echo a; exit 137").await;
    assert_eq!(
        (&odd["Status"], &odd["StatusDetails"], &odd["StandardOutputContent"]),
        (&json!("TimedOut"), &json!("ExecutionTimedOut"), &json!(""))
    );

    let mut elsewhere = script(&instance(&lab, 1).await, "pwd");
    elsewhere["Parameters"]["workingDirectory"] = json!(["/"]);
    assert_eq!(ended(&lab, &send(&lab, elsewhere.clone()).await).await["StandardOutputContent"], "/\n");
    elsewhere["Parameters"]["workingDirectory"] = json!(["/none"]);
    let nowhere = ended(&lab, &send(&lab, elsewhere).await).await;
    assert_eq!(nowhere["StandardErrorContent"], "failed to run commands: chdir /none: no such file or directory");
}
