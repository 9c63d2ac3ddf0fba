//! A service is switched by a push, as far as Sluice can see it: the text of the file, the run, its plan, the yes, the end.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_lab::{Lab, Options, Planned, TerraformOrder};

use crate::common::sluice::Sluice;

const SHA: &str = "4f0d2a8c1b3e5f60718293a4b5c6d7e8f9012345";

const FILE: &str = "module \"messenger\" {\n  nats_ssm_parameter_arn_base = \"arn:aws:ssm:${var.region}:parameter${module.nats.ssm_prefix}\"\n}\n";

const RUNBOOK: &str = r#"
runbook: switch
summary: Follow a push through Terraform Cloud.
inputs:
  cloud: { type: string }
  commit: { type: string }
  text: { type: string }
defaults:
  terraform.apply: { address: "{{ inputs.cloud }}", token: "{{ secrets.terraform_token }}" }
  terraform.find_run: { address: "{{ inputs.cloud }}", token: "{{ secrets.terraform_token }}" }
  terraform.plan: { address: "{{ inputs.cloud }}", token: "{{ secrets.terraform_token }}" }
  terraform.run_finished: { address: "{{ inputs.cloud }}", token: "{{ secrets.terraform_token }}" }
  terraform.workspace: { address: "{{ inputs.cloud }}", token: "{{ secrets.terraform_token }}" }
steps:
  - id: edit
    uses: terraform.set_attribute
    with:
      text: "{{ inputs.text }}"
      block: [module, messenger]
      attribute: nats_ssm_parameter_arn_base
      replace:
        from: "parameter${module.nats.ssm_prefix}"
        to: "parameter${module.nats_cluster.service_ssm_prefixes[@service@]}"
      strings: { service: messenger }
  - { id: workspace, uses: terraform.workspace, with: { organization: acme, workspace: backend-staging } }
  - id: found
    gate: terraform.find_run
    with: { workspace: "{{ steps.workspace.id }}", commit: "{{ inputs.commit }}" }
    passes: { every: 1s, within: 30s }
  - id: only_that
    gate: terraform.plan
    with:
      run: "{{ steps.found.id }}"
      allow:
        - { type: aws_ecs_task_definition, module: module.messenger, actions: [replace] }
        - { type: aws_ecs_service, module: module.messenger, actions: [update] }
    # A plan does not change: what it may not do now it may not do later.
    passes: { every: 1s, within: 30s, fail_if: seen.not_allowed > 0 }
  - id: apply
    uses: terraform.apply
    with: { run: "{{ steps.found.id }}", comment: a test }
    timeout: 5s
  - id: applied
    gate: terraform.run_finished
    with: { run: "{{ steps.found.id }}" }
    passes: { every: 500ms, within: 60s, fail_if: "seen.final and seen.stage != 'applied'" }
outputs:
  text: "{{ steps.edit.text }}"
  status: "{{ steps.applied.status }}"
"#;

struct World {
    lab: Lab,
    sluice: Sluice,
}

impl World {
    async fn new() -> Self {
        let lab = Lab::up(Options::default()).await.unwrap();
        let sluice = Sluice::on(&lab);
        sluice.file("switch.yaml", RUNBOOK);
        Self { lab, sluice }
    }

    async fn order(&self, order: TerraformOrder) -> Value {
        self.lab.terraform(order).await.unwrap()
    }

    /// A push whose run waits for a yes.
    async fn push(&self, changes: &[(&str, &[&str])]) -> String {
        let planned = |(address, actions): &(&str, &[&str])| Planned {
            address: (*address).to_owned(),
            actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        };
        let changes = changes.iter().map(planned).collect();
        let push = TerraformOrder::Push { commit: SHA.to_owned(), pull_request: false, changes };
        let run = self.order(push).await["run"].as_str().unwrap().to_owned();
        self.order(TerraformOrder::Go { run: run.clone(), to: "planned".to_owned() }).await;
        run
    }

    fn switch(&self) -> Vec<String> {
        let cloud = format!("cloud=http://{}", self.lab.plan().terraform());
        let (commit, text) = (format!("commit={SHA}"), format!("text={FILE}"));
        ["run", "./switch.yaml", "--json", "-i", &cloud, "-i", &commit, "-i", &text].map(str::to_owned).to_vec()
    }

    async fn lines(&self) -> Vec<(String, u16)> {
        let all = self.lab.terraform_requests().await.unwrap();
        all.into_iter().map(|request| (request.line, request.status)).collect()
    }
}

const WANTED: [(&str, &[&str]); 2] = [
    ("module.messenger.aws_ecs_task_definition.this", &["delete", "create"]),
    ("module.messenger.aws_ecs_service.this", &["update"]),
];

#[tokio::test]
async fn a_switch_is_followed_to_its_end() {
    let world = World::new().await;
    let run = world.push(&WANTED).await;
    // Its answer is lost, and the run is looked at instead of asked again.
    world.order(TerraformOrder::LoseAnswers { times: 1 }).await;
    let arguments = world.switch();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let running = world.sluice.start(&arguments);
    let done = async {
        while !world.lines().await.iter().any(|(line, _)| line.starts_with("POST")) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        world.order(TerraformOrder::Go { run: run.clone(), to: "applied".to_owned() }).await
    };
    assert_eq!(done.await, json!({ "done": true }));
    let done = running.end_within(Duration::from_secs(120)).expect_code(0);
    let outputs = &done.json()["outputs"];
    assert_eq!(outputs["status"], "applied");
    assert!(outputs["text"].to_string().contains("service_ssm_prefixes"), "{outputs}");
    let lines = world.lines().await;
    let of = |part: &str| lines.iter().filter(|(line, _)| line.contains(part)).collect::<Vec<_>>();
    assert_eq!(of("POST").len(), 1, "{lines:?}");
    // Where plans lie nobody was told a token.
    assert!(of("/v1/object/").iter().all(|(_, status)| *status == 200) && !of("/v1/object/").is_empty(), "{lines:?}");
    assert!(!done.said().contains("hunter2"), "{}", done.said());
}

#[tokio::test]
async fn a_plan_that_does_more_stops_before_the_yes() {
    let world = World::new().await;
    let more = ("module.nats_cluster.aws_autoscaling_group.node", ["update"].as_slice());
    world.push(&[WANTED[0], WANTED[1], more]).await;
    let arguments = world.switch();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = world.sluice.run(&arguments).expect_code(3);
    assert!(done.said().contains("update module.nats_cluster.aws_autoscaling_group.node"), "{}", done.said());
    assert!(world.lines().await.iter().all(|(line, _)| !line.starts_with("POST")));
}
