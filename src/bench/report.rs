//! What a run came to: for people as a table, for programs as JSON.

use std::io::Write as _;
use std::time::Duration;

use comfy_table::{Table, presets};
use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};

use super::ledger::Faults;
use crate::client::Failure;

/// Times in milliseconds.
#[expect(clippy::struct_field_names, reason = "they are the names in the JSON, and have their unit")]
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Latency {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p99_9_ms: f64,
    pub(super) max_ms: f64,
}

impl Latency {
    /// Of times in µs.
    pub(super) fn new(times: &Histogram<u64>) -> Latency {
        let ms = |us: u64| ratio(us, 1e3);
        Latency {
            p50_ms: ms(times.value_at_quantile(0.5)),
            p99_ms: ms(times.value_at_quantile(0.99)),
            p99_9_ms: ms(times.value_at_quantile(0.999)),
            max_ms: ms(times.max()),
        }
    }
}

/// From the moment at which all sessions began to connect again to their `stream/live`, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Reconnect {
    half_live_s: f64,
    all_live_s: f64,
}

impl Reconnect {
    /// Of sorted times.
    pub(super) fn new(live: &[Duration]) -> Reconnect {
        let at = |at: usize| live.get(at).copied().unwrap_or_default().as_secs_f64();
        Reconnect { half_live_s: at(live.len() / 2), all_live_s: at(live.len().saturating_sub(1)) }
    }
}

/// What slow sessions did to the others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Slow {
    /// How many were slow.
    sessions: usize,
    /// Of the others, before and while.
    before: Latency,
    during: Latency,
    p99_ratio: f64,
    /// Of the server, in the first and the last tenth of the slow time, in bytes.
    memory_first_bytes: f64,
    memory_last_bytes: f64,
    /// How long the slow sessions took for the rest, at full speed.
    drained_s: f64,
}

impl Slow {
    pub(super) fn new(
        sessions: usize,
        latency: &[Histogram<u64>; 2],
        memory: &[f64],
        slow_from_s: usize,
        drained_s: f64,
    ) -> Slow {
        let [before, during] = [Latency::new(&latency[0]), Latency::new(&latency[1])];
        let memory = memory.get(slow_from_s..).unwrap_or_default();
        let tenth = (memory.len() / 10).max(1);
        let mean = |samples: &[f64]| samples.iter().sum::<f64>() / ratio(samples.len().max(1) as u64, 1.0);
        Slow {
            sessions,
            before,
            during,
            p99_ratio: if before.p99_ms > 0.0 { during.p99_ms / before.p99_ms } else { 0.0 },
            memory_first_bytes: mean(memory.get(..tenth).unwrap_or(memory)),
            memory_last_bytes: mean(memory.get(memory.len().saturating_sub(tenth)..).unwrap_or(memory)),
            drained_s,
        }
    }
}

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) scenario: String,
    pub(super) sessions: u32,
    /// Different ones.
    pub(super) queries: usize,
    /// Tweets that were sent and acknowledged.
    pub(super) tweets: u32,
    /// Deliveries a second that the schedule asks for.
    pub(super) offered_per_s: Option<f64>,
    pub(super) published_s: f64,
    /// Deliveries that the tweets make.
    pub(super) owed: u64,
    /// Deliveries that came.
    pub(super) deliveries: u64,
    /// From the first tweet's due time to the last delivery.
    pub(super) deliveries_per_s: f64,
    /// Of one delivery, on average.
    pub(super) frame_bytes: f64,
    pub(super) latency: Option<Latency>,
    #[serde(serialize_with = "faults")]
    pub(super) faults: Faults,
    /// Sessions that got everything.
    pub(super) completed: u32,
    pub(super) catch_ups: u64,
    pub(super) withheld: u64,
    /// Connections that the server ended.
    pub(super) lost: u64,
    /// Of the server, from the registration of the sessions to the end.
    pub(super) cpu_s: Option<f64>,
    pub(super) cpu_us_per_delivery: Option<f64>,
    pub(super) memory_per_session_bytes: Option<f64>,
    pub(super) memory_max_bytes: Option<f64>,
    pub(super) reconnect: Option<Reconnect>,
    pub(super) slow: Option<Slow>,
}

