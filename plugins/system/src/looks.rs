//! Looks at what may never answer: whoever asks a dead mount is held until it is mended, and nobody can call him back.
//!
//! A look has a thread of its own and is waited for a bounded time; while it hangs, nobody is sent after it. Between two
//! looks at a place its state is kept, in memory alone. What is looked at is not known here.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as Turns, OwnedMutexGuard};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// How long a look is waited for.
const WITHIN: Duration = Duration::from_secs(2);

/// Of so many places the state is kept; so many threads may hang.
const MOST: usize = 16;

/// Places, the one that was looked at last at the end.
pub(crate) struct Looks<T> {
    places: Mutex<Vec<(PathBuf, Place<T>)>>,
    within: Duration,
}

struct Place<T> {
    state: Arc<Turns<T>>,
    /// When the last turn began.
    began: Arc<Mutex<Instant>>,
}

/// Nobody else looks at the place until this is over.
pub(crate) struct Turn<T> {
    state: OwnedMutexGuard<T>,
    within: Duration,
}

/// Why nothing was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unseen {
    NoAnswer,
    StillHangs,
    TooMany,
    BrokeOff,
}

impl<T> Default for Looks<T> {
    fn default() -> Self {
        Self { places: Mutex::default(), within: WITHIN }
    }
}

impl<T: Default + Send + 'static> Looks<T> {
    /// Waits for whoever looks there now, unless he hangs.
    pub(crate) async fn turn(&self, path: &Path) -> Result<Turn<T>, Unseen> {
        let place = self.place(path)?;
        let state = match place.state.clone().try_lock_owned() {
            Ok(state) => state,
            Err(_) => {
                let since = place.began.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
                let left = self.within.checked_sub(since).ok_or(Unseen::StillHangs)?;
                timeout(left, place.state.lock_owned()).await.map_err(|_| Unseen::StillHangs)?
            }
        };
        *place.began.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Ok(Turn { state, within: self.within })
    }

    fn place(&self, path: &Path) -> Result<Place<T>, Unseen> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let known = places.iter().position(|(known, _)| known == path);
        let entry = match known {
            Some(known) => places.remove(known),
            None => {
                if places.len() >= MOST {
                    let idle = places.iter().position(|(_, place)| Arc::strong_count(&place.state) == 1);
                    places.remove(idle.ok_or(Unseen::TooMany)?);
                }
                (path.to_owned(), Place::default())
            }
        };
        let place = entry.1.clone();
        places.push(entry);
        Ok(place)
    }
}

impl<T: Send + 'static> Turn<T> {
    /// What was kept of the place.
    pub(crate) fn state(&self) -> &T {
        &self.state
    }

    /// The turn is over when the look is, and not when nobody waits for it any more.
    pub(crate) async fn look<R: Send + 'static>(
        self,
        look: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Result<R, Unseen> {
        let Self { mut state, within } = self;
        match timeout(within, spawn_blocking(move || look(&mut state))).await {
            Ok(Ok(seen)) => Ok(seen),
            Ok(Err(_)) => Err(Unseen::BrokeOff),
            Err(_) => Err(Unseen::NoAnswer),
        }
    }
}

impl<T: Default> Default for Place<T> {
    fn default() -> Self {
        Self { state: Arc::default(), began: Arc::new(Mutex::new(Instant::now())) }
    }
}

impl<T> Clone for Place<T> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), began: self.began.clone() }
    }
}

