//! One session: registers, reads, and keeps its ledger; disconnects and reconnects on
//! command.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use hdrhistogram::Histogram;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::ledger::{Faults, Ledger};
use super::shared::{Phase, Report, Shared};
use super::socket::{Frame, Socket};
use crate::client::{NOT_PERCH, ServerError};

/// A slow session reads so often.
const SLOW_READ: Duration = Duration::from_millis(100);

/// What the sessions of a thread have in common.
pub(super) struct Thread {
    pub(super) shared: Arc<Shared>,
    pub(super) reports: mpsc::Sender<Report>,
    /// What is read.
    pub(super) buffer: RefCell<Box<[u8]>>,
    pub(super) tally: RefCell<Tally>,
}

/// What a thread counts.
#[derive(Debug)]
pub(super) struct Tally {
    /// Of sessions that read at full speed, in µs from the scheduled time of sending: before some
    /// sessions become slow, and after that.
    pub(super) latency: [Histogram<u64>; 2],
    pub(super) deliveries: u64,
    /// Bytes of the frames of tweets.
    pub(super) bytes: u64,
    pub(super) catch_ups: u64,
    pub(super) withheld: u64,
    /// Connections that the server ended.
    pub(super) lost: u64,
    pub(super) faults: Faults,
    /// When the last tweet came.
    pub(super) last: Option<Instant>,
}

impl Default for Tally {
    fn default() -> Tally {
        // Up to an hour, in µs; what is longer counts as that.
        let histogram = || Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("3 digits of an hour are allowed");
        Tally {
            latency: [histogram(), histogram()],
            deliveries: 0,
            bytes: 0,
            catch_ups: 0,
            withheld: 0,
            lost: 0,
            faults: Faults::default(),
            last: None,
        }
    }
}

/// One session.
pub(super) struct Session {
    thread: Rc<Thread>,
    number: u32,
    is_slow: bool,
    ledger: Ledger,
    epoch: Option<String>,
    /// The position to come back with.
    since: Option<u64>,
    /// Whether the subscription of this connection is registered.
    registered: bool,
    catching_up: bool,
    reported_complete: bool,
    /// Why the server ended the last connection, if it said so.
    goodbye: String,
}

/// What the session does about a frame.
type Flow = ControlFlow<()>;

impl Session {
    pub(super) fn new(thread: Rc<Thread>, number: u32) -> Session {
        let plan = &thread.shared.plan;
        let is_slow = thread.shared.is_slow(number);
        let ledger = Ledger::new(plan.owed(number));
        Session {
            thread,
            number,
            is_slow,
            ledger,
            epoch: None,
            since: None,
            registered: false,
            catching_up: false,
            reported_complete: false,
            goodbye: String::new(),
        }
    }

    /// Runs to the end. What went wrong is reported.
    pub(super) async fn run(mut self, mut phases: watch::Receiver<Phase>) {
        if let Err(error) = self.follow(&mut phases).await {
            self.report(Report::Failed(format!("session {}: {error:#}", self.number))).await;
        }
        let sent = match *phases.borrow() {
            Phase::Drain { tweets } | Phase::Stop { tweets } => tweets,
            _ => 0,
        };
        self.thread.tally.borrow_mut().faults.add(self.ledger.faults(sent));
    }

    async fn report(&self, report: Report) {
        // The receiver is gone when the run was given up.
        let _ = self.thread.reports.send(report).await;
    }

