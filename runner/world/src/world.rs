//! One simulated world: its clock, its truth, and the ledger of what was asked of it. Everything that reaches it comes
//! through [`World::call`], where faults fall.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use sluice_plugin::Call;
use sluice_plugin::inventory::AxiomLogs;

use crate::clock::SimClock;
use crate::fault::{Fault, When};
use crate::random::Random;
use crate::setup::{Setup, millis};
use crate::state::{Deed, State};
use crate::truth::{Said, Termination, Truth};

/// A handle; all handles of a world are the same world.
#[derive(Clone)]
pub struct World {
    clock: SimClock,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    state: State,
    planned: Vec<(When, Fault)>,
    calls: Vec<Called>,
}

/// One request over the network, as it was answered.
#[derive(Clone, Debug)]
pub struct Called {
    /// Since the world began.
    pub at: Duration,
    /// `GET http://host:8222/jsz`, `ssm:GetParameters`, `nats $JS.API.STREAM.NAMES`.
    pub what: String,
    /// How things really were.
    pub truth: Truth,
}

impl World {
    pub fn new(setup: Setup) -> Self {
        let inner = Inner { state: State::begin(setup), planned: Vec::new(), calls: Vec::new() };
        Self { clock: SimClock::default(), inner: Arc::new(Mutex::new(inner)) }
    }

    /// Another world behind the same handles, and time from its start: plugins and registries need not be made anew.
    /// Nobody may be waiting in the old one.
    pub fn begin_again(&self, setup: Setup) {
        self.clock.begin_again();
        *self.lock() = Inner { state: State::begin(setup), planned: Vec::new(), calls: Vec::new() };
    }

    pub fn clock(&self) -> &SimClock {
        &self.clock
    }

    /// Lets a fault happen at its moment.
    pub fn plan(&self, when: When, fault: Fault) {
        self.lock().planned.push((when, fault));
    }

    /// Lets a fault happen now.
    pub fn happen(&self, fault: Fault) {
        self.lock().happen(&self.clock, fault);
    }

    pub(crate) fn logs(&self) -> Option<AxiomLogs> {
        self.lock().state.setup.cluster.logs.as_ref().map(|logs| logs.axiom.clone())
    }

    /// A secret of the inventory.
    pub(crate) fn secret(&self, name: &str) -> Option<String> {
        self.lock().state.setup.secrets.get(name).cloned()
    }

    /// What was asked so far, in order.
    pub fn calls(&self) -> Vec<Called> {
        self.lock().calls.clone()
    }

    /// Steps whose toy act was done, in order; one that was done twice stands there twice.
    pub fn deeds(&self) -> Vec<String> {
        let mut inner = self.lock();
        inner.settle(&self.clock);
        let now = inner.state.now;
        let done = inner.state.deeds.iter().filter(|deed| deed.at <= now);
        let mut done: Vec<(u64, String)> = done.map(|deed| (deed.at, deed.step.clone())).collect();
        done.sort();
        done.into_iter().map(|(_, step)| step).collect()
    }

    /// Instances that `aws.terminate_instance` ended, in order; one that was ended twice would stand there twice.
    pub fn terminations(&self) -> Vec<String> {
        self.terminated().into_iter().map(|one| one.instance).collect()
    }

    /// The same, with what is known of the moment.
    pub fn terminated(&self) -> Vec<Termination> {
        self.lock().state.terminations.clone()
    }

    /// The instance that the node's group has in service, if it has exactly one.
    pub fn instance(&self, node: &str) -> Option<String> {
        let mut inner = self.lock();
        inner.settle(&self.clock);
        match inner.state.groups.iter().find(|group| group.node == node)?.instances.as_slice() {
            [one] if one.lifecycle == "InService" => Some(one.id.clone()),
            _ => None,
        }
    }

    /// Things that toy acts left there.
    pub fn things(&self) -> Vec<String> {
        self.lock().state.things.iter().cloned().collect()
    }

    /// How things really are.
    pub fn truth(&self) -> Truth {
        let mut inner = self.lock();
        inner.settle(&self.clock);
        Truth::of(&inner.state)
    }

    /// What each node would say of itself, without asking it.
    pub fn said(&self) -> Vec<Said> {
        let mut inner = self.lock();
        inner.settle(&self.clock);
        crate::serve::said(&inner.state)
    }

