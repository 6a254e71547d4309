//! The configuration: from TOML tables to checked values. All errors are reported at once, each
//! with its TOML path.
//!
//! ```text
//! defaults <- config.toml <- PERCH_… variables <- flags   one table
//!   -> read                                               typed sections
//!   -> check                                              values in their ranges
//! ```
//!
//! [`Config::parse`] is pure: it gets files and environment as [`ConfigLayers`]. The tables of
//! plugins (`[[source]]`, `[[transport]]`) stay as they are. The owner of a table of plugins builds
//! them with [`read()`], and prefixes errors with their path ([`ConfigError::within`]).
//!
//! `config.toml` has every key with its default and a reason; a test keeps the two in step.

mod network;
mod overrides;
mod read;
mod secret;
mod sections;

use std::fmt;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

pub use network::{ProxyHeader, network};
pub use read::{nearest, read};
pub use secret::{Origin, Secret, host_name};
pub use sections::{
    AuthSection, DeliveriesSection, IndexSection, IngestSection, LimitsSection, LogFormat, MailEncryption, MailSection,
    PercolatorSection, QuerySection, ServerSection, TelemetrySection,
};

/// An error in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The TOML path: `source[1].rate`.
    pub path: String,
    /// What was expected, and what was found.
    pub message: String,
}

impl ConfigError {
    /// An error at this path.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> ConfigError {
        ConfigError { path: path.into(), message: message.into() }
    }

    /// The same error, with a path that is relative to an outer table, which holds this one at
    /// `path`.
    #[must_use]
    pub fn within(self, path: &str) -> ConfigError {
        let path = match self.path.as_str() {
            "" => path.to_owned(),
            inner => format!("{path}.{inner}"),
        };
        ConfigError { path, message: self.message }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => self.message.fmt(f),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

/// The table of a plugin, not built yet.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginTable {
    /// Its `type`.
    pub kind: String,
    /// Its name in logs, metrics and `/readyz`: its type and its number, `file#2`.
    pub name: String,
    /// Its TOML path: `source[1]`.
    pub path: String,
    /// The table without `type`.
    pub table: Table,
}

/// The text of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// Its name in messages.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// The layers of a configuration. Later layers take precedence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigLayers {
    /// The configuration file, if there is one.
    pub file: Option<ConfigFile>,
    /// Environment variables. Only those that start with `PERCH_` count.
    pub environment: Vec<(String, String)>,
    /// The values of `--set`: `KEY=VALUE`.
    pub set: Vec<String>,
    /// The values of `--source`.
    pub sources: Vec<String>,
    /// The value of `--listen`.
    pub listen: Option<String>,
    /// The value of `--index-dir`.
    pub index_dir: Option<String>,
}

impl ConfigLayers {
    /// Variables that look like keys and are none, each with the nearest key. They have no effect.
    #[must_use]
    pub fn unknown_variables(&self) -> Vec<ConfigError> {
        overrides::unknown_variables(self)
    }
}

/// The checked configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[server]`
    pub server: ServerSection,
    /// `[index]`
    pub index: IndexSection,
    /// `[ingest]`
    pub ingest: IngestSection,
    /// `[auth]`
    pub auth: AuthSection,
    /// `[percolator]`
    pub percolator: PercolatorSection,
    /// `[query]`
    pub query: QuerySection,
    /// `[limits]`
    pub limits: LimitsSection,
    /// `[deliveries]`
    pub deliveries: DeliveriesSection,
    /// `[mail]`
    pub mail: MailSection,
    /// `[telemetry]`
    pub telemetry: TelemetrySection,
    /// `[[source]]`. The default is one demo source.
    pub sources: Vec<PluginTable>,
    /// `[[transport]]`. The default is `ws`, `sse`, `rest`, `feeds`, and `sente` for both profiles
    /// of `BirdWatch`.
    pub transports: Vec<PluginTable>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            server: ServerSection::default(),
            index: IndexSection::default(),
            ingest: IngestSection::default(),
            auth: AuthSection::default(),
            percolator: PercolatorSection::default(),
            query: QuerySection::default(),
            limits: LimitsSection::default(),
            deliveries: DeliveriesSection::default(),
            mail: MailSection::default(),
            telemetry: TelemetrySection::default(),
            sources: plugins(default_plugins("source"), "source", &mut Vec::new()),
            transports: plugins(default_plugins("transport"), "transport", &mut Vec::new()),
        }
    }
}

