//! The ledger at work: a publisher that counts only what the server acknowledged, consumers that acknowledge what they
//! get, and the audit that compares the two with the stream. What is counted is the book's (`ledger`).

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::context::{GetStreamError, GetStreamErrorKind, PublishAckFuture};
use async_nats::jetstream::{self, ErrorCode, consumer::PullConsumer, stream::RawMessageErrorKind};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::daemon::World;
use crate::error::{Context, Error, Result};
use crate::ledger::{Audit, Bits, Book, Counts};
use crate::plan::{SERVICES, STREAM};
use crate::ready;

/// The consumer that never takes its messages.
const BACKLOG: &str = "backlog";
const IN_FLIGHT: usize = 2000;
const TICK: Duration = Duration::from_millis(10);
const ACK_WITHIN: Duration = Duration::from_secs(5);
/// Preloading goes as fast as the machine can, so one acknowledgement waits behind many others.
const PRELOADED_WITHIN: Duration = Duration::from_secs(60);

/// What to publish.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, clap::Args)]
pub struct Load {
    /// Messages per second; 0 stops the publisher and the consumers
    #[arg(long)]
    pub rate: u32,
    /// Bytes of each message
    #[arg(long, default_value_t = 256)]
    #[serde(default)]
    pub size: usize,
    /// Stop after so many messages and wait for the last acknowledgement
    #[arg(long)]
    #[serde(default)]
    pub count: Option<u64>,
    /// Leave the messages in the stream
    #[arg(long)]
    #[serde(default)]
    pub no_consume: bool,
}

impl Load {
    /// What an operator's cluster carries while it is worked on: 500 messages a second, consumers all the time.
    pub fn steady() -> Self {
        Load { rate: 500, size: 256, count: None, no_consume: false }
    }

    /// Nothing any more.
    pub fn stop() -> Self {
        Load { rate: 0, size: 0, count: None, no_consume: false }
    }
}

/// What a publisher sends: under which subject, and whether it stays in the stream.
#[derive(Clone, Copy)]
struct Sending {
    load: Load,
    subject: fn(u64) -> String,
    stays: bool,
}

/// The lab's ledger.
#[derive(Default)]
pub(crate) struct Ledger {
    book: Arc<Mutex<Book>>,
    publisher: Mutex<Option<JoinHandle<()>>>,
    consumers: Mutex<Vec<JoinHandle<()>>>,
}

impl Ledger {
    /// Starts publishing (and consuming), instead of what ran before.
    pub(crate) async fn start(&self, world: &World, load: Load) -> Result<()> {
        self.stop();
        if load.rate == 0 {
            return Ok(());
        }
        let admin = world.keys.user("admin")?;
        if !load.no_consume {
            for service in SERVICES {
                let client = ready::connect(&world.plan, admin).await?;
                let task = tokio::spawn(consume(jetstream::new(client), service, self.book.clone()));
                guard(&self.consumers).push(task);
            }
        }
        let sending = Sending { load, subject, stays: false };
        let publisher = publish(publisher(world, ACK_WITHIN).await?, sending, self.book.clone());
        *guard(&self.publisher) = Some(tokio::spawn(publisher));
        Ok(())
    }

    /// Publishes messages that stay in the stream whoever consumes, because one consumer never takes its own.
    pub(crate) async fn preload(&self, world: &World, count: u64, size: usize) -> Result<()> {
        let context = publisher(world, PRELOADED_WITHIN).await?;
        let config = json!({
            "durable_name": BACKLOG, "filter_subject": "messenger.backlog.>", "ack_policy": "explicit",
            "deliver_policy": "all"
        });
        let body = json!({ "stream_name": STREAM, "config": config });
        ready::api(&context, &format!("CONSUMER.DURABLE.CREATE.{STREAM}.{BACKLOG}"), &body).await?;
        let load = Load { rate: 1_000_000, size, count: Some(count), no_consume: true };
        publish(context, Sending { load, subject: backlog, stays: true }, self.book.clone()).await;
        guard(&self.book).forget_gaps();
        match guard(&self.book).kept.count() {
            kept if kept >= count => Ok(()),
            kept => {
                let why = guard(&self.book).counts(false).last_error.unwrap_or_default();
                Err(Error::new(format!("{kept} of {count} messages were acknowledged: {why}")))
            }
        }
    }

