//! Who waits for which atom: behind each, three flat lists of queries.
//!
//! | list | an entry | what happens when the atom is there |
//! |---|---|---|
//! | plain | a key | the query matches |
//! | either | an [`Either`] | the query matches, unless another atom says so |
//! | guarded | a [`Print`] and a [`Posting`] | the query is looked at |
//!
//! A document finds the lists of its atoms by number: one cache line for the three, one more for the entries. The prints of a
//! guarded list stand together; a posting is read only where the print fits.

use super::arena::{Arena, Span};
use super::facts::Mask;
use super::places::{Places, Print};
use super::program::{ABSENT, ATOM, TAG};
use super::table::{AtomId, TRUE};

/// How many other atoms a posting has room for.
pub(super) const LEAVES: usize = 6;

/// A query that waits for an atom and asks for more; never in two cache lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(align(32))]
pub(super) struct Posting {
    /// The query's key.
    pub(super) query: u32,
    /// The high two bits are the [`Wake`]; when the program decides, the others are where it starts.
    more: u32,
    /// Atoms that must be there, or not, tagged as in programs. Unused ones are what is always there.
    leaves: [u32; LEAVES],
}

/// A query that matches where its atom is there, and where any other of some atoms is. Of those that are there, the first one says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Either {
    /// The query's key.
    pub(super) query: u32,
    /// Those before this one, the first of them once more where there is one only. [`TRUE`] when it is noted what was found already.
    before: [AtomId; Either::BEFORE],
}

impl Either {
    /// How many atoms may be before this one.
    pub(super) const BEFORE: usize = 2;

    /// A query that these atoms, one or [`Either::BEFORE`], find before.
    pub(super) fn after(query: u32, before: &[AtomId]) -> Either {
        debug_assert!(!before.contains(&TRUE) && before.len() <= Either::BEFORE);
        Either { query, before: [before[0], before[before.len() - 1]] }
    }

    /// A query of which it is noted whether it was found already.
    pub(super) fn noted(query: u32) -> Either {
        Either { query, before: [TRUE; Either::BEFORE] }
    }

    /// The atoms that find the query before. None: it is noted whether it was found.
    #[inline]
    pub(super) fn before(self) -> Option<[AtomId; Either::BEFORE]> {
        (self.before[0] != TRUE).then_some(self.before)
    }
}

/// What waits for an atom.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry {
    /// The key of a query that matches.
    Plain(u32),
    Either(Either),
    Guarded(Print, Posting),
}

impl Entry {
    /// Its list.
    pub(super) fn rank(&self) -> Rank {
        match self {
            Entry::Plain(_) => Rank::Plain,
            Entry::Either(_) => Rank::Either,
            Entry::Guarded(..) => Rank::Guarded,
        }
    }
}

/// In so short a list, all postings are looked at: their prints would be one more line of memory.
const SHORT: usize = 2;

/// How many prints are in a line of memory, and how many lines are read ahead.
const LINE: usize = 16;
const LINES: usize = 32;

/// What a posting asks for besides its atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// This atom is there; `TRUE` always is.
    There(AtomId),
    /// This atom is not there.
    Absent(AtomId),
}

/// What happens when an atom is there and the others of the posting are as they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// The query matches, and no other posting of it can say so.
    Match,
    /// The query matches; another posting may have said so before.
    MatchOnce,
    /// The program decides.
    Verify,
    /// The program decides; another posting may have asked it before.
    VerifyOnce,
}

/// The bits below the [`Wake`].
const MORE: u32 = (1 << 30) - 1;

impl Posting {
    /// A query that matches where these, at most [`LEAVES`], hold.
    pub(super) fn complete(query: u32, leaves: &[u32], once: bool) -> Posting {
        let wake = if once { Wake::MatchOnce } else { Wake::Match };
        let mut posting = Posting { query, more: (wake as u32) << 30, leaves: [ATOM | TRUE; LEAVES] };
        posting.leaves[..leaves.len()].copy_from_slice(leaves);
        posting
    }

