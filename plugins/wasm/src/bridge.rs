//! What a component asks of its host while it runs, carried from its instance to the host of the call.
//!
//! An instance must own everything it is made with, and the host of a call is only borrowed. So what it asks goes through a
//! channel, and is answered in the very task that runs it.

use std::time::Duration;

use serde_json::Value;
use sluice_plugin::{
    Applied, Call, Host, HttpRequest, HttpResponse, Level, Method, Problem, Progress, Purpose, Secret, Timestamp,
};
use tokio::sync::{mpsc, oneshot};

use crate::bounds::{Bounds, Limiter};
use crate::ticker::TICK;
use crate::wit::imported::{host, host_actor, host_progress};
use crate::wit::types;

/// One thing asked, and where the answer goes.
pub(crate) enum Ask {
    Now(oneshot::Sender<Timestamp>),
    Actor(oneshot::Sender<String>),
    Sleep(Duration, oneshot::Sender<()>),
    Log(Level, String),
    Progress(Progress),
    Http(HttpRequest, oneshot::Sender<Result<HttpResponse, Problem>>),
    Reveal(String, oneshot::Sender<Result<String, Problem>>),
    Seal(String, Secret, oneshot::Sender<String>),
    PrivateFile(String, Secret, oneshot::Sender<Result<String, Problem>>),
}

/// What one instance is made with.
pub(crate) struct State {
    ask: mpsc::UnboundedSender<Ask>,
    pub(crate) limiter: Limiter,
    /// Ticks that it may still compute.
    pub(crate) ticks: u64,
    /// Bytes that it may still log.
    words: usize,
    unsaid: usize,
    /// How often it may still tell how far it is.
    tellings: usize,
    /// How much it may still hand over to be kept: secrets and private files.
    keeping: Keeping,
    purpose: Purpose,
    /// A request has left that may have changed something.
    pub(crate) sent: bool,
    /// One that was not only a question was answered with success.
    pub(crate) taken: bool,
    /// The last error it logged: why it panicked, if it did.
    pub(crate) last_words: Option<String>,
}

/// What one call may give the run to keep.
struct Keeping {
    pieces: usize,
    bytes: usize,
}

impl Keeping {
    /// Memory of the host, and the private folder may be memory too.
    const MOST: Self = Self { pieces: 64, bytes: 1 << 20 };

    fn take(&mut self, text: &str) -> Result<(), Problem> {
        if self.pieces == 0 || text.len() > self.bytes {
            let (pieces, kib) = (Self::MOST.pieces, Self::MOST.bytes >> 10);
            let message = format!("a plugin may have {pieces} secrets and private files of {kib} KiB kept in one call");
            return Err(Problem::not_applied("too_much_kept", message));
        }
        self.pieces -= 1;
        self.bytes -= text.len();
        Ok(())
    }
}

/// Of an answer that comes over HTTP; what a plugin asks for beyond is not given.
const LARGEST_BODY: usize = 64 << 20;

/// What a line costs beside its letters: an empty one is not free.
const LINE: usize = 64;

/// Nobody looks at more.
const MOST_TELLINGS: usize = 10_000;

/// Characters of what it waits for.
const LONGEST_NOTE: usize = 500;

/// Nobody answers any more: the call is over.
fn over() -> Problem {
    Problem::not_applied("cancelled", "the call is over")
}

impl State {
    pub(crate) fn new(bounds: &Bounds, purpose: Purpose) -> (Self, mpsc::UnboundedReceiver<Ask>) {
        let (ask, asked) = mpsc::unbounded_channel();
        let ticks = u64::try_from(bounds.compute.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX);
        let limiter = Limiter::new(bounds.memory);
        let state = Self {
            ask,
            limiter,
            ticks,
            words: bounds.log,
            unsaid: 0,
            tellings: MOST_TELLINGS,
            keeping: Keeping::MOST,
            purpose,
            sent: false,
            taken: false,
            last_words: None,
        };
        (state, asked)
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.ask.send(ask(answer)).ok()?;
        answered.await.ok()
    }

    async fn ask_or<T>(
        &self,
        ask: impl FnOnce(oneshot::Sender<Result<T, Problem>>) -> Ask,
    ) -> Result<T, types::Problem> {
        Ok(self.ask(ask).await.unwrap_or_else(|| Err(over()))?)
    }

    fn say(&mut self, level: Level, message: String) {
        let cost = message.len() + LINE;
        if cost > self.words {
            self.words = 0;
            self.unsaid += 1;
            if self.unsaid == 1 {
                let _ = self
                    .ask
                    .send(Ask::Log(Level::Warn, "the plugin says more than is kept; the rest is left out".to_owned()));
            }
            return;
        }
        self.words -= cost;
        if level == Level::Error {
            self.last_words = Some(message.clone());
        }
        let _ = self.ask.send(Ask::Log(level, message));
    }
}

impl types::Host for State {}

impl host::Host for State {
    async fn now_ms(&mut self) -> i64 {
        self.ask(Ask::Now).await.unwrap_or_default().0
    }

