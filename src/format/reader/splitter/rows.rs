//! Splits a table into rows, each as long as its quotes say.
//!
//! A quote at the start of a cell that no other one closes must not swallow the rows behind it. In
//! a table with tabs, where few programs quote at all, such a quote is a part of its cell. In
//! others the row is refused, and the rows behind it are read.

use std::sync::Arc;

use super::super::RefusalKind;
use super::super::framing::Cell;
use super::Splitter;
use crate::format::table::{MAX_HEADER_BYTES, Table};

impl Splitter {
    /// Whether the input is a table, as its first line says. `None` if it is not complete yet.
    pub(super) fn detect_table(&mut self, at_end: bool, is_forced: bool) -> Option<bool> {
        let bytes = &self.buffer[self.n_spaces..];
        let head = &bytes[..bytes.len().min(MAX_HEADER_BYTES)];
        let len = memchr::memchr2(b'\r', b'\n', head);
        if let Some(at) = len.filter(|&at| head[at] == b'\r') {
            match bytes.get(at + 1) {
                None if !at_end => return None,
                // Files of old Macs have no other line ends.
                Some(byte) if *byte != b'\n' => self.row_end = b'\r',
                _ => {}
            }
        }
        if len.is_none() && !at_end && bytes.len() < MAX_HEADER_BYTES {
            return None;
        }
        let line = len.or(Some(bytes.len()).filter(|_| at_end)).map(|len| bytes[..len].trim_ascii());
        Some(line.and_then(|line| Table::detect(line, &self.columns, is_forced)).is_some())
    }

    pub(super) fn scan_rows(&mut self) {
        let mut at = self.scanned;
        while at < self.buffer.len() {
            let start = *self.open.get_or_insert_with(|| {
                self.number += 1;
                self.cell = Cell::Start;
                self.is_row_long = false;
                self.row_line = self.n_lines + 1;
                at
            });
            let byte = self.buffer[at];
            let delimiter = self.table.as_ref().map_or(b',', |table| table.delimiter());
            self.n_lines += u64::from(byte == self.row_end);
            let row_end = self.row_end;
            if byte == row_end && (self.cell != Cell::Quoted || self.skipping) {
                self.row(start, at);
                at += 1;
                continue;
            }
            if byte == row_end {
                self.is_row_long = true;
            }
            let is_closed = self.cell == Cell::Quote && !matches!(byte, b'"' | b'\r') && byte != delimiter;
            let is_open = self.cell == Cell::Quoted && byte == delimiter;
            if delimiter == b'\t' && self.is_row_long && !self.skipping && (is_closed || is_open) {
                at = self.end_first_line(start);
                continue;
            }
            self.cell = match (self.cell, byte) {
                (Cell::Quoted, b'"') => Cell::Quote,
                (Cell::Quoted, _) | (Cell::Start | Cell::Quote, b'"') => Cell::Quoted,
                (_, byte) if byte == delimiter || self.table.is_none() && matches!(byte, b'\t' | b';' | b'|') => {
                    Cell::Start
                }
                _ => Cell::Plain,
            };
            at += 1;
        }
    }

    /// Ends the open row where its first line ends, and returns where the next one begins.
    fn end_first_line(&mut self, start: usize) -> usize {
        let len = memchr::memchr(self.row_end, &self.buffer[start..]);
        let end = start + len.unwrap_or(self.buffer.len() - start);
        self.row(start, end);
        self.n_lines = self.row_line;
        (end + 1).min(self.buffer.len())
    }

    /// Ends the rows of an input that has ended.
    pub(super) fn finish_rows(&mut self) {
        while let Some(start) = self.open {
            if self.cell != Cell::Quoted || self.skipping {
                self.row(start, self.buffer.len());
                break;
            }
            let is_tabs = self.table.as_ref().is_some_and(|table| table.delimiter() == b'\t');
            if !is_tabs && self.table.is_some() && self.number > self.seen {
                let reason = "a quote begins a cell of this row, and nothing closes it";
                self.refused.push(self.location().refuse(RefusalKind::NotATweet, reason));
                self.skipping = true;
            }
            self.scanned = self.end_first_line(start);
            self.scan_rows();
        }
        self.scanned = self.buffer.len();
    }

    /// Ends a row. The first one has the names of the columns.
    fn row(&mut self, start: usize, end: usize) {
        if self.table.is_none() {
            let names = self.buffer[start..end].trim_ascii();
            self.table = Table::detect(names, &self.columns, true).map(Arc::new);
            self.number -= 1;
            self.open = None;
        } else {
            self.line(start, end);
        }
    }
}
