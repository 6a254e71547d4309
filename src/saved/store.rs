//! The file of the saved searches: what they are, and the position of each delivery.
//!
//! `searches.redb` in the directory of the index. One thread writes it. It commits what has
//! accumulated since its last commit at once, so that thousands of deliveries share one
//! synchronization of the disk. A change is durable when its call returns; the changes of
//! [`Store::note`] become durable with the next commit, in order.
//!
//! | table | row |
//! |---|---|
//! | `searches` | name → [`StoredSearch`] as JSON |
//! | `positions` | id of a delivery → [`Position`] |
//! | `pacing` | id of a delivery with digests or a limit per hour → [`PacingState`] |
//! | `tries` | id of a delivery, number of the try → [`Try`] as JSON; the last [`MAX_TRIES`] |
//! | `meta` | `epoch`, `floor` (see [`Position`]), next delivery id, key of [`super::unsubscribe`] |

use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, mpsc};
use std::thread::JoinHandle;

use anyhow::Context as _;
use redb::{
    Builder, ConcurrencyMode, Database, ReadTransaction, ReadableDatabase as _, ReadableTable as _,
    ReadableTableMetadata as _, TableDefinition, WriteTransaction,
};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::delivery_id::DeliveryId;
use super::pacing::PacingState;
use super::spec::StoredSearch;
use crate::ids::{Epoch, Seq};

/// The file in the directory of the index.
pub(super) const FILE: &str = "searches.redb";

/// How many tries of a delivery are kept.
pub(super) const MAX_TRIES: u64 = 100;

/// The most changes of one commit.
const MAX_CHANGES: usize = 8_192;

pub(super) const SEARCHES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("searches");
pub(super) const POSITIONS: TableDefinition<'_, u64, (u64, u64, u64, bool)> = TableDefinition::new("positions");
pub(super) const PACING: TableDefinition<'_, u64, (u64, u64, u64, u32, u32)> = TableDefinition::new("pacing");
pub(super) const TRIES: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("tries");
pub(super) const META: TableDefinition<'_, &str, u128> = TableDefinition::new("meta");

/// Memory for the pages of the file.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Opens files. `perch backup` may read one while perch writes it.
pub(super) fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_concurrency_mode(ConcurrencyMode::SingleWriter);
    builder
}

/// Opens a file for writing, and makes it if it is missing. Only its owner may read it: it has
/// secrets.
pub(super) fn create(path: &Path) -> anyhow::Result<Database> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
        const OF_OWNER: u32 = 0o600;
        let file = std::fs::OpenOptions::new().append(true).create(true).mode(OF_OWNER).open(path)?;
        file.set_permissions(std::fs::Permissions::from_mode(OF_OWNER))?;
    }
    Ok(builder().create(path)?)
}

/// How far a delivery has come.
///
/// Most deliveries wait for a match most of the time. They share one position, the *floor*: every
/// match up to it was delivered. It rises with the stream, and is stored once for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// Every match up to this seq was delivered.
    pub(super) seq: Seq,
    /// The last seq of the batch that is being sent, so that after a restart the same batch is sent
    /// with the same id.
    pub(super) sending: Option<Seq>,
    /// Since when its tries fail, in milliseconds since 1970.
    pub(super) failing_since_ms: Option<u64>,
    /// Whether it has delivered everything up to the floor too.
    pub(super) follows_floor: bool,
}

/// One try of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Try {
    /// When it began, in milliseconds since 1970.
    pub(super) at_ms: u64,
    /// How long it took.
    pub(super) took_ms: u64,
    /// The `webhook-id`.
    pub(super) id: String,
    /// The number of events in the batch.
    pub(super) events: usize,
    /// The HTTP status of the answer, if one came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

/// A change of the file.
pub(super) enum Change {
    /// Adds a search, or replaces the one of this name. Its new deliveries get positions.
    Put { name: Arc<str>, search: Box<StoredSearch>, positions: Vec<(DeliveryId, Position)>, removed: Vec<DeliveryId> },
    /// Adds searches of new names.
    Add(Vec<NewSearch>),
    /// Removes a search and its deliveries.
    Remove { name: Arc<str>, removed: Vec<DeliveryId> },
    /// Moves a delivery.
    Move(DeliveryId, Position),
    /// Moves a delivery with digests or a limit per hour.
    MovePaced(DeliveryId, Position, PacingState),
    /// Adds a try, with its number.
    Tried(DeliveryId, u64, Box<Try>),
    /// Raises the floor.
    Floor { floor: Seq },
    /// Ends the thread. Later changes fail.
    Close,
}

