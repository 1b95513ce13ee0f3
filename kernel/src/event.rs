//! Everything that can happen to a running kernel, as one closed set.

use crate::companion::News;
use crate::connection::Channel;
use crate::prompt::FromAgent;
use crate::server::{Installed, Reported};
use crate::zmtp::Multipart;

/// What the event loop waits for.
#[derive(Debug)]
pub(crate) enum Event {
    /// A client sent a message on shell, control or stdin; its routing id comes first.
    Client(Channel, Multipart),
    /// Something of the Python process with this generation number; an older one's is stale.
    Companion(u64, News),
    /// The agent's thread says something about the turn with this number.
    Agent(u64, Box<FromAgent>),
    /// The packages are there that the step in this cell waits for, or why not.
    Installed(String, Installed),
    /// A report is written that a page asked for, or why not.
    Reported(Reported),
    /// A process signal.
    Signal(Signal),
    /// The process that started us is gone.
    ParentGone,
    /// A deadline that something set has passed.
    Deadline,
}

/// The process signals that mean something to a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// `SIGINT`: a manager in signal mode interrupts so.
    Interrupt,
    /// `SIGTERM`: shut down.
    Terminate,
}
