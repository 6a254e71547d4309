//! The log on stderr.

use anyhow::Context as _;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

use crate::config::{LogFormat, TelemetrySection};

/// The filter of the log, which may be changed while perch runs.
#[derive(Clone, Debug)]
pub struct LogFilter(reload::Handle<EnvFilter, Registry>);

impl LogFilter {
    /// Replaces the filter.
    ///
    /// # Errors
    ///
    /// The filter is invalid; the old one stays in use.
    pub fn set(&self, filter: &str) -> anyhow::Result<()> {
        self.0.reload(env_filter(filter)?).context("the log is gone")
    }
}

fn env_filter(text: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(text).with_context(|| format!("telemetry.log: {text:?}"))
}

/// Starts the log on stderr. Later calls in the same process have no effect.
///
/// # Errors
///
/// The filter is invalid.
pub fn init_log(config: &TelemetrySection) -> anyhow::Result<LogFilter> {
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let (log, filter) = log_to(config, std::io::stderr, ansi)?;
    // Fails if a test in the same process has started a log.
    let _ = log.try_init();
    Ok(filter)
}

/// A log that writes to `writer`.
pub(super) fn log_to<W>(
    config: &TelemetrySection,
    writer: W,
    ansi: bool,
) -> anyhow::Result<(impl SubscriberInitExt + use<W>, LogFilter)>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(env_filter(&config.log)?);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let layer = match config.format {
        LogFormat::Text => layer.with_ansi(ansi).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    let harmless = filter_fn(is_harmless).with_max_level_hint(LevelFilter::TRACE);
    let log = tracing_subscriber::registry().with(layer.with_filter(filter.and(harmless)));
    Ok((log, LogFilter(handle)))
}

/// Whether an event can hold no secret of a client. Libraries log their input at `trace`:
/// tungstenite logs whole messages, and these may hold tokens.
fn is_harmless(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    *metadata.level() < Level::TRACE || target == "perch" || target.starts_with("perch::")
}
