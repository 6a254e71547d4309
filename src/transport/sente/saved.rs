//! The subscriptions of an endpoint's clients, kept in a file so that they outlive a restart.
//!
//! ```text
//! clients' tasks ──put, set_position──> map ──now and then──> file ──start──> clients
//! ```
//!
//! A page that reconnects under its client-id may never register again, as `BirdWatch`'s page does
//! not. For the grace time, the file has what the page had registered, and the position up to which
//! the page has acknowledged everything. The page goes on behind that position.
//!
//! A client-id works like a password, so the file holds only its hash. A client that came with a
//! token gets its subscriptions back only with a token of the same subject. The file is bounded,
//! and belongs to one epoch of the index.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::ids::{Epoch, Seq};

/// The longest file that perch writes and reads.
const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;

/// The longest record of one client. perch leaves a longer one out, and its client must register
/// again.
const MAX_CLIENT_BYTES: usize = 64 * 1024;

/// The delay before a new subscription is written.
const WRITE_DELAY: Duration = Duration::from_millis(250);

/// How often positions alone are written.
const POSITION_INTERVAL: Duration = Duration::from_secs(5);

/// The rest after a write, as a multiple of its duration: writing takes 2 % of the time.
const REST_FACTOR: u32 = 50;

/// The hash of a client-id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct ClientIdHash(Box<str>);