/// A search of a new name.
pub(super) struct NewSearch {
    pub(super) name: Arc<str>,
    /// Its [`StoredSearch`] as JSON, written before it reaches the thread that writes.
    pub(super) json: Vec<u8>,
    /// The positions of its deliveries.
    pub(super) positions: Vec<(DeliveryId, Position)>,
}

/// The file can't be written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct StoreError(Arc<str>);

type Done = oneshot::Sender<Result<(), StoreError>>;

/// What is in the file at the start.
pub(super) struct Loaded {
    /// How many searches there are.
    pub(super) searches: u64,
    /// The epoch that the positions belonged to; `None` in a new file.
    pub(super) epoch: Option<Epoch>,
    /// Whether that was another epoch than the index has now.
    pub(super) is_of_other_epoch: bool,
    pub(super) floor: Seq,
    pub(super) next_id: u64,
    pub(super) unsubscribe_key: u128,
}

/// The open file; `None` between an error and the next attempt to open it.
type SharedDatabase = Arc<RwLock<Option<Database>>>;

/// Access to the file. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Store {
    database: SharedDatabase,
    changes: mpsc::Sender<(Change, Option<Done>)>,
}

/// The thread that writes. It ends with [`Change::Close`], or when all [`Store`]s are gone.
pub(super) type StoreWriter = JoinHandle<()>;

impl Store {
    /// Opens the file, and makes it the file of this epoch. Deliveries of another epoch begin at
    /// `now`, the present position.
    ///
    /// # Errors
    ///
    /// The file is damaged, or can't be opened or written.
    pub(super) fn open(dir: &Path, epoch: Epoch, now: Seq) -> anyhow::Result<(Store, StoreWriter, Loaded)> {
        let path = dir.join(FILE);
        let open = || -> anyhow::Result<(Database, Loaded)> {
            let database = create(&path)?;
            let mut loaded = load(&database)?;
            if loaded.epoch != Some(epoch) {
                (loaded.floor, loaded.is_of_other_epoch) = (Seq::ZERO, loaded.epoch.is_some());
                begin_epoch(&database, epoch, now)?;
            }
            Ok((database, loaded))
        };
        let (database, loaded) = open().with_context(|| format!("can't open {}", path.display()))?;
        let database = Arc::new(RwLock::new(Some(database)));
        let (changes, receiver) = mpsc::channel();
        let writer = {
            let database = Arc::clone(&database);
            std::thread::Builder::new()
                .name("searches".to_owned())
                .spawn(move || write(&database, &path, &receiver))
                .context("can't start the thread of the saved searches")?
        };
        Ok((Store { database, changes }, writer, loaded))
    }

    /// Makes a change. It is durable when this returns.
    ///
    /// # Errors
    ///
    /// The change can't be written, and is not made.
    pub(super) async fn change(&self, change: Change) -> Result<(), StoreError> {
        self.begin(change).await
    }

    /// Queues a change behind those before it, and returns what waits until it is durable.
    pub(super) fn begin(&self, change: Change) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let (done, durable) = oneshot::channel();
        let sent = self.changes.send((change, Some(done))).is_ok();
        async move {
            let ended = || Err(StoreError("perch is shutting down".into()));
            if sent { durable.await.unwrap_or_else(|_| ended()) } else { ended() }
        }
    }

    /// Makes a change that becomes durable with the next commit.
    pub(super) fn note(&self, change: Change) {
        let _ = self.changes.send((change, None));
    }

    fn read(&self) -> anyhow::Result<ReadTransaction> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        Ok(database.as_ref().context("the file is not open")?.begin_read()?)
    }

    /// A search as it is stored.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub(super) fn search(&self, name: &str) -> anyhow::Result<Option<StoredSearch>> {
        let table = self.read()?.open_table(SEARCHES)?;
        let row = table.get(name)?;
        Ok(row.map(|row| serde_json::from_slice(row.value())).transpose()?)
    }

    /// The next `n` searches behind a name, by name, each as its JSON.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub(super) fn page(&self, after: Option<&str>, n: usize) -> anyhow::Result<Vec<(Arc<str>, Vec<u8>)>> {
        let table = self.read()?.open_table(SEARCHES)?;
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = table.range::<&str>((after, Bound::Unbounded))?.take(n);
        rows.map(|row| row.map(|(name, json)| (name.value().into(), json.value().to_vec())).map_err(Into::into))
            .collect()
    }

    /// The positions and pacings of deliveries.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub(super) fn positions(&self, of: &[DeliveryId]) -> anyhow::Result<Vec<(Position, Option<PacingState>)>> {
        let transaction = self.read()?;
        let (positions, pacing) = (transaction.open_table(POSITIONS)?, transaction.open_table(PACING)?);
        let row = |id: &DeliveryId| {
            let position = positions.get(id.0)?.map(|row| Position::from_row(row.value()));
            let state = pacing.get(id.0)?.map(|row| PacingState::from_row(row.value()));
            Ok((position.unwrap_or_default(), state))
        };
        of.iter().map(row).collect()
    }

    /// The last tries of a delivery, the newest first.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub(super) fn tries(&self, id: DeliveryId) -> anyhow::Result<Vec<Try>> {
        let table = self.read()?.open_table(TRIES)?;
        let rows = table.range((id.0, 0)..=(id.0, u64::MAX))?.rev();
        rows.map(|row| Ok(serde_json::from_slice(row?.1.value())?)).collect()
    }

    /// The number of the next try of a delivery.
    pub(super) fn next_try(&self, id: DeliveryId) -> u64 {
        let last = || -> anyhow::Result<Option<u64>> {
            let table = self.read()?.open_table(TRIES)?;
            Ok(table.range((id.0, 0)..=(id.0, u64::MAX))?.next_back().transpose()?.map(|row| row.0.value().1))
        };
        last().ok().flatten().map_or(0, |last| last + 1)
    }
}

