//! One sign for each way a step can be, the same on every screen.

use crate::screen::{Stream, Tone};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Done,
    Failed,
    /// A gate did not pass.
    Stopped,
    Skipped,
    Running,
    /// It failed and is tried again.
    Again,
    Pending,
    /// Nobody knows whether it happened.
    Unknown,
    /// Something about the run, not a step.
    Note,
}

impl Sign {
    /// The sign for a word of [`sluice_engine::machine::Status::name`] or of a run's status.
    pub(crate) fn of(status: &str) -> Self {
        match status {
            "done" => Self::Done,
            "failed" | "not confirmed" => Self::Failed,
            "stopped" => Self::Stopped,
            "skipped" | "cancelled" | "abandoned" => Self::Skipped,
            "retrying" | "interrupted" => Self::Again,
            "running" | "waiting" | "intended" => Self::Running,
            "unknown" | "stuck" | "parked" | "asking" => Self::Unknown,
            _ => Self::Pending,
        }
    }

    /// One column wide, painted where the stream has colours.
    pub(crate) fn on(self, stream: &Stream) -> String {
        let (fancy, plain, tone) = match self {
            Self::Done => ("✓", "+", Tone::Good),
            Self::Failed => ("✗", "x", Tone::Bad),
            Self::Stopped => ("■", "#", Tone::Bad),
            Self::Skipped => ("–", "-", Tone::Dim),
            Self::Running => ("●", ">", Tone::Accent),
            Self::Again => ("↻", "~", Tone::Warn),
            Self::Pending => ("·", ".", Tone::Dim),
            Self::Unknown => ("?", "?", Tone::Warn),
            Self::Note => ("│", "|", Tone::Dim),
        };
        stream.paint(tone, if stream.unicode { fancy } else { plain })
    }

    pub(crate) fn tone(self) -> Tone {
        match self {
            Self::Done => Tone::Good,
            Self::Failed | Self::Stopped => Tone::Bad,
            Self::Again | Self::Unknown => Tone::Warn,
            Self::Running => Tone::Accent,
            Self::Skipped | Self::Pending | Self::Note => Tone::Dim,
        }
    }
}