fn faults<S: Serializer>(faults: &Faults, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Shown {
        gaps: u64,
        duplicates: u64,
        order: u64,
        not_owed: u64,
        repeated_states: u64,
    }
    let &Faults { gaps, duplicates, order, foreign, repeated_states } = faults;
    Shown { gaps, duplicates, order, not_owed: foreign, repeated_states }.serialize(serializer)
}

impl Outcome {
    pub(super) fn print(&self, as_json: bool) -> Result<(), Failure> {
        let mut out = anstream::stdout();
        if as_json {
            writeln!(out, "{}", serde_json::to_string(self)?)?;
        } else {
            writeln!(out, "{}", self.table())?;
        }
        Ok(())
    }

    fn table(&self) -> Table {
        const MIB: f64 = 1024.0 * 1024.0;
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let mut row = |name: &str, value: String| {
            table.add_row([name.to_owned(), value]);
        };
        let ms = |latency: &Latency| {
            let Latency { p50_ms, p99_ms, p99_9_ms, max_ms } = latency;
            format!("p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, p99.9 {p99_9_ms:.1} ms, max {max_ms:.1} ms")
        };
        row("scenario", self.scenario.clone());
        row("sessions", format!("{}, with {} queries", self.sessions, self.queries));
        row("tweets", format!("{} in {:.1} s", self.tweets, self.published_s));
        if let Some(offered) = self.offered_per_s {
            row("offered", format!("{offered:.0} deliveries/s"));
        }
        row("delivered", format!("{:.0} deliveries/s of {:.0} bytes", self.deliveries_per_s, self.frame_bytes));
        row("", format!("{} of {}, complete in {} sessions", self.deliveries, self.owed, self.completed));
        if let Some(latency) = &self.latency {
            row("latency", ms(latency));
        }
        let Faults { gaps, duplicates, order, foreign, repeated_states } = self.faults;
        row("faults", format!("{gaps} gaps, {duplicates} duplicates, {order} out of order"));
        if foreign + repeated_states > 0 {
            row("", format!("{foreign} not owed, {repeated_states} repeated states"));
        }
        row(
            "on the way",
            format!("{} catch-ups, {} withheld, {} disconnects", self.catch_ups, self.withheld, self.lost),
        );
        if let Some(Reconnect { half_live_s, all_live_s }) = &self.reconnect {
            row("live again", format!("all after {all_live_s:.2} s, half of them after {half_live_s:.2} s"));
        }
        if let Some(slow) = &self.slow {
            row("slow", format!("{} sessions, complete {:.1} s after the last tweet", slow.sessions, slow.drained_s));
            row("others before", ms(&slow.before));
            row("others while", format!("{}; p99 {:.2} times", ms(&slow.during), slow.p99_ratio));
            let (first, last) = (slow.memory_first_bytes / MIB, slow.memory_last_bytes / MIB);
            row("memory while", format!("{first:.0} MiB at its beginning, {last:.0} MiB at its end"));
        }
        match (self.cpu_s, self.cpu_us_per_delivery) {
            (Some(cpu_s), Some(each)) => row("server CPU", format!("{cpu_s:.1} s, {each:.2} µs for a delivery")),
            (Some(cpu_s), None) => row("server CPU", format!("{cpu_s:.1} s")),
            _ => row("server CPU", "not told: see --pid and --metrics-url".to_owned()),
        }
        if let (Some(each), Some(max)) = (self.memory_per_session_bytes, self.memory_max_bytes) {
            row("server memory", format!("{:.1} KiB for a session, {:.0} MiB at most", each / 1024.0, max / MIB));
        }
        table
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn ratio(n: u64, of: f64) -> f64 {
    if of > 0.0 { n as f64 / of } else { 0.0 }
}
