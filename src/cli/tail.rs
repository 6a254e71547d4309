//! `perch tail`: matching tweets as they come in.
//!
//! One session at `/ws`, or at `/api/stream` for a long query. When the connection is lost it is
//! made again, and goes on behind the last tweet that was printed.

mod feed;

use std::convert::Infallible;
use std::io::{IsTerminal as _, Write as _};
#[cfg(unix)]
use std::os::fd::AsFd as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, anyhow};
use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;
#[cfg(unix)]
use tokio::{io::Interest, net::unix::pipe};

use super::read_query;
use crate::backoff::Backoff;
use crate::client::terminal::{Shown, escaped, json_line};
use crate::client::{Failure, NOT_PERCH, ServerArgs, ServerError, unreachable};
use crate::query::ParseOptions;
use feed::{ConnectError, Dialer, Event, TailFeed};

#[derive(Debug, Args)]
pub(super) struct TailArgs {
    /// The query: text, or its JSON form
    #[arg(allow_hyphen_values = true)]
    query: String,
    /// Print what came after this position first; 0 is everything
    #[arg(long, value_name = "SEQ")]
    since: Option<u64>,
    /// The life of the index that --since belongs to
    #[arg(long, value_name = "EPOCH", requires = "since")]
    epoch: Option<String>,
    /// Print {"tweet", "seq", "matches"} as JSON, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Where to go on.
#[derive(Clone, Debug, Default, PartialEq)]
struct ResumePosition {
    since: Option<u64>,
    epoch: Option<String>,
}

/// Why a connection is over.
enum Lost {
    /// Try again, after this message.
    Retry(String),
    /// Don't.
    Failed(Failure),
}

impl<E: Into<anyhow::Error>> From<E> for Lost {
    fn from(error: E) -> Lost {
        Lost::Failed(Failure::Other(error.into()))
    }
}

/// Prints until an error occurs or stdout is closed.
pub(super) async fn run(args: &TailArgs) -> Result<(), Failure> {
    read_query(&args.query, ParseOptions::default())?;
    tokio::select! {
        outcome = print_matches(args) => outcome,
        () = stdout_closed() => Ok(()),
    }
}

/// Waits until the other end of stdout is closed. A failed write shows it too, but only at the next
/// match.
async fn stdout_closed() {
    // This handle only waits for the close event. stdout itself stays blocking. A file has no such
    // event.
    #[cfg(unix)]
    if let Ok(stdout) = std::io::stdout().as_fd().try_clone_to_owned()
        && let Ok(stdout) = pipe::Sender::from_owned_fd_unchecked(stdout)
        && stdout.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

async fn print_matches(args: &TailArgs) -> Result<(), Failure> {
    let dialer = Dialer::new(args)?;
    let mut position = ResumePosition { since: args.since, epoch: args.epoch.clone() };
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
    let mut connected_before = false;
    loop {
        let why = match dialer.connect(&position).await {
            Ok(mut feed) => {
                let resumed = connected_before;
                connected_before = true;
                let before = position.clone();
                let Err(lost) = follow(&mut feed, args, &mut position, resumed).await;
                if position != before {
                    backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
                }
                match lost {
                    Lost::Retry(why) => why,
                    Lost::Failed(failure) => return Err(failure),
                }
            }
            Err(ConnectError::Refused(failure)) => return Err(failure),
            Err(ConnectError::Unreachable(error)) if !connected_before => {
                return Err(unreachable(&args.server.url, &*error));
            }
            Err(ConnectError::Unreachable(error)) => error.to_string(),
        };
        let pause = backoff.pause();
        let why = escaped(&why);
        anstream::eprintln!("connection lost ({why}); trying again in {:.1} s", pause.as_secs_f64());
        tokio::time::sleep(pause).await;
    }
}

#[derive(Deserialize)]
struct New<'a> {
    #[serde(borrow)]
    tweet: &'a RawValue,
    seq: u64,
}

#[derive(Deserialize)]
struct Hello {
    epoch: String,
}

#[derive(Deserialize)]
struct At {
    seq: u64,
}

/// Prints until the connection is over.
async fn follow(
    feed: &mut TailFeed,
    args: &TailArgs,
    position: &mut ResumePosition,
    resumed: bool,
) -> Result<Infallible, Lost> {
    loop {
        let Event { name, payload } = feed.next().await?;
        let payload = &*payload;
        match name.as_str() {
            "hello" => {
                let hello: Hello = read(payload)?;
                // With --since and no --epoch the present one is meant.
                position.epoch.get_or_insert(hello.epoch);
            }
            "percolate/ok" => {
                let ok: At = read(payload)?;
                if position.since.is_none() {
                    position.since = Some(ok.seq);
                }
            }
            "tweet/new" => {
                let new: New<'_> = read(payload)?;
                print(&new, payload, args.json)?;
                position.since = Some(new.seq);
            }
            "tweet/gone" => {
                let gone: At = read(payload)?;
                if args.json {
                    print_json(payload)?;
                }
                position.since = Some(gone.seq);
            }
            "stream/catching-up" => anstream::eprintln!("catching up…"),
            "stream/live" => {
                let live: At = read(payload)?;
                position.since = Some(live.seq);
                anstream::eprintln!("live");
            }
            "cmd/error" => {
                let error: ServerError = read(payload)?;
                match error.code.as_str() {
                    "bad_query" => return Err(Lost::Failed(Failure::Usage(error.message))),
                    "unrecoverable" if resumed => {
                        let why = escaped(&error.message);
                        anstream::eprintln!("{why}; resuming at the newest tweet; missed tweets are skipped");
                        *position = ResumePosition::default();
                        return Err(Lost::Retry("another index".to_owned()));
                    }
                    "unavailable" => return Err(Lost::Retry(error.message)),
                    code => return Err(anyhow!("the server says: {} ({code})", error.message).into()),
                }
            }
            _ => {}
        }
    }
}

fn read<'a, T: Deserialize<'a>>(payload: &'a RawValue) -> anyhow::Result<T> {
    serde_json::from_str(payload.get()).context(NOT_PERCH)
}

fn print_json(payload: &RawValue) -> anyhow::Result<()> {
    // As it is: anstream would leave out what it takes for styles.
    let mut out = std::io::stdout();
    writeln!(out, "{}", json_line(payload.get(), out.is_terminal()))?;
    out.flush()?;
    Ok(())
}

fn print(new: &New<'_>, payload: &RawValue, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        print_json(payload)?;
    } else {
        let mut out = anstream::stdout();
        let tweet: Shown = serde_json::from_str(new.tweet.get()).context(NOT_PERCH)?;
        let dim = Style::new().dimmed();
        let name = AnsiColor::Cyan.on_default().bold();
        writeln!(out, "{dim}{}{dim:#} {name}{}{name:#} {}", tweet.time(), tweet.author(), tweet.text())?;
        out.flush()?;
    }
    Ok(())
}
