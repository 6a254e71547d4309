//! Rules about the source tree that no compiler checks. A rule is here because breaking it has hurt
//! somewhere.
//!
//! The lists of exceptions may only shrink: an entry that is no longer needed fails the test too.

#[path = "tidy/dependencies.rs"]
mod dependencies;
#[path = "tidy/pages.rs"]
mod pages;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A longer file holds two subjects.
const MAX_LINES: usize = 500;

/// Files that are longer than [`MAX_LINES`].
const LONG_FILES: &[&str] = &[];

/// Comments and documentation are read in a window beside the code.
const MAX_COMMENT_COLUMNS: usize = 100;

/// Files and directories with comments wider than [`MAX_COMMENT_COLUMNS`].
const WIDE_COMMENTS: &[&str] = &[];

/// Directories with a circle of imports.
const CIRCLES: &[&str] = &[];

/// Directories of source files, from the root.
const SOURCE_DIRS: &[&str] = &["src", "crates", "tests", "benches", "examples", "fuzz"];

/// Directories whose `lib.rs` has a table of layers, which ARCHITECTURE.md repeats.
const LAYERED: &[&str] = &["crates/percolator/src", "src"];
const LAYERS_END: &str = "\n<!-- End of layers. -->";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                found.extend(files(&path, extension));
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Names from the root, and texts, of the Rust files in these directories.
fn rust_files(dirs: &[&str]) -> Vec<(String, String)> {
    let found: Vec<_> = dirs
        .iter()
        .flat_map(|dir| files(&root().join(dir), "rs"))
        .map(|path| {
            let name = path.strip_prefix(root()).expect("inside").display().to_string();
            (name, fs::read_to_string(&path).expect("readable"))
        })
        .collect();
    assert!(found.len() > 20, "the sources were not found");
    found
}

fn is_test(name: &str) -> bool {
    name.ends_with("tests.rs") || name.contains("/tests/") || name.ends_with("arbitrary.rs")
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// The identifier at the start of a text.
fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}

/// The rows of the table of layers in the documentation of a `lib.rs`.
fn layer_rows(dir: &str) -> Vec<String> {
    let lib = read(&format!("{dir}/lib.rs"));
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! ")).filter(|line| line.starts_with('|'));
    rows.map(str::to_owned).collect()
}

/// The modules of a crate from the bottom up: each may use those before it, never those behind it.
fn layers(dir: &str) -> Vec<String> {
    let rows = layer_rows(dir);
    let names = rows.iter().skip(2).flat_map(|row| row.split('|').nth(1).unwrap_or("").split(','));
    names.map(|name| name.trim().trim_matches('`').to_owned()).collect()
}

#[test]
fn the_table_of_layers_has_every_module() {
    let text = read("ARCHITECTURE.md");
    let mut generated = text.clone();
    for dir in LAYERED {
        let lib = read(&format!("{dir}/lib.rs"));
        let modules: BTreeSet<&str> =
            lib.lines().filter_map(|line| line.strip_prefix("pub mod ")).map(identifier).collect();
        let layers = layers(dir);
        assert_eq!(layers.iter().map(String::as_str).collect::<BTreeSet<_>>(), modules);
        let begin = format!("<!-- Layers of {dir}: UPDATE_EXPECT=1 cargo test --test tidy writes them. -->\n");
        let (before, rest) = generated.split_once(&begin).expect("the begin of the layers");
        let (_, after) = rest.split_once(LAYERS_END).expect("the end of the layers");
        generated = format!("{before}{begin}{}{LAYERS_END}{after}", layer_rows(dir).join("\n"));
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(root().join("ARCHITECTURE.md"), &generated).expect("written");
    } else {
        assert!(text == generated, "ARCHITECTURE.md has other layers: UPDATE_EXPECT=1 cargo test --test tidy");
    }
}