    async fn follow(&mut self, phases: &mut watch::Receiver<Phase>) -> anyhow::Result<()> {
        let mut socket = {
            let shared = Arc::clone(&self.thread.shared);
            let _turn = shared.turns.acquire().await?;
            let mut socket = self.connect().await?;
            while !self.registered {
                if poll_fn(|context| self.poll_read(context, &mut socket, usize::MAX)).await?.is_break() {
                    bail!("the server ended the connection{}", self.goodbye);
                }
            }
            socket
        };
        self.report(Report::Registered).await;
        loop {
            let phase = *phases.borrow_and_update();
            match phase {
                Phase::Stop { .. } => {
                    socket.close().await;
                    return Ok(());
                }
                Phase::Away => {
                    drop(socket);
                    socket = self.come_back(phases).await?;
                    continue;
                }
                Phase::Drain { tweets } => self.check_complete(tweets).await,
                Phase::Steady | Phase::Slow | Phase::Back => {}
            }
            // Kept from one read to the next: it is asked each time, and rarely has an answer.
            let mut watched = phases.clone();
            let mut changed = pin!(watched.changed());
            let is_slow = phase == Phase::Slow && self.is_slow;
            loop {
                let read = async {
                    if is_slow {
                        let max = self.thread.shared.slow_bytes(self.number, SLOW_READ);
                        tokio::time::sleep(SLOW_READ).await;
                        match poll_fn(|context| Poll::Ready(self.poll_read(context, &mut socket, max))).await {
                            Poll::Ready(read) => read,
                            Poll::Pending => Ok(Flow::Continue(())),
                        }
                    } else {
                        poll_fn(|context| self.poll_read(context, &mut socket, usize::MAX)).await
                    }
                };
                let flow = tokio::select! {
                    biased;
                    flow = read => flow?,
                    _ = &mut changed => break,
                };
                socket.settle().await?;
                if flow.is_break() {
                    self.thread.tally.borrow_mut().lost += 1;
                    socket = self.connect().await?;
                }
                if let Phase::Drain { tweets } = phase {
                    self.check_complete(tweets).await;
                }
            }
        }
    }

    async fn check_complete(&mut self, tweets: u32) {
        if !self.reported_complete && self.ledger.is_complete(tweets) {
            self.reported_complete = true;
            self.report(Report::Complete).await;
        }
    }

    async fn come_back(&mut self, phases: &mut watch::Receiver<Phase>) -> anyhow::Result<Socket> {
        self.report(Report::Gone).await;
        while matches!(*phases.borrow_and_update(), Phase::Away) {
            phases.changed().await?;
        }
        self.connect().await
    }

    /// Connects and registers; the answer comes later.
    async fn connect(&mut self) -> anyhow::Result<Socket> {
        let shared = &self.thread.shared;
        let mut socket = Socket::connect(&shared.address, self.is_slow).await?;
        let mut payload = json!({"query": shared.plan.query(self.number)});
        if let Some(since) = self.since {
            payload["since"] = json!(since);
            payload["epoch"] = json!(self.epoch);
        }
        (self.registered, self.catching_up) = (false, false);
        socket.send(&json!(["cmd/percolate", payload, 1]).to_string()).await?;
        Ok(socket)
    }

    fn poll_read(&mut self, context: &mut Context<'_>, socket: &mut Socket, max: usize) -> Poll<anyhow::Result<Flow>> {
        let thread = Rc::clone(&self.thread);
        let mut buffer = thread.buffer.borrow_mut();
        let tally = &mut *thread.tally.borrow_mut();
        let now: Cell<Option<Instant>> = Cell::new(None);
        let before = tally.deliveries;
        let mut end = Flow::Continue(());
        let open = ready!(socket.poll_read(context, &mut buffer, max, |frame| {
            let at = now.get().unwrap_or_else(|| {
                let at = Instant::now();
                now.set(Some(at));
                at
            });
            match frame {
                Frame::Text(text) => self.text(text, tally, at)?,
                Frame::Close(code, reason) => {
                    self.goodbye = format!(": {} ({code})", String::from_utf8_lossy(reason));
                    end = Flow::Break(());
                }
                Frame::Ping(_) | Frame::Pong => {}
            }
            Ok(())
        }))?;
        thread.shared.deliveries.fetch_add(tally.deliveries - before, Ordering::Relaxed);
        Poll::Ready(Ok(if open { end } else { Flow::Break(()) }))
    }