    /// A query that matches with its guard.
    pub(super) fn guarded(query: u32, guard: Guard, once: bool) -> Posting {
        match guard {
            Guard::There(atom) => Posting::complete(query, &[ATOM | atom], once),
            Guard::Absent(atom) => Posting::complete(query, &[ABSENT | atom], once),
        }
    }

    /// A query of which the program at this place decides.
    pub(super) fn verified(query: u32, code: u32, once: bool) -> Posting {
        let wake = if once { Wake::VerifyOnce } else { Wake::Verify };
        let mut posting = Posting { query, more: (wake as u32) << 30, leaves: [ATOM | TRUE; LEAVES] };
        posting.set_code(code);
        posting
    }

    /// Atoms, and whether each must be there or must not, up to the last one that says anything.
    #[inline]
    pub(super) fn leaves(&self) -> impl Iterator<Item = (AtomId, bool)> {
        let leaves = self.leaves.iter().take_while(|&&word| word != ATOM | TRUE);
        leaves.map(|&word| (word & !TAG, word & TAG == ATOM))
    }

    /// Whether all that it asks for is as it should be. All of it is looked at: where a print fits, nearly all holds, and how many it is
    /// can't be guessed. In short lists, where no print was asked, that is a few looks more.
    #[inline]
    pub(super) fn holds(&self, is_there: impl Fn(AtomId) -> bool) -> bool {
        self.leaves.iter().fold(true, |all, &word| all & (is_there(word & !TAG) == (word & TAG == ATOM)))
    }

    /// What it asks for when that is one atom.
    pub(super) fn guard(&self) -> Guard {
        let mut leaves = self.leaves();
        match (leaves.next(), leaves.next()) {
            (Some((atom, true)), None) => Guard::There(atom),
            (Some((atom, false)), None) => Guard::Absent(atom),
            _ => Guard::There(TRUE),
        }
    }

    /// Where the program starts.
    #[inline]
    pub(super) fn code(&self) -> u32 {
        self.more & MORE
    }

    /// The program has moved. Nothing happens when none decides.
    pub(super) fn set_code(&mut self, code: u32) {
        assert!(code <= MORE, "programs take fewer than 2^30 words");
        if matches!(self.wake(), Wake::Verify | Wake::VerifyOnce) {
            self.more = self.more & !MORE | code;
        }
    }

    #[inline]
    pub(super) fn wake(&self) -> Wake {
        match self.more >> 30 {
            0 => Wake::Match,
            1 => Wake::MatchOnce,
            2 => Wake::Verify,
            _ => Wake::VerifyOnce,
        }
    }
}

/// In which list of an atom a query waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    Plain,
    Either,
    Guarded,
}

/// The queries that wait for an atom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting<'a> {
    pub(super) plain: &'a [u32],
    pub(super) either: &'a [Either],
    pub(super) prints: &'a [Print],
    pub(super) guarded: &'a [Posting],
    /// The number of the first posting among all.
    first: u32,
}

impl Waiting<'_> {
    /// Appends the numbers of the postings that may match one document.
    #[inline]
    pub(super) fn fits(&self, there: &Places<u8>, fit: &mut Vec<u32>) {
        let numbers = (self.first..).take(self.prints.len());
        if self.prints.len() <= SHORT {
            fit.extend(numbers);
            return;
        }
        // Which of them fit can't be guessed, so nothing depends on it: each is written where the next one that fits belongs.
        let before = fit.len();
        fit.resize(before + self.prints.len(), 0);
        let (room, mut n) = (&mut fit[before..], 0);
        for (number, &print) in numbers.zip(self.prints) {
            room[n] = number;
            n += usize::from(there.may_match(print));
        }
        fit.truncate(before + n);
    }

    /// Appends the numbers of the postings that may match some of the documents `want`, and which of these. Nearly all match none.
    #[inline]
    pub(super) fn fits_some(&self, there: &Places<Mask>, want: Mask, fit: &mut Vec<(u32, Mask)>) {
        let numbers = (self.first..).take(self.prints.len());
        if self.prints.len() <= SHORT {
            fit.extend(numbers.map(|number| (number, want)));
            return;
        }
        for (number, &print) in numbers.zip(self.prints) {
            let docs = want & there.may_match(print);
            if docs != 0 {
                fit.push((number, docs));
            }
        }
    }

    pub(super) fn n(&self) -> usize {
        self.plain.len() + self.either.len() + self.guarded.len()
    }
}