fn load(database: &Database) -> anyhow::Result<Loaded> {
    // Reading a table that was never written is an error, so all are made first.
    let transaction = database.begin_write()?;
    transaction.open_table(SEARCHES)?;
    transaction.open_table(POSITIONS)?;
    transaction.open_table(PACING)?;
    transaction.open_table(TRIES)?;
    {
        let mut meta = transaction.open_table(META)?;
        if meta.get("unsubscribe_key")?.is_none() {
            meta.insert("unsubscribe_key", rand::random::<u128>())?;
        }
    }
    transaction.commit()?;
    let transaction = database.begin_read()?;
    let searches = transaction.open_table(SEARCHES)?.len()?;
    let last = transaction.open_table(POSITIONS)?.last()?.map(|(id, _)| id.value());
    let meta = transaction.open_table(META)?;
    let value = |name: &str| -> anyhow::Result<Option<u128>> { Ok(meta.get(name)?.map(|value| value.value())) };
    let epoch = value("epoch")?.map(|epoch| Epoch(Uuid::from_u128(epoch)));
    let floor = Seq(value("floor")?.and_then(|floor| u64::try_from(floor).ok()).unwrap_or(0));
    let used = value("next_id")?.and_then(|id| u64::try_from(id).ok()).unwrap_or(0);
    let next_id = last.map_or(0, |last| last + 1).max(used);
    let unsubscribe_key = value("unsubscribe_key")?.context("the key was just written")?;
    Ok(Loaded { searches, epoch, is_of_other_epoch: false, floor, next_id, unsubscribe_key })
}

impl Position {
    fn from_row((seq, sending, failing_since_ms, follows_floor): (u64, u64, u64, bool)) -> Position {
        Position {
            seq: Seq(seq),
            sending: (sending > 0).then_some(Seq(sending)),
            failing_since_ms: (failing_since_ms > 0).then_some(failing_since_ms),
            follows_floor,
        }
    }

    fn row(&self) -> (u64, u64, u64, bool) {
        let sending = self.sending.map_or(0, |Seq(seq)| seq);
        (self.seq.0, sending, self.failing_since_ms.unwrap_or(0), self.follows_floor)
    }
}