    /// Does `work` while time stands, and lets time go on to the next moment of interest whenever nothing can be done.
    ///
    /// It wants a runtime of tokio with one thread that has nothing else to do.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            let woken = Arc::new(Woken::default());
            let turn = std::future::poll_fn(|cx| Poll::Ready(turn(work.as_mut(), &woken, cx))).await;
            if let Poll::Ready(done) = turn {
                return done;
            }
            // Whoever only gave others a turn is woken by the runtime during this one.
            tokio::task::yield_now().await;
            if !woken.is() && !self.go_on() {
                // Somebody waits for something that is not of this world.
                std::future::poll_fn(|cx| woken.wait(cx)).await;
            }
        }
    }

    /// One request: it takes its time on the way, meets whatever falls at this moment, and is answered from the truth.
    pub(crate) async fn call<T>(&self, what: String, answer: impl FnOnce(&mut State) -> T) -> T {
        let number = self.lock().calls.len() as u64;
        let (from, to) = self.lock().state.setup.times.answer;
        let seed = self.lock().state.setup.seed;
        let travel = Random::new(seed ^ number.wrapping_mul(0x5851_f42d_4c95_7f2d)).between(millis(from), millis(to));
        self.clock.sleep(Duration::from_millis(travel)).await;
        let mut inner = self.lock();
        inner.settle(&self.clock);
        let call = inner.calls.len() + 1;
        inner.fall(&self.clock, |when| when == When::Before { call });
        let truth = Truth::of(&inner.state);
        inner.calls.push(Called { at: self.clock.elapsed(), what, truth });
        let answered = answer(&mut inner.state);
        inner.fall(&self.clock, |when| when == When::After { call });
        answered
    }

    /// A deed that will be done after this time, whatever becomes of whoever asked for it.
    pub(crate) async fn deed(&self, call: &Call, takes: Duration) {
        self.call(format!("change for {}", call.step), |state| {
            let at = state.later(takes);
            state.deeds.push(Deed::of(call, at));
        })
        .await;
    }

    /// Whether it is done by now.
    pub(crate) async fn did(&self, call: &Call) -> bool {
        let wanted = Deed::of(call, 0);
        let done = |state: &mut State| {
            let same = |deed: &&Deed| deed.run == wanted.run && deed.step == wanted.step;
            let done = state.deeds.iter().filter(same).filter(|deed| deed.attempt == wanted.attempt);
            done.into_iter().any(|deed| deed.at <= state.now)
        };
        self.call(format!("look for the change of {}", call.step), done).await
    }

    /// Goes on to the next moment at which somebody waits or a fault falls. False when there is none.
    fn go_on(&self) -> bool {
        let Some(due) = self.clock.next_due() else { return false };
        let mut inner = self.lock();
        let falls = inner.planned.iter().filter_map(|(when, _)| when.moment()).min().filter(|falls| *falls <= due);
        match falls {
            None => {
                drop(inner);
                self.clock.go_to(due);
            }
            Some(moment) => {
                self.clock.go_to(moment);
                inner.settle(&self.clock);
            }
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Brings the truth to the clock's moment, with every fault that fell until then at its own.
    fn settle(&mut self, clock: &SimClock) {
        loop {
            let now = clock.elapsed();
            let due = self.planned.iter().filter_map(|(when, _)| when.moment()).filter(|moment| *moment <= now).min();
            let Some(moment) = due else { return self.state.settle(millis(now)) };
            self.state.settle(millis(moment));
            self.fall(clock, |when| when == When::At(moment));
        }
    }

    fn fall(&mut self, clock: &SimClock, falls: impl Fn(When) -> bool) {
        let (now, later): (Vec<_>, Vec<_>) = self.planned.drain(..).partition(|(when, _)| falls(*when));
        self.planned = later;
        now.into_iter().for_each(|(_, fault)| self.happen(clock, fault));
    }

    fn happen(&mut self, clock: &SimClock, fault: Fault) {
        match fault {
            Fault::SetClock(milliseconds) => clock.set_by(milliseconds),
            Fault::Suspend(time) => {
                clock.suspend(time);
                self.settle(clock);
            }
            other => {
                self.state.settle(millis(clock.elapsed()).max(self.state.now));
                self.state.happen(other);
            }
        }
    }
}

impl When {
    fn moment(self) -> Option<Duration> {
        match self {
            Self::At(moment) => Some(moment),
            Self::Before { .. } | Self::After { .. } => None,
        }
    }
}

/// Polls for as long as there is something to do.
fn turn<T>(mut work: std::pin::Pin<&mut impl Future<Output = T>>, woken: &Arc<Woken>, cx: &mut Context<'_>) -> Poll<T> {
    woken.forward_to(cx.waker());
    let waker = Waker::from(woken.clone());
    loop {
        woken.clear();
        match work.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => return Poll::Ready(done),
            Poll::Pending if woken.is() => {}
            Poll::Pending => return Poll::Pending,
        }
    }
}

/// Whether the work was woken since it was last asked, and whom to tell.
#[derive(Default)]
struct Woken(Mutex<(bool, Option<Waker>)>);

impl Woken {
    fn is(&self) -> bool {
        self.lock().0
    }

    fn clear(&self) {
        self.lock().0 = false;
    }

    fn forward_to(&self, waker: &Waker) {
        self.lock().1 = Some(waker.clone());
    }

    fn wait(&self, cx: &Context<'_>) -> Poll<()> {
        self.forward_to(cx.waker());
        if self.is() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn lock(&self) -> MutexGuard<'_, (bool, Option<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        let outer = {
            let mut inner = self.lock();
            inner.0 = true;
            inner.1.clone()
        };
        outer.into_iter().for_each(Waker::wake);
    }
}
