//! What a turn is doing, as the page shows it beside the prompt. Pure: the caller owns clock and comm.

use std::time::{Duration, Instant};

use super::{Bar, Phase};

/// Bars follow each other at least this far apart, unless the phase changes.
const PAUSE: Duration = Duration::from_millis(250);

/// A bar is sent at least this often, so that its seconds go on.
const PULSE: Duration = Duration::from_secs(1);

/// Pieces of text further apart than this are not written in one go.
const GAP: Duration = Duration::from_secs(2);

/// Counts what a turn does, and says when a bar is due.
#[derive(Debug)]
pub(crate) struct Gauge {
    turn: String,
    began: Instant,
    phase: Phase,
    step: usize,
    tokens: usize,
    written: Option<Instant>,
    writing: Duration,
    sent: Option<(Instant, Phase)>,
    changed: bool,
}

impl Gauge {
    /// A turn that began at `began`.
    pub(crate) fn new(turn: &str, began: Instant) -> Gauge {
        Gauge {
            turn: turn.to_owned(),
            began,
            phase: Phase::Waiting,
            step: 1,
            tokens: 0,
            written: None,
            writing: Duration::ZERO,
            sent: None,
            changed: true,
        }
    }

    /// Notes what the turn does from now on.
    pub(crate) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.changed = true;
    }

    /// Notes a piece of text that the model wrote for a step.
    pub(crate) fn wrote(&mut self, now: Instant, phase: Phase, step: usize) {
        let since = self.written.replace(now).map(|before| now.duration_since(before));
        self.writing += since.filter(|since| *since < GAP).unwrap_or_default();
        self.tokens += 1;
        self.step = step;
        self.enter(phase);
    }

    /// When [`Gauge::bar`] has something to say next.
    pub(crate) fn deadline(&self) -> Instant {
        match self.sent {
            Some((at, phase)) if phase == self.phase => {
                at + if self.changed { PAUSE } else { PULSE }
            }
            Some(_) | None => self.began,
        }
    }

    /// The bar to send now, if it is due.
    pub(crate) fn bar(&mut self, now: Instant) -> Option<Bar> {
        if self.deadline() > now {
            return None;
        }
        self.sent = Some((now, self.phase));
        self.changed = false;
        let seconds = self.writing.as_secs_f64();
        let counted = u32::try_from(self.tokens.saturating_sub(1)).map_or(0.0, f64::from);
        Some(Bar {
            turn: self.turn.clone(),
            phase: self.phase,
            step: self.step,
            seconds: tenths(now.duration_since(self.began).as_secs_f64()),
            tokens: self.tokens,
            tokens_per_second: if seconds > 0.0 { tenths(counted / seconds) } else { 0.0 },
        })
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_phase_is_told_at_once_and_all_else_at_most_every_quarter_second() {
        let began = Instant::now();
        let at = |ms: u64| began + Duration::from_millis(ms);
        let mut gauge = Gauge::new("t_1", began);
        let mut told = Vec::new();
        for ms in (0..2000).step_by(10) {
            match ms {
                0..500 => gauge.wrote(at(ms), Phase::Thinking, 1),
                500..750 => gauge.wrote(at(ms), Phase::Writing, 1),
                750 => gauge.enter(Phase::Running),
                _ => {}
            }
            told.extend(gauge.bar(at(ms)).map(|bar| (ms, bar.phase, bar.tokens)));
        }
        let expected = [
            (0, Phase::Thinking, 1),
            (250, Phase::Thinking, 26),
            (500, Phase::Writing, 51),
            (750, Phase::Running, 75),
            (1750, Phase::Running, 75),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn the_rate_counts_only_the_time_of_writing() {
        let began = Instant::now();
        let mut gauge = Gauge::new("t_1", began);
        for n in 0..21 {
            let pause = if n < 11 { 0 } else { 60_000 };
            gauge.wrote(began + Duration::from_millis(n * 100 + pause), Phase::Thinking, 1);
        }
        let bar = gauge.bar(began + Duration::from_secs(100)).unwrap();
        assert_eq!((bar.tokens, bar.seconds), (21, 100.0));
        assert!((9.0..12.0).contains(&bar.tokens_per_second), "{bar:?}");
    }
}
