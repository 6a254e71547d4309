//! `perch bench`: how much does a running server carry, and does it lose anything on the way?
//!
//! ```text
//! plan ──tweets──> POST /api/tweets ──> server ──frames──> sessions ──> ledgers ──> report
//!   └───────────────────── what each session is owed ──────────────────────^
//! ```
//!
//! Runs on the server's machine: its own CPU time reduces the result. The made-up tweets stay in
//! the index, so use a server with an index for trials.

mod ledger;
mod plan;
mod publisher;
mod readers;
mod report;
mod schedule;
mod session;
mod shared;
mod socket;
mod usage;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, ValueEnum};
use tokio::sync::{mpsc, watch};

use crate::client::{Failure, Http, ServerArgs, address, bare, is_encrypted, unreachable};
use plan::{Plan, PlanOptions};
use publisher::{Publisher, Target};
use report::{Latency, Outcome, Reconnect, Slow};
use schedule::Schedule;
use session::Tally;
use shared::{Phase, Report, Shared};
use socket::Address;
use usage::Meter;

/// How many files the tool needs beside one for each session.
const OTHER_FILES: u64 = 300;

/// Timeout of a wait without progress.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(30);

/// How long sessions read on after the last tweet, to detect late duplicates.
const LATE_DUPLICATES_WINDOW: Duration = Duration::from_millis(500);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Sessions that get nothing: what does one cost?
    Idle,
    /// Tweets at a steady rate: are they on time?
    Paced,
    /// As many tweets as the sessions take: how many is that?
    Backlog,
    /// All sessions go away and come back at once: how long does it take until all are live?
    Reconnect,
    /// Some sessions read too slowly: do the others notice?
    Slow,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// What to measure
    #[arg(value_enum, default_value = "paced")]
    scenario: Scenario,
    /// How many sessions [default: 5000; 1000 for backlog and slow]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    sessions: Option<u32>,
    /// How many words are queried; each session asks for one [default: a tenth of the sessions; 10
    /// for backlog]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    queries: Option<u32>,
    /// How many percent of the sessions ask for two words, so that queries overlap
    #[arg(long, value_name = "PERCENT", default_value_t = 10.0, value_parser = percent)]
    overlap: f64,
    /// Tweets a second [default: 1000; 200 for reconnect; for backlog no more than 5000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: Option<u32>,
    /// Deliveries a second, about, of all sessions together: sets how many queries a tweet matches
    /// [default: 100000; 20000 for reconnect, 50000 for slow; for backlog every tweet matches all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    deliveries: Option<u32>,
    /// For how long, in seconds [default: 30; 10 for idle]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    duration: Option<u32>,
    /// Time between two batches of tweets, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    tick: u32,
    /// backlog: how many tweets wait before each session. Beyond `limits.session_queue_frames` of
    /// the server they come from its index
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..))]
    backlog: u32,
    /// reconnect: how long the sessions stay away, in seconds
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    away: u32,
    /// slow: how many percent of the sessions
    #[arg(long, value_name = "PERCENT", default_value_t = 10.0, value_parser = percent)]
    slow_share: f64,
    /// slow: how many times too slowly they read
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..))]
    slow_factor: u32,
    /// slow: for how long all read at full speed before, in seconds, for comparison
    #[arg(long, value_name = "S", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    before: u32,
    /// How many threads the sessions run on
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// The server's process id, where its CPU time and memory can't be read from its metrics
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Where the server's metrics are, when not at its own address
    #[arg(long, value_name = "URL", value_parser = crate::client::server_url)]
    metrics_url: Option<url::Url>,
    /// The same seed makes the same tweets
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("must be from 0 to 100".to_owned()),
    }
}

/// The arguments with their defaults.
struct Settings {
    sessions: u32,
    rate: u32,
    duration: Duration,
    plan: PlanOptions,
}

