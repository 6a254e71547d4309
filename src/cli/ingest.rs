//! `perch ingest`: sends files to `POST /api/tweets`.
//!
//! ```text
//! file -> tweets, as perch keeps them -> portions of NDJSON, packed
//!      -> several requests at a time -> counts, refused lines by file and line
//! ```
//!
//! A portion that may have got lost is sent again: that is safe, because a tweet replaces itself. A
//! portion that is too large for the server, or for a proxy before it, is halved, down to one
//! tweet; those that follow begin at the size that was taken.

mod dry_run;
mod input;
mod portion;
mod refusals;
mod request;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::signals::TerminationSignals;
use crate::client::terminal::escaped;
use crate::client::{Failure, Http, ServerArgs, address, unreachable};
use crate::format::reader::{BulkReader, Location, RefusedDoc};
use crate::tweet::Dropped;
use input::{Input, ReadingArgs};
use portion::{Line, PORTION_BYTES, Portion};
use refusals::Refusals;
use request::{BulkAnswer, Sent, Target};

/// Grace time of requests in flight after the first signal.
const IN_FLIGHT_GRACE: Duration = Duration::from_secs(5);
/// The number of refused lines of a file that are listed; the others are only counted.
const MAX_LISTED_LINES: u64 = 1_000;

#[derive(Debug, Args)]
pub(super) struct IngestArgs {
    /// Tweets in any format (docs/FORMATS.md), also packed, in a tar or a zip; - is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Send nothing: tell the format, counts, and the first tweets as perch would keep them
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    reading: ReadingArgs,
    /// How many requests run at one time; with 1, tweets arrive in the order of the file
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    parallel: u8,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: &IngestArgs) -> Result<(), Failure> {
    if args.dry_run {
        return dry_run::dry_run(args).await;
    }
    let url = address(&args.server.url, "/api/tweets");
    let http = Http::new(&args.server.access, [&url])?;
    let target = Arc::new(Target { http, url, max_portion_bytes: AtomicUsize::new(PORTION_BYTES) });
    // Before anything is read: the most common mistake is that there is no server.
    let health = address(&args.server.url, "/healthz");
    target.http.get(&health).await.map_err(|error| unreachable(&args.server.url, &error))?;

    let mut ends = TerminationSignals::listen().context("can't listen for signals")?;
    let mut counts = Counts::default();
    let mut outcome = Ok(());
    for (at, path) in args.files.iter().enumerate() {
        let input = Input::open(path, &args.reading).await;
        let sent = match input {
            Ok(input) => {
                let file = (path.as_path(), input, &args.reading);
                send_file(file, &target, usize::from(args.parallel), &mut counts, &mut ends).await
            }
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) => {}
            Err(Failure::Other(error)) => {
                anstream::eprintln!("perch: {}: {}", path.display(), escaped(&format!("{error:#}")));
                outcome = Err(Failure::Reported);
            }
            Err(Failure::Interrupted) => {
                let unsent = &args.files[at + 1..];
                if !unsent.is_empty() {
                    let names: Vec<_> = unsent.iter().map(|path| path.display().to_string()).collect();
                    anstream::eprintln!("perch: not sent: {}", names.join(", "));
                }
                outcome = Err(Failure::Interrupted);
                break;
            }
            Err(other) => return Err(other),
        }
    }
    writeln!(anstream::stdout(), "{counts}")?;
    match outcome {
        Ok(()) if counts.refused > 0 => Err(Failure::Reported),
        outcome => outcome,
    }
}

#[derive(Debug, Default)]
struct Counts {
    accepted: u64,
    refused: u64,
    deletions: u64,
    skipped: BTreeMap<&'static str, u64>,
    dropped: Dropped,
}

/// Counts by name: `limit (2), like (1)`.
fn listed<'n>(counts: impl IntoIterator<Item = (&'n str, u64)>) -> String {
    counts.into_iter().map(|(name, n)| format!("{name} ({n})")).collect::<Vec<_>>().join(", ")
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} accepted, {} refused", self.accepted, self.refused)?;
        for (n, what) in [(self.deletions, "deletions"), (self.skipped.values().sum(), "skipped")] {
            if n > 0 {
                write!(f, ", {n} {what}")?;
            }
        }
        if !self.skipped.is_empty() {
            write!(f, "\n  skipped: {}", listed(self.skipped.iter().map(|(kind, n)| (*kind, *n))))?;
        }
        if !self.dropped.is_empty() {
            write!(f, "\n  values dropped: {}", listed(self.dropped.iter()))?;
        }
        Ok(())
    }
}

