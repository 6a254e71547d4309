//! The layers above the file: `PERCH_…` variables and flags, applied to the table.

use std::sync::LazyLock;

use regex::Regex;
use toml::{Table, Value};

use super::{Config, ConfigError, ConfigLayers, default_sections, nearest};

/// The prefix of variables.
const PREFIX: &str = "PERCH_";

/// Variables that start with `PERCH_` and are no keys: other code reads them.
const OTHER_VARIABLES: &[&str] =
    &["PERCH_CA", "PERCH_CORPUS", "PERCH_CONFIG", "PERCH_LONG_TESTS", "PERCH_TOKEN", "PERCH_URL"];

/// Variables of the token of ingestion, which has no key.
pub(super) const INGEST_TOKEN: &[&str] = &["PERCH_INGEST__TOKEN", "PERCH_INGEST_TOKEN"];

/// Paths, and the variable or flag that set each, for error messages.
pub(super) type Origins = Vec<(String, String)>;

/// Applies all layers above the file to the table.
pub(super) fn apply(layers: &ConfigLayers, table: &mut Table, errors: &mut Vec<ConfigError>) -> Origins {
    let mut origins = Origins::new();
    let mut set =
        |origin: String, path: &str, value: Value, errors: &mut Vec<ConfigError>| match put(table, path, value) {
            Ok(()) => {
                origins.retain(|(known, _)| known != path);
                origins.push((path.to_owned(), origin));
            }
            Err(message) => errors.push(ConfigError::new(path, format!("{message} (set by {origin})"))),
        };
    let mut variables: Vec<_> = layers.environment.iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    variables.sort();
    for (name, text) in variables {
        if OTHER_VARIABLES.contains(&name.as_str()) || INGEST_TOKEN.contains(&name.as_str()) {
            continue;
        }
        if let Some(path) = path_of_variable(name) {
            let value = value_of(&path, text);
            set(name.clone(), &path, value, errors);
        }
    }
    for assignment in &layers.set {
        match assignment.split_once('=') {
            Some((path, text)) => {
                let path = path.trim();
                set("--set".to_owned(), path, value_of(path, text.trim()), errors);
            }
            None => errors.push(ConfigError::new("--set", format!("expected KEY=VALUE, found \"{assignment}\""))),
        }
    }
    let shorthands = [("--listen", "server.listen", &layers.listen), ("--index-dir", "index.dir", &layers.index_dir)];
    for (flag, path, text) in shorthands {
        if let Some(text) = text {
            set(flag.to_owned(), path, Value::from(text.as_str()), errors);
        }
    }
    choose_sources(&layers.sources, table);
    origins
}

/// Leaves only the sources of these types. A type without a table gets one without keys.
fn choose_sources(kinds: &[String], table: &mut Table) {
    let Some(sources) = table.get_mut("source").and_then(Value::as_array_mut).filter(|_| !kinds.is_empty()) else {
        return;
    };
    let has_kind = |source: &Value, kind: &str| source.get("type").and_then(Value::as_str) == Some(kind);
    sources.retain(|source| kinds.iter().any(|kind| has_kind(source, kind)));
    for kind in kinds {
        if !sources.iter().any(|source| has_kind(source, kind)) {
            sources.push(Value::Table(Table::from_iter([("type".to_owned(), Value::from(kind.as_str()))])));
        }
    }
}

