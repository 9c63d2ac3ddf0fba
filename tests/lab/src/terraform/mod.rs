//! Terraform Cloud as far as a switch of a service needs it: one workspace, its runs, their plans, a yes and a no. It
//! answers in the documented form and refuses what the real one refuses: whoever may not see something is told that it is
//! not there, listing has a limit, an answer is taken only when a run waits for it, and a plan lies elsewhere for a minute.

mod order;
mod runs;
mod show;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::error::{Context, Result};
use crate::http::{self, Reply, Request};
use crate::plan::Plan;
use runs::{NotTaken, Run, Runs};

pub use order::{Planned, TerraformOrder, TerraformRequest};

/// The organization.
pub(crate) const ORGANIZATION: &str = "acme";
/// The workspace's name.
pub(crate) const WORKSPACE: &str = "backend-staging";
const WORKSPACE_ID: &str = "ws-LabBackendStaging";

/// A minute, of lists of a workspace's runs.
const LISTS: usize = 30;
const MINUTE: Duration = Duration::from_secs(60);

const KEPT: usize = 1000;

/// What may come along with a run.
const INCLUDES: [&str; 8] = [
    "plan",
    "apply",
    "created_by",
    "cost_estimate",
    "configuration_version",
    "configuration_version.ingress_attributes",
    "workspace",
    "task_stages",
];

/// Whose a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// May do everything.
    User,
    /// May see runs.
    Reader,
    /// May do everything but answer a run.
    Organization,
}

/// The stand-in's state.
pub(crate) struct Terraform {
    tokens: [(String, Who); 3],
    /// Where plans lie.
    archive: String,
    runs: Mutex<Runs>,
    /// Which run's plan a link leads to, and until when.
    links: Mutex<BTreeMap<String, (String, Instant)>>,
    /// When runs were listed, within a minute.
    lists: Mutex<Vec<Instant>>,
    /// So many more answers are lost.
    loses: Mutex<u32>,
    requests: Mutex<Vec<TerraformRequest>>,
}

