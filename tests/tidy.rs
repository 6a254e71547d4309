//! Rules about the source tree that no compiler checks. A rule is here because breaking it has hurt somewhere.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules of the crate from the bottom up: each may use those before it, never those behind it.
const LAYERS: &[&str] = &[
    "ids",
    "coop",
    "schema",
    "text",
    "doc",
    "tweet",
    "automaton",
    "query",
    "config",
    "telemetry",
    "auth",
    "matcher",
    "explain",
    "index",
    "percolator",
    "hub",
    "pipeline",
    "live",
    "source",
    "transport",
    "server",
    "app",
    "cli",
];

/// Longer files hold two subjects.
const MAX_LINES: usize = 800;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<(String, String)> {
    let sources: Vec<_> = files(&root().join("src"), "rs")
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root()).expect("inside").display().to_string();
            (name, fs::read_to_string(&path).expect("readable"))
        })
        .collect();
    assert!(sources.len() > 20, "the sources were not found");
    sources
}

fn is_test(name: &str) -> bool {
    name.ends_with("tests.rs") || name.contains("/tests/") || name.ends_with("arbitrary.rs")
}

/// `src/query/json.rs` is in layer `query`.
fn layer(name: &str) -> Option<usize> {
    let top = name.strip_prefix("src/")?.split(['/', '.']).next()?;
    LAYERS.iter().position(|&layer| layer == top)
}

#[test]
fn layers_point_one_way() {
    let mut wrong = Vec::new();
    for (name, text) in sources().iter().filter(|(name, _)| !is_test(name)) {
        if name == "src/lib.rs" || name == "src/main.rs" {
            continue;
        }
        let from = layer(name).unwrap_or_else(|| panic!("{name} is in no layer: add it to LAYERS"));
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                if LAYERS.iter().position(|&layer| layer == used).is_some_and(|to| to > from) {
                    wrong.push(format!("{name}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "these point upward:\n{}", wrong.join("\n"));
}

#[test]
fn files_are_small_and_say_what_they_are() {
    for (name, text) in sources() {
        assert!(text.lines().count() <= MAX_LINES, "{name} has more than {MAX_LINES} lines");
        assert!(is_test(&name) || text.starts_with("//!"), "{name} does not begin with //!");
    }
}

#[test]
fn code_keeps_its_promises() {
    let banned = [
        ("unbounded", "every channel is bounded"),
        ("FIXME", "finish it"),
        ("TODO", "finish it"),
        ("todo!(", "finish it"),
        ("#[ignore", "a test that does not run tests nothing"),
    ];
    for (name, text) in sources() {
        for (word, reason) in banned {
            assert!(!text.contains(word), "{name} says {word}: {reason}");
        }
        if !name.starts_with("src/cli") && !is_test(&name) {
            for (at, line) in text.lines().enumerate() {
                let code = line.trim_start();
                assert!(
                    code.starts_with("//") || !(code.contains("println!") || code.contains("print!(")),
                    "{name}:{}: only the command line prints",
                    at + 1
                );
            }
        }
    }
}

#[test]
fn nothing_large_is_committed() {
    for dir in ["src", "tests", "benches", "web", "docs", "examples"] {
        for extension in ["rs", "js", "mjs", "css", "html", "md", "json", "png", "svg"] {
            for path in files(&root().join(dir), extension) {
                let size = fs::metadata(&path).expect("a file").len();
                assert!(size < 500_000, "{} has {size} bytes", path.display());
            }
        }
    }
}
