//! Known damage of an open index: logged once, counted, and listed by `/readyz`.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use tantivy::TantivyError;

use super::lock;
use crate::ids::Seq;
use crate::telemetry;

/// What an operator can do; the end of each log line.
const ADVICE: &str = "stop perch, run `perch check-index`, and restore a backup or run `perch reindex --salvage`";

/// Damaged files that are remembered. Damage in further files is counted and not logged.
const MAX_FILES: usize = 1_000;
/// Different errors of searches that are logged.
const MAX_FAILURES: usize = 20;

/// The damage that was found since the index was opened.
#[derive(Debug, Default)]
pub(super) struct Damage {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Files with stored tweets that can't be read.
    unreadable: BTreeSet<String>,
    /// Files that keep segments from being merged.
    unmerged: BTreeSet<String>,
    /// Merges fail for another reason.
    merges_fail: bool,
    /// The committed tweets can't be opened to search.
    is_unsearchable: bool,
    /// Why searches failed, each message once.
    failures: BTreeSet<String>,
}

impl State {
    fn report(&self) {
        telemetry::index_damaged(self.unreadable.union(&self.unmerged).count());
    }
}

impl Damage {
    /// Records that a stored tweet can't be read and is left out of answers.
    pub(super) fn unreadable_tweet(&self, file: &str, seq: Seq, id: u64, error: &dyn Display) {
        telemetry::tweet_unreadable();
        let mut state = lock(&self.state);
        if state.unreadable.len() < MAX_FILES && state.unreadable.insert(file.to_owned()) {
            tracing::error!(file, %seq, id, %error, "a stored tweet can't be read and is left out, others may be too: {ADVICE}");
            state.report();
        }
    }

    /// Records that a segment is not merged because of a damaged file.
    pub(super) fn unmerged_file(&self, file: &str, error: &dyn Display) {
        let mut state = lock(&self.state);
        if state.unmerged.len() < MAX_FILES && state.unmerged.insert(file.to_owned()) {
            tracing::error!(file, %error, "a file of the index is damaged, its segment is not merged any more: {ADVICE}");
            state.report();
        }
    }

    /// Records that tantivy could not read what a search needs.
    pub(super) fn search_failed(&self, error: &dyn Display) {
        let mut state = lock(&self.state);
        if state.failures.len() < MAX_FAILURES && state.failures.insert(error.to_string()) {
            tracing::error!(%error, "a search failed, others may fail too: {ADVICE}");
        }
    }

    /// Records whether merges fail although the files are undamaged.
    pub(super) fn merges_fail(&self, do_fail: bool) {
        let mut state = lock(&self.state);
        if do_fail && !state.merges_fail {
            tracing::error!(
                "segments of the index can't be merged, the lines before this one say why; perch tries again, less and less \
                 often: is the disk full? If not: {ADVICE}"
            );
        }
        state.merges_fail = do_fail;
    }

    /// Records whether committed tweets could be opened for searches.
    pub(super) fn searchable<T>(&self, opened: &tantivy::Result<T>) {
        let mut state = lock(&self.state);
        if let Err(error) = opened
            && !state.is_unsearchable
        {
            tracing::error!(
                %error,
                "the index was committed but can't be opened to search; new tweets stay in memory until it can: {ADVICE}"
            );
        }
        state.is_unsearchable = opened.is_err();
    }

    /// Whether committed tweets can't be opened for searches.
    pub(super) fn is_unsearchable(&self) -> bool {
        lock(&self.state).is_unsearchable
    }

    /// The problems, as sentences without names of files. Empty when there is none.
    pub(super) fn problems(&self) -> Vec<String> {
        let state = lock(&self.state);
        let mut problems = Vec::new();
        let files =
            |n: usize| if n == 1 { "one file of the index".to_owned() } else { format!("{n} files of the index") };
        if !state.unreadable.is_empty() {
            problems.push(format!("stored tweets in {} can't be read: see the log", files(state.unreadable.len())));
        }
        if !state.unmerged.is_empty() {
            let n = state.unmerged.len();
            problems.push(format!("{} can't be merged because of damage: see the log", files(n)));
        }
        if !state.failures.is_empty() {
            problems.push("searches have failed: see the log".to_owned());
        }
        if state.merges_fail {
            problems.push("segments of the index can't be merged: see the log".to_owned());
        }
        if state.is_unsearchable {
            problems.push("committed tweets can't be opened to search: see the log".to_owned());
        }
        problems
    }
}

/// Calls a function that reads files that may be damaged: tantivy panics on some of them.
pub(super) fn guarded<T>(read: impl FnOnce() -> tantivy::Result<T>) -> tantivy::Result<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        Err(TantivyError::InternalError(format!("the file is damaged: {message}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_once_however_often_it_comes() {
        let damage = Damage::default();
        assert_eq!(damage.problems(), Vec::<String>::new());
        for seq in 1..=3 {
            damage.unreadable_tweet("a.store", Seq(seq), seq, &"a reason");
            damage.unmerged_file("a.store", &"a reason");
            damage.search_failed(&"a reason");
            damage.merges_fail(true);
            damage.searchable(&Err::<(), _>(TantivyError::InternalError("a reason".to_owned())));
        }
        damage.unreadable_tweet("b.store", Seq(4), 4, &"a reason");
        let problems = damage.problems();
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert!(problems[0].contains("2 files"), "{problems:?}");
        damage.merges_fail(false);
        damage.searchable(&Ok(()));
        assert_eq!(damage.problems().len(), 3, "what is damaged stays damaged");
    }

    #[test]
    fn a_panic_is_an_error() {
        assert!(guarded(|| -> tantivy::Result<()> { panic!("{}", 7) }).unwrap_err().to_string().contains('7'));
        assert_eq!(guarded(|| Ok(7)).unwrap(), 7);
    }
}
