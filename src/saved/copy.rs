//! Copies of the file of the saved searches, also while perch writes it.

use std::path::Path;

use redb::{ReadTransaction, ReadableDatabase as _, ReadableTable as _};

use super::store::{FILE, META, PACING, POSITIONS, SEARCHES, TRIES, builder, create};
use crate::ids::Epoch;

/// The saved searches at one moment.
pub(crate) struct Snapshot(ReadTransaction);

impl Snapshot {
    /// The saved searches in the directory of an index; `None` without a file.
    ///
    /// # Errors
    ///
    /// The file is damaged, or can't be read.
    pub(crate) fn take(dir: &Path) -> anyhow::Result<Option<Snapshot>> {
        let path = dir.join(FILE);
        if !path.try_exists()? {
            return Ok(None);
        }
        Ok(Some(Snapshot(builder().open_read_only(path)?.begin_read()?)))
    }

    /// Writes them into another directory, for the index of this epoch. Returns how many there are.
    ///
    /// # Errors
    ///
    /// The snapshot can't be read, or the copy can't be written.
    pub(crate) fn write(&self, dir: &Path, epoch: Epoch) -> anyhow::Result<usize> {
        let to = create(&dir.join(FILE))?.begin_write()?;
        let mut searches = 0;
        {
            let mut table = to.open_table(SEARCHES)?;
            for row in self.0.open_table(SEARCHES)?.iter()? {
                let (name, search) = row?;
                table.insert(name.value(), search.value())?;
                searches += 1;
            }
            let mut table = to.open_table(POSITIONS)?;
            for row in self.0.open_table(POSITIONS)?.iter()? {
                let (id, position) = row?;
                table.insert(id.value(), position.value())?;
            }
            // A file of an older perch has none.
            if let Ok(from) = self.0.open_table(PACING) {
                let mut table = to.open_table(PACING)?;
                for row in from.iter()? {
                    let (id, state) = row?;
                    table.insert(id.value(), state.value())?;
                }
            }
            let mut table = to.open_table(TRIES)?;
            for row in self.0.open_table(TRIES)?.iter()? {
                let (number, tried) = row?;
                table.insert(number.value(), tried.value())?;
            }
            let mut table = to.open_table(META)?;
            for row in self.0.open_table(META)?.iter()? {
                let (name, value) = row?;
                table.insert(name.value(), value.value())?;
            }
            table.insert("epoch", epoch.0.as_u128())?;
        }
        to.commit()?;
        Ok(searches)
    }
}