impl std::fmt::Display for Unseen {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoAnswer => write!(out, "no answer within {} s: it hangs", WITHIN.as_secs()),
            Self::StillHangs => out.write_str("an earlier look still hangs, and no other is begun"),
            Self::TooMany => out.write_str("too many looks at other places hang, and no other is begun"),
            Self::BrokeOff => out.write_str("the look broke off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Whoever counts is waited for, on however slow a machine.
    fn patient() -> Looks<u32> {
        Looks { places: Mutex::default(), within: Duration::from_secs(600) }
    }

    async fn count(looks: &Looks<u32>, path: &str) -> Result<u32, Unseen> {
        let count = |count: &mut u32| {
            *count += 1;
            *count
        };
        looks.turn(Path::new(path)).await?.look(count).await
    }

    /// It ends when what comes back is dropped.
    async fn hang(looks: &Looks<u32>, path: &str) -> Sender<()> {
        let (end, ended) = channel::<()>();
        let turn = looks.turn(Path::new(path)).await.unwrap();
        let turn = Turn { within: Duration::from_millis(1), ..turn };
        assert_eq!(turn.look(move |_| ended.recv().is_err()).await, Err(Unseen::NoAnswer));
        end
    }

    #[tokio::test]
    async fn state_is_kept_of_each_place() {
        let looks = patient();
        assert_eq!(looks.turn(Path::new("/a")).await.unwrap().state(), &0);
        for (path, expect) in [("/a", 1), ("/a", 2), ("/b", 1), ("/a", 3)] {
            assert_eq!(count(&looks, path).await, Ok(expect), "{path}");
        }
    }

    #[tokio::test]
    async fn nobody_is_sent_after_a_look_that_hangs() {
        let mut looks = patient();
        let end = hang(&looks, "/dead").await;
        assert_eq!(count(&looks, "/alive").await, Ok(1));
        looks.within = Duration::ZERO;
        for _ in 0..100 {
            assert_eq!(count(&looks, "/dead").await, Err(Unseen::StillHangs));
        }
        // It is mended: the first one after that is the first that looks.
        drop(end);
        looks.within = patient().within;
        assert_eq!(count(&looks, "/dead").await, Ok(1));
    }

    #[tokio::test]
    async fn a_look_that_does_not_hang_is_waited_for() {
        let looks = patient();
        let (end, ended) = channel::<()>();
        let turn = looks.turn(Path::new("/busy")).await.unwrap();
        let look = turn.look(move |count| {
            let _ = ended.recv();
            *count += 10;
        });
        let (looked, counted, ()) = tokio::join!(look, count(&looks, "/busy"), async { drop(end) });
        assert_eq!((looked, counted), (Ok(()), Ok(11)));
    }

    #[tokio::test]
    async fn a_look_that_nobody_waits_for_keeps_its_turn() {
        let mut looks = patient();
        let (end, ended) = channel::<()>();
        let turn = looks.turn(Path::new("/busy")).await.unwrap();
        let look = turn.look(move |_| ended.recv().is_err());
        // It is asked once, and dropped.
        tokio::select! {
            biased;
            looked = look => panic!("{looked:?}"),
            () = async {} => {}
        }
        looks.within = Duration::ZERO;
        assert_eq!(count(&looks, "/busy").await, Err(Unseen::StillHangs));
        drop(end);
        looks.within = patient().within;
        assert_eq!(count(&looks, "/busy").await, Ok(1));
    }

    #[tokio::test]
    async fn a_look_that_breaks_off_is_over() {
        let looks = patient();
        let turn = looks.turn(Path::new("/a")).await.unwrap();
        assert_eq!(turn.look(|_: &mut u32| panic!("on purpose")).await, Err::<(), _>(Unseen::BrokeOff));
        assert_eq!(count(&looks, "/a").await, Ok(1));
    }

    #[tokio::test]
    async fn places_and_threads_are_bounded() {
        let mut looks = patient();
        for place in 0..1000 {
            assert_eq!(count(&looks, &format!("/{place}")).await, Ok(1));
        }
        assert_eq!(looks.places.lock().unwrap().len(), MOST);
        // The one that was used last is known, the first is not.
        assert_eq!((count(&looks, "/999").await, count(&looks, "/0").await), (Ok(2), Ok(1)));
        let mut ends = Vec::new();
        for place in 0..MOST {
            ends.push(hang(&looks, &format!("/dead/{place}")).await);
        }
        assert_eq!(count(&looks, "/999").await, Err(Unseen::TooMany));
        looks.within = Duration::ZERO;
        assert_eq!(count(&looks, "/dead/3").await, Err(Unseen::StillHangs));
        looks.within = patient().within;
        drop(ends);
        assert_eq!(count(&looks, "/dead/3").await, Ok(1));
        assert_eq!(count(&looks, "/999").await, Ok(1));
    }
}
