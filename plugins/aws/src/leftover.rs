//! Something that goes on at AWS by itself, and is stopped when nobody waits for it any more: also when the wait itself
//! was cut, as Ctrl-C and a step's time-out cut it.

use futures::future::{BoxFuture, FutureExt as _};
use tokio::runtime::Handle;

pub(crate) struct Leftover {
    stop: Option<BoxFuture<'static, ()>>,
}

impl Leftover {
    pub(crate) fn new(stop: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { stop: Some(stop.boxed()) }
    }

    /// It ended by itself.
    pub(crate) fn forget(mut self) {
        self.stop = None;
    }

    pub(crate) async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            stop.await;
        }
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        // A wait that was cut cannot wait for this either: it goes on beside whatever comes next.
        if let (Some(stop), Ok(runtime)) = (self.stop.take(), Handle::try_current()) {
            runtime.spawn(stop);
        }
    }
}
