//! The recorder of metrics, and the text of `/metrics`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use metrics::{Unit, counter, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::metric::{METRICS, MetricKind, PROCESS_ANONYMOUS};
use super::process;

/// Values that the recorder may keep outside of the buckets.
const UPKEEP_VALUES: u32 = 8_192;

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// The metrics of the process, under the names of Prometheus's client libraries.
static PROCESS: LazyLock<metrics_process::Collector> = LazyLock::new(metrics_process::Collector::default);

/// Installs the recorder, at the first call in a process, and returns a handle that renders
/// `/metrics`.
pub fn install_metrics() -> PrometheusHandle {
    HANDLE.get_or_init(install).clone()
}

fn install() -> PrometheusHandle {
    let mut builder = PrometheusBuilder::new();
    for metric in METRICS {
        if let MetricKind::Histogram(buckets) = metric.kind {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)
                .expect("every distribution has buckets");
        }
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("another metrics recorder is installed in this process; /metrics stays empty");
        return handle;
    }
    describe();
    handle
}

/// The text of `/metrics`.
pub fn render_metrics() -> String {
    let handle = install_metrics();
    PROCESS.collect();
    if let Some(usage) = process::usage(std::process::id()) {
        gauge!(PROCESS_ANONYMOUS).set(number(usize::try_from(usage.anonymous_bytes).unwrap_or(usize::MAX)));
    }
    handle.render()
}

/// Describes all metrics, and sets those without labels to 0: Prometheus can't tell an absent
/// metric from a zero.
fn describe() {
    PROCESS.describe();
    for metric in METRICS {
        let unit = match metric.name.trim_end_matches("_total").rsplit('_').next() {
            Some("seconds") => Unit::Seconds,
            Some("bytes") => Unit::Bytes,
            _ => Unit::Count,
        };
        let labeled = metric.about.contains(", by ");
        match metric.kind {
            MetricKind::Counter => {
                metrics::describe_counter!(metric.name, unit, metric.about);
                if !labeled {
                    counter!(metric.name).absolute(0);
                }
            }
            MetricKind::Gauge => {
                metrics::describe_gauge!(metric.name, unit, metric.about);
                if !labeled {
                    gauge!(metric.name).set(0.0);
                }
            }
            MetricKind::Histogram(_) => metrics::describe_histogram!(metric.name, unit, metric.about),
        }
    }
}

/// Adds a value to a distribution. The recorder keeps single values until it renders them, so every
/// [`UPKEEP_VALUES`] values are moved to the buckets.
pub(super) fn record(distribution: &metrics::Histogram, took: Duration) {
    static RECORDED: AtomicU32 = AtomicU32::new(0);
    distribution.record(took);
    if RECORDED.fetch_add(1, Ordering::Relaxed) % UPKEEP_VALUES == UPKEEP_VALUES - 1
        && let Some(handle) = HANDLE.get()
    {
        handle.run_upkeep();
    }
}

/// A value for Prometheus, whose numbers are floats. No count here reaches 2^53.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(super) fn number(n: usize) -> f64 {
    n as f64
}
