//! `perch backup`, `perch check-index`, `perch reindex`: what is done to the directory of an index.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::{ConfigArgs, load};
use crate::client::Failure;
use crate::index::maintenance::{self, Losses, LostTweet, Report};
use crate::saved::Snapshot;

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// Where the copy goes: an empty directory or a new one
    dir: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn backup(args: &BackupArgs) -> Result<(), Failure> {
    let (config, _) = load(&args.config)?;
    // Before the index, so that the copy has every tweet that the copied positions have passed.
    let searches = Snapshot::take(&config.index.dir).context("the saved searches can't be read")?;
    let report = maintenance::backup(&config.index.dir, &args.dir)?;
    say("copied", &report)?;
    if let Some(searches) = searches {
        let epoch = maintenance::epoch(&args.dir)?;
        let n = searches.write(&args.dir, epoch).context("the saved searches can't be copied")?;
        writeln!(anstream::stdout(), "saved searches: {n}")?;
    }
    Ok(())
}

pub(super) fn check_index(args: &ConfigArgs) -> Result<(), Failure> {
    let (config, _) = load(args)?;
    let report = maintenance::check(&config.index.dir)?;
    say("checked", &report)?;
    let Report { deletions, deleted_texts, .. } = report;
    writeln!(anstream::stdout(), "deletions: {deletions}; texts of deleted tweets still on disk: {deleted_texts}")?;
    for problem in &report.problems {
        anstream::eprintln!("{problem}");
    }
    if report.problems.is_empty() { Ok(()) } else { Err(Failure::Reported) }
}

#[derive(Debug, Args)]
pub(super) struct ReindexArgs {
    /// Keep what can be read of a damaged index, and list what is lost
    #[arg(long)]
    salvage: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn reindex(args: &ReindexArgs) -> Result<(), Failure> {
    let (config, _) = load(&args.config)?;
    if !args.salvage {
        let report = maintenance::reindex(&config.index.dir)?;
        return say("built", &report);
    }
    let salvaged = maintenance::salvage(&config.index.dir)?;
    say("built", &salvaged.report)?;
    let Losses { tweets, unnamed, notes } = &salvaged.losses;
    let mut out = std::io::BufWriter::new(anstream::stderr());
    for damaged in &salvaged.damaged {
        writeln!(out, "{damaged}")?;
    }
    for LostTweet { id, seq, file } in tweets {
        writeln!(out, "lost: tweet {id} (seq {seq}) in {file}")?;
    }
    for (file, n) in unnamed {
        writeln!(out, "lost: up to {n} more tweets in {file}, which ones is not known")?;
    }
    for note in notes {
        writeln!(out, "lost: {note}")?;
    }
    writeln!(out, "lost in all: {} tweets, and up to {} more", tweets.len(), unnamed.values().sum::<u64>())?;
    out.flush()?;
    if salvaged.losses.is_empty() { Ok(()) } else { Err(Failure::Reported) }
}

fn say(done: &str, report: &Report) -> Result<(), Failure> {
    let Report { tweets, segments, size_bytes, .. } = report;
    let mut out = anstream::stdout();
    writeln!(out, "{done}: {tweets} tweets in {segments} segments, {size_bytes} bytes")?;
    Ok(())
}