    /// Ends the publisher and the consumers; the book stays.
    pub(crate) fn stop(&self) {
        let consumers = std::mem::take(&mut *guard(&self.consumers));
        for task in guard(&self.publisher).take().into_iter().chain(consumers) {
            task.abort();
        }
        guard(&self.book).pause();
    }

    pub(crate) fn counts(&self) -> Counts {
        let sending = guard(&self.publisher).as_ref().is_some_and(|task| !task.is_finished());
        guard(&self.book).counts(sending)
    }

    /// Looks for every acknowledged message that no consumer got.
    pub(crate) async fn audit(&self, world: &World) -> Result<Audit> {
        let counts = self.counts();
        let kept = guard(&self.book).kept.without(&Bits::default());
        let mut open = self.settled().await;
        open.retain(|n| !guard(&self.book).kept.has(*n));
        open.extend(kept);
        let found = match open.is_empty() {
            true => HashSet::new(),
            false => {
                // Through a slowed server each message would take its time.
                let client = ready::connect_to(world.swift().await, world.keys.user("admin")?).await?;
                in_stream(&jetstream::new(client), open.iter().copied().collect()).await?
            }
        };
        // A consumer may have taken one while the stream was read.
        let book = guard(&self.book);
        let taken = |n: u64| book.delivered.has(n) && !book.kept.has(n);
        let lost: Vec<u64> = open.into_iter().filter(|n| !found.contains(n) && !taken(*n)).collect();
        Ok(Audit {
            there: counts.acked.saturating_sub(lost.len() as u64),
            counts,
            in_stream: found.len() as u64,
            lost: lost.len() as u64,
            first_lost: lost.into_iter().take(10).collect(),
        })
    }

