//! `perch explain QUERY --tweet FILE`: why tweets match a query, or why not.
//!
//! Exit codes are grep's: 0 when a tweet matches, 1 when none does, 2 when something is wrong with
//! the query or the tweets.

use std::io::{self, IsTerminal as _, Write};
use std::ops::Range;

use anstyle::{AnsiColor, Style};
use tokio::io::AsyncRead;
use unicode_width::UnicodeWidthChar as _;

use crate::client::Failure;
use crate::client::terminal::{escaped, json_line};
use crate::format::reader::{BulkReader, ReaderOptions};
use crate::query::Query;
use crate::text::is_bidi_embedding;
use crate::transport::explain::ExplainedTweet;
use crate::tweet::explain::{Explained, ExplainedPart, Explainer};
use crate::tweet::{self, Tweet, decoded_parts};

/// Width of a line, in columns of a terminal.
const COLUMNS: usize = 78;

/// Columns between the parts of a query and what is said of them.
const MAX_PART_COLUMNS: usize = 32;

/// Explains each tweet of a file.
pub(super) async fn run(query: &Query, file: &str, json: bool) -> Result<(), Failure> {
    let unreadable = |error: &dyn std::fmt::Display| Failure::Usage(format!("--tweet: {file} can't be read: {error}"));
    let input: Box<dyn AsyncRead + Send + Unpin> = if file == "-" {
        Box::new(tokio::io::stdin())
    } else {
        Box::new(tokio::fs::File::open(file).await.map_err(|error| unreadable(&error))?)
    };
    let mut reader = BulkReader::new(input, ReaderOptions::default());
    let (mut tweets, mut matches, mut refused) = (0, 0, 0);
    let mut out = anstream::stdout();
    let is_terminal = std::io::stdout().is_terminal();
    while let Some(chunk) = reader.next_chunk().await.map_err(|error| unreadable(&error))? {
        for analyzed in chunk.tweets {
            let tweet = tweet::read(analyzed.json.as_bytes()).map_err(|error| unreadable(&error))?;
            let explained = Explainer::new(&tweet).explain(query);
            matches += usize::from(explained.matches());
            if json {
                let line = serde_json::to_string(&ExplainedTweet::new(tweet.id_str, explained))?;
                writeln!(std::io::stdout(), "{}", json_line(&line, is_terminal))?;
            } else {
                if tweets > 0 {
                    writeln!(out)?;
                }
                show(&mut out, query, &tweet, &explained)?;
            }
            tweets += 1;
        }
        for line in chunk.refused {
            anstream::eprintln!("{file}:{}: {}", line.line, escaped(&line.reason));
            refused += 1;
        }
    }
    match (tweets, matches) {
        _ if refused > 0 => Err(Failure::Usage(format!("--tweet: {file} holds {refused} that are no tweets"))),
        (0, _) => Err(Failure::Usage(format!("--tweet: {file} holds no tweet"))),
        (_, 0) => Err(Failure::NoMatch),
        _ => Ok(()),
    }
}

/// Writes what is said of one tweet.
fn show(out: &mut impl Write, query: &Query, tweet: &Tweet, explained: &Explained) -> io::Result<()> {
    let head = |color: AnsiColor| Style::new().bold().fg_color(Some(color.into()));
    if let Some(failed) = &explained.failed {
        let style = head(AnsiColor::Red);
        writeln!(out, "{style}{} does not match{style:#}: the first part that fails", tweet.id_str)?;
        let canonical = query.canonical().char_indices();
        underlined(out, canonical.map(|(at, char)| (char, failed.range.contains(&at))))?;
        if let [_, ..] = failed.instead.as_slice() {
            let field = failed.field.unwrap_or_default();
            writeln!(out, "the tweet has {field}: {}", one_line(&failed.instead.join(", ")))?;
        }
        if !failed.excluded.is_empty() {
            writeln!(out, "the tweet has")?;
            show_parts(out, tweet, &failed.excluded)?;
        }
        return Ok(());
    }
    let style = head(AnsiColor::Green);
    writeln!(out, "{style}{} matches{style:#}", tweet.id_str)?;
    show_parts(out, tweet, &explained.parts)
}

