//! The log on stderr, and the metrics of `/metrics`.
//!
//! One function per event counts it and logs what an operator should see, so that no event is
//! logged twice or counted in two ways. [`METRICS`] has the names of all metrics, and a test keeps
//! docs/OPERATIONS.md in step.
//!
//! Recording is safe from any thread and takes well under a microsecond. Frequent events are
//! recorded per batch.

mod events;
mod log;
mod metric;
pub(crate) mod process;
mod recorder;

pub(crate) use events::*;
pub use log::{LogFilter, init_log};
pub use metric::{METRICS, Metric, MetricKind};
pub use recorder::{install_metrics, render_metrics};

#[cfg(test)]
mod tests;