#[test]
fn layers_point_one_way() {
    let mut wrong = Vec::new();
    for dir in LAYERED {
        let layers = layers(dir);
        for (name, text) in rust_files(&[dir]).iter().filter(|(name, _)| !is_test(name)) {
            let inside = name.strip_prefix(dir).and_then(|name| name.strip_prefix('/')).expect("inside the directory");
            if inside == "lib.rs" || inside == "main.rs" {
                continue;
            }
            let top = identifier(inside);
            let from = layers.iter().position(|layer| layer == top);
            let from = from.unwrap_or_else(|| panic!("{name} is in no layer: add it to the table in {dir}/lib.rs"));
            for line in text.lines().filter(|line| !is_comment(line)) {
                for used in line.split("crate::").skip(1).map(identifier) {
                    if layers.iter().position(|layer| layer == used).is_some_and(|to| to > from) {
                        wrong.push(format!("{name}: {}", line.trim()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "these point upward:\n{}", wrong.join("\n"));
}

/// The files of one module and what they import of each other.
#[derive(Default)]
struct Imports {
    /// For each file of a directory (and what is below it), the files beside it that it names.
    of: BTreeMap<String, BTreeSet<String>>,
}

impl Imports {
    /// Reads the files beside each other in `dir`, whose module is `module`
    /// (`crate::index::maintenance`).
    ///
    /// A name that the module's own file re-exports counts for the file that it comes from. Names
    /// of the module's own file are left out: every child may use them, and the file lists its
    /// children.
    fn read(dir: &Path, module: &str) -> Imports {
        let face = fs::read_to_string(dir.with_extension("rs")).unwrap_or_default();
        let children: BTreeSet<String> = fs::read_dir(dir)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
            .filter(|name| !is_test(&format!("{name}.rs")) && name != "tests")
            .collect();
        let exported = re_exports(&face, &children);
        let mut imports = Imports::default();
        for child in &children {
            let mut paths = files(&dir.join(child), "rs");
            paths.push(dir.join(child).with_extension("rs"));
            let mut used = BTreeSet::new();
            for path in paths {
                let name = path.strip_prefix(root()).expect("inside").display().to_string();
                let Ok(text) = fs::read_to_string(&path) else { continue };
                if is_test(&name) {
                    continue;
                }
                let depth = path.strip_prefix(dir).expect("below").components().count();
                let prefix = "super::".repeat(depth);
                for line in joined_uses(&text) {
                    for from in [prefix.as_str(), module] {
                        for path in paths_after(&line, from) {
                            let first = identifier(&path);
                            let of = if children.contains(first) {
                                Some(first)
                            } else {
                                exported.get(first).map(String::as_str)
                            };
                            used.extend(of.filter(|of| of != child).map(str::to_owned));
                        }
                    }
                }
            }
            imports.of.insert(child.clone(), used);
        }
        imports
    }

    /// A circle, as the names of its files.
    fn circle(&self) -> Option<Vec<&str>> {
        let mut done = BTreeSet::new();
        self.of.keys().find_map(|start| self.circle_from(start, &mut Vec::new(), &mut done))
    }

    fn circle_from<'a>(
        &'a self,
        name: &'a str,
        path: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<Vec<&'a str>> {
        if let Some(at) = path.iter().position(|&seen| seen == name) {
            return Some(path[at..].iter().copied().chain([name]).collect());
        }
        if done.contains(name) {
            return None;
        }
        path.push(name);
        let found = self.of.get(name).into_iter().flatten().find_map(|next| self.circle_from(next, path, done));
        path.pop();
        done.insert(name);
        found
    }
}

/// What `pub use child::{Name, …}` lines of a module's own file re-export, and from which child.
fn re_exports(face: &str, children: &BTreeSet<String>) -> BTreeMap<String, String> {
    let mut exported = BTreeMap::new();
    for line in joined_uses(face).iter().filter(|line| line.contains("use ")) {
        let path = line.split("use ").nth(1).unwrap_or("").trim_start_matches("self::");
        let child = identifier(path);
        if children.contains(child) {
            let names = path[child.len()..].split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            for name in names.filter(|name| !name.is_empty()) {
                exported.insert(name.to_owned(), child.to_owned());
            }
        }
    }
    exported
}

/// The lines of code, with each `use` on one line.
fn joined_uses(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines().filter(|line| !is_comment(line)) {
        if let Some(mut line_before) = open.take() {
            line_before.push(' ');
            line_before.push_str(line.trim());
            if line.contains(';') { lines.push(line_before) } else { open = Some(line_before) }
        } else if line.contains("use ") && line.trim_end().ends_with('{') && line.contains("::") {
            open = Some(line.to_owned());
        } else {
            lines.push(line.to_owned());
        }
    }
    lines
}

/// What stands behind a prefix, once for each name in braces: `super::{a::B, C}` gives `a::B` and
/// `C`.
fn paths_after(line: &str, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices(prefix) {
        let before = line[..at].chars().next_back();
        if before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &line[at + prefix.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push(rest.to_owned());
            continue;
        };
        let (mut depth, mut name) = (0, String::new());
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => found.push(std::mem::take(&mut name).trim().to_owned()),
                _ => {}
            }
            if c != ',' || depth > 0 {
                name.push(c);
            }
        }
        found.push(name.trim().to_owned());
    }
    found
}

/// The directories below one that hold Rust files, with their modules.
fn module_dirs(dir: &Path, module: &str) -> Vec<(PathBuf, String)> {
    let mut found = vec![(dir.to_owned(), module.to_owned())];
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "tests") {
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
            found.extend(module_dirs(&path, &format!("{module}{name}::")));
        }
    }
    found
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut wrong = Vec::new();
    let dirs = ["src", "crates/percolator/src", "crates/sente/src"];
    for (dir, module) in dirs.iter().flat_map(|dir| module_dirs(&root().join(dir), "crate::").into_iter().skip(1)) {
        let name = dir.strip_prefix(root()).expect("inside").display().to_string();
        let is_exception = CIRCLES.contains(&name.as_str());
        match Imports::read(&dir, &module).circle() {
            Some(circle) if !is_exception => wrong.push(format!("{name}: {}", circle.join(" -> "))),
            None if is_exception => wrong.push(format!("{name} has no circle now: take it out of CIRCLES")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_small_and_say_what_they_are() {
    let mut wrong = Vec::new();
    for (name, text) in rust_files(SOURCE_DIRS) {
        let n_lines = text.lines().count();
        match (LONG_FILES.contains(&name.as_str()), n_lines > MAX_LINES) {
            (false, true) => wrong.push(format!("{name} has {n_lines} lines, more than {MAX_LINES}")),
            (true, false) => wrong.push(format!("{name} is short now: take it out of LONG_FILES")),
            _ => {}
        }
        let is_source = name.starts_with("src") || name.starts_with("crates");
        if is_source && !is_test(&name) && !text.starts_with("//!") && !text.starts_with("#![doc") {
            wrong.push(format!("{name} does not begin with //!"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn comments_are_narrow() {
    let mut wrong = Vec::new();
    let mut unused: BTreeSet<&str> = WIDE_COMMENTS.iter().copied().collect();
    for (name, text) in rust_files(SOURCE_DIRS).into_iter().chain(other_commented_files()) {
        let wide = |line: &&str| {
            is_foreign_comment(&name, line) && line.chars().count() > MAX_COMMENT_COLUMNS && !is_table(line)
        };
        let n_wide = text.lines().filter(wide).count();
        let exception = WIDE_COMMENTS.iter().find(|wide| name.starts_with(*wide));
        match exception {
            _ if n_wide == 0 => {}
            Some(exception) => drop(unused.remove(exception)),
            None => wrong.push(format!("{name}: {n_wide} comments wider than {MAX_COMMENT_COLUMNS} columns")),
        }
    }
    wrong.extend(unused.iter().map(|name| format!("{name} is narrow now: take it out of WIDE_COMMENTS")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Names from the root, and texts, of files with comments that are not Rust. The bundle of the page
/// is generated, and its libraries have authors of their own.
fn other_commented_files() -> Vec<(String, String)> {
    let mut paths = vec![root().join("Makefile"), root().join("Cargo.toml")];
    for extension in ["js", "mjs", "css"] {
        paths.extend(files(&root().join("web"), extension));
    }
    paths.extend(files(&root().join("benches/peers"), "java"));
    let named = paths.into_iter().map(|path| {
        let name = path.strip_prefix(root()).expect("inside").display().to_string();
        (name, fs::read_to_string(&path).expect("readable"))
    });
    named.filter(|(name, _)| !name.starts_with("web/dist/") && !name.starts_with("web/vendor/")).collect()
}

/// Whether a line is a comment in the language of its file.
fn is_foreign_comment(name: &str, line: &str) -> bool {
    let line = line.trim_start();
    match name.rsplit('.').next() {
        Some("rs") => is_comment(line),
        Some("js" | "mjs" | "css" | "java") => ["//", "/*", "*"].iter().any(|start| line.starts_with(start)),
        _ => line.starts_with('#'),
    }
}

/// A row of a table can't be broken, nor can an address.
fn is_table(line: &str) -> bool {
    let text = line.trim_start().trim_start_matches(['/', '!']).trim_start();
    text.starts_with('|') || text.contains("://")
}

#[test]
fn code_keeps_its_promises() {
    let banned = [
        ("unbounded", "every channel is bounded"),
        ("FIXME", "finish it"),
        ("TODO", "finish it"),
        ("todo!(", "finish it"),
    ];
    for (name, text) in rust_files(&["src", "crates"]) {
        for (word, reason) in banned {
            assert!(!text.contains(word), "{name} says {word}: {reason}");
        }
        let may_print = ["src/cli", "src/client", "src/bench", "crates/percolator/examples"];
        if !may_print.iter().any(|dir| name.starts_with(dir)) && !is_test(&name) {
            for (at, line) in text.lines().enumerate() {
                let prints = line.contains("println!") || line.contains("print!(");
                assert!(is_comment(line) || !prints, "{name}:{}: only the command line prints", at + 1);
            }
        }
    }
}

#[test]
fn tests_run_and_wait_for_events() {
    for (name, text) in rust_files(&["src", "crates", "tests", "benches"]) {
        // This file names what it forbids.
        if name == "tests/tidy.rs" {
            continue;
        }
        assert!(!text.contains("#[ignore"), "{name}: a test that does not run tests nothing");
        let sleeps = text.contains("sleep(") && name.starts_with("tests/");
        assert!(!sleeps, "{name}: a test waits for what happens, not for the clock");
    }
}

/// `access::guarded` gives a route only to a handler that names who may call it.
#[test]
fn routes_are_made_in_one_place() {
    for (name, text) in rust_files(&["src/transport"]) {
        if is_test(&name) || name == "src/transport/access/extract.rs" {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code.lines().filter(|line| line.contains("axum::routing")) {
            let names_types = line.ends_with("::MethodFilter;") || line.ends_with("::MethodRouter;");
            assert!(names_types, "{name}: {line}: use access::guarded");
        }
    }
}

#[test]
fn nothing_large_is_committed() {
    for dir in ["src", "crates", "tests", "benches", "web", "docs", "examples"] {
        for extension in ["rs", "js", "mjs", "css", "html", "md", "json", "png", "svg"] {
            for path in files(&root().join(dir), extension) {
                let size = fs::metadata(&path).expect("a file").len();
                assert!(size < 500_000, "{} has {size} bytes", path.display());
            }
        }
    }
}
