//! Lucene Monitor, as a program in Java that Maven builds.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use perch::query::Ast;
use serde::Deserialize;

use crate::row::Row;
use crate::tally::Tally;

/// The heap of Java, up to [`MOST_FOR_ALL_WAYS`] queries and above. Registration needs most of it.
const HEAPS: (&[&str], &[&str]) = (&["-Xms6g", "-Xmx6g"], &["-Xms11g", "-Xmx11g", "-Xmn5g"]);

/// With more queries registering takes longer than matching, so only the best ways are measured.
const MOST_FOR_ALL_WAYS: usize = 100_000;

/// The file with the output of Maven.
fn note(scratch: &Path) -> PathBuf {
    scratch.join("lucene-home")
}

/// Whether [`build`] succeeded.
pub(crate) fn built(scratch: &Path) -> bool {
    note(scratch).exists()
}

/// Fetches Lucene and builds the program. Returns the Java that runs it.
pub(crate) fn build(scratch: &Path, version: Option<&str>) -> Result<PathBuf> {
    std::fs::create_dir_all(scratch)?;
    let _ = std::fs::remove_file(note(scratch));
    let home = java_home()?;
    let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("lucene/pom.xml");
    // A directory for each Java, because each gets another Lucene.
    let target = scratch.join(home.file_name().context("Java has no name")?);
    // Maven leaves the files of other releases there.
    let _ = std::fs::remove_dir_all(target.join("jars"));
    let output = Command::new("mvn")
        .args(["--quiet", "--batch-mode", "compile", "--file"])
        .arg(pom)
        .arg(format!("-Dpeers.target={}", target.display()))
        .args(version.map(|version| format!("-Dlucene.version={version}")))
        .env("JAVA_HOME", &home)
        .output()
        .context("Maven (mvn) does not start")?;
    if !output.status.success() {
        bail!("Maven fails:\n{}", String::from_utf8_lossy(&output.stdout));
    }
    std::fs::write(note(scratch), format!("{}\n{}", home.display(), target.display()))?;
    Ok(home)
}

/// `JAVA_HOME`, or the newest JDK in the usual directory of Linux.
fn java_home() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("JAVA_HOME") {
        return Ok(home.into());
    }
    let homes = std::fs::read_dir("/usr/lib/jvm").context("JAVA_HOME is not set and there is no /usr/lib/jvm")?;
    let version = |home: &Path| -> Option<u32> {
        let release = std::fs::read_to_string(home.join("release")).ok()?;
        let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION=\""))?;
        version.split(['.', '"', '-', '+']).next()?.parse().ok()
    };
    let homes = homes.filter_map(|home| Some(home.ok()?.path())).filter(|home| home.join("bin/javac").exists());
    homes.max_by_key(|home| version(home)).context("there is no Java with a compiler")
}

/// What the program prints for one way of using the monitor.
#[derive(Deserialize)]
struct Measured {
    way: String,
    lucene: String,
    batch: usize,
    docs_per_s: f64,
    docs: usize,
    matches: u64,
    candidates: f64,
    errors: u64,
    registered_per_s: f64,
}

/// Runs the program on the files of `dir` and compares its matches. If it fails, the last row says
/// so.
pub(crate) fn measure(
    scratch: &Path,
    dir: &Path,
    mix: &str,
    cap: Duration,
    checked: usize,
    queries: &[Ast],
    tally: &Tally,
) -> Result<Vec<Row>> {
    let note = std::fs::read_to_string(note(scratch))?;
    let (home, target) = note.split_once('\n').context("a line is missing")?;
    // Java gets faster over time, so the slow ways come first.
    let mut ways = Vec::new();
    if queries.len() <= MOST_FOR_ALL_WAYS {
        ways.extend(["default/1/words/1+100", "frequency/1/text/1"]);
    }
    if mix != "patterns" && queries.len() <= MOST_FOR_ALL_WAYS {
        ways.push("frequency/4/words/1+100");
    }
    if mix != "patterns" {
        ways.push("frequency/2/words/1+100");
    }
    ways.push("frequency/1/words/1+100");
    if mix == "patterns" {
        // Its queries have one clause each, so there is no second term for another pass.
        ways.push("tuned/1/words/1+100");
    }
    let heap = if queries.len() <= MOST_FOR_ALL_WAYS { HEAPS.0 } else { HEAPS.1 };
    let output = Command::new(Path::new(home).join("bin/java"))
        .args(heap)
        .args(["-XX:+UseParallelGC", "--add-modules", "jdk.incubator.vector", "-cp"])
        .arg(format!("{target}/classes:{target}/jars/*"))
        .arg("peers.Main")
        .arg(dir)
        .args([cap.as_millis().to_string(), checked.to_string(), ways.join(",")])
        .stderr(Stdio::piped())
        .output()?;
    let queries: Vec<&Ast> = queries.iter().collect();
    let mut rows = Vec::new();
    for line in std::str::from_utf8(&output.stdout)?.lines() {
        let measured: Measured = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let found = pairs(&dir.join(format!("{}-{}.pairs", measured.way, measured.batch)))?;
        let mut row = Row {
            mix: String::new(),
            size: 0,
            peer: format!("Lucene {} {}", measured.lucene, name(&measured.way)),
            batch: measured.batch,
            docs_per_s: measured.docs_per_s,
            docs: measured.docs,
            matches: measured.matches,
            candidates: Some(measured.candidates),
            registered_per_s: measured.registered_per_s,
            ratio: None,
            same: String::new(),
        };
        row.compare_count(tally);
        row.compare_pairs(tally, &found, &queries);
        if measured.errors > 0 {
            row.same = format!("{}; {} errors", row.same, measured.errors);
        }
        rows.push(row);
    }
    if !output.status.success() {
        // For example without memory. The rows before it count.
        eprintln!("Lucene Monitor fails:\n{}", String::from_utf8_lossy(&output.stderr));
        rows.push(Row::none("Lucene", format!("fails: {}", output.status)));
    }
    Ok(rows)
}

/// `frequency-2-words` as the table has it.
fn name(way: &str) -> &'static str {
    match way.split('-').collect::<Vec<_>>()[..] {
        ["default", ..] => "defaults",
        ["tuned", ..] => "by frequency, tuned",
        [_, "2", _] => "by frequency, 2 passes",
        [_, "4", _] => "by frequency, 4 passes",
        [.., "text"] => "by frequency, own text",
        _ => "by frequency",
    }
}

/// Reads tweets with the keys of their matches: three kinds of 32-bit numbers, big-endian.
fn pairs(path: &Path) -> Result<Vec<(u32, HashSet<u32>)>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let mut numbers = bytes.chunks_exact(4).map(|bytes| bytes.iter().fold(0, |n, &byte| n << 8 | u32::from(byte)));
    let mut found = Vec::new();
    while let Some(tweet) = numbers.next() {
        let n = numbers.next().context("the file ends early")?;
        found.push((tweet, (0..n).map_while(|_| numbers.next()).collect()));
    }
    Ok(found)
}