    fn text(&mut self, text: &[u8], tally: &mut Tally, now: Instant) -> anyhow::Result<()> {
        const NEW: &[u8] = b"[\"tweet/new\",";
        if text.starts_with(NEW) {
            let (id, seq) = id_and_seq(text).context(NOT_PERCH)?;
            self.tweet(id, seq, text.len(), tally, now);
            return Ok(());
        }
        let parts: Vec<&serde_json::value::RawValue> = serde_json::from_slice(text).context("a frame is no JSON")?;
        let [event, payload, ..] = parts[..] else { bail!("a frame is none") };
        match event.get() {
            "\"hello\"" => self.epoch = Some(serde_json::from_str::<Hello>(payload.get())?.epoch),
            "\"percolate/ok\"" => {
                self.registered = true;
                let At { seq, .. } = serde_json::from_str(payload.get())?;
                self.since = self.since.or(Some(seq));
            }
            "\"stream/catching-up\"" => {
                tally.catch_ups += 1;
                if std::mem::replace(&mut self.catching_up, true) {
                    self.ledger.repeated_states();
                }
            }
            "\"stream/live\"" => {
                let At { seq, .. } = serde_json::from_str(payload.get())?;
                self.since = self.since.max(Some(seq));
                if !std::mem::replace(&mut self.catching_up, false) {
                    self.ledger.repeated_states();
                }
                // The report must not wait for room, and there is room for one of each session.
                let _ = self.thread.reports.try_send(Report::Live(now));
            }
            "\"stream/limited\"" => tally.withheld += serde_json::from_str::<At>(payload.get())?.count,
            "\"cmd/error\"" => {
                let error: ServerError = serde_json::from_str(payload.get())?;
                return Err(anyhow!("the server says: {} ({})", error.message, error.code));
            }
            _ => {}
        }
        Ok(())
    }

    fn tweet(&mut self, id: u64, seq: u64, len: usize, tally: &mut Tally, now: Instant) {
        let shared = &self.thread.shared;
        let number = shared.plan.number(id);
        self.ledger.take(number, seq);
        self.since = self.since.max(Some(seq));
        tally.deliveries += 1;
        tally.bytes += len as u64;
        tally.last = Some(now);
        if let Some(number) = number
            && !self.is_slow
        {
            let at = shared.schedule.at(number);
            let phase = usize::from(shared.schedule.is_slow_phase(number));
            let waited = now.saturating_duration_since(at).as_micros();
            tally.latency[phase].saturating_record(u64::try_from(waited).unwrap_or(u64::MAX));
        }
    }
}

#[derive(Deserialize)]
struct Hello {
    epoch: String,
}

#[derive(Deserialize)]
struct At {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    count: u64,
}

#[derive(Deserialize)]
struct New {
    tweet: Id,
    seq: u64,
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

/// The id of the tweet and the seq in a frame of `tweet/new`: at its beginning and at its end,
/// where perch writes them; else they are looked for properly.
pub(super) fn id_and_seq(text: &[u8]) -> Option<(u64, u64)> {
    let fast = || {
        let id = digits(text.strip_prefix(b"[\"tweet/new\",{\"tweet\":{\"id\":")?)?;
        let end = &text[text.len().saturating_sub(256)..];
        let at = memchr::memmem::rfind(end, b",\"seq\":")?;
        // Behind the tweet stands the seq, and behind that are the names, which may hold anything.
        let is_last = end[..at].ends_with(b"}") && memchr::memmem::find(&end[at..], b",\"matches\":[").is_some();
        is_last.then(|| Some((id, digits(&end[at + 7..])?)))?
    };
    fast().or_else(|| {
        let (_, new): (&str, New) = serde_json::from_slice(text).ok()?;
        Some((new.tweet.id, new.seq))
    })
}

fn digits(bytes: &[u8]) -> Option<u64> {
    let n = bytes.iter().position(|byte| !byte.is_ascii_digit())?;
    let digits = bytes.get(..n).filter(|digits| !digits.is_empty() && digits.len() < 20)?;
    Some(digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')))
}
