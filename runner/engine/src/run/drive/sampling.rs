//! The samples of gates: taken on time, bounded by the gate's deadline, judged, and decided on.

use futures::future::{AbortHandle, Abortable, FutureExt};
use serde_json::Value;
use sluice_plugin::{Judgement, Outcome, Problem, Timestamp, Verdict};

use super::{Drive, Finished, Task};
use crate::journal::{Event, Key};
use crate::machine::Status;
use crate::machine::path::Path;
use crate::run::attempt::{Attempt, GATE_OVER};
use crate::run::gate::{Decision, GateRun, Look};
use crate::run::judge::{look_of, passes_at};
use crate::run::{RunError, Sample};
use crate::runbook::checked::{Gate, Kind, Passes};

/// One gate that is being judged by this process.
pub(super) struct Sampling {
    run: GateRun,
    /// `None`: without time to wait.
    until: Option<Timestamp>,
    /// The last sample that was answered: it has the word when the time is over.
    last: Option<(Judgement, Value)>,
}

impl Drive {
    /// Takes a sample of a gate at this moment, which may be yet to come.
    pub(super) async fn sample(&mut self, path: Path, at: Timestamp) -> Result<(), RunError> {
        let Some((step, slot)) = path.find(&self.log.runbook, &self.log.state) else { return Ok(()) };
        let Kind::Gate(gate) = &step.kind else { return Ok(()) };
        if !self.gates.contains_key(&path) {
            let until = deadline(gate, &slot.status, at);
            let key = path.key(&self.log.runbook, &self.log.state);
            self.engine.observer.began(&self.watched(), &key, step);
            self.gates.insert(path.clone(), Sampling { run: GateRun::default(), until, last: None });
        }
        let until = self.gates.get(&path).and_then(|sampling| sampling.until);
        match self.prepare(&path) {
            Ok(attempt) => {
                self.spawn_sample(path, Attempt { until, ..attempt }, at);
                Ok(())
            }
            Err(problem) => self.failed(&path, problem).await,
        }
    }

    fn spawn_sample(&mut self, path: Path, attempt: Attempt, at: Timestamp) {
        let clock = self.engine.clock.clone();
        let until = attempt.until;
        let (handle, registration) = AbortHandle::new_pair();
        self.flight.paths.insert(path.clone());
        self.handles.insert(path.clone(), handle);
        let work = async move {
            if at > clock.now() {
                clock.sleep_until(at).await;
            }
            let began = clock.now();
            // Whoever slept longer than that looks no more.
            let over = until.is_some_and(|until| began >= until);
            let answer = if over { Err(Problem::not_applied(GATE_OVER, "")) } else { attempt.run().await };
            (began, answer)
        };
        let work = Abortable::new(work, registration);
        let task = Task::Sample(path);
        self.tasks.push(
            async move {
                let done = work.await.ok();
                Finished {
                    task,
                    began: done.as_ref().map_or(at, |(began, _)| *began),
                    answer: done.map(|(_, a)| a.into()),
                }
            }
            .boxed(),
        );
    }

    /// One sample of a gate is known: the gate ends, or is sampled again at the moment given.
    pub(super) fn sampled(
        &mut self,
        path: &Path,
        answer: Result<Outcome, Problem>,
        began: Timestamp,
    ) -> (Option<Event>, Option<Timestamp>) {
        let Some((step, slot)) = path.find(&self.log.runbook, &self.log.state) else { return (None, None) };
        let (Kind::Gate(gate), Some(mut sampling)) = (&step.kind, self.gates.remove(path)) else {
            return (None, None);
        };
        let ended = self.engine.clock.now();
        let key = path.key(&self.log.runbook, &self.log.state);
        let place = (&*self.log.runbook, &self.log.state, path);
        let passes = passes_at(place, gate);
        if matches!(&answer, Err(problem) if problem.code == GATE_OVER) {
            return (Some(time_over(key, &passes, sampling, ended)), None);
        }
        let (look, judgement, seen) = look_of(&*self.engine.hosts, place, (step, gate), answer, (began, ended));
        let waits = sampling.until.filter(|_| slot.status == Status::Pending);
        let at = match sampling.run.sample(&passes, &look, sampling.until) {
            Decision::Passed => return (Some(judged(key, Verdict::Pass, judgement.why, &sampling.run, seen)), None),
            Decision::Stopped(verdict, why) => return (Some(judged(key, verdict, why, &sampling.run, seen)), None),
            Decision::Again(at) => at,
        };
        self.tell_sample(&key, &look, &sampling, at);
        sampling.last = Some((judgement, seen));
        self.gates.insert(path.clone(), sampling);
        (waits.map(|until| Event::Waiting { key, until }), Some(at))
    }

    fn tell_sample(&self, key: &Key, look: &Look, sampling: &Sampling, next: Timestamp) {
        let sample = sample_of(look, &sampling.run, sampling.until.unwrap_or(next));
        self.engine.observer.sampled(&self.watched(), key, &sample);
    }
}

fn time_over(key: Key, passes: &Passes, sampling: Sampling, now: Timestamp) -> Event {
    let (verdict, why, seen) = over(&sampling.run, passes, sampling.last);
    let mut event = judged(key, verdict, why, &sampling.run, seen);
    if let Event::Judged { samples, .. } = &mut event
        && samples.count == 0
    {
        (samples.first, samples.last) = (now, now);
    }
    event
}

/// The last answer has the word: a sample that was cut says nothing about the world.
pub(super) fn over(run: &GateRun, passes: &Passes, last: Option<(Judgement, Value)>) -> (Verdict, String, Value) {
    let unseen = || (Judgement { verdict: Verdict::Inconclusive, why: "nothing was seen".to_owned() }, Value::Null);
    let (judgement, seen) = last.unwrap_or_else(unseen);
    match run.time_over(passes, judgement.verdict, &judgement.why) {
        Decision::Stopped(verdict, why) => (verdict, why, seen),
        Decision::Passed | Decision::Again(_) => (judgement.verdict, judgement.why, seen),
    }
}

/// For the screen.
pub(super) fn sample_of(look: &Look, run: &GateRun, until: Timestamp) -> Sample {
    let course = run.course();
    Sample {
        verdict: look.verdict,
        why: look.why.clone(),
        count: run.samples().count,
        streak: run.streak(),
        until,
        progress: course.value().cloned(),
        left: course.left(),
    }
}

fn judged(key: Key, verdict: Verdict, why: String, run: &GateRun, seen: Value) -> Event {
    Event::Judged { key, verdict, why, samples: run.samples(), seen }
}

/// Fixed by the first sample, and kept by the journal from then on. It never lies further off than `within`, whatever
/// became of the clock.
fn deadline(gate: &Gate, status: &Status, now: Timestamp) -> Option<Timestamp> {
    let whole = now.plus(gate.passes.within);
    match status {
        Status::Waiting { until } => Some(whole.min(*until)),
        _ if gate.passes.within.is_zero() => None,
        _ => Some(whole),
    }
}
