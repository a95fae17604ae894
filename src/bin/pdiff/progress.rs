//! How far long work is: a bar where stderr is a terminal, elsewhere a line every few seconds.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::say;

/// Between two lines where there is no terminal.
const LINES: Duration = Duration::from_secs(5);
/// Between two pictures of the bar.
const FRAMES: Duration = Duration::from_millis(80);

/// Shows one command's work, phase by phase.
pub struct Meter {
    bar: Option<ProgressBar>,
    phase: String,
    /// When the phase began, and what was done by then: a resumed one does not begin at 0.
    began: (Instant, u64),
    shown: Instant,
}

impl Meter {
    pub fn new() -> Meter {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{prefix:<12} [{bar:24}] {pos}/{len} {wide_msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style.progress_chars("=> "))
        });
        Meter {
            bar,
            phase: String::new(),
            began: (Instant::now(), 0),
            shown: Instant::now(),
        }
    }

    /// Tells that `done` of `total` of a phase is done; `detail` is asked for only when shown.
    pub fn show(&mut self, phase: &str, done: u64, total: u64, detail: impl FnOnce() -> String) {
        let now = Instant::now();
        if self.phase != phase {
            self.phase = phase.to_owned();
            self.began = (now, done);
        }
        let pause = if self.bar.is_some() { FRAMES } else { LINES };
        if now - self.shown < pause {
            return;
        }
        self.shown = now;
        let parts = [detail(), self.left(now, done, total)];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        match &self.bar {
            Some(bar) => {
                bar.set_length(total);
                bar.set_prefix(self.phase.clone());
                bar.set_position(done);
                bar.set_message(parts.join(", "));
            }
            None => {
                let tail: String = parts.iter().map(|part| format!(", {part}")).collect();
                say(&format!("{phase} {done}/{total}{tail}"));
            }
        }
    }

    /// The time that the rest of the phase takes at its speed so far.
    fn left(&self, now: Instant, done: u64, total: u64) -> String {
        let (start, first) = self.began;
        if done <= first || done >= total {
            return String::new();
        }
        let each = (now - start).as_secs_f64() / (done - first) as f64;
        format!("{} left", duration(each * (total - done) as f64))
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Seconds as people say them.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}