/// Moves all deliveries to the present of another epoch.
fn begin_epoch(database: &Database, epoch: Epoch, now: Seq) -> anyhow::Result<()> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert("epoch", epoch.0.as_u128())?;
        meta.insert("floor", 0)?;
        let mut table = transaction.open_table(POSITIONS)?;
        let ids: Vec<u64> = table.iter()?.map(|row| Ok(row?.0.value())).collect::<anyhow::Result<_>>()?;
        for id in ids {
            table.insert(id, Position { seq: now, ..Position::default() }.row())?;
        }
        let mut table = transaction.open_table(PACING)?;
        let states: Vec<_> = table
            .iter()?
            .map(|row| row.map(|(id, state)| (id.value(), PacingState::from_row(state.value()))))
            .collect::<Result<_, _>>()?;
        for (id, state) in states {
            // A digest that was being sent is of the other epoch.
            table.insert(id, state.ended(state.ended_ms).row())?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Commits changes until [`Change::Close`], or until there is no one left to make any.
fn write(database: &SharedDatabase, path: &Path, changes: &mpsc::Receiver<(Change, Option<Done>)>) {
    while let Ok(first) = changes.recv() {
        let batch: Vec<_> = std::iter::once(first).chain(changes.try_iter().take(MAX_CHANGES - 1)).collect();
        let written = reopen(database, path).and_then(|()| {
            let database = database.read().unwrap_or_else(PoisonError::into_inner);
            let database = database.as_ref().context("the file is not open")?;
            Ok(commit(database, batch.iter().map(|(change, _)| change))?)
        });
        let written = written.map_err(|error| {
            tracing::error!(error = format!("{error:#}"), changes = batch.len(), "can't store saved searches");
            // After an error of the disk redb refuses everything until it is opened again.
            *database.write().unwrap_or_else(PoisonError::into_inner) = None;
            StoreError(format!("the saved searches can't be written: {error}").into())
        });
        let is_closed = batch.iter().any(|(change, _)| matches!(change, Change::Close));
        for (_, done) in batch {
            if let Some(done) = done {
                let _ = done.send(written.clone());
            }
        }
        if is_closed {
            return;
        }
    }
}

/// Opens the file again after an error.
fn reopen(database: &SharedDatabase, path: &Path) -> anyhow::Result<()> {
    let mut database = database.write().unwrap_or_else(PoisonError::into_inner);
    if database.is_none() {
        *database = Some(builder().open(path)?);
    }
    Ok(())
}

fn commit<'a>(database: &Database, changes: impl Iterator<Item = &'a Change>) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    for change in changes {
        apply(&transaction, change)?;
    }
    transaction.commit()?;
    Ok(())
}

fn apply(transaction: &WriteTransaction, change: &Change) -> Result<(), redb::Error> {
    match change {
        Change::Put { name, search, positions, removed } => {
            let json = serde_json::to_vec(search).expect("a search is made of JSON");
            transaction.open_table(SEARCHES)?.insert(&**name, json.as_slice())?;
            remove(transaction, removed)?;
            add_positions(transaction, positions.iter())?;
        }
        Change::Add(searches) => {
            let mut table = transaction.open_table(SEARCHES)?;
            for NewSearch { name, json, .. } in searches {
                table.insert(&**name, json.as_slice())?;
            }
            add_positions(transaction, searches.iter().flat_map(|search| &search.positions))?;
        }
        Change::Remove { name, removed } => {
            transaction.open_table(SEARCHES)?.remove(&**name)?;
            remove(transaction, removed)?;
        }
        Change::Move(id, position) => {
            let mut table = transaction.open_table(POSITIONS)?;
            // The delivery may have been removed since.
            if table.get(id.0)?.is_some() {
                table.insert(id.0, position.row())?;
            }
        }
        Change::MovePaced(id, position, state) => {
            let mut table = transaction.open_table(POSITIONS)?;
            if table.get(id.0)?.is_some() {
                table.insert(id.0, position.row())?;
                transaction.open_table(PACING)?.insert(id.0, state.row())?;
            }
        }
        Change::Tried(id, number, tried) => {
            if transaction.open_table(POSITIONS)?.get(id.0)?.is_some() {
                let mut table = transaction.open_table(TRIES)?;
                let json = serde_json::to_vec(tried).expect("a try is made of JSON");
                table.insert((id.0, *number), json.as_slice())?;
                if let Some(old) = number.checked_sub(MAX_TRIES) {
                    table.remove((id.0, old))?;
                }
            }
        }
        Change::Close => {}
        Change::Floor { floor } => {
            transaction.open_table(META)?.insert("floor", u128::from(floor.0))?;
        }
    }
    Ok(())
}

/// Adds the positions of new deliveries, whose ids are used from now on.
fn add_positions<'a>(
    transaction: &WriteTransaction,
    positions: impl Iterator<Item = &'a (DeliveryId, Position)>,
) -> Result<(), redb::Error> {
    let (mut table, mut next) = (transaction.open_table(POSITIONS)?, 0);
    for (id, position) in positions {
        table.insert(id.0, position.row())?;
        next = next.max(u128::from(id.0) + 1);
    }
    let mut meta = transaction.open_table(META)?;
    let used = meta.get("next_id")?.map_or(0, |used| used.value());
    meta.insert("next_id", used.max(next))?;
    Ok(())
}

fn remove(transaction: &WriteTransaction, removed: &[DeliveryId]) -> Result<(), redb::Error> {
    let mut positions = transaction.open_table(POSITIONS)?;
    let mut pacing = transaction.open_table(PACING)?;
    let mut tries = transaction.open_table(TRIES)?;
    for id in removed {
        positions.remove(id.0)?;
        pacing.remove(id.0)?;
        tries.retain_in((id.0, 0)..=(id.0, u64::MAX), |_, _| false)?;
    }
    Ok(())
}
