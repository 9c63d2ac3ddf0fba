//! One question to one instance: made for it, watched while it computes, and gone afterwards.
//!
//! An instance that trapped can never be entered again, so none is ever used twice.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sluice_plugin::{Applied, Call, Host, Problem, Purpose};
use wasmtime::component::InstancePre;
use wasmtime::{Store, Trap, UpdateDeadline};

use crate::bounds::Bounds;
use crate::bridge::{self, State};
use crate::home::{Home, causes};
use crate::questions::{Entrances, NoEntrance, Question};

/// What instances are made of.
#[derive(Clone)]
pub(crate) struct Linked {
    pub(crate) home: Arc<Home>,
    pub(crate) ready: InstancePre<State>,
    pub(crate) entrances: Entrances,
}

/// It has computed for longer than it may.
#[derive(Debug, thiserror::Error)]
#[error("out of time")]
struct OutOfTime;

/// How a question ended without an answer.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It wanted so many bytes.
    Memory(usize),
    Computed,
    Late,
    /// What it said last, if it said anything.
    Trapped(Trap, Option<String>),
    /// There is no thread that would interrupt it.
    Unwatched,
    NoEntrance(NoEntrance),
    Other(wasmtime::Error),
}

/// What came back, and what the host saw meanwhile.
pub(crate) struct Answered<T> {
    pub(crate) answer: T,
    /// An act's request that was not only a question was answered with success.
    pub(crate) taken: bool,
}

/// In an instance that reaches this host, until the call's deadline.
pub(crate) async fn ask<Q: Question>(
    linked: &Linked,
    host: &dyn Host,
    call: &Call,
    question: Q,
) -> Result<Answered<Q::Answer>, Problem> {
    let bounds = Bounds::CALL;
    let (state, mut asked) = State::new(&bounds, call.purpose);
    let mut store = store(&linked.home, state, &bounds);
    let answered = {
        let answer = in_time(left(host, call), enter(linked, &mut store, &question));
        let serve = async {
            bridge::serve(host, call, &mut asked).await;
            // The store is gone, and with it whoever would ask: what there is to say has been said.
            std::future::pending().await
        };
        tokio::select! {
            biased;
            answered = answer => answered,
            ended = serve => Err(ended),
        }
    };
    bridge::hear(host, &mut asked);
    let applied = if store.data().sent { Applied::Maybe } else { Applied::No };
    let taken = store.data().taken;
    let answered = answered.map(|answer| Answered { answer, taken });
    answered.map_err(|ended| ended.problem(&bounds, applied, call.purpose))
}

/// In an instance that reaches nothing and waits for nothing.
pub(crate) fn ask_alone<Q: Question>(linked: &Linked, question: &Q) -> Result<Q::Answer, Ended> {
    let (state, asked) = State::new(&Bounds::WORDS, Purpose::Read);
    // Whoever asks for anything is told at once that nobody answers.
    drop(asked);
    futures::executor::block_on(enter(linked, &mut store(&linked.home, state, &Bounds::WORDS), question))
}

fn store(home: &Home, state: State, bounds: &Bounds) -> Store<State> {
    let mut store = Store::new(home.engine(), state);
    store.limiter(|state| &mut state.limiter);
    // Bytes that are copied out of it at once: a larger answer is a trap, and is never made here.
    store.set_hostcall_fuel(bounds.output.saturating_mul(2));
    store.set_epoch_deadline(1);
    // Each tick somebody else has a turn; so a component that computes holds up nobody.
    store.epoch_deadline_callback(|mut store| {
        let state = store.data_mut();
        state.ticks = state.ticks.saturating_sub(1);
        if state.ticks == 0 { Err(OutOfTime.into()) } else { Ok(UpdateDeadline::Yield(1)) }
    });
    store
}

async fn enter<Q: Question>(linked: &Linked, store: &mut Store<State>, question: &Q) -> Result<Q::Answer, Ended> {
    let Some(_ticking) = linked.home.ticker().begin(linked.home.engine()) else { return Err(Ended::Unwatched) };
    let answered = async {
        let instance = linked.ready.instantiate_async(&mut *store).await?;
        question.put(&linked.entrances, store, &instance).await
    };
    let answered = answered.await;
    answered.map_err(|error| known(error, store.data()))
}

fn known(error: wasmtime::Error, state: &State) -> Ended {
    // Inside, a refusal of memory looks like any other crash.
    if let Some(wanted) = state.limiter.refused {
        return Ended::Memory(wanted);
    }
    if error.is::<OutOfTime>() {
        return Ended::Computed;
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return Ended::Trapped(*trap, state.last_words.clone());
    }
    match error.downcast::<NoEntrance>() {
        Ok(none) => Ended::NoEntrance(none),
        Err(error) => Ended::Other(error),
    }
}

/// What is left until the deadline.
fn left(host: &dyn Host, call: &Call) -> Option<Duration> {
    call.deadline.map(|deadline| deadline.since(host.now()))
}

async fn in_time<T>(left: Option<Duration>, answer: impl Future<Output = Result<T, Ended>>) -> Result<T, Ended> {
    match left {
        Some(left) => tokio::time::timeout(left, answer).await.unwrap_or(Err(Ended::Late)),
        None => answer.await,
    }
}

impl Ended {
    /// What is said of it to whoever called.
    pub(crate) fn problem(self, bounds: &Bounds, applied: Applied, purpose: Purpose) -> Problem {
        // Inside of a component nothing changes by itself: what crashes will crash again.
        let no = |code: &str, message: String| Problem { applied, ..Problem::not_applied(code, message) };
        let mib = |bytes: usize| bytes.div_ceil(1 << 20);
        match self {
            Self::Memory(wanted) => no(
                "plugin_out_of_memory",
                format!("the plugin wanted {} MiB of memory, and may have {}", mib(wanted), mib(bounds.memory)),
            ),
            Self::Computed => no(
                "plugin_timeout",
                format!("the plugin computed for {} s without an end, and was stopped", bounds.compute.as_secs()),
            ),
            Self::Late => {
                let late = no("timeout", "the plugin was not done when the time of the step was over".to_owned());
                Problem { retryable: purpose != Purpose::Act, ..late }
            }
            Self::Trapped(Trap::StackOverflow, _) => {
                no("plugin_crashed", "the plugin crashed: its calls were nested too deeply".to_owned())
            }
            Self::Trapped(Trap::MemoryOutOfBounds, None) => no(
                "plugin_crashed",
                "the plugin crashed: it reached outside of its memory, as when calls are nested too deeply".to_owned(),
            ),
            Self::Trapped(_, Some(said)) => no("plugin_crashed", format!("the plugin crashed: {said}")),
            Self::Trapped(trap, None) => no("plugin_crashed", format!("the plugin crashed: {trap}")),
            Self::Unwatched => {
                no("plugin_not_run", "the plugin was not run: this machine gives no thread to watch it".to_owned())
            }
            Self::NoEntrance(none) => no("no_entrance", format!("the plugin does not answer that: {none}")),
            Self::Other(error) => no("plugin_crashed", format!("the plugin crashed: {}", causes(&error))),
        }
    }
}
