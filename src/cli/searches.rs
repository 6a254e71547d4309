//! `perch searches`: saved searches and their webhooks.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use bytes::Bytes;
use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use hyper::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::read_query;
use crate::client::terminal::{escaped, json_line};
use crate::client::{Failure, Http, HttpAnswer, NOT_PERCH, ServerArgs, address, refusal, unreachable};
use crate::query::ParseOptions;

#[derive(Debug, Args)]
pub(super) struct SearchesArgs {
    #[command(subcommand)]
    command: SearchesCommand,
}

#[derive(Debug, Subcommand)]
enum SearchesCommand {
    /// Save a search, or change the one of this name
    Add(Box<AddArgs>),
    /// List saved searches with their states
    List(ListArgs),
    /// Print a saved search as JSON
    Show(NameArgs),
    /// Deliver nothing for now; the position stays
    Pause(NameArgs),
    /// Deliver again, from the position on
    Resume(NameArgs),
    /// Remove a saved search
    Remove(NameArgs),
    /// Send one sample to the receivers
    Test(NameArgs),
    /// Print the last tries of the deliveries
    Deliveries(NameArgs),
    /// Make a token for the feeds of a search, and print their URLs. An earlier token is revoked
    FeedToken(FeedTokenArgs),
    /// Print all saved searches as JSON, one a line, without secrets
    Export(ServerArgs),
    /// Save the searches of a file that `export` has written; `-` is standard input
    Import(ImportArgs),
}

