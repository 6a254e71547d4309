//! The threads that the sessions run on.
//!
//! Each thread has a runtime, a buffer and a tally of its own, so that nothing is shared while
//! tweets come but one counter.

use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use super::session::{Session, Tally, Thread};
use super::shared::{Phase, Report, Shared};

/// What a thread reads at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// Starts the threads. What they counted comes from joining them.
///
/// # Errors
///
/// When a thread can't be started.
pub(super) fn spawn(
    threads: u32,
    shared: &Arc<Shared>,
    phases: &watch::Receiver<Phase>,
    reports: &mpsc::Sender<Report>,
) -> anyhow::Result<Vec<std::thread::JoinHandle<anyhow::Result<Tally>>>> {
    (0..threads)
        .map(|at| {
            let (shared, phases, reports) = (Arc::clone(shared), phases.clone(), reports.clone());
            let run = move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let sessions = shared.plan.options().sessions;
                let thread = Rc::new(Thread {
                    shared,
                    reports,
                    buffer: vec![0; BUFFER_BYTES].into_boxed_slice().into(),
                    tally: Tally::default().into(),
                });
                let tasks = LocalSet::new();
                for number in (0..sessions).filter(|number| number % threads == at) {
                    tasks.spawn_local(Session::new(Rc::clone(&thread), number).run(phases.clone()));
                }
                drop(phases);
                runtime.block_on(tasks);
                Ok(thread.tally.take())
            };
            std::thread::Builder::new().name(format!("sessions-{at}")).spawn(run).context("can't start a thread")
        })
        .collect()
}