impl Settings {
    fn new(args: &BenchArgs) -> Settings {
        use Scenario as S;
        let scenario = args.scenario;
        let sessions = args.sessions.unwrap_or(if matches!(scenario, S::Backlog | S::Slow) { 1_000 } else { 5_000 });
        let queries = args.queries.unwrap_or(if scenario == S::Backlog { 10 } else { (sessions / 10).max(1) });
        let rate = args.rate.unwrap_or(match scenario {
            S::Backlog => 5_000,
            S::Reconnect => 200,
            S::Idle | S::Paced | S::Slow => 1_000,
        });
        let seconds = args.duration.unwrap_or(if scenario == S::Idle { 10 } else { 30 });
        let before = if scenario == S::Slow { args.before } else { 0 };
        let deliveries = args.deliveries.or(match scenario {
            S::Backlog => None,
            S::Reconnect => Some(20_000),
            S::Slow => Some(50_000),
            S::Idle | S::Paced => Some(100_000),
        });
        let words = deliveries.map_or(f64::from(queries), |deliveries| {
            // A session with two words, which are neighbors, gets as much as if its tweets had one
            // word more.
            let of_one_word = f64::from(sessions) / f64::from(queries);
            f64::from(deliveries) / f64::from(rate) / of_one_word - args.overlap / 100.0
        });
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number")]
        let words = (words.round() as u32).clamp(1, queries.min(100));
        let tweets = if scenario == S::Idle { 0 } else { rate.saturating_mul(seconds + before) };
        let now = jiff::Timestamp::now();
        let run = u64::try_from(now.as_millisecond()).unwrap_or_default();
        let plan = PlanOptions {
            sessions,
            queries,
            overlap: args.overlap / 100.0,
            tweets,
            words,
            // As Twitter's ids: rising with time, so that those of the next run are new.
            first_id: run << 22,
            mark: format!("b{run:x}"),
            seed: args.seed,
        };
        Settings { sessions, rate, duration: Duration::from_secs(u64::from(seconds)), plan }
    }
}

pub(crate) async fn run(args: &BenchArgs) -> Result<(), Failure> {
    let settings = Settings::new(args);
    let http = Http::new(&args.server.access, std::iter::once(&args.server.url).chain(&args.metrics_url))?;
    let health = address(&args.server.url, "/healthz");
    http.get(&health).await.map_err(|error| unreachable(&args.server.url, &error))?;
    allow_files(u64::from(settings.sessions) + OTHER_FILES)?;
    let meter = match (args.pid, &args.metrics_url) {
        (Some(id), _) => Meter::Process(id),
        (None, Some(url)) => Meter::Metrics { http: http.clone(), url: url.clone() },
        (None, None) => Meter::Metrics { http: http.clone(), url: address(&args.server.url, "/metrics") },
    };
    let plan = Plan::new(settings.plan.clone());
    let mut line = String::new();
    plan.write_tweet(0, &mut line);
    let tick = Duration::from_millis(u64::from(args.tick));
    let slow_from = if args.scenario == Scenario::Slow { args.before * settings.rate } else { u32::MAX };
    let schedule = Schedule::paced(settings.plan.tweets, f64::from(settings.rate), tick, slow_from);
    let shared = Arc::new(Shared {
        planned_s: f64::from(settings.plan.tweets) / f64::from(settings.rate),
        plan,
        schedule,
        address: resolve(args).await?,
        deliveries: std::sync::atomic::AtomicU64::new(0),
        turns: Shared::turns(),
        slow_share: if args.scenario == Scenario::Slow { args.slow_share / 100.0 } else { 0.0 },
        slow_factor: f64::from(args.slow_factor),
        frame_bytes: f64::from(u32::try_from(line.len()).unwrap_or(u32::MAX)),
    });
    let target = Target { http, url: address(&args.server.url, "/api/tweets") };
    let outcome = Bench::run(args, settings, shared, meter, target).await?;
    outcome.print(args.json)?;
    if outcome.faults.is_clean() { Ok(()) } else { Err(Failure::Reported) }
}

/// Each session is an open file.
fn allow_files(needed: u64) -> Result<(), Failure> {
    let allowed = rlimit::increase_nofile_limit(needed).context("can't ask for the limit of open files")?;
    if allowed < needed {
        return Err(Failure::Usage(format!(
            "{needed} files have to be open at one time, and only {allowed} may be: raise the limit (ulimit -n {needed}) or \
             use fewer --sessions"
        )));
    }
    Ok(())
}

async fn resolve(args: &BenchArgs) -> Result<Address, Failure> {
    let url = address(&args.server.url, "/ws");
    let host = url.host_str().context("--url names no host")?;
    let port = url.port_or_known_default().unwrap_or(80);
    let socket =
        tokio::net::lookup_host((bare(host), port)).await?.next().with_context(|| format!("{host} has no address"))?;
    Ok(Address {
        socket,
        host: format!("{host}:{port}"),
        path: url.path().to_owned(),
        tls: if is_encrypted(&url) { Some((Arc::new(args.server.access.tls([&url])?), host.to_owned())) } else { None },
        authorization: args.server.access.authorization()?,
    })
}

/// A run.
struct Bench<'a> {
    args: &'a BenchArgs,
    shared: Arc<Shared>,
    meter: Meter,
    phases: watch::Sender<Phase>,
    reports: mpsc::Receiver<Report>,
    sessions: u32,
}

