//! What a document must have for a query to match it: the *clauses* of a program, chosen so that they wake it seldom.
//!
//! A clause is a pair of atoms, the key and the guard. A document that matches the query has both atoms of at least one of
//! its clauses; so the query needs to wait for the keys only, and is looked at only where the guard is there too. A
//! clause is *sufficient* when the other way round holds as well: a document that has both matches the query.
//!
//! | part | its clauses |
//! |---|---|
//! | an atom | itself, sufficient |
//! | a phrase that is no atom | its rarest full term, guarded by the next |
//! | AND | those of the part that wakes least, guarded by the rarest other term that is required |
//! | OR | those of all parts |
//! | at least `min` of `n` | those of the `n - min + 1` parts that wake least: one of them has to be there |
//! | NOT | the atom that every document has: the query is looked at for each; of an atom: guarded by its absence, sufficient |

use super::places::Print;
use super::program::{Node, Parts, node};
use super::table::{AtomId, TRUE};
use super::waits::Guard;

/// A way to wake a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) key: AtomId,
    pub(super) guard: Guard,
    /// The rarest atoms that are known to be required, at most [`REQUIRED`].
    pub(super) required: Vec<AtomId>,
    pub(super) sufficient: bool,
}

impl Clause {
    /// Whether the key decides alone.
    pub(super) fn is_plain(&self) -> bool {
        self.sufficient && self.guard == NO_GUARD
    }

    fn of(key: AtomId, sufficient: bool) -> Clause {
        Clause { key, guard: NO_GUARD, required: Vec::new(), sufficient }
    }
}

/// The key, and as many as a print has room for.
const REQUIRED: usize = 1 + Print::ATOMS;

/// Always as it should be.
const NO_GUARD: Guard = Guard::There(TRUE);

/// How a query waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// One of them holds for each document that matches. None at all: nothing matches.
    pub(super) clauses: Vec<Clause>,
    /// What it costs per document, in looks at the program.
    pub(super) cost: f32,
}

/// What the plan asks of those who know the atoms.
pub(super) trait Prices {
    /// The share of documents that have the atom, from 0 to 1.
    fn share(&self, atom: AtomId) -> f32;
    /// What it costs per document to find out in advance whether it has the atom, in looks at a program.
    fn lookup(&self, atom: AtomId) -> f32;
}

/// What a match without verification costs, in looks at a program.
const MATCH: f32 = 0.2;
/// What a look at a guard that is not there costs.
const GUARD: f32 = 0.3;

/// Plans a program.
pub(super) fn plan(code: &[u32], prices: &impl Prices) -> Plan {
    match node(code) {
        // The constant false is the absence of what every document has.
        Node::Absent(TRUE) => Plan::default(),
        Node::Atom(atom) | Node::Lazy(atom) => {
            Plan { cost: prices.share(atom) * MATCH + prices.lookup(atom), clauses: vec![Clause::of(atom, true)] }
        }
        Node::Absent(_) | Node::Not(_) => Plan { cost: 1.0, clauses: vec![Clause::of(TRUE, false)] },
        Node::Phrase(phrase) => {
            let full = phrase.full();
            let key = rarest(full.iter().copied(), prices).unwrap_or(TRUE);
            let guard = rarest(full.iter().copied().filter(|&term| term != key), prices).unwrap_or(TRUE);
            let required = rarest_of(full.to_vec(), prices);
            let clauses = vec![Clause { key, guard: Guard::There(guard), required, sufficient: false }];
            Plan { cost: price(&clauses, prices), clauses }
        }
        Node::Or(parts) => union(parts.map(|part| plan(part, prices)).collect()),
        Node::AtLeast(min, parts) => {
            let n = parts.n();
            let mut plans: Vec<Plan> = parts.map(|part| plan(part, prices)).collect();
            plans.sort_by(|a, b| a.cost.total_cmp(&b.cost));
            plans.truncate((n - min + 1) as usize);
            let mut plan = union(plans);
            for clause in &mut plan.clauses {
                clause.sufficient = false;
            }
            plan.cost = price(&plan.clauses, prices);
            plan
        }
        Node::And(parts) => and(&parts, prices),
    }
}

/// What waiting for a part costs, where that is known without a plan.
fn simple_cost(code: &[u32], prices: &impl Prices) -> Option<f32> {
    match node(code) {
        Node::Absent(TRUE) => Some(0.0),
        Node::Atom(atom) | Node::Lazy(atom) => Some(prices.share(atom) * MATCH + prices.lookup(atom)),
        Node::Absent(_) | Node::Not(_) => Some(1.0),
        Node::Phrase(_) | Node::And(_) | Node::Or(_) | Node::AtLeast(..) => None,
    }
}

