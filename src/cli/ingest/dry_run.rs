//! `perch ingest --dry-run`: what perch would take of files.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::input::{Input, ReadingArgs};
use super::refusals::Refusals;
use super::{Counts, IngestArgs, Line, MAX_LISTED_LINES, listed};
use crate::client::Failure;
use crate::client::terminal::escaped;
use crate::format::reader::RefusedDoc;
use crate::tweet::Dropped;

/// Tweets that a dry run shows.
const SHOWN_TWEETS: usize = 3;

/// Reads the files and tells what perch would take of them.
pub(super) async fn dry_run(args: &IngestArgs) -> Result<(), Failure> {
    let mut outcome = Ok(());
    for path in &args.files {
        let name = path.display();
        match try_file(path, &args.reading).await {
            Ok(true) => {}
            Ok(false) => outcome = Err(Failure::Reported),
            Err(Failure::Other(error)) => {
                anstream::eprintln!("perch: {name}: {}", escaped(&format!("{error:#}")));
                outcome = Err(Failure::Reported);
            }
            Err(other) => return Err(other),
        }
    }
    outcome
}

/// Reads a file and tells what perch would take of it. False if something was refused.
async fn try_file(path: &Path, reading: &ReadingArgs) -> Result<bool, Failure> {
    let read_bytes = Arc::new(AtomicU64::new(0));
    let input = Input::open(path, reading).await?;
    let mut reader = input.read(reading, &read_bytes, |tweet, location| Line::new(&tweet, location));
    let (mut counts, mut shown) = (Counts::default(), Vec::new());
    let (mut formats, mut skipped) = (BTreeMap::new(), BTreeMap::new());
    let mut dropped = Dropped::default();
    let mut refusals = Refusals::default();
    let mut listed_lines = 0;
    let mut list = |refused: Vec<RefusedDoc>| {
        for refused in refused {
            if listed_lines < MAX_LISTED_LINES {
                anstream::eprintln!("{}:{}: {}", path.display(), refused.line, escaped(&refused.reason));
                listed_lines += 1;
            }
        }
    };
    let mut end = loop {
        let mut chunk = match reader.next_chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break reader.emptiness().map_or(Ok(()), Err),
            Err(error) => break Err(error),
        };
        counts.refused += chunk.refused.len() as u64;
        list(refusals.take(&mut chunk));
        counts.accepted += chunk.tweets.len() as u64;
        counts.deletions += chunk.deletions.len() as u64;
        chunk.formats.iter().for_each(|(name, n)| *formats.entry(*name).or_insert(0) += n);
        chunk.skipped.iter().for_each(|(kind, n)| *skipped.entry(*kind).or_insert(0) += n);
        dropped.merge(&chunk.dropped);
        let more = SHOWN_TWEETS.saturating_sub(shown.len());
        shown.extend(chunk.tweets.into_iter().take(more));
    };
    match refusals.end() {
        Ok(few) => list(few),
        Err(error) => end = end.and(Err(error)),
    }
    let mut out = anstream::stdout();
    if !formats.is_empty() {
        let Counts { accepted, refused, deletions, .. } = counts;
        let formats = listed(formats);
        writeln!(out, "{}: {formats}: {accepted} tweets, {refused} refused, {deletions} deletions", path.display())?;
    }
    for (what, counts) in [("skipped", skipped.into_iter().collect()), ("values dropped", dropped.iter().collect())] {
        let counts: Vec<(&str, u64)> = counts;
        if !counts.is_empty() {
            writeln!(out, "  {what}: {}", listed(counts))?;
        }
    }
    for line in &shown {
        writeln!(out, "{}", escaped(&line.json))?;
    }
    end.map_err(Failure::from)?;
    Ok(counts.refused == 0)
}