/// The lists of an atom, in one cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
struct Lists {
    plain: Span,
    either: Span,
    guarded: Span,
    /// The conjunctions of which the atom is the first.
    leads: Span,
}

impl Lists {
    fn are_empty(self) -> bool {
        self.plain.len() + self.either.len() + self.guarded.len() + self.leads.len() == 0
    }
}

const NO_LISTS: &Lists = &Lists { plain: Span::EMPTY, either: Span::EMPTY, guarded: Span::EMPTY, leads: Span::EMPTY };

/// A conjunction, as the lists of its first atom have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lead {
    /// The other atom that must be there.
    pub(super) second: AtomId,
    /// The conjunction.
    pub(super) both: AtomId,
}

/// The lists of all atoms.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// By atom; those beyond the end have none.
    lists: Vec<Lists>,
    keys: Arena<u32>,
    eithers: Arena<Either>,
    /// In step with the postings: what is done to one is done to the other.
    prints: Arena<Print>,
    postings: Arena<Posting>,
    leads: Arena<Lead>,
}

impl Waits {
    /// The queries that wait for an atom.
    #[inline]
    pub(super) fn waiting(&self, atom: AtomId) -> Waiting<'_> {
        let lists = self.lists(atom);
        Waiting {
            plain: self.keys.get_or_inline(&lists.plain),
            either: self.eithers.get(lists.either),
            prints: self.prints.get(lists.guarded),
            guarded: self.postings.get(lists.guarded),
            first: lists.guarded.start(),
        }
    }

    #[inline]
    fn lists(&self, atom: AtomId) -> &Lists {
        self.lists.get(atom as usize).unwrap_or(NO_LISTS)
    }

    /// How many queries wait for an atom that are looked at; of the others, the key is copied.
    #[inline]
    pub(super) fn n_looks(&self, atom: AtomId) -> u32 {
        let lists = self.lists(atom);
        u32::try_from(lists.either.len() + lists.guarded.len()).expect("a list has fewer than 2^26 entries")
    }

    /// How many queries with a guard wait for an atom.
    pub(super) fn n_guarded(&self, atom: AtomId) -> usize {
        self.lists(atom).guarded.len()
    }

    /// The conjunctions of which an atom is the first.
    #[inline]
    pub(super) fn leads(&self, atom: AtomId) -> &[Lead] {
        self.leads.get(self.lists(atom).leads)
    }

    /// Reads what [`Waits::leads`] leads to, so that it is near when it is asked for.
    #[inline]
    pub(super) fn touch_head(&self, atom: AtomId) -> u32 {
        self.lists(atom).guarded.start()
    }

    /// Reads what [`Waits::waiting`] leads to, so that it is near when it is asked for.
    #[inline]
    pub(super) fn touch(&self, atom: AtomId) -> u32 {
        let lists = self.lists(atom);
        let mut near = 0;
        if lists.plain.len() > 1 {
            near ^= self.keys.touch(lists.plain).copied().unwrap_or(0);
        }
        if lists.either.len() > 0 {
            near ^= self.eithers.touch(lists.either).map_or(0, |either| either.query);
        }
        if lists.guarded.len() > SHORT {
            near ^=
                self.prints.get(lists.guarded).iter().step_by(LINE).take(LINES).fold(0, |near, it| near ^ it.bits());
        } else if lists.guarded.len() > 0 {
            near ^= self.postings.touch(lists.guarded).map_or(0, |posting| posting.query);
        }
        near
    }

    /// A posting by its number among all.
    #[inline]
    pub(super) fn posting(&self, number: u32) -> &Posting {
        &self.postings.from(number)[0]
    }

    /// Lets a query wait for an atom. Tells its place, and whether it is the first to wait for the atom.
    pub(super) fn wait(&mut self, atom: AtomId, entry: Entry) -> (u32, bool) {
        let lists = grown(&mut self.lists, atom);
        let first = lists.plain.len() + lists.either.len() + lists.guarded.len() == 0;
        let place = match entry {
            Entry::Plain(query) => self.keys.push_or_inline(&mut lists.plain, query),
            Entry::Either(either) => self.eithers.push(&mut lists.either, either),
            Entry::Guarded(print, posting) => {
                self.prints.push(&mut lists.guarded.clone(), print);
                self.postings.push(&mut lists.guarded, posting)
            }
        };
        (place, first)
    }

    /// Ends a wait. Tells which query moved to its place, and from where, if one did.
    pub(super) fn unwait(&mut self, atom: AtomId, rank: Rank, place: u32) -> Option<(u32, u32)> {
        let lists = &mut self.lists[atom as usize];
        let moved = match rank {
            Rank::Plain => self.keys.swap_remove_or_inline(&mut lists.plain, place),
            Rank::Either => {
                let moved = self.eithers.swap_remove(&mut lists.either, place);
                moved.map(|(either, from)| (either.query, from))
            }
            Rank::Guarded => {
                self.prints.swap_remove(&mut lists.guarded.clone(), place);
                let moved = self.postings.swap_remove(&mut lists.guarded, place);
                moved.map(|(posting, from)| (posting.query, from))
            }
        };
        self.trim();
        if self.keys.is_sparse() {
            let mut fresh = Arena::default();
            for lists in self.lists.iter_mut().filter(|lists| !lists.plain.is_inline()) {
                lists.plain = fresh.store(self.keys.get(lists.plain));
            }
            self.keys = fresh;
        }
        if self.eithers.is_sparse() {
            let mut fresh = Arena::default();
            for lists in &mut self.lists {
                lists.either = fresh.store(self.eithers.get(lists.either));
            }
            self.eithers = fresh;
        }
        if self.postings.is_sparse() {
            let (mut prints, mut postings) = (Arena::default(), Arena::default());
            for lists in &mut self.lists {
                prints.store(self.prints.get(lists.guarded));
                lists.guarded = postings.store(self.postings.get(lists.guarded));
            }
            (self.prints, self.postings) = (prints, postings);
        }
        moved
    }

    /// Takes down a conjunction with its first atom.
    pub(super) fn lead(&mut self, first: AtomId, lead: Lead) {
        self.leads.push(&mut grown(&mut self.lists, first).leads, lead);
    }

    /// There is no such conjunction any more.
    pub(super) fn unlead(&mut self, first: AtomId, both: AtomId) {
        let span = self.lists[first as usize].leads;
        let place = self.leads.get(span).iter().position(|lead| lead.both == both);
        if let Some(place) = place.and_then(|place| u32::try_from(place).ok()) {
            self.leads.swap_remove(&mut self.lists[first as usize].leads, place);
        }
        self.trim();
        if self.leads.is_sparse() {
            let mut fresh = Arena::default();
            for lists in &mut self.lists {
                lists.leads = fresh.store(self.leads.get(lists.leads));
            }
            self.leads = fresh;
        }
    }

    /// Gives the memory of lists at the end back.
    fn trim(&mut self) {
        while self.lists.last().is_some_and(|lists| lists.are_empty()) {
            self.lists.pop();
        }
        if self.lists.len() * 4 < self.lists.capacity() {
            self.lists.shrink_to(self.lists.len() * 2);
        }
    }

    /// Tells a guarded posting that its program has moved.
    pub(super) fn set_code(&mut self, atom: AtomId, place: u32, code: u32) {
        self.postings.get_mut(self.lists[atom as usize].guarded)[place as usize].set_code(code);
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.lists.capacity() * size_of::<Lists>()
            + self.keys.size_bytes()
            + self.eithers.size_bytes()
            + self.prints.size_bytes()
            + self.postings.size_bytes()
            + self.leads.size_bytes()
    }
}

/// The lists of an atom, with room for them.
fn grown(lists: &mut Vec<Lists>, atom: AtomId) -> &mut Lists {
    let at = atom as usize;
    if lists.len() <= at {
        lists.resize(at + 1, Lists::default());
    }
    &mut lists[at]
}