/// One file on its way.
struct FileProgress<'a> {
    path: &'a Path,
    bar: ProgressBar,
    read_bytes: Arc<AtomicU64>,
    started: Instant,
    counts: &'a mut Counts,
    accepted: u64,
    refused: u64,
    listed: u64,
    /// The first place of each portion that waits for its answer.
    unanswered: BTreeSet<Location>,
    /// The last place that was handed to a request.
    last_sent: Option<Location>,
}

/// Sends a file to its end, or until a signal comes.
async fn send_file(
    (path, input, reading): (&Path, Input, &ReadingArgs),
    target: &Arc<Target>,
    parallel: usize,
    counts: &mut Counts,
    ends: &mut TerminationSignals,
) -> Result<(), Failure> {
    let read_bytes = Arc::new(AtomicU64::new(0));
    let input_len = input.len;
    let mut reader = input.read(reading, &read_bytes, |tweet, location| Line::new(&tweet, location));
    let mut progress = FileProgress::new(path, input_len, read_bytes, counts);
    let mut requests = JoinSet::new();
    let end = tokio::select! {
        biased;
        () = ends.next() => None,
        end = send_portions(&mut reader, target, parallel, &mut progress, &mut requests) => Some(end),
    };
    let Some(end) = end else {
        let last_answers = async { while !requests.is_empty() && progress.take_one(&mut requests).await.is_ok() {} };
        tokio::select! {
            () = ends.next() => {}
            _ = tokio::time::timeout(IN_FLIGHT_GRACE, last_answers) => {}
        }
        progress.finish();
        progress.tell_interruption();
        return Err(Failure::Interrupted);
    };
    progress.finish();
    end
}

async fn send_portions(
    reader: &mut BulkReader<Line>,
    target: &Arc<Target>,
    parallel: usize,
    progress: &mut FileProgress<'_>,
    requests: &mut JoinSet<Sent>,
) -> Result<(), Failure> {
    let mut portion = Portion::default();
    let mut refusals = Refusals::default();
    let mut end = loop {
        let mut chunk = match reader.next_chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break reader.emptiness().map_or(Ok(()), Err),
            Err(error) => break Err(error),
        };
        progress.counts.deletions += chunk.deletions.len() as u64;
        chunk.skipped.iter().for_each(|(kind, n)| *progress.counts.skipped.entry(*kind).or_default() += n);
        progress.counts.dropped.merge(&chunk.dropped);
        portion.add(&chunk);
        let n_refused = chunk.refused.len() as u64;
        progress.refuse(n_refused, refusals.take(&mut chunk));
        if portion.is_full(target.max_portion_bytes.load(Ordering::Relaxed)) {
            while requests.len() >= parallel {
                progress.take_one(requests).await?;
            }
            progress.send_in_order(std::mem::take(&mut portion), target, requests).await?;
        }
        progress.show();
    };
    if !portion.locations.is_empty() {
        progress.send_in_order(portion, target, requests).await?;
    }
    while !requests.is_empty() {
        progress.take_one(requests).await?;
    }
    match refusals.end() {
        Ok(few) => progress.refuse(0, few),
        Err(error) => {
            // The error stands for the lines.
            progress.listed = progress.refused;
            end = end.and(Err(error));
        }
    }
    end.map_err(Failure::from)
}

