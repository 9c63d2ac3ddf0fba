//! What ticks print, and what is said about them. Whoever reads may be slow, or stand still: no tick waits for that, lines are
//! lost then and counted.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// That wait for their reader.
const WAITING: usize = 8;

pub(super) struct Lines {
    waiting: SyncSender<String>,
    /// What went wrong with one.
    wrong: UnboundedReceiver<io::Error>,
    /// Closed when all were written.
    over: Receiver<()>,
}

impl Lines {
    /// Those that this writes.
    pub(super) fn open(write: fn(&str) -> io::Result<()>) -> io::Result<Self> {
        let (waiting, texts) = sync_channel::<String>(WAITING);
        let (tell, wrong) = unbounded_channel();
        let (end, over) = sync_channel::<()>(0);
        // A thread of its own, which nobody has to wait for: it may stand in a write for ever.
        thread::Builder::new().name("lines".to_owned()).spawn(move || {
            for text in texts {
                if let Err(error) = write(&text)
                    && tell.send(error).is_err()
                {
                    break;
                }
            }
            drop(end);
        })?;
        Ok(Self { waiting, wrong, over })
    }

    /// Whether it has a place among those that wait.
    pub(super) fn add(&self, text: String) -> bool {
        !matches!(self.waiting.try_send(text), Err(TrySendError::Full(_)))
    }

    /// Nothing is lost when it is dropped before one went wrong.
    pub(super) async fn wrong(&mut self) -> io::Error {
        match self.wrong.recv().await {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// Waits for the reader once more.
    pub(super) fn end(self, patience: Duration) {
        let Self { waiting, over, .. } = self;
        drop(waiting);
        let _ = over.recv_timeout(patience);
    }
}
