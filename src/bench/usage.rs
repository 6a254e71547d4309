//! What the server takes of the machine: from its metrics, or from `/proc` when its process id is
//! given.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::task::JoinHandle;
use url::Url;

use crate::client::Http;
use crate::telemetry::process;

/// Time between two samples of the memory.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// CPU time and memory of the server; `None` if neither metrics nor /proc report them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    pub(super) cpu_s: f64,
    /// Resident memory that no file backs, in bytes.
    pub(super) memory_bytes: f64,
}

/// Where the usage is read.
#[derive(Clone, Debug)]
pub(super) enum Meter {
    Metrics { http: Http, url: Url },
    Process(u32),
}

impl Meter {
    pub(super) async fn read(&self) -> Option<Usage> {
        match self {
            Meter::Process(id) => {
                let usage = process::usage(*id)?;
                #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
                let memory_bytes = usage.anonymous_bytes as f64;
                Some(Usage { cpu_s: usage.cpu.as_secs_f64(), memory_bytes })
            }
            Meter::Metrics { http, url } => {
                let page = http.get(url).await.ok()?.body;
                let value = |name: &str| {
                    page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse::<f64>().ok())
                };
                let cpu_s = value("process_cpu_seconds_total")?;
                Some(Usage { cpu_s, memory_bytes: value("perch_process_anonymous_bytes")? })
            }
        }
    }

    /// Samples the memory until it is stopped.
    pub(super) fn watch(&self) -> Watched {
        let (meter, seen) = (self.clone(), Arc::new(Mutex::new(Vec::new())));
        let into = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(SAMPLE_EVERY);
            loop {
                ticks.tick().await;
                if let Some(usage) = meter.read().await {
                    into.lock().unwrap_or_else(PoisonError::into_inner).push(usage.memory_bytes);
                }
            }
        });
        Watched { seen, task }
    }
}

/// The memory over some time.
#[derive(Debug)]
pub(super) struct Watched {
    seen: Arc<Mutex<Vec<f64>>>,
    task: JoinHandle<()>,
}

impl Watched {
    /// The samples, in order.
    pub(super) fn stop(self) -> Vec<f64> {
        self.task.abort();
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