    async fn sleep_ms(&mut self, time: u64) {
        self.ask(|answer| Ask::Sleep(Duration::from_millis(time), answer)).await;
    }

    async fn log(&mut self, level: types::Level, message: String) {
        self.say(level.into(), message);
    }

    async fn http(&mut self, request: types::HttpRequest) -> Result<types::HttpResponse, types::Problem> {
        let (mut request, before) = (HttpRequest::from(request), self.sent);
        let asks_only = matches!(request.method, Method::Get | Method::Head);
        request.max_body = request.max_body.min(LARGEST_BODY);
        // First: whoever is cut off while it waits may have changed something.
        self.sent |= self.purpose == Purpose::Act;
        let answered = self.ask(|answer| Ask::Http(request, answer)).await.unwrap_or_else(|| Err(over()));
        if answered.as_ref().is_err_and(|problem| problem.applied == Applied::No) {
            self.sent = before;
        }
        let taken = answered.as_ref().is_ok_and(|response| response.status < 400);
        self.taken |= self.purpose == Purpose::Act && taken && !asks_only;
        Ok(answered?.into())
    }

    async fn reveal(&mut self, leaf: String) -> Result<String, types::Problem> {
        self.ask_or(|answer| Ask::Reveal(leaf, answer)).await
    }

    async fn seal(&mut self, pointer: String, secret: String) -> String {
        if self.keeping.take(&secret).is_err() {
            return Value::Null.to_string();
        }
        self.ask(|answer| Ask::Seal(pointer, Secret::new(secret), answer)).await.unwrap_or_default()
    }

    async fn private_file(&mut self, name: String, content: String) -> Result<String, types::Problem> {
        self.keeping.take(&content)?;
        self.ask_or(|answer| Ask::PrivateFile(name, Secret::new(content), answer)).await
    }
}

impl host_progress::Host for State {
    async fn progress(&mut self, progress: types::Progress) {
        let Some(left) = self.tellings.checked_sub(1) else { return };
        self.tellings = left;
        let mut progress = Progress::from(progress);
        progress.note = progress.note.chars().take(LONGEST_NOTE).collect();
        let _ = self.ask.send(Ask::Progress(progress));
    }
}

impl host_actor::Host for State {
    async fn actor(&mut self) -> String {
        self.ask(Ask::Actor).await.unwrap_or_default()
    }
}

/// Answers until nobody asks any more.
pub(crate) async fn serve(host: &dyn Host, call: &Call, asked: &mut mpsc::UnboundedReceiver<Ask>) {
    while let Some(ask) = asked.recv().await {
        answer(host, call, ask).await;
    }
}

/// What was said before the end, and not yet heard.
pub(crate) fn hear(host: &dyn Host, asked: &mut mpsc::UnboundedReceiver<Ask>) {
    while let Ok(ask) = asked.try_recv() {
        match ask {
            Ask::Log(level, message) => host.log(level, &message),
            Ask::Progress(progress) => host.progress(progress),
            _ => {}
        }
    }
}

async fn answer(host: &dyn Host, call: &Call, ask: Ask) {
    // Who no longer waits for an answer has ended.
    match ask {
        Ask::Now(to) => drop(to.send(host.now())),
        Ask::Actor(to) => drop(to.send(host.actor().to_owned())),
        Ask::Sleep(time, to) => {
            host.sleep(time).await;
            let _ = to.send(());
        }
        Ask::Log(level, message) => host.log(level, &message),
        Ask::Progress(progress) => host.progress(progress),
        Ask::Http(request, to) => drop(to.send(host.http(request).await)),
        Ask::Reveal(leaf, to) => {
            let leaf = sluice_plugin::wit::json("a leaf", &leaf);
            let leaf = leaf.map_err(|error| Problem::not_applied("bad_input", error.to_string()));
            let secret = leaf.and_then(|leaf| given(call, &leaf)).and_then(|leaf| host.reveal(&leaf));
            drop(to.send(secret.map(|secret| secret.expose().to_owned())));
        }
        Ask::Seal(pointer, secret, to) => drop(to.send(host.seal(&pointer, secret).to_string())),
        Ask::PrivateFile(name, content, to) => {
            let file = host.private_file(&name, &content);
            drop(to.send(file.map(|path| path.to_string_lossy().into_owned())));
        }
    }
}

/// What is revealed is kept out of everything the run shows. A text that nobody gave it is no secret: with one of its own
/// choice a plugin could take words out of others' outputs.
fn given(call: &Call, leaf: &Value) -> Result<Value, Problem> {
    match leaf {
        Value::String(text) if !holds(&call.with, text) => Err(Problem::not_applied(
            "denied",
            "this text does not stand in the step's `with`, so it is no secret of it",
        )),
        leaf => Ok(leaf.clone()),
    }
}

fn holds(value: &Value, text: &str) -> bool {
    match value {
        Value::String(found) => found == text,
        Value::Array(items) => items.iter().any(|item| holds(item, text)),
        Value::Object(fields) => fields.values().any(|field| holds(field, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
