//! A spatial grid with cells of one degree: which of many boxes and circles may contain a point?
//!
//! Each cell lists the shapes that overlap it. Shapes that overlap many cells, contain a pole or
//! have coordinates out of range are candidates for every point.

use std::collections::HashMap;

use crate::doc::Point;

use crate::percolator::atoms::AtomId;
use crate::percolator::atoms::atom_table::AtomKind;

/// Shapes that overlap more cells are candidates for every point.
const MAX_CELLS: usize = 256;
/// Meters of a degree on a great circle, rounded down, so that a circle is never taken for smaller
/// than it is.
const METERS_PER_DEGREE: f64 = 111_000.0;

/// The shapes of one field.
#[derive(Debug, Default)]
pub(crate) struct GeoGrid {
    cells: HashMap<u32, Vec<AtomId>, foldhash::fast::RandomState>,
    large: Vec<AtomId>,
    n_shapes: usize,
}

impl GeoGrid {
    /// Adds a box or circle.
    pub(crate) fn insert(&mut self, atom: AtomId, kind: &AtomKind) {
        self.n_shapes += 1;
        match cells_of(kind) {
            Some(cells) => cells.into_iter().for_each(|cell| self.cells.entry(cell).or_default().push(atom)),
            None => self.large.push(atom),
        }
    }

    /// Removes a box or circle that was added.
    pub(crate) fn remove(&mut self, atom: AtomId, kind: &AtomKind) {
        self.n_shapes -= 1;
        let Some(cells) = cells_of(kind) else { return self.large.retain(|&it| it != atom) };
        for cell in cells {
            if let Some(atoms) = self.cells.get_mut(&cell) {
                atoms.retain(|&it| it != atom);
                if atoms.is_empty() {
                    self.cells.remove(&cell);
                }
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.n_shapes == 0
    }

    /// The shapes that may contain a point.
    pub(crate) fn candidates(&self, point: Point) -> impl Iterator<Item = AtomId> {
        let cell = cell(row(point.lat), column(point.lon));
        self.cells.get(&cell).into_iter().flatten().chain(&self.large).copied()
    }

    /// The memory that the grid holds, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.cells.values().map(|atoms| 40 + atoms.capacity() * 4).sum::<usize>() + self.large.capacity() * 4
    }
}

#[expect(clippy::cast_possible_truncation)]
fn row(lat: f64) -> i32 {
    ((lat + 90.0).floor() as i32).clamp(0, 179)
}

#[expect(clippy::cast_possible_truncation)]
fn column(lon: f64) -> i32 {
    (lon + 180.0).floor() as i32
}

fn cell(row: i32, column: i32) -> u32 {
    u32::try_from(row * 360 + column.rem_euclid(360)).expect("rows and columns are not negative")
}

/// The cells that a shape overlaps. None if the shape is a candidate for every point.
fn cells_of(kind: &AtomKind) -> Option<Vec<u32>> {
    let (west, south, east, north) = match kind {
        AtomKind::Within(_, it) => (it.west, it.south, it.east, it.north),
        AtomKind::Near(_, it) => {
            let radius = it.meters / METERS_PER_DEGREE + 0.01;
            let (south, north) = (it.lat - radius, it.lat + radius);
            if !(radius < 60.0 && south > -89.0 && north < 89.0) {
                return None;
            }
            let width = (radius.to_radians().sin() / it.lat.to_radians().cos()).asin().to_degrees() + 0.01;
            let turn = |lon: f64| (lon + 180.0).rem_euclid(360.0) - 180.0;
            (turn(it.lon - width), south, turn(it.lon + width), north)
        }
        _ => return None,
    };
    let sane = (-180.0..=180.0).contains(&west)
        && (-180.0..=180.0).contains(&east)
        && (-90.0..=90.0).contains(&south)
        && (-90.0..=90.0).contains(&north);
    if !sane {
        return None;
    }
    let (first, last) = (column(west), column(east) + if west > east { 360 } else { 0 });
    let (bottom, top) = (row(south), row(north));
    let n = usize::try_from((last - first + 1).max(0)).ok()? * usize::try_from((top - bottom + 1).max(0)).ok()?;
    if n > MAX_CELLS || last - first >= 360 {
        return None;
    }
    Some((bottom..=top).flat_map(|row| (first..=last).map(move |column| cell(row, column))).collect())
}
