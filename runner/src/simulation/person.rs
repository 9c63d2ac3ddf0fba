//! Whoever sits at the terminal of a simulation: reads for a while, and types the name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sluice_engine::diagnostic::visible;
use sluice_engine::run::{Asker, Question, Reply};
use sluice_world::World;

use crate::views::live::RunView;

/// Reading takes a while, in which things happen.
const READS: Duration = Duration::from_secs(20);

/// Nobody says yes for ever to what is asked again and again.
const PATIENCE: u32 = 12;

pub(super) struct SimPerson {
    world: World,
    view: Arc<dyn RunView>,
    asked: AtomicU32,
}

impl SimPerson {
    pub(super) fn new(world: &World, view: Arc<dyn RunView>) -> Self {
        Self { world: world.clone(), view, asked: AtomicU32::new(0) }
    }
}

#[async_trait]
impl Asker for SimPerson {
    async fn ask(&self, question: Question) -> Reply {
        self.world.clock().sleep(READS).await;
        if self.asked.fetch_add(1, Ordering::Relaxed) >= PATIENCE {
            return Reply { yes: false, typed: String::new(), because: Some("it was asked too often".to_owned()) };
        }
        let (name, step) = (visible(&question.typed), visible(question.key.as_str()));
        self.view.say(&format!("somebody reads the question of {step} and types {name}"));
        Reply { yes: true, typed: question.typed, because: None }
    }
}