impl Config {
    /// The configuration of these layers.
    ///
    /// # Errors
    ///
    /// All errors in them.
    pub fn load(layers: &ConfigLayers) -> Result<Config, Vec<ConfigError>> {
        match Config::parse(layers) {
            (config, errors) if errors.is_empty() => Ok(config),
            (_, errors) => Err(errors),
        }
    }

    /// The configuration of a file's text.
    ///
    /// # Errors
    ///
    /// All errors in it.
    pub fn from_toml(text: &str) -> Result<Config, Vec<ConfigError>> {
        let file = ConfigFile { name: "config.toml".to_owned(), text: text.to_owned() };
        Config::load(&ConfigLayers { file: Some(file), ..ConfigLayers::default() })
    }

    /// The configuration of these layers, and all errors in them. An invalid value is replaced by
    /// its default, so that the caller can go on and check the tables of plugins too.
    #[must_use]
    pub fn parse(layers: &ConfigLayers) -> (Config, Vec<ConfigError>) {
        let mut errors = Vec::new();
        let mut table = match &layers.file {
            Some(file) => file_table(file, &mut errors),
            None => Table::new(),
        };
        for name in ["source", "transport"] {
            table.entry(name).or_insert_with(|| Value::Array(default_plugins(name)));
        }
        let origins = overrides::apply(layers, &mut table, &mut errors);
        let mut config = from_table(table, &mut errors);
        config.ingest.token = secret_variable(layers, &mut errors);
        overrides::name_origins(&origins, &mut errors);
        (config, errors)
    }

    /// The path of every key outside of the plugins' tables, in order: `server.listen`.
    #[must_use]
    pub fn keys() -> Vec<String> {
        let sections = default_sections();
        let keys = |name: &String, section: &Value| {
            section.as_table().into_iter().flatten().map(|(key, _)| format!("{name}.{key}")).collect::<Vec<_>>()
        };
        sections.iter().flat_map(|(name, section)| keys(name, section)).collect()
    }
}

/// The token of ingestion. It has a variable but no key, because configuration files are often
/// readable by many.
fn secret_variable(layers: &ConfigLayers, errors: &mut Vec<ConfigError>) -> Option<Secret> {
    let (name, text) = layers.environment.iter().find(|(name, _)| overrides::INGEST_TOKEN.contains(&name.as_str()))?;
    Secret::new(text).map_err(|message| errors.push(ConfigError::new(name, message))).ok()
}