/// Adds the variable or flag to the errors of values that one has set.
pub(super) fn name_origins(origins: &Origins, errors: &mut [ConfigError]) {
    for error in errors {
        let of_path = |(path, _): &&(String, String)| {
            error.path.strip_prefix(path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if let Some((_, origin)) = origins.iter().find(of_path)
            && !error.message.ends_with(')')
        {
            error.message = format!("{} (set by {origin})", error.message);
        }
    }
}

/// Variables that start with `PERCH_` and set nothing. These are warnings, because other software
/// may have set them. Those that Kubernetes sets for services are left out.
pub(super) fn unknown_variables(layers: &ConfigLayers) -> Vec<ConfigError> {
    let is_unknown = |(name, value): &&(String, String)| {
        name.starts_with(PREFIX)
            && !OTHER_VARIABLES.contains(&name.as_str())
            && !INGEST_TOKEN.contains(&name.as_str())
            && path_of_variable(name).is_none()
            && !is_of_kubernetes(name, value)
    };
    let mut names: Vec<_> = layers.environment.iter().filter(is_unknown).map(|(name, _)| name).collect();
    names.sort();
    let known: Vec<_> = known_paths().iter().map(|path| variable_of_path(path)).collect();
    let unknown = |name: &String| {
        let known = known.iter().map(String::as_str).chain(OTHER_VARIABLES.iter().copied()).chain([INGEST_TOKEN[0]]);
        // Without the common prefix, which would make all names similar.
        let hint = nearest(&name[PREFIX.len()..], known.map(|known| &known[PREFIX.len()..]));
        let hint = hint.map(|hint| format!("; did you mean {PREFIX}{hint}?")).unwrap_or_default();
        ConfigError::new(name, format!("no key has this variable, it sets nothing{hint}"))
    };
    names.into_iter().map(unknown).collect()
}

/// Whether Kubernetes sets this variable in pods, for a service whose name starts with `perch`.
fn is_of_kubernetes(name: &str, value: &str) -> bool {
    static NAMES: LazyLock<Regex> = LazyLock::new(|| {
        let names = "^PERCH(_[A-Z0-9]+)*_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$";
        Regex::new(names).expect("the pattern is right")
    });
    let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    NAMES.is_match(name) || (name.ends_with("_PORT") && is_url)
}

/// All paths that a variable can set.
fn known_paths() -> Vec<String> {
    let mut paths = Config::keys();
    paths.extend(["source".to_owned(), "transport".to_owned()]);
    paths
}

/// The path that `PERCH_SERVER__LISTEN` sets, or `PERCH_SERVER_LISTEN` if only one key has this
/// spelling.
fn path_of_variable(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX).unwrap_or(name);
    if rest == "LOG" {
        return Some("telemetry.log".to_owned());
    }
    let keys = known_paths();
    let exact = rest.replace("__", ".").to_lowercase();
    if keys.contains(&exact) {
        return Some(exact);
    }
    let mut like = keys.iter().filter(|key| key.replace('.', "_").eq_ignore_ascii_case(rest));
    like.next().filter(|_| like.next().is_none()).cloned()
}

fn variable_of_path(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_uppercase())
}

/// The text as a TOML value. A plain string if it is no TOML, or if the key holds a string.
fn value_of(path: &str, text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok().filter(|table| table.len() == 1);
    let value = parsed.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::from(text));
    let defaults = default_sections();
    let default = path.split_once('.').and_then(|(section, key)| defaults.get(section)?.get(key));
    if default.is_some_and(Value::is_str) && !value.is_str() { Value::from(text) } else { value }
}

/// A step of a path: `name` or `[3]`.
enum Step {
    Key(String),
    Index(usize),
}

fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (key, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            return None;
        }
        steps.push(Step::Key(key.to_owned()));
        if !indices.is_empty() {
            let inner = indices.strip_prefix('[')?.strip_suffix(']')?;
            for index in inner.split("][") {
                steps.push(Step::Index(index.parse().ok()?));
            }
        }
    }
    Some(steps)
}

fn put(table: &mut Table, path: &str, value: Value) -> Result<(), String> {
    let steps = steps(path).ok_or("expected a TOML path such as server.listen or source[0].rate")?;
    let mut steps = steps.into_iter();
    let Some(Step::Key(first)) = steps.next() else { return Err("expected a TOML path".to_owned()) };
    let mut at = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
    for step in steps {
        at = match step {
            Step::Key(key) => at
                .as_table_mut()
                .ok_or_else(|| format!("\"{key}\" is inside of something that is no table"))?
                .entry(key)
                .or_insert_with(|| Value::Table(Table::new())),
            Step::Index(index) => {
                let array =
                    at.as_array_mut().ok_or_else(|| format!("[{index}] is inside of something that is no array"))?;
                let len = array.len();
                if index == len {
                    array.push(Value::Table(Table::new()));
                }
                array.get_mut(index).ok_or_else(|| format!("there is no [{index}], only {len} before it"))?
            }
        };
    }
    *at = value;
    Ok(())
}
