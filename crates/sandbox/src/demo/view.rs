//! Progress: bars that move on a terminal, plain lines otherwise.

use std::cell::Cell;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tributary_sandbox::engine::{ConnectionStatus, EngineStatus};

use crate::report::Applied;

/// Without a terminal, a line per connection this often.
const LINE_INTERVAL: Duration = Duration::from_secs(3);

pub(crate) struct View {
    began: Instant,
    bars: Option<Bars>,
    last_lines: Cell<Option<Instant>>,
}

struct Bars {
    all: MultiProgress,
    phase: ProgressBar,
    connections: std::cell::RefCell<Vec<ProgressBar>>,
    phase_began: Cell<Instant>,
}

impl View {
    pub(crate) fn new() -> View {
        let bars = stderr().is_terminal().then(|| {
            let all = MultiProgress::new();
            let phase = all.add(ProgressBar::new(0));
            Bars {
                all,
                phase,
                connections: Default::default(),
                phase_began: Cell::new(Instant::now()),
            }
        });
        View {
            began: Instant::now(),
            bars,
            last_lines: Cell::new(None),
        }
    }

    /// A line that stays.
    pub(crate) fn say(&self, text: &str) {
        let line = format!("[{:5.1}s] {text}", self.began.elapsed().as_secs_f64());
        match &self.bars {
            // A terminal that went away is no reason to stop.
            Some(bars) => drop(bars.all.println(line)),
            None => println!("{line}"),
        }
    }

    /// Begins a part of the demo, of known length or (zero) not.
    pub(crate) fn start_phase(&self, name: &'static str, length: Duration) {
        self.say(&format!("{name} begins"));
        let Some(bars) = &self.bars else { return };
        let template = if length.is_zero() {
            "{prefix:>8} {msg}"
        } else {
            "{prefix:>8} {bar:40} {msg}"
        };
        bars.phase.set_style(style(template));
        bars.phase.set_prefix(name);
        bars.phase.set_length(length.as_millis() as u64);
        bars.phase_began.set(Instant::now());
    }

    /// Shows one status.
    pub(crate) fn show(&self, status: &EngineStatus, applied: &Applied, written: u64) {
        let sum = format!(
            "{written} statements written, {} statements and {} rows applied",
            applied.statements(),
            applied.rows()
        );
        match &self.bars {
            Some(bars) => bars.show(status, sum),
            None if self
                .last_lines
                .get()
                .is_none_or(|last| last.elapsed() >= LINE_INTERVAL) =>
            {
                self.last_lines.set(Some(Instant::now()));
                self.say(&sum);
                for connection in &status.connections {
                    println!("         {}: {}", connection.name, line(connection));
                }
            }
            None => {}
        }
    }

    /// Leaves the last picture on the screen.
    pub(crate) fn end(&self) {
        if let Some(bars) = &self.bars {
            bars.phase.finish();
            bars.connections.borrow().iter().for_each(ProgressBar::finish);
        }
    }
}

impl Bars {
    fn show(&self, status: &EngineStatus, sum: String) {
        let elapsed = self.phase_began.get().elapsed().as_millis() as u64;
        self.phase
            .set_position(elapsed.min(self.phase.length().unwrap_or(0)));
        self.phase.set_message(sum);
        let mut bars = self.connections.borrow_mut();
        for (index, connection) in status.connections.iter().enumerate() {
            if bars.len() == index {
                bars.push(
                    self.all
                        .add(ProgressBar::new(0).with_style(style("{prefix:>8} {msg}"))),
                );
            }
            bars[index].set_prefix(connection.name.clone());
            bars[index].set_message(line(connection));
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn line(connection: &ConnectionStatus) -> String {
    let behind = connection
        .seconds_behind
        .map_or("?".to_owned(), |seconds| format!("{seconds}s"));
    let mut line = format!(
        "io {}, sql {}, at {}:{}, {behind} behind, {} groups ignored, {} skipped",
        connection.io_state,
        connection.sql_state,
        connection.executed.file,
        connection.executed.offset,
        connection.groups_ignored,
        connection.skipped
    );
    if let Some(error) = &connection.last_error {
        line.push_str(&format!(", error {}: {}", error.number, error.message));
    }
    line
}
