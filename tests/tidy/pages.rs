//! Rules about README.md, docs/ and the other pages for people.

use std::fs;
use std::path::{Path, PathBuf};

use super::{MAX_COMMENT_COLUMNS, files, is_test, root, rust_files};

/// A row of a table, and an entry of the changelog, can't be broken.
const MAX_ROW_COLUMNS: usize = 160;

/// Pages with wider lines.
const WIDE_PAGES: &[&str] = &[];

/// Names from the root, and texts, of the pages for people.
fn pages() -> Vec<(String, String)> {
    let top = fs::read_dir(root()).expect("the root").map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = top.filter(|path| path.extension().is_some_and(|found| found == "md")).collect();
    paths.push(root().join("config.toml"));
    paths.extend(
        ["docs", "benches", "crates", "examples", "fuzz", "index-data"]
            .iter()
            .flat_map(|dir| files(&root().join(dir), "md")),
    );
    let name = |path: &PathBuf| path.strip_prefix(root()).expect("inside").display().to_string();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).expect("readable"))).collect()
}

#[test]
fn pages_are_narrow() {
    let mut wrong = Vec::new();
    for (name, text) in pages() {
        let mut is_code = false;
        let is_wide = |line: &&str| {
            is_code ^= line.trim_start().starts_with("```");
            let is_row = line.starts_with('|') || (name == "CHANGELOG.md" && line.starts_with("- "));
            let max = if is_row { MAX_ROW_COLUMNS } else { MAX_COMMENT_COLUMNS };
            !is_code && !line.starts_with("    ") && line.chars().count() > max
        };
        let n_wide = text.lines().filter(is_wide).count();
        match (WIDE_PAGES.contains(&name.as_str()), n_wide > 0) {
            (false, true) => wrong.push(format!("{name}: {n_wide} lines are too wide")),
            (true, false) => wrong.push(format!("{name} is narrow now: take it out of WIDE_PAGES")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The name by which a link finds a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|&c| c.is_alphanumeric() || "-_ ".contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    for (name, text) in pages() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.contains(' ') {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { root().join(&name) } else { root().join(&name).with_file_name(path) };
            let has_heading = |text: String| {
                text.lines()
                    .filter_map(|line| line.strip_prefix('#'))
                    .any(|line| anchor(line.trim_matches('#')) == heading)
            };
            if !target.exists() || (!heading.is_empty() && !fs::read_to_string(&target).is_ok_and(has_heading)) {
                wrong.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `index/writer.rs` in backticks is a file, from the root, from `src` or from the percolator.
#[test]
fn pages_name_files_that_exist() {
    let mut wrong = Vec::new();
    let dirs = ["", "src", "crates/percolator/src", "crates/percolator/src/percolator"];
    for (name, text) in pages() {
        let is_file =
            |code: &&str| code.contains('/') && Path::new(code).extension().is_some_and(|found| found == "rs");
        for path in text.split('`').skip(1).step_by(2).filter(is_file) {
            if !dirs.iter().any(|dir| root().join(dir).join(path).is_file()) {
                wrong.push(format!("{name}: there is no {path}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A pronoun hides who acts: a client, an operator, a reader of the index. Tests may use them.
#[test]
fn prose_names_the_agent() {
    let pronouns = ["somebody", "nobody", "everybody", "anybody", "whoever"];
    let sources = rust_files(&["src", "crates", "examples", "fuzz"]);
    let mut wrong = Vec::new();
    for (name, text) in pages().into_iter().chain(sources).filter(|(name, _)| !is_test(name)) {
        for (at, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            if line.split(|c: char| !c.is_alphabetic()).any(|word| pronouns.contains(&word)) {
                wrong.push(format!("{name}:{}: {}", at + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_reason_of_a_refusal_is_in_the_operations_page() {
    let page = fs::read_to_string(root().join("docs/OPERATIONS.md")).expect("readable");
    let mut n_reasons = 0;
    for (name, text) in rust_files(&["src"]).iter().filter(|(name, _)| !is_test(name)) {
        for reason in text.split("turned_away(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            n_reasons += 1;
            assert!(page.contains(&format!("`{reason}`")), "docs/OPERATIONS.md has no `{reason}`, of {name}");
        }
    }
    assert!(n_reasons > 20, "the reasons were not found");
}