/// Status and what is said beside it.
struct Refusal(u16, &'static str);

type Answered = std::result::Result<Reply, Refusal>;

impl Terraform {
    /// With one workspace and no runs.
    pub(crate) fn new(plan: &Plan) -> Arc<Self> {
        let tokens = [
            (plan.terraform_token(), Who::User),
            (plan.terraform_reader_token(), Who::Reader),
            (plan.terraform_organization_token(), Who::Organization),
        ];
        Arc::new(Terraform {
            tokens,
            archive: format!("http://{}", plan.terraform_archive()),
            runs: Mutex::default(),
            links: Mutex::default(),
            lists: Mutex::default(),
            loses: Mutex::default(),
            requests: Mutex::default(),
        })
    }

    /// Serves until dropped, at its own address and where plans lie.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener, archive: TcpListener) {
        let (api, plans) = (self.clone(), self);
        let asked = http::serve(listener, move |request| {
            let terraform = api.clone();
            async move { terraform.answer(&request) }
        });
        let fetched = http::serve(archive, move |request| {
            let terraform = plans.clone();
            async move { terraform.noted(&request, None, terraform.object(&request)) }
        });
        tokio::join!(asked, fetched);
    }

    /// Does what it is told; the answer says what came of it.
    pub(crate) fn order(&self, order: TerraformOrder) -> Result<Value> {
        let mut runs = locked(&self.runs);
        match order {
            TerraformOrder::Push { commit, pull_request, changes } => {
                return Ok(json!({ "run": runs.push(commit, pull_request, changes) }));
            }
            TerraformOrder::Go { run, to } => runs.go(&run, &to)?,
            TerraformOrder::AutoApply { on } => runs.auto_apply = on,
            TerraformOrder::LoseAnswers { times } => *locked(&self.loses) = times,
            TerraformOrder::EndLinks => locked(&self.links).clear(),
        }
        Ok(json!({ "done": true }))
    }

    pub(crate) fn requests(&self) -> Vec<TerraformRequest> {
        locked(&self.requests).clone()
    }

    fn answer(&self, request: &Request) -> Reply {
        let who = self.who(request);
        let done = match who {
            Some(who) => self.route(request, who),
            None => Err(Refusal(401, "unauthorized")),
        };
        let reply = self.noted(request, who, done);
        let does = request.method != "GET" && reply.status < 300;
        Reply { cut: does && self.loses_one(), ..reply }
    }

    fn who(&self, request: &Request) -> Option<Who> {
        let token = request.header("authorization")?.strip_prefix("Bearer ")?;
        self.tokens.iter().find(|(known, _)| known == token).map(|(_, who)| *who)
    }

    fn noted(&self, request: &Request, who: Option<Who>, done: Answered) -> Reply {
        let mut reply = done.unwrap_or_else(|Refusal(status, title)| {
            Reply::json(status, &json!({ "errors": [{ "status": status.to_string(), "title": title }] }))
        });
        let (left, reset) = if reply.status == 429 { ("0", "20.5") } else { ("29", "0.9") };
        reply.headers.extend([("X-RateLimit-Limit", "30".to_owned()), ("X-RateLimit-Remaining", left.to_owned())]);
        reply.headers.push(("X-RateLimit-Reset", reset.to_owned()));
        let by = who.map(|who| format!("{who:?}").to_ascii_lowercase());
        let line = format!("{} {}", request.method, request.path);
        let mut requests = locked(&self.requests);
        if requests.len() < KEPT {
            requests.push(TerraformRequest { at: Timestamp::now().to_string(), line, by, status: reply.status });
        }
        reply
    }

    fn route(&self, request: &Request, who: Who) -> Answered {
        // The real one understands them only when they are quoted.
        if request.path.contains(['[', ']']) {
            return Err(Refusal(400, "bad request"));
        }
        let (path, parameters) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["api", "v2", "organizations", ORGANIZATION, "workspaces", WORKSPACE]) => {
                Ok(Reply::json(200, &show::workspace(&locked(&self.runs))))
            }
            ("GET", ["api", "v2", "workspaces", WORKSPACE_ID, "runs"]) => self.list(parameters, who),
            ("GET", ["api", "v2", "runs", run]) => {
                let include = include(parameters)?;
                self.with_run(run, |run| Ok(Reply::json(200, &show::run(run, who, &include))))
            }
            ("GET", ["api", "v2", "runs", run, "plan", "json-output"]) => self.plan(run, who),
            ("GET", ["api", "v2", "plans", plan, "json-output"]) => {
                self.plan(plan.strip_prefix("plan-").ok_or(not_found())?, who)
            }
            ("POST", ["api", "v2", "runs", run, "actions", what]) => self.act(request, run, what, who),
            _ => Err(not_found()),
        }
    }

    fn list(&self, parameters: &str, who: Who) -> Answered {
        let mut lists = locked(&self.lists);
        lists.retain(|at| at.elapsed() < MINUTE);
        if lists.len() >= LISTS {
            return Err(Refusal(429, "too many requests"));
        }
        lists.push(Instant::now());
        let include = include(parameters)?;
        let commit = pairs(parameters).find(|(key, _)| *key == "search%5Bcommit%5D").map(|(_, value)| value);
        let runs = locked(&self.runs);
        // What only plans is listed when it is asked for.
        let found = runs.all().iter().rev().filter(|run| !run.pull_request);
        let found: Vec<&Run> = found.filter(|run| commit.is_none_or(|commit| run.commit.starts_with(commit))).collect();
        Ok(Reply::json(200, &show::list(&found, who, &include)))
    }

    fn plan(&self, run: &str, who: Who) -> Answered {
        if who == Who::Reader {
            return Err(not_found());
        }
        self.with_run(run, |run| {
            if !run.is_planned() {
                return Ok(Reply { body: String::new(), ..Reply::json(204, &Value::Null) });
            }
            let mut links = locked(&self.links);
            let link = format!("{}-{}", run.id, links.len() + 1);
            let location = format!("{}/v1/object/{link}", self.archive);
            links.insert(link, (run.id.clone(), Instant::now() + MINUTE));
            Ok(Reply { headers: vec![("Location", location)], ..Reply::json(307, &Value::Null) })
        })
    }

    /// Where a link leads. It needs no token, and one has no business there.
    fn object(&self, request: &Request) -> Answered {
        if request.header("authorization").is_some() {
            return Err(Refusal(400, "two ways of saying who asks"));
        }
        let link = request.path.strip_prefix("/v1/object/").ok_or(not_found())?;
        let link = locked(&self.links).get(link).cloned();
        let (run, _) = link.filter(|(_, until)| *until > Instant::now()).ok_or(Refusal(403, "forbidden"))?;
        self.with_run(&run, |run| Ok(Reply::json(200, &show::plan_json(run))))
    }

    fn act(&self, request: &Request, run: &str, what: &str, who: Who) -> Answered {
        if who != Who::User {
            return Err(not_found());
        }
        let body = request.json().map_err(|_| Refusal(400, "bad request"))?;
        let comment = body.get("comment").and_then(Value::as_str).unwrap_or_default();
        let mut runs = locked(&self.runs);
        let taken = match what {
            "apply" => runs.confirm(run, comment),
            "discard" => runs.discard(run, comment),
            _ => return Err(not_found()),
        };
        match taken {
            Ok(()) => Ok(Reply { body: String::new(), ..Reply::json(202, &Value::Null) }),
            Err(NotTaken::NoSuchRun) => Err(not_found()),
            Err(NotTaken::NotNow) => Err(Refusal(409, "transition not allowed")),
        }
    }

    fn with_run(&self, id: &str, show: impl FnOnce(&Run) -> Answered) -> Answered {
        locked(&self.runs).get(id).map_or_else(|| Err(not_found()), show)
    }

    fn loses_one(&self) -> bool {
        let mut loses = locked(&self.loses);
        let lost = *loses > 0;
        *loses = loses.saturating_sub(1);
        lost
    }
}

fn not_found() -> Refusal {
    Refusal(404, "not found")
}

fn pairs(parameters: &str) -> impl Iterator<Item = (&str, &str)> {
    parameters.split('&').filter_map(|pair| pair.split_once('='))
}

fn include(parameters: &str) -> std::result::Result<Vec<&str>, Refusal> {
    let wanted = pairs(parameters).find(|(key, _)| *key == "include").map_or("", |(_, value)| value);
    let wanted: Vec<&str> = wanted.split(',').filter(|one| !one.is_empty()).collect();
    let known = wanted.iter().all(|one| INCLUDES.contains(one));
    known.then_some(wanted).ok_or(Refusal(400, "invalid include parameter"))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Both of its addresses.
pub(crate) async fn listen(plan: &Plan) -> Result<[TcpListener; 2]> {
    let api = TcpListener::bind(plan.terraform()).await.context("Terraform Cloud")?;
    Ok([api, TcpListener::bind(plan.terraform_archive()).await.context("the plans of Terraform Cloud")?])
}

#[cfg(test)]
mod tests;