impl ClientIdHash {
    pub(super) fn new(id: &str) -> ClientIdHash {
        let hash = digest(&SHA256, id.as_bytes());
        ClientIdHash(hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
    }
}

/// What one client has registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedClient {
    /// The subject of the client's token.
    pub(super) subject: Option<String>,
    /// The client has acknowledged everything up to here.
    pub(super) position: u64,
    pub(super) subscriptions: Vec<SavedSubscription>,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedSubscription {
    pub(super) name: Option<Arc<str>>,
    /// The canonical form.
    pub(super) query: Arc<str>,
    /// The watermark of its registration.
    pub(super) since: u64,
}

/// The file.
#[derive(Deserialize)]
struct Saved {
    epoch: String,
    clients: HashMap<ClientIdHash, SavedClient>,
}

/// A client that no task runs for.
#[derive(Debug)]
struct AbsentClient {
    saved: SavedClient,
    /// Until when it may come back.
    until: Instant,
}

/// The content of the file, before it is written.
#[derive(Debug, Default)]
struct State {
    /// The records of clients with a task.
    clients: HashMap<ClientIdHash, SavedClient>,
    /// The records of clients that have not come back since the start, or since their session
    /// failed.
    absent: HashMap<ClientIdHash, AbsentClient>,
    /// Whether the file lacks a change.
    is_dirty: bool,
    /// How many tasks of clients run.
    running: usize,
    /// Whether perch has logged that clients are left out.
    has_warned: bool,
}

/// The clients of one endpoint.
#[derive(Debug)]
pub(super) struct SavedClients {
    /// The file. `None` where clients can't come back.
    file: Option<PathBuf>,
    epoch: Epoch,
    grace: Duration,
    state: Mutex<State>,
    /// Notified when a subscription comes or goes.
    changed: Notify,
    /// Notified when the last task has ended.
    ended: Notify,
}

impl SavedClients {
    /// Loads the records of this endpoint's last run from the directory of the index.
    pub(super) fn load(dir: &Path, endpoint_path: &str, epoch: Epoch, grace: Duration) -> SavedClients {
        let name = format!("sente{}.json", super::form::encode(endpoint_path));
        let file = (!grace.is_zero()).then(|| dir.join(name));
        let absent = file.as_deref().and_then(|file| match read(file) {
            Ok(saved) if saved.epoch == epoch.to_string() => Some(saved.clients),
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "the subscriptions of Sente's clients can't be read: they register again");
                None
            }
        });
        let until = Instant::now() + grace;
        let absent = absent.unwrap_or_default().into_iter();
        let absent = absent.map(|(key, saved)| (key, AbsentClient { saved, until })).collect();
        let state = State { absent, ..State::default() };
        SavedClients { file, epoch, grace, state: Mutex::new(state), changed: Notify::new(), ended: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out the record of an absent client, once. A client of another subject gets nothing,
    /// and the record stays.
    pub(super) fn claim(&self, key: &ClientIdHash, subject: Option<&str>) -> Option<SavedClient> {
        let mut state = self.state();
        let now = Instant::now();
        state.absent.get(key).filter(|absent| absent.saved.subject.as_deref() == subject && now < absent.until)?;
        let AbsentClient { saved, .. } = state.absent.remove(key)?;
        state.clients.insert(key.clone(), saved.clone());
        Some(saved)
    }

    /// Stores the record of a client.
    pub(super) fn put(&self, key: &ClientIdHash, client: SavedClient) {
        let mut state = self.state();
        state.absent.remove(key);
        state.clients.insert(key.clone(), client);
        state.is_dirty = true;
        drop(state);
        self.changed.notify_one();
    }

    /// Stores the position of a client.
    pub(super) fn set_position(&self, key: &ClientIdHash, position: Seq) {
        let mut state = self.state();
        if let Some(client) = state.clients.get_mut(key) {
            client.position = position.0;
            state.is_dirty = true;
        }
    }

    /// Removes the record of a client that has gone for good.
    pub(super) fn remove(&self, key: &ClientIdHash) {
        let mut state = self.state();
        if state.clients.remove(key).is_some() {
            state.is_dirty = true;
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Keeps the record of a client whose session has failed for the grace time, for its return.
    pub(super) fn release(&self, key: &ClientIdHash) {
        let mut state = self.state();
        if let Some(saved) = state.clients.remove(key) {
            state.absent.insert(key.clone(), AbsentClient { saved, until: Instant::now() + self.grace });
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Removes the expired records of absent clients. Returns when the next one expires.
    fn forget_expired(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut state = self.state();
        let before = state.absent.len();
        state.absent.retain(|_, absent| now < absent.until);
        state.is_dirty |= state.absent.len() < before;
        state.absent.values().map(|absent| absent.until).min()
    }

    /// Counts a running task, until the guard is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Running {
        self.state().running += 1;
        Running(Arc::clone(self))
    }

    /// Writes changes to the file, until the shutdown and the end of the last task.
    pub(super) async fn keep(self: Arc<Self>, shutdown: CancellationToken) {
        let mut rest = Duration::ZERO;
        while !shutdown.is_cancelled() {
            let next = Instant::now() + POSITION_INTERVAL;
            let next = self.forget_expired().map_or(next, |until| next.min(until));
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = self.changed.notified() => sleep(WRITE_DELAY).await,
                () = sleep_until(next) => {}
            }
            let started = Instant::now();
            self.write().await;
            rest = (started.elapsed() * REST_FACTOR).max(rest / 2);
            let _ = timeout(rest, shutdown.cancelled()).await;
        }
        while self.state().running > 0 {
            self.ended.notified().await;
        }
        self.write().await;
    }

    /// Writes the file if it lacks a change.
    async fn write(self: &Arc<Self>) {
        let Some(file) = self.file.clone().filter(|_| std::mem::take(&mut self.state().is_dirty)) else { return };
        let saved = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || {
            let text = saved.text();
            replace(&file, text.as_bytes()).map_err(|error| (file, error))
        });
        if let Ok(Err((file, error))) = written.await {
            tracing::warn!(file = %file.display(), %error, "the subscriptions of Sente's clients can't be saved");
            self.state().is_dirty = true;
        }
    }

    /// The content of the file, within its bound. The shortest records come first, so that a few
    /// long ones can't keep many short ones out.
    fn text(&self) -> String {
        // Tasks of clients wait for the lock, so records are turned into JSON without it.
        let clients: Vec<(ClientIdHash, SavedClient)> = {
            let state = self.state();
            let absent = state.absent.iter().map(|(key, absent)| (key, &absent.saved));
            let all = state.clients.iter().chain(absent);
            all.map(|(key, client)| (key.clone(), client.clone())).collect()
        };
        let n_clients = clients.len();
        let mut records: Vec<(ClientIdHash, String)> = clients
            .into_iter()
            .map(|(key, client)| {
                (key, serde_json::to_string(&client).expect("a record is made of strings and numbers"))
            })
            .filter(|(_, record)| record.len() <= MAX_CLIENT_BYTES)
            .collect();
        records.sort_unstable_by_key(|(_, record)| record.len());
        let mut text = format!("{{\"epoch\":\"{}\",\"clients\":{{", self.epoch);
        let mut written = 0;
        for (ClientIdHash(key), record) in &records {
            if text.len() + record.len() + key.len() + 8 > MAX_FILE_BYTES {
                break;
            }
            let comma = if written == 0 { "" } else { "," };
            text.extend([comma, "\"", key, "\":", record]);
            written += 1;
        }
        self.warn_of(n_clients - written);
        text.push_str("}}");
        text
    }

    /// Logs that clients are left out, when none was before.
    fn warn_of(&self, left_out: usize) {
        let had_warned = std::mem::replace(&mut self.state().has_warned, left_out > 0);
        if left_out > 0 && !had_warned {
            tracing::warn!(
                clients = left_out,
                "too much is registered to be saved: these clients register again after a restart"
            );
        }
    }
}

/// See [`SavedClients::enter`].
#[derive(Debug)]
pub(super) struct Running(Arc<SavedClients>);

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.running -= 1;
        if state.running == 0 {
            self.0.ended.notify_one();
        }
    }
}

fn read(file: &Path) -> io::Result<Saved> {
    let mut text = String::new();
    let max = MAX_FILE_BYTES as u64;
    if File::open(file)?.take(max + 1).read_to_string(&mut text)? > MAX_FILE_BYTES {
        return Err(io::Error::other("it is longer than perch writes it"));
    }
    serde_json::from_str(&text).map_err(io::Error::other)
}

/// Replaces the file atomically: after a crash or a power cut it is the old one or the new one.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = file.with_extension("json.new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    // Queries are private.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.open(&new)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    fs::rename(&new, file)?;
    #[cfg(unix)]
    if let Some(dir) = file.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