fn file_table(file: &ConfigFile, errors: &mut Vec<ConfigError>) -> Table {
    file.text.parse::<Table>().unwrap_or_else(|error| {
        let before = error.span().and_then(|span| file.text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        errors.push(ConfigError::new(format!("{}:{line}:{column}", file.name), error.message()));
        Table::new()
    })
}

fn from_table(mut table: Table, errors: &mut Vec<ConfigError>) -> Config {
    let config = Config {
        server: section(&mut table, "server", errors),
        index: section(&mut table, "index", errors),
        ingest: section(&mut table, "ingest", errors),
        auth: section(&mut table, "auth", errors),
        percolator: section(&mut table, "percolator", errors),
        query: section(&mut table, "query", errors),
        limits: section(&mut table, "limits", errors),
        deliveries: section(&mut table, "deliveries", errors),
        mail: section(&mut table, "mail", errors),
        telemetry: section(&mut table, "telemetry", errors),
        sources: plugin_tables(&mut table, "source", errors),
        transports: plugin_tables(&mut table, "transport", errors),
    };
    for key in table.keys() {
        let hint = nearest(key, SECTIONS.iter().copied());
        errors.push(ConfigError::new(key, read::unknown_key(hint, SECTIONS)));
    }
    config.server.check(errors);
    config.index.check(errors);
    config.auth.check(errors);
    config.percolator.check(errors);
    config.query.check(errors);
    config.limits.check(errors);
    config.deliveries.check(errors);
    config.mail.check(&config.server.public_url, errors);
    config.telemetry.check(errors);
    config
}

/// The keys at the top level of the file.
const SECTIONS: &[&str] = &[
    "server",
    "index",
    "ingest",
    "auth",
    "percolator",
    "query",
    "limits",
    "deliveries",
    "mail",
    "telemetry",
    "source",
    "transport",
];

/// The sections with their defaults as a table: all keys and their types.
fn default_sections() -> Table {
    let mut table = Table::new();
    let config = Config::default();
    let mut add = |name: &str, section: Result<Value, toml::ser::Error>| {
        table.insert(name.to_owned(), section.expect("a section is made of numbers and strings"));
    };
    add("server", Value::try_from(config.server));
    add("index", Value::try_from(config.index));
    add("ingest", Value::try_from(config.ingest));
    add("auth", Value::try_from(config.auth));
    add("percolator", Value::try_from(config.percolator));
    add("query", Value::try_from(config.query));
    add("limits", Value::try_from(config.limits));
    add("deliveries", Value::try_from(config.deliveries));
    add("mail", Value::try_from(config.mail));
    add("telemetry", Value::try_from(config.telemetry));
    table
}

fn section<T>(table: &mut Table, name: &str, errors: &mut Vec<ConfigError>) -> T
where
    T: for<'de> Deserialize<'de> + Serialize + Default,
{
    match table.remove(name) {
        None => T::default(),
        Some(Value::Table(section)) => {
            let (value, found) = read::read_lenient::<T>(section);
            errors.extend(found.into_iter().map(|error| error.within(name)));
            value.unwrap_or_default()
        }
        Some(other) => {
            errors
                .push(ConfigError::new(name, format!("expected a table, [{name}], found {}", read::describe(&other))));
            T::default()
        }
    }
}

fn default_plugins(section: &str) -> Vec<Value> {
    let table = |pairs: &[(&str, &str)]| {
        Value::Table(pairs.iter().map(|&(key, value)| (key.to_owned(), Value::from(value))).collect())
    };
    if section == "source" {
        return vec![table(&[("type", "demo")])];
    }
    let head = [("type", "sente"), ("path", "/chsk-head"), ("packer", "transit"), ("profile", "birdwatch-head")];
    ["ws", "sse", "rest", "feeds", "sente"]
        .map(|kind| table(&[("type", kind)]))
        .into_iter()
        .chain([table(&head)])
        .collect()
}

fn plugin_tables(table: &mut Table, section: &str, errors: &mut Vec<ConfigError>) -> Vec<PluginTable> {
    match table.remove(section) {
        None => Vec::new(),
        Some(Value::Array(tables)) => plugins(tables, section, errors),
        Some(other) => {
            let message = format!("expected tables, [[{section}]], found {}", read::describe(&other));
            errors.push(ConfigError::new(section, message));
            Vec::new()
        }
    }
}

fn plugins(tables: Vec<Value>, section: &str, errors: &mut Vec<ConfigError>) -> Vec<PluginTable> {
    let mut plugins = Vec::with_capacity(tables.len());
    for (at, value) in tables.into_iter().enumerate() {
        let path = format!("{section}[{at}]");
        let Value::Table(mut table) = value else {
            errors.push(ConfigError::new(path, format!("expected a table, found {}", read::describe(&value))));
            continue;
        };
        match table.remove("type") {
            Some(Value::String(kind)) => {
                plugins.push(PluginTable { name: format!("{kind}#{}", at + 1), kind, path, table });
            }
            Some(other) => {
                let message = format!("expected a string, found {}", read::describe(&other));
                errors.push(ConfigError::new(format!("{path}.type"), message));
            }
            None => {
                errors
                    .push(ConfigError::new(format!("{path}.type"), "is missing: it says which kind of plugin this is"));
            }
        }
    }
    plugins
}

/// The error for a `type` that is in no table of plugins.
#[must_use]
pub fn unknown_type(plugin: &PluginTable, known: &[&str]) -> ConfigError {
    let hint = nearest(&plugin.kind, known.iter().copied());
    let hint = hint.map(|hint| format!("; did you mean \"{hint}\"?")).unwrap_or_default();
    let message = format!("there is no \"{}\"{hint} (there is: {})", plugin.kind, known.join(", "));
    ConfigError::new(format!("{}.type", plugin.path), message)
}

#[cfg(test)]
mod tests;