#[derive(Debug, Args)]
struct AddArgs {
    /// Its name: letters, digits, `.`, `_` and `-`
    name: String,
    /// The query: text, or its JSON form
    #[arg(allow_hyphen_values = true)]
    query: String,
    /// Where to send the matches
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// The address that gets digests by mail
    #[arg(long, value_name = "ADDRESS")]
    mail: Option<String>,
    /// A file with the secret that signs the requests: `whsec_…`
    #[arg(long, value_name = "FILE", requires = "webhook")]
    secret_file: Option<PathBuf>,
    /// Write for people: `slack`, `discord`, `teams`, `ntfy`, `text`
    #[arg(long, value_name = "TEMPLATE", requires = "webhook")]
    template: Option<String>,
    /// Send digests: `5m`, `1h`, `1d`, `7d`
    #[arg(long, value_name = "PERIOD")]
    every: Option<String>,
    /// When digests of whole days are due: `09:00`, or `"fri 09:00"` for each week
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The clock of the digests: `Europe/Berlin`; UTC when left out
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// The most tweets in an hour; the next hour begins with a digest of the others
    #[arg(long, value_name = "N")]
    max_per_hour: Option<u32>,
    /// Serve the search without a token as a feed, at /feeds/NAME.atom and /feeds/NAME.json
    #[arg(long)]
    public: bool,
    /// The title of the feed, instead of the name
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// A word to list the search by; may be given several times
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Deliver what came after this position too; 0 is everything
    #[arg(long, value_name = "SEQ")]
    since: Option<u64>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only searches with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Only searches in this state
    #[arg(long, value_parser = ["live", "catching-up", "failing", "paused"])]
    state: Option<String>,
    /// Print the searches as JSON, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct NameArgs {
    /// The name of the search
    name: String,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct FeedTokenArgs {
    /// The name of the search
    name: String,
    /// Revoke the token, and make none
    #[arg(long)]
    revoke: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct ImportArgs {
    /// The file
    file: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

/// A server and the client that asks it.
struct Server<'a> {
    args: &'a ServerArgs,
    http: Http,
}

impl<'a> Server<'a> {
    fn new(args: &'a ServerArgs) -> Result<Server<'a>, Failure> {
        Ok(Server { args, http: Http::new(&args.access, [&args.url])? })
    }

    fn url(&self, path: &str) -> Url {
        address(&self.args.url, path)
    }

    fn of(&self, name: &str, rest: &str) -> Url {
        self.url(&format!("/api/searches/{}{rest}", utf8_percent_encode(name, NON_ALPHANUMERIC)))
    }

    /// Sends a request, and returns the answer if it is a success.
    async fn ask(&self, method: Method, url: &Url, body: Option<&Value>) -> Result<(StatusCode, Value), Failure> {
        let body = body.map(|body| ("application/json", Bytes::from(body.to_string())));
        let sent = self.http.request(method, url, body).await;
        let HttpAnswer { status, body, .. } = sent.map_err(|error| unreachable(&self.args.url, &error))?;
        if !status.is_success() {
            return Err(refusal(status, &body));
        }
        if body.is_empty() {
            return Ok((status, Value::Null));
        }
        Ok((status, serde_json::from_str(&body).context(NOT_PERCH)?))
    }

    async fn get(&self, url: &Url) -> Result<Value, Failure> {
        Ok(self.ask(Method::GET, url, None).await?.1)
    }

    /// All searches, page by page.
    async fn all(&self, filters: &[(&str, &str)]) -> Result<Vec<Value>, Failure> {
        #[derive(Deserialize)]
        struct Page {
            searches: Vec<Value>,
            next: Option<String>,
        }
        let (mut all, mut after) = (Vec::new(), None::<String>);
        loop {
            let mut url = self.url("/api/searches");
            url.query_pairs_mut().append_pair("n", "1000").extend_pairs(filters);
            if let Some(after) = &after {
                url.query_pairs_mut().append_pair("after", after);
            }
            let page: Page = serde_json::from_value(self.get(&url).await?).context(NOT_PERCH)?;
            all.extend(page.searches);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// Pauses a search, or lets it go on. The answer's `ETag` keeps two changes apart.
    async fn set_paused(&self, name: &str, is_paused: bool) -> Result<(), Failure> {
        let mut search = definition(self.get(&self.of(name, "")).await?);
        search.insert("paused".to_owned(), is_paused.into());
        self.ask(Method::PUT, &self.of(name, ""), Some(&Value::Object(search))).await?;
        Ok(())
    }
}

/// The fields that make a search.
const FIELDS: [&str; 7] = ["query", "paused", "tags", "places", "public", "feed", "deliver"];

/// The fields of an answer that make the search; the others are its state.
fn definition(search: Value) -> Map<String, Value> {
    let Value::Object(mut fields) = search else { return Map::new() };
    fields.retain(|name, _| FIELDS.contains(&name.as_str()));
    fields
}

pub(super) async fn run(args: &SearchesArgs) -> Result<(), Failure> {
    match &args.command {
        SearchesCommand::Add(args) => add(args).await,
        SearchesCommand::List(args) => list(args).await,
        SearchesCommand::Show(args) => {
            let server = Server::new(&args.server)?;
            let search = server.get(&server.of(&args.name, "")).await?;
            print_json(&serde_json::to_string_pretty(&search)?)
        }
        SearchesCommand::Pause(args) => Server::new(&args.server)?.set_paused(&args.name, true).await,
        SearchesCommand::Resume(args) => Server::new(&args.server)?.set_paused(&args.name, false).await,
        SearchesCommand::Remove(args) => {
            let server = Server::new(&args.server)?;
            server.ask(Method::DELETE, &server.of(&args.name, ""), None).await?;
            Ok(())
        }
        SearchesCommand::Test(args) => test(args).await,
        SearchesCommand::Deliveries(args) => {
            let server = Server::new(&args.server)?;
            let answer = server.get(&server.of(&args.name, "/deliveries")).await?;
            for tried in answer["deliveries"].as_array().into_iter().flatten() {
                print_json(&tried.to_string())?;
            }
            Ok(())
        }
        SearchesCommand::FeedToken(args) => feed_token(args).await,
        SearchesCommand::Export(args) => {
            for search in Server::new(args)?.all(&[]).await? {
                let name = search["name"].clone();
                let mut fields = definition(search);
                fields.insert("name".to_owned(), name);
                print_json(&Value::Object(fields).to_string())?;
            }
            Ok(())
        }
        SearchesCommand::Import(args) => import(args).await,
    }
}

fn print_json(json: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    let is_terminal = out.is_terminal();
    writeln!(out, "{}", json_line(json, is_terminal))?;
    Ok(())
}

async fn add(args: &AddArgs) -> Result<(), Failure> {
    read_query(&args.query, ParseOptions::default())?;
    let mut deliver = Vec::new();
    if let Some(url) = &args.webhook {
        let mut webhook = json!({"type": "webhook", "url": url});
        if let Some(file) = &args.secret_file {
            let secret = std::fs::read_to_string(file)
                .map_err(|error| Failure::Usage(format!("--secret-file: {} can't be read: {error}", file.display())))?;
            webhook["secret"] = secret.trim().into();
        }
        if let Some(template) = &args.template {
            webhook["template"] = template.as_str().into();
        }
        deliver.push(webhook);
    }
    if let Some(to) = &args.mail {
        deliver.push(json!({"type": "mail", "to": to}));
    }
    let pacing = [
        ("every", args.every.as_deref().map(Value::from)),
        ("at", args.at.as_deref().map(Value::from)),
        ("time_zone", args.time_zone.as_deref().map(Value::from)),
        ("max_per_hour", args.max_per_hour.map(Value::from)),
    ];
    if deliver.is_empty()
        && let Some((name, _)) = pacing.iter().find(|(_, value)| value.is_some())
    {
        let option = name.replace('_', "-");
        return Err(Failure::Usage(format!("--{option} needs --webhook or --mail")));
    }
    for receiver in &mut deliver {
        for (name, value) in &pacing {
            if let Some(value) = value {
                receiver[*name] = value.clone();
            }
        }
    }
    let mut search = json!({"query": args.query, "tags": args.tag, "deliver": deliver, "public": args.public});
    if let Some(title) = &args.title {
        search["feed"] = json!({"title": title});
    }
    if let Some(since) = args.since {
        search["since"] = since.into();
    }
    let server = Server::new(&args.server)?;
    let (status, saved) = server.ask(Method::PUT, &server.of(&args.name, ""), Some(&search)).await?;
    let what = if status == StatusCode::CREATED { "saved" } else { "changed" };
    anstream::eprintln!("{what}; matches after position {} are delivered", saved["position"]);
    Ok(())
}

async fn list(args: &ListArgs) -> Result<(), Failure> {
    let filters = [("tag", &args.tag), ("state", &args.state)];
    let filters: Vec<_> = filters.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
    let searches = Server::new(&args.server)?.all(&filters).await?;
    if args.json {
        return searches.iter().try_for_each(|search| print_json(&search.to_string()));
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["name", "state", "position", "query", "reason"]);
    for search in &searches {
        let text = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => escaped(text).into_owned(),
            other => escaped(&other.to_string()).into_owned(),
        };
        table.add_row(["name", "state", "position", "query", "reason"].map(|field| text(&search[field])));
    }
    let mut out = anstream::stdout();
    if !searches.is_empty() {
        writeln!(out, "{table}")?;
    }
    anstream::eprintln!("{} saved searches", searches.len());
    Ok(())
}

async fn test(args: &NameArgs) -> Result<(), Failure> {
    let server = Server::new(&args.server)?;
    let (_, answer) = server.ask(Method::POST, &server.of(&args.name, "/test"), None).await?;
    let results = answer["results"].as_array().cloned().unwrap_or_default();
    for result in &results {
        print_json(&result.to_string())?;
    }
    if results.is_empty() {
        return Err(Failure::Usage(format!("{} has no receiver", args.name)));
    }
    if results.iter().all(|result| result["error"].is_null()) { Ok(()) } else { Err(Failure::Reported) }
}

async fn feed_token(args: &FeedTokenArgs) -> Result<(), Failure> {
    let server = Server::new(&args.server)?;
    let url = server.of(&args.name, "/feed-token");
    if args.revoke {
        server.ask(Method::DELETE, &url, None).await?;
        anstream::eprintln!("the feeds of {} have no token now", args.name);
        return Ok(());
    }
    let (_, answer) = server.ask(Method::POST, &url, None).await?;
    for form in ["atom", "json"] {
        let feed = answer[form].as_str().context(NOT_PERCH)?;
        writeln!(std::io::stdout(), "{feed}")?;
    }
    anstream::eprintln!("perch shows this token once");
    Ok(())
}

/// The most lines and bytes of a portion of an import.
const PORTION_LINES: usize = 10_000;
const PORTION_BYTES: usize = 4 * 1024 * 1024;

/// What perch says of a portion.
#[derive(Deserialize)]
struct Imported {
    accepted: u64,
    refused: u64,
    errors: Vec<RefusedLine>,
    error: Option<RefusedPortion>,
}

#[derive(Deserialize)]
struct RefusedLine {
    line: usize,
    reason: String,
}

#[derive(Deserialize)]
struct RefusedPortion {
    message: String,
}

async fn import(args: &ImportArgs) -> Result<(), Failure> {
    let name = args.file.display();
    let mut input: Box<dyn std::io::BufRead> = if args.file.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        let file = std::fs::File::open(&args.file)
            .map_err(|error| Failure::Usage(format!("{name} can't be read: {error}")))?;
        Box::new(std::io::BufReader::new(file))
    };
    let server = Server::new(&args.server)?;
    let (mut saved, mut failed, mut first) = (0, 0, 0);
    loop {
        let (portion, lines) = portion(&mut *input).with_context(|| format!("{name} can't be read"))?;
        if lines == 0 {
            break;
        }
        let body = Some(("application/x-ndjson", Bytes::from(portion)));
        let sent = server.http.request(Method::POST, &server.url("/api/searches"), body).await;
        let HttpAnswer { status, body, .. } = sent.map_err(|error| unreachable(&args.server.url, &error))?;
        let Ok(Imported { accepted, refused, errors, error }) = serde_json::from_str(&body) else {
            return Err(refusal(status, &body));
        };
        let listed = errors.len() as u64;
        for RefusedLine { line, reason } in errors {
            anstream::eprintln!("{name}:{}: {}", first + line, escaped(&reason));
        }
        if refused > listed {
            anstream::eprintln!("{name}: {} more lines up to line {} are refused", refused - listed, first + lines);
        }
        (saved, failed, first) = (saved + accepted, failed + refused, first + lines);
        if let Some(RefusedPortion { message }) = error {
            anstream::eprintln!("{saved} saved, {failed} failed");
            return Err(anyhow::anyhow!("{name}: not all of the first {first} lines are saved: {message}").into());
        }
    }
    anstream::eprintln!("{saved} saved, {failed} failed");
    if failed == 0 { Ok(()) } else { Err(Failure::Reported) }
}

/// The next lines of a file, without the state that `perch searches list --json` prints too.
fn portion(input: &mut dyn std::io::BufRead) -> std::io::Result<(Vec<u8>, usize)> {
    let (mut portion, mut line, mut lines) = (Vec::new(), Vec::new(), 0);
    while lines < PORTION_LINES && portion.len() < PORTION_BYTES {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        lines += 1;
        match serde_json::from_slice(&line) {
            Ok(search @ Value::Object(_)) => {
                let name = search.get("name").cloned();
                let mut fields = definition(search);
                fields.extend(name.map(|name| ("name".to_owned(), name)));
                serde_json::to_writer(&mut portion, &fields)?;
            }
            // perch says what is wrong with it.
            _ => portion.extend_from_slice(line.trim_ascii_end()),
        }
        portion.push(b'\n');
    }
    Ok((portion, lines))
}