    /// The acknowledged, undelivered messages; while consumers run, they get some time to take them.
    async fn settled(&self) -> Vec<u64> {
        let until = Instant::now() + Duration::from_secs(5);
        let open = |book: MutexGuard<'_, Book>| book.acked.without(&book.delivered);
        let first: HashSet<u64> = open(guard(&self.book)).into_iter().collect();
        loop {
            let left: Vec<u64> = open(guard(&self.book)).into_iter().filter(|n| first.contains(n)).collect();
            let waits = !left.is_empty() && !guard(&self.consumers).is_empty() && Instant::now() < until;
            if !waits {
                return left;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn publisher(world: &World, ack_within: Duration) -> Result<jetstream::Context> {
    let client = ready::connect(&world.plan, world.keys.user("admin")?).await?;
    let context = jetstream::context::ContextBuilder::new().ack_timeout(ack_within).timeout(ack_within);
    Ok(context.max_ack_inflight(IN_FLIGHT).build(client))
}

/// Publishes at the rate, with many acknowledgements in flight; when those do not come, it falls behind.
async fn publish(context: jetstream::Context, what: Sending, book: Arc<Mutex<Book>>) {
    let load = what.load;
    let payload = bytes_of(load.size);
    let slots = Arc::new(Semaphore::new(IN_FLIGHT));
    let start = Instant::now();
    let (mut sent, most) = (0u64, load.count.unwrap_or(u64::MAX));
    let mut clock = tokio::time::interval(TICK);
    while sent < most {
        clock.tick().await;
        let due = (start.elapsed().as_secs_f64() * f64::from(load.rate)) as u64;
        while sent < due.min(most) {
            let Some(n) = guard(&book).number() else { return };
            let Ok(slot) = slots.clone().acquire_owned().await else { return };
            let sending = context.publish_with_headers((what.subject)(n), headers(n), payload.clone()).await;
            let book = book.clone();
            tokio::spawn(async move {
                let _slot = slot;
                acknowledged(sending, n, what.stays, &book).await;
            });
            sent += 1;
        }
    }
    // All slots back means that the last acknowledgement came or was given up.
    let _ = slots.acquire_many(IN_FLIGHT as u32).await;
}

async fn acknowledged(
    sending: std::result::Result<PublishAckFuture, impl std::fmt::Display>,
    n: u64,
    stays: bool,
    book: &Mutex<Book>,
) {
    let outcome = match sending {
        Ok(ack) => ack.await.map(drop).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let mut book = guard(book);
    match outcome {
        Ok(()) if stays => {
            book.ack(n);
            book.kept.add(n);
        }
        Ok(()) => book.ack(n),
        Err(error) => book.refuse(error),
    }
}

fn bytes_of(size: usize) -> bytes::Bytes {
    vec![b'x'; size].into()
}

/// Messages go to the services in turn, over a few subjects each.
fn subject(n: u64) -> String {
    let service = usize::try_from(n).ok().and_then(|n| SERVICES.get(n % SERVICES.len())).copied().unwrap_or("facebox");
    format!("{service}.lab.{}", n / 2 % 8)
}

/// Messages for the consumer that never takes them.
fn backlog(n: u64) -> String {
    format!("messenger.backlog.{}", n % 8)
}

fn headers(n: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, format!("lab-{n}"));
    headers
}

fn number(headers: &HeaderMap) -> Option<u64> {
    headers.get(NATS_MESSAGE_ID)?.as_str().strip_prefix("lab-")?.parse().ok()
}

/// Takes and acknowledges a service's messages for as long as it is let, over every fault.
async fn consume(context: jetstream::Context, service: &str, book: Arc<Mutex<Book>>) {
    loop {
        // The consumer may be away for a while; it is asked for again until it is back.
        let _ = consume_some(&context, service, &book).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn consume_some(context: &jetstream::Context, service: &str, book: &Mutex<Book>) -> Result<()> {
    let consumer: PullConsumer =
        context.get_consumer_from_stream(format!("{service}-worker"), STREAM).await.context("consumer")?;
    let pull = consumer.stream().max_messages_per_batch(500).expires(Duration::from_secs(5));
    let mut messages = pull.heartbeat(Duration::from_secs(1)).messages().await.context("pull")?;
    while let Some(message) = messages.next().await {
        let message = message.context("pull")?;
        if let Some(n) = message.headers.as_ref().and_then(number) {
            guard(book).deliver(n);
        }
        message.ack().await.map_err(|error| Error::new(error.to_string()))?;
    }
    Ok(())
}

/// Which of the wanted messages the stream's leader has. Walks what is there, in several places at once.
async fn in_stream(context: &jetstream::Context, wanted: HashSet<u64>) -> Result<HashSet<u64>> {
    const WALKS: u64 = 64;
    let stream = match context.get_stream(STREAM).await {
        Ok(stream) => stream,
        // A stream that is gone holds nothing; one that does not answer is not yet known to be gone.
        Err(error) if is_gone(&error) => return Ok(HashSet::new()),
        Err(error) => return Err(error).context(format!("{STREAM} cannot be read now")),
    };
    let state = &stream.cached_info().state;
    let step = (state.last_sequence.saturating_sub(state.first_sequence) + 1).div_ceil(WALKS);
    let starts = (0..WALKS).map(|walk| state.first_sequence + walk * step);
    let walks = starts.map(|start| walk(&stream, start, start + step, &wanted));
    let found: Vec<Result<Vec<u64>>> = futures::stream::iter(walks).buffer_unordered(WALKS as usize).collect().await;
    let mut all = HashSet::new();
    for part in found {
        all.extend(part?);
    }
    Ok(all)
}

fn is_gone(error: &GetStreamError) -> bool {
    matches!(error.kind(), GetStreamErrorKind::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

async fn walk(stream: &jetstream::stream::Stream, start: u64, end: u64, wanted: &HashSet<u64>) -> Result<Vec<u64>> {
    let (mut found, mut seq) = (Vec::new(), start.max(1));
    while seq < end {
        match stream.get_first_raw_message_by_subject(">", seq).await {
            Ok(message) => {
                seq = message.sequence + 1;
                let inside = message.sequence < end;
                found.extend(number(&message.headers).filter(|n| inside && wanted.contains(n)));
            }
            Err(error) if matches!(error.kind(), RawMessageErrorKind::NoMessageFound) => break,
            Err(error) => return Err(error).context(format!("{STREAM} at {seq}")),
        }
    }
    Ok(found)
}