fn and(parts: &Parts<'_>, prices: &impl Prices) -> Plan {
    // A plan that had to be made to know its cost is kept: made once more at each level, it would take time that doubles
    // with each level.
    let mut best: Option<(usize, f32, Option<Plan>)> = None;
    for (at, part) in parts.clone().enumerate() {
        let (cost, made) = if let Some(cost) = simple_cost(part, prices) {
            (cost, None)
        } else {
            let made = plan(part, prices);
            (made.cost, Some(made))
        };
        if best.as_ref().is_none_or(|(_, least, _)| cost.total_cmp(least).is_lt()) {
            best = Some((at, cost, made));
        }
    }
    let Some((best, _, made)) = best else { return Plan::default() };
    let made = made.or_else(|| parts.clone().nth(best).map(|part| plan(part, prices)));
    let Some(mut plan) = made else { return Plan::default() };
    // Among all terms that the other parts require, the one that is there least often.
    let others = || parts.clone().enumerate().filter(|&(at, _)| at != best).map(|(_, part)| part);
    let mut guard = None;
    for part in others() {
        guard = rarer(guard, required(part, prices), prices);
    }
    // A part that is an atom, and another one that is the guard: nothing is left to be looked at.
    let only = (parts.n() == 2).then(|| others().next().map(node)).flatten();
    let mut all = Vec::new();
    parts.clone().for_each(|part| all_required(part, &mut all));
    let all = rarest_of(all, prices);
    for clause in &mut plan.clauses {
        let complete = clause.sufficient;
        clause.sufficient = false;
        clause.required.extend(&all);
        clause.required = rarest_of(std::mem::take(&mut clause.required), prices);
        if clause.guard != NO_GUARD {
            continue;
        }
        match (&only, guard) {
            (&Some(Node::Atom(atom)), _) => {
                clause.guard = Guard::There(atom);
                clause.sufficient = complete;
            }
            (&Some(Node::Absent(atom)), _) => {
                clause.guard = Guard::Absent(atom);
                clause.sufficient = complete;
            }
            (_, Some(guard)) => clause.guard = Guard::There(guard),
            (_, None) => {}
        }
    }
    plan.cost = price(&plan.clauses, prices);
    plan
}

/// A term that a document must have for this part to match, and whose presence is known in advance.
fn required(code: &[u32], prices: &impl Prices) -> Option<AtomId> {
    match node(code) {
        Node::Atom(atom) => Some(atom),
        Node::Phrase(phrase) => rarest(phrase.full().iter().copied(), prices),
        Node::And(mut parts) => parts.try_fold(None, |best, part| Some(rarer(best, required(part, prices), prices)))?,
        _ => None,
    }
}

/// Adds the atoms that a document must have for this part to match, and whose presence is known in advance.
pub(super) fn all_required(code: &[u32], all: &mut Vec<AtomId>) {
    match node(code) {
        Node::Atom(atom) => all.push(atom),
        Node::Phrase(phrase) => all.extend(phrase.full()),
        Node::And(parts) => parts.for_each(|part| all_required(part, all)),
        _ => {}
    }
}

/// The rarest few of these, each once.
fn rarest_of(mut atoms: Vec<AtomId>, prices: &impl Prices) -> Vec<AtomId> {
    atoms.sort_unstable();
    atoms.dedup();
    atoms.sort_by_cached_key(|&atom| prices.share(atom).to_bits());
    atoms.truncate(REQUIRED);
    atoms
}

fn rarer(a: Option<AtomId>, b: Option<AtomId>, prices: &impl Prices) -> Option<AtomId> {
    rarest(a.into_iter().chain(b), prices)
}

fn rarest(atoms: impl Iterator<Item = AtomId>, prices: &impl Prices) -> Option<AtomId> {
    atoms.min_by(|&a, &b| prices.share(a).total_cmp(&prices.share(b)))
}

fn union(plans: Vec<Plan>) -> Plan {
    let mut whole = Plan::default();
    for plan in plans {
        whole.cost += plan.cost;
        whole.clauses.extend(plan.clauses);
    }
    whole
}

fn price(clauses: &[Clause], prices: &impl Prices) -> f32 {
    clauses.iter().map(|clause| prices.lookup(clause.key) + prices.share(clause.key) * look(clause, prices)).sum()
}

/// What it costs when the key is there.
fn look(clause: &Clause, prices: &impl Prices) -> f32 {
    let verify = if clause.sufficient { MATCH } else { 1.0 };
    match clause.guard {
        NO_GUARD => verify,
        Guard::There(atom) => GUARD + prices.share(atom) * verify,
        Guard::Absent(atom) => GUARD + (1.0 - prices.share(atom)) * verify,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::program::{ABSENT, AND, OPERATOR, OPERATOR_SHIFT, OR};
    use super::*;

    /// Every atom is in one document of a hundred. Counts how often that is asked for.
    #[derive(Default)]
    struct Counted {
        asked: Cell<usize>,
    }

    impl Prices for Counted {
        fn share(&self, _: AtomId) -> f32 {
            self.asked.set(self.asked.get() + 1);
            0.01
        }

        fn lookup(&self, _: AtomId) -> f32 {
            0.0
        }
    }

    /// An operator with a leaf and one more part.
    fn two(kind: u32, leaf: u32, part: &[u32]) -> Vec<u32> {
        let len = u32::try_from(part.len() + 3).expect("a short program");
        let mut code = vec![OPERATOR | kind << OPERATOR_SHIFT | 2, len, leaf];
        code.extend(part);
        code
    }

    #[test]
    fn each_level_is_planned_once() {
        // -x16 (r16 OR (-x15 (r15 OR ... r0))), with even numbers for x and odd ones for r.
        let mut code = vec![1];
        for level in 1..=16 {
            code = two(AND, ABSENT | (level * 2), &two(OR, level * 2 + 1, &code));
        }
        let prices = Counted::default();
        let plan = plan(&code, &prices);
        let mut keys: Vec<AtomId> = plan.clauses.iter().map(|clause| clause.key).collect();
        keys.sort_unstable();
        assert_eq!(keys, (0..=16).map(|level| level * 2 + 1).collect::<Vec<AtomId>>());
        // Twice for each of the clauses of a level, where each is priced with its guard.
        assert!(prices.asked.get() < 1_000, "{} questions", prices.asked.get());
    }
}
