//! `perch tail`: matching tweets as they come in.
//!
//! One session at `/ws`. When the connection is lost it is made again, and goes on behind the last
//! tweet that was printed.

use std::io::{IsTerminal as _, Write as _};
#[cfg(unix)]
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, anyhow};
use clap::Args;
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::{io::Interest, net::unix::pipe};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use super::client::{Backoff, ServerError, address, is_encrypted, refusal, unreachable};
use super::show::{Shown, escaped, json_line};
use super::{Failure, ServerArgs, read_query};
use crate::query::ParseOptions;

/// The server gives a sign of life at least every 25 s.
const SILENCE: Duration = Duration::from_secs(90);

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
struct Position {
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

/// Prints until something fails, or nobody reads what is printed.
pub(super) async fn run(args: &TailArgs) -> Result<(), Failure> {
    read_query(&args.query, ParseOptions::default())?;
    tokio::select! {
        outcome = print_matches(args) => outcome,
        () = stdout_closed() => Ok(()),
    }
}

/// Waits until the other end of standard output is closed. A write would tell it too, but nothing
/// is written while nothing matches.
async fn stdout_closed() {
    // Nothing is written by way of this, so that stdout may go on to block. A file can't be waited
    // for.
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
    let mut url = address(&args.server.url, "/ws");
    let tls = Connector::Rustls(Arc::new(args.server.access.tls([&url])?));
    let scheme = if is_encrypted(&url) { "wss" } else { "ws" };
    url.set_scheme(scheme)
        .map_err(|()| Failure::Usage(format!("--url: {} is no address of perch", args.server.url)))?;
    let authorization = args.server.access.authorization()?;
    let mut position = Position { since: args.since, epoch: args.epoch.clone() };
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
    let mut connected_before = false;
    loop {
        let mut request = url.as_str().into_client_request()?;
        if let Some(authorization) = &authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let why = match connect_async_tls_with_config(request, None, true, Some(tls.clone())).await {
            Ok((socket, _)) => {
                let resumed = connected_before;
                connected_before = true;
                let before = position.clone();
                let lost = follow(socket, args, &mut position, resumed).await;
                if position != before {
                    backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
                }
                match lost {
                    Lost::Retry(why) => why,
                    Lost::Failed(failure) => return Err(failure),
                }
            }
            // The handshake's answer: trying again changes nothing.
            Err(tungstenite::Error::Http(answer)) if answer.status().is_client_error() => {
                let body = answer.body().as_deref().unwrap_or_default();
                return Err(refusal(answer.status(), &String::from_utf8_lossy(body)));
            }
            Err(error) if !connected_before => return Err(unreachable(&args.server.url, &error)),
            Err(error) => error.to_string(),
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

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Registers and prints until the connection is over.
async fn follow(mut socket: Socket, args: &TailArgs, position: &mut Position, resumed: bool) -> Lost {
    match follow_to_end(&mut socket, args, position, resumed).await {
        Ok(never) => match never {},
        Err(lost) => lost,
    }
}

async fn follow_to_end(
    socket: &mut Socket,
    args: &TailArgs,
    position: &mut Position,
    resumed: bool,
) -> Result<std::convert::Infallible, Lost> {
    register(socket, args, position).await?;
    loop {
        let text = match tokio::time::timeout(SILENCE, socket.next()).await {
            Err(_) => return Err(Lost::Retry("no sign of life".to_owned())),
            Ok(None) => return Err(Lost::Retry("the server is gone".to_owned())),
            Ok(Some(Err(error))) => return Err(Lost::Retry(error.to_string())),
            Ok(Some(Ok(Message::Text(text)))) => text,
            Ok(Some(Ok(Message::Close(frame)))) => return Err(closed(frame)),
            Ok(Some(Ok(_))) => continue,
        };
        let (event, payload) = event(&text)?;
        match event.as_ref() {
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
                        anstream::eprintln!("{why}; going on from now, what came meanwhile is left out");
                        *position = Position::default();
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

async fn register(socket: &mut Socket, args: &TailArgs, position: &Position) -> Result<(), Lost> {
    let mut payload = json!({"query": args.query});
    if let Some(since) = position.since {
        payload["since"] = json!(since);
        if let Some(epoch) = &position.epoch {
            payload["epoch"] = json!(epoch);
        }
    }
    let frame = json!(["cmd/percolate", payload, 1]).to_string();
    socket.send(Message::text(frame)).await.map_err(|error| Lost::Retry(error.to_string()))
}

/// The event and the payload of a frame.
fn event(text: &str) -> anyhow::Result<(std::borrow::Cow<'_, str>, &RawValue)> {
    let parts: Vec<&RawValue> = serde_json::from_str(text).context("the server sent a frame that is none")?;
    let [event, payload, ..] = parts[..] else { return Err(anyhow!("the server sent a frame that is none")) };
    Ok((serde_json::from_str(event.get()).context("the server sent a frame that is none")?, payload))
}

fn read<'a, T: Deserialize<'a>>(payload: &'a RawValue) -> anyhow::Result<T> {
    serde_json::from_str(payload.get()).context("the server sent a frame that is not what perch sends")
}

fn closed(frame: Option<tungstenite::protocol::CloseFrame>) -> Lost {
    let Some(frame) = frame else { return Lost::Retry("the server is gone".to_owned()) };
    let code = u16::from(frame.code);
    let why = if frame.reason.is_empty() { format!("close code {code}") } else { frame.reason.to_string() };
    match code {
        1002 | 4001 | 4003 | 4004 => Lost::Failed(Failure::Other(anyhow!("the server ended the connection: {why}"))),
        _ => Lost::Retry(why),
    }
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
        let tweet: Shown = serde_json::from_str(new.tweet.get()).context("the server sent a tweet that is none")?;
        let dim = Style::new().dimmed();
        let name = AnsiColor::Cyan.on_default().bold();
        writeln!(out, "{dim}{}{dim:#} {name}{}{name:#} {}", tweet.time(), tweet.author(), tweet.text())?;
        out.flush()?;
    }
    Ok(())
}