impl<'a> FileProgress<'a> {
    fn new(path: &'a Path, len: Option<u64>, read_bytes: Arc<AtomicU64>, counts: &'a mut Counts) -> FileProgress<'a> {
        FileProgress {
            path,
            bar: progress_bar(len),
            read_bytes,
            started: Instant::now(),
            counts,
            accepted: 0,
            refused: 0,
            listed: 0,
            unanswered: BTreeSet::new(),
            last_sent: None,
        }
    }

    /// Sends a portion beside the others.
    fn send(&mut self, portion: Portion, target: &Arc<Target>, requests: &mut JoinSet<Sent>) {
        self.unanswered.extend(portion.locations.first());
        self.last_sent = portion.locations.last().copied().or(self.last_sent);
        let target = Arc::clone(target);
        requests.spawn(async move { request::send(portion, &target).await });
    }

    /// Sends a portion beside the others. A portion with deletions is sent alone: a deletion must
    /// not overtake the tweet that it deletes, nor a later version of that tweet the deletion.
    async fn send_in_order(
        &mut self,
        portion: Portion,
        target: &Arc<Target>,
        requests: &mut JoinSet<Sent>,
    ) -> Result<(), Failure> {
        let is_alone = portion.has_deletions;
        while is_alone && !requests.is_empty() {
            self.take_one(requests).await?;
        }
        self.send(portion, target, requests);
        while is_alone && !requests.is_empty() {
            self.take_one(requests).await?;
        }
        Ok(())
    }

    /// Says how far the file was sent. Portions may be answered in any order.
    fn tell_interruption(&self) {
        let path = self.path.display();
        let through = match (self.unanswered.first(), self.last_sent) {
            (Some(&first), _) => match first {
                Location::Line(line) => Location::Line(line - 1),
                Location::Element(element) => Location::Element(element - 1),
            },
            (None, Some(last)) => last,
            (None, None) => Location::Line(0),
        };
        let (what, number) = match through {
            Location::Line(line) => ("line", line),
            Location::Element(element) => ("element", element),
        };
        if number == 0 {
            anstream::eprintln!("perch: {path}: interrupted before the server acknowledged anything");
        } else {
            anstream::eprintln!(
                "perch: {path}: interrupted; the server has acknowledged everything up to {what} {number}"
            );
        }
        anstream::eprintln!(
            "perch: {path}: run the command again for the rest: a tweet that is sent twice is kept once"
        );
    }

    /// Waits for one portion and counts its answers.
    async fn take_one(&mut self, requests: &mut JoinSet<Sent>) -> Result<(), Failure> {
        let Some(sent) = requests.join_next().await else { return Ok(()) };
        let answers = sent.context("a request ended without an answer")??;
        if let Some(first) = answers.iter().filter_map(|(_, locations)| locations.first()).min() {
            self.unanswered.remove(first);
        }
        for (answer, locations) in answers {
            self.take(answer, &locations)?;
        }
        Ok(())
    }

    fn take(&mut self, answer: BulkAnswer, locations: &[Location]) -> Result<(), Failure> {
        self.accepted += answer.accepted;
        self.counts.accepted += answer.accepted;
        let mistakes =
            answer.errors.iter().map(|error| match error.line.checked_sub(1).and_then(|at| locations.get(at)) {
                Some(Location::Line(line)) => (*line, error.reason.clone()),
                Some(Location::Element(element)) => (*element, format!("element {element}: {}", error.reason)),
                None => (0, error.reason.clone()),
            });
        self.list(answer.refused, mistakes.collect());
        self.show();
        match answer.error {
            Some(error) => Err(anyhow!("the server says: {}", escaped(&error.message)).into()),
            None => Ok(()),
        }
    }

    /// Counts refused documents, and lists some.
    fn refuse(&mut self, n: u64, listed: Vec<RefusedDoc>) {
        self.list(n, listed.into_iter().map(|refused| (refused.line, refused.reason)).collect());
    }

    fn list(&mut self, refused: u64, mistakes: Vec<(u64, String)>) {
        self.refused += refused;
        self.counts.refused += refused;
        let path = self.path;
        self.bar.suspend(|| {
            for (line, reason) in mistakes {
                if self.listed < MAX_LISTED_LINES {
                    anstream::eprintln!("{}:{line}: {}", path.display(), escaped(&reason));
                    self.listed += 1;
                }
            }
        });
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "for people"
    )]
    fn show(&self) {
        self.bar.set_position(self.read_bytes.load(Ordering::Relaxed));
        let rate = self.accepted as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        self.bar.set_message(format!("{} tweets, {}/s, {} refused", self.accepted, rate as u64, self.refused));
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
        if self.refused > self.listed {
            anstream::eprintln!(
                "{}: {} more refused lines are not listed",
                self.path.display(),
                self.refused - self.listed
            );
        }
    }
}

/// Draws on a terminal only.
fn progress_bar(len: Option<u64>) -> ProgressBar {
    let (bar, template) = match len {
        Some(len) => (ProgressBar::new(len), "{bar:30} {percent:>3}%  {msg}"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes}  {msg}"),
    };
    bar.set_style(ProgressStyle::with_template(template).expect("the template is right"));
    bar
}

#[cfg(test)]
mod tests;