impl Bench<'_> {
    async fn run(
        args: &BenchArgs,
        settings: Settings,
        shared: Arc<Shared>,
        meter: Meter,
        target: Target,
    ) -> Result<Outcome, Failure> {
        let (phases, phase) = watch::channel(Phase::Steady);
        let (reporter, reports) = mpsc::channel(settings.sessions as usize * 2 + 16);
        let empty = meter.read().await;
        let threads = readers::spawn(args.threads, &shared, &phase, &reporter)?;
        drop((phase, reporter));
        let mut bench = Bench { args, shared, meter, phases, reports, sessions: settings.sessions };
        let measured = bench.measure(&settings, target).await;
        let sent = measured.as_ref().map_or(0, |measured| measured.sent);
        bench.phases.send_replace(Phase::Stop { tweets: sent });
        // Receives reports until the sessions have ended.
        while bench.reports.recv().await.is_some() {}
        let tallies = tokio::task::spawn_blocking(move || {
            let join = |thread: std::thread::JoinHandle<_>| thread.join().map_err(|_| anyhow!("a thread panicked"))?;
            threads.into_iter().map(join).collect::<anyhow::Result<Vec<Tally>>>()
        });
        let tallies = tallies.await??;
        Ok(bench.outcome(&settings, measured?, empty, &tallies))
    }

    async fn measure(&mut self, settings: &Settings, target: Target) -> anyhow::Result<Measured> {
        self.wait_for("sessions to register", self.sessions, |report| matches!(report, Report::Registered)).await?;
        let mut measured = Measured { registered: self.meter.read().await, ..Measured::default() };
        let mut publisher = Publisher::new(target, Arc::clone(&self.shared));
        let started = self.shared.schedule.start();
        let watched = self.meter.watch();
        let tweets = settings.plan.tweets;
        match self.args.scenario {
            Scenario::Idle => self.pass(settings.duration).await?,
            Scenario::Paced => publisher.on_time(tweets).await?,
            Scenario::Backlog => publisher.backlog(self.args.backlog, 50, settings.duration).await?,
            Scenario::Slow => {
                publisher.on_time(self.args.before * settings.rate).await?;
                self.phases.send_replace(Phase::Slow);
                measured.slow_from = self.meter.read().await;
                publisher.on_time(tweets).await?;
                measured.slow_until = self.meter.read().await;
            }
            Scenario::Reconnect => measured.reconnect = Some(self.reconnect(&mut publisher, settings).await?),
        }
        measured.published_s = started.elapsed().as_secs_f64();
        let sent = publisher.finish().await?;
        measured.sent = sent;
        let drained = Instant::now();
        self.phases.send_replace(Phase::Drain { tweets: sent });
        measured.completed = self.drain().await?;
        measured.drained_s = drained.elapsed().as_secs_f64();
        if self.args.scenario != Scenario::Idle {
            self.pass(LATE_DUPLICATES_WINDOW).await?;
        }
        measured.end = self.meter.read().await;
        measured.memory = watched.stop();
        Ok(measured)
    }

    /// Three equal phases: connected, disconnected, reconnecting. Tweets are published throughout.
    async fn reconnect(&mut self, publisher: &mut Publisher, settings: &Settings) -> anyhow::Result<Vec<Duration>> {
        let tweets = settings.plan.tweets;
        publisher.on_time(tweets / 3).await?;
        self.phases.send_replace(Phase::Away);
        let away = self.args.away.saturating_mul(settings.rate);
        publisher.on_time(tweets.min(tweets / 3 + away)).await?;
        let is_gone = |report: &Report| matches!(report, Report::Gone);
        self.wait_for("sessions to go", self.sessions, is_gone).await?;
        let back = Instant::now();
        self.phases.send_replace(Phase::Back);
        let n = self.sessions;
        let mut live = Vec::with_capacity(n as usize);
        let (published, waited) = tokio::join!(publisher.on_time(tweets), async {
            self.wait_for("sessions to be live again", n, |report| match report {
                Report::Live(at) => {
                    live.push(at.saturating_duration_since(back));
                    true
                }
                _ => false,
            })
            .await
        });
        published?;
        waited?;
        live.sort_unstable();
        Ok(live)
    }

    /// Waits for `n` reports of a kind, and discards reports of other kinds.
    async fn wait_for(&mut self, what: &str, n: u32, mut is_it: impl FnMut(&Report) -> bool) -> anyhow::Result<()> {
        let mut came = 0;
        while came < n {
            match tokio::time::timeout(PROGRESS_TIMEOUT, self.reports.recv()).await {
                Ok(Some(Report::Failed(why))) => bail!(why),
                Ok(Some(report)) => came += u32::from(is_it(&report)),
                Ok(None) => bail!("the sessions ended while waiting for {what}"),
                Err(_) => bail!(
                    "waited for {n} {what}, {came} did, and nothing happened for {} s",
                    PROGRESS_TIMEOUT.as_secs()
                ),
            }
        }
        Ok(())
    }

    /// Waits for this time. Fails when a session fails meanwhile.
    async fn pass(&mut self, time: Duration) -> anyhow::Result<()> {
        let end = tokio::time::Instant::now() + time;
        loop {
            match tokio::time::timeout_at(end, self.reports.recv()).await {
                Ok(Some(Report::Failed(why))) => bail!(why),
                Ok(Some(_)) => {}
                Ok(None) => bail!("the sessions ended"),
                Err(_) => return Ok(()),
            }
        }
    }

    /// Waits until all have everything, or nothing has come for a while. Answers how many have.
    async fn drain(&mut self) -> anyhow::Result<u32> {
        let (mut complete, mut seen) = (0, u64::MAX);
        while complete < self.sessions {
            match tokio::time::timeout(PROGRESS_TIMEOUT, self.reports.recv()).await {
                Ok(Some(Report::Complete)) => complete += 1,
                Ok(Some(Report::Failed(why))) => bail!(why),
                Ok(Some(_)) => {}
                Ok(None) => bail!("the sessions ended"),
                Err(_) => {
                    let came = self.shared.deliveries.load(std::sync::atomic::Ordering::Relaxed);
                    if came == seen {
                        break;
                    }
                    seen = came;
                }
            }
        }
        Ok(complete)
    }

    fn outcome(
        &self,
        settings: &Settings,
        measured: Measured,
        empty: Option<usage::Usage>,
        tallies: &[Tally],
    ) -> Outcome {
        let mut all = Tally::default();
        for tally in tallies {
            for (sum, of_one) in all.latency.iter_mut().zip(&tally.latency) {
                sum.add(of_one).expect("they have the same bounds");
            }
            all.deliveries += tally.deliveries;
            all.bytes += tally.bytes;
            all.catch_ups += tally.catch_ups;
            all.withheld += tally.withheld;
            all.lost += tally.lost;
            all.faults.add(tally.faults);
            all.last = all.last.max(tally.last);
        }
        let scenario = self.args.scenario;
        let plan = &self.shared.plan;
        let owed = plan.deliveries(0..self.sessions, measured.sent);
        let span_s =
            all.last.map_or(0.0, |last| last.saturating_duration_since(self.shared.schedule.start()).as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let (deliveries, bytes) = (all.deliveries as f64, all.bytes as f64);
        let cpu_s = measured.registered.zip(measured.end).map(|(from, to)| to.cpu_s - from.cpu_s);
        let end_of_start = if scenario == Scenario::Idle { measured.end } else { measured.registered };
        let slow = (scenario == Scenario::Slow).then(|| {
            let sessions = (0..self.sessions).filter(|&session| self.shared.is_slow(session)).count();
            Slow::new(sessions, &all.latency, &measured.memory, self.args.before as usize, measured.drained_s)
        });
        let mut latency = all.latency[0].clone();
        latency.add(&all.latency[1]).expect("as above");
        Outcome {
            scenario: scenario.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default(),
            sessions: self.sessions,
            queries: plan.distinct_queries(),
            tweets: measured.sent,
            offered_per_s: (matches!(scenario, Scenario::Paced | Scenario::Slow | Scenario::Reconnect))
                .then(|| report::ratio(owed, self.shared.planned_s)),
            published_s: measured.published_s,
            owed,
            deliveries: all.deliveries,
            deliveries_per_s: if span_s > 0.0 { deliveries / span_s } else { 0.0 },
            frame_bytes: if deliveries > 0.0 { bytes / deliveries } else { 0.0 },
            latency: (!latency.is_empty()).then(|| Latency::new(&latency)),
            faults: all.faults,
            completed: measured.completed,
            catch_ups: all.catch_ups,
            withheld: all.withheld,
            lost: all.lost,
            cpu_us_per_delivery: cpu_s.filter(|_| deliveries > 0.0).map(|cpu_s| cpu_s * 1e6 / deliveries),
            cpu_s,
            memory_per_session_bytes: empty
                .zip(end_of_start)
                .map(|(from, to)| (to.memory_bytes - from.memory_bytes) / f64::from(settings.sessions)),
            memory_max_bytes: measured.memory.iter().copied().reduce(f64::max),
            reconnect: measured.reconnect.map(|live| Reconnect::new(&live)),
            slow,
        }
    }
}

/// The results of a run, before the sessions' own counts.
#[derive(Default)]
struct Measured {
    /// Tweets.
    sent: u32,
    /// Sessions that have everything.
    completed: u32,
    published_s: f64,
    drained_s: f64,
    registered: Option<usage::Usage>,
    end: Option<usage::Usage>,
    slow_from: Option<usage::Usage>,
    slow_until: Option<usage::Usage>,
    memory: Vec<f64>,
    reconnect: Option<Vec<Duration>>,
}

#[cfg(test)]
mod tests;