/// Writes the text with carets under what was found, and each part with what was found.
fn show_parts(out: &mut impl Write, tweet: &Tweet, parts: &[ExplainedPart]) -> io::Result<()> {
    let ranges = parts.iter().flat_map(|part| &part.ranges).filter(|place| place.at == "text");
    let marked: Vec<Range<usize>> = ranges.map(|place| place.range.clone()).collect();
    let mut raw = 0;
    let chars = decoded_parts(&tweet.text).flat_map(|(source, meaning)| {
        let is_marked = marked.iter().any(|range| range.contains(&raw));
        raw += source.len();
        meaning.chars().map(|char| (char, is_marked)).collect::<Vec<_>>()
    });
    underlined(out, chars)?;
    let widest = parts.iter().map(|part| width(&part.query)).filter(|&width| width <= MAX_PART_COLUMNS).max();
    for part in parts {
        let padding = " ".repeat(widest.unwrap_or(0).saturating_sub(width(&part.query)));
        writeln!(out, "  {}{padding}  {}", one_line(&part.query), found(part))?;
    }
    Ok(())
}

/// What was found for a part, in words.
fn found(part: &ExplainedPart) -> String {
    let field = part.field.unwrap_or_default();
    let decoded = |text: &str| decoded_parts(text).map(|(_, meaning)| meaning).collect::<String>();
    let places = part.ranges.iter().map(|place| format!("{} {:?}", place.at, one_line(&decoded(&place.text))));
    let values = part.values.iter().map(|value| format!("{field} {}", one_line(value)));
    let mut found: Vec<String> = places.chain(values).collect();
    // The same word at several places is said once.
    let mut seen = std::collections::HashSet::new();
    found.retain(|it| seen.insert(it.clone()));
    match (found.is_empty(), part.query.as_str()) {
        (false, _) => found.join(", "),
        (true, "*") => "every tweet".to_owned(),
        (true, query) if query.starts_with('-') => "is not there".to_owned(),
        (true, _) => format!("{field} is there"),
    }
}

/// Writes characters in lines that fit, broken at spaces, with carets under those that are marked.
fn underlined(out: &mut impl Write, chars: impl Iterator<Item = (char, bool)>) -> io::Result<()> {
    let clean = |(char, is_marked): (char, bool)| match char {
        char if char.is_whitespace() => Some((' ', is_marked)),
        char if char.is_control() || is_bidi_embedding(char) => None,
        char => Some((char, is_marked)),
    };
    let chars: Vec<(char, bool)> = chars.filter_map(clean).collect();
    let mut rest = chars.as_slice();
    while !rest.is_empty() {
        let mut columns = 0;
        let fits = rest.iter().take_while(|(char, _)| {
            columns += char.width().unwrap_or(0);
            columns <= COLUMNS
        });
        let fits = fits.count().max(1);
        let space = rest[..fits].iter().rposition(|&(char, _)| char == ' ').filter(|&space| space > 0);
        let len = if fits == rest.len() { fits } else { space.map_or(fits, |space| space + 1) };
        let (line, behind) = rest.split_at(len);
        rest = behind;
        let text: String = line.iter().map(|&(char, _)| char).collect();
        let carets: String = (line.iter())
            .map(|&(char, is_marked)| if is_marked { "^" } else { " " }.repeat(char.width().unwrap_or(0)))
            .collect();
        writeln!(out, "  {}", text.trim_end())?;
        if !carets.trim_end().is_empty() {
            writeln!(out, "  {}", carets.trim_end())?;
        }
    }
    Ok(())
}

/// The text without what would steer the terminal.
fn one_line(text: &str) -> String {
    let clean = |char: char| if char.is_whitespace() { ' ' } else { char };
    text.chars().map(clean).filter(|&char| !char.is_control() && !is_bidi_embedding(char)).collect()
}

fn width(text: &str) -> usize {
    text.chars().map(|char| char.width().unwrap_or(0)).sum()
}

#[cfg(test)]
mod tests;
