//! The access plan of a query: the atoms under which it is posted.
//!
//! A plan is a set of *access predicates*, each a key and a guard (the term is from Fabret et al.,
//! SIGMOD 2001). A document that matches the query satisfies at least one of them, so posting the
//! query under the keys finds it. The planner minimizes the expected cost per document. A predicate
//! is *sufficient* if each document that satisfies it matches the query; such a query needs no
//! program.
//!
//! | part | its access predicates |
//! |---|---|
//! | an atom | the atom, sufficient |
//! | a phrase that is no atom | its most selective term, guarded by the next |
//! | AND | those of its cheapest part, guarded by the most selective term of the other parts |
//! | OR | those of all parts |
//! | at least `min` of `n` | those of the `n - min + 1` cheapest parts: a match has one of them |
//! | NOT | [`TRUE`], so every document is a candidate |
//!
//! An absent atom beside a part that is an atom is a sufficient guard.

use super::cost_model::CostModel;
use crate::percolator::atoms::{AtomId, TRUE};
use crate::percolator::program::{Node, Parts, node};
use crate::percolator::query_index::bloom::Signature;
use crate::percolator::query_index::posting::Guard;

/// A key under which a query is posted, and what else the posting requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessPredicate {
    pub(crate) key: AtomId,
    pub(crate) guard: Guard,
    /// The most selective atoms that every match contains, at most [`MAX_REQUIRED`].
    pub(crate) required: Vec<AtomId>,
    /// Whether every document with key and guard matches.
    pub(crate) sufficient: bool,
}

impl AccessPredicate {
    /// Whether every document with the key matches.
    pub(crate) fn is_plain(&self) -> bool {
        self.sufficient && self.guard == NO_GUARD
    }

    fn of(key: AtomId, sufficient: bool) -> AccessPredicate {
        AccessPredicate { key, guard: NO_GUARD, required: Vec::new(), sufficient }
    }
}

/// The key, and the atoms of a signature.
const MAX_REQUIRED: usize = 1 + Signature::ATOMS;

/// A guard that every document satisfies.
const NO_GUARD: Guard = Guard::Present(TRUE);

/// The access predicates of a query.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccessPlan {
    /// Each match satisfies one of them. Empty if nothing matches.
    pub(crate) predicates: Vec<AccessPredicate>,
    /// The expected cost per document, in evaluations of a program.
    pub(crate) cost: f32,
}

/// The cost of a match without a program, in evaluations of a program.
const MATCH_COST: f32 = 0.2;
/// The cost of checking a guard.
const GUARD_COST: f32 = 0.3;

/// Plans a program.
pub(crate) fn plan(code: &[u32], costs: &impl CostModel) -> AccessPlan {
    match node(code) {
        // The constant false is the absence of what every document has.
        Node::Absent(TRUE) => AccessPlan::default(),
        Node::Atom(atom) | Node::Lazy(atom) => AccessPlan {
            cost: costs.selectivity(atom) * MATCH_COST + costs.lookup_cost(atom),
            predicates: vec![AccessPredicate::of(atom, true)],
        },
        Node::Absent(_) | Node::Not(_) => AccessPlan { cost: 1.0, predicates: vec![AccessPredicate::of(TRUE, false)] },
        Node::Phrase(phrase) => {
            let terms = phrase.whole_terms();
            let key = most_selective(terms.iter().copied(), costs).unwrap_or(TRUE);
            let guard = most_selective(terms.iter().copied().filter(|&term| term != key), costs).unwrap_or(TRUE);
            let required = most_selective_few(terms.to_vec(), costs);
            let predicates = vec![AccessPredicate { key, guard: Guard::Present(guard), required, sufficient: false }];
            AccessPlan { cost: cost_of(&predicates, costs), predicates }
        }
        Node::Or(parts) => union(parts.map(|part| plan(part, costs)).collect()),
        Node::AtLeast(min, parts) => {
            let n = parts.n();
            let mut plans: Vec<AccessPlan> = parts.map(|part| plan(part, costs)).collect();
            plans.sort_by(|a, b| a.cost.total_cmp(&b.cost));
            plans.truncate((n - min + 1) as usize);
            let mut plan = union(plans);
            for predicate in &mut plan.predicates {
                predicate.sufficient = false;
            }
            plan.cost = cost_of(&plan.predicates, costs);
            plan
        }
        Node::And(parts) => and(&parts, costs),
    }
}

/// The cost of the plan of a part, if it is known without planning.
fn simple_cost(code: &[u32], costs: &impl CostModel) -> Option<f32> {
    match node(code) {
        Node::Absent(TRUE) => Some(0.0),
        Node::Atom(atom) | Node::Lazy(atom) => Some(costs.selectivity(atom) * MATCH_COST + costs.lookup_cost(atom)),
        Node::Absent(_) | Node::Not(_) => Some(1.0),
        Node::Phrase(_) | Node::And(_) | Node::Or(_) | Node::AtLeast(..) => None,
    }
}

fn and(parts: &Parts<'_>, costs: &impl CostModel) -> AccessPlan {
    // A plan that was made to know its cost is kept. Planning the part again would double the time
    // with each level of the query.
    let mut best: Option<(usize, f32, Option<AccessPlan>)> = None;
    for (at, part) in parts.clone().enumerate() {
        let (cost, planned) = if let Some(cost) = simple_cost(part, costs) {
            (cost, None)
        } else {
            let planned = plan(part, costs);
            (planned.cost, Some(planned))
        };
        if best.as_ref().is_none_or(|(_, least, _)| cost.total_cmp(least).is_lt()) {
            best = Some((at, cost, planned));
        }
    }
    let Some((best, _, planned)) = best else { return AccessPlan::default() };
    let planned = planned.or_else(|| parts.clone().nth(best).map(|part| plan(part, costs)));
    let Some(mut plan) = planned else { return AccessPlan::default() };
    // The most selective term that the other parts require.
    let others = || parts.clone().enumerate().filter(|&(at, _)| at != best).map(|(_, part)| part);
    let mut guard = None;
    for part in others() {
        guard = most_selective(guard.into_iter().chain(required(part, costs)), costs);
    }
    // If the only other part is an atom, as guard it leaves nothing for a program.
    let only = (parts.n() == 2).then(|| others().next().map(node)).flatten();
    let mut all = Vec::new();
    parts.clone().for_each(|part| all_required(part, &mut all));
    let all = most_selective_few(all, costs);
    for predicate in &mut plan.predicates {
        let complete = predicate.sufficient;
        predicate.sufficient = false;
        predicate.required.extend(&all);
        predicate.required = most_selective_few(std::mem::take(&mut predicate.required), costs);
        if predicate.guard != NO_GUARD {
            continue;
        }
        match (&only, guard) {
            (&Some(Node::Atom(atom)), _) => {
                predicate.guard = Guard::Present(atom);
                predicate.sufficient = complete;
            }
            (&Some(Node::Absent(atom)), _) => {
                predicate.guard = Guard::Absent(atom);
                predicate.sufficient = complete;
            }
            (_, Some(guard)) => predicate.guard = Guard::Present(guard),
            (_, None) => {}
        }
    }
    plan.cost = cost_of(&plan.predicates, costs);
    plan
}

/// The most selective atom that every match of a part contains, of those that the presearcher finds
/// in every document.
fn required(code: &[u32], costs: &impl CostModel) -> Option<AtomId> {
    match node(code) {
        Node::Atom(atom) => Some(atom),
        Node::Phrase(phrase) => most_selective(phrase.whole_terms().iter().copied(), costs),
        Node::And(parts) => most_selective(parts.filter_map(|part| required(part, costs)), costs),
        _ => None,
    }
}

/// Appends all such atoms of a part.
pub(crate) fn all_required(code: &[u32], all: &mut Vec<AtomId>) {
    match node(code) {
        Node::Atom(atom) => all.push(atom),
        Node::Phrase(phrase) => all.extend(phrase.whole_terms()),
        Node::And(parts) => parts.for_each(|part| all_required(part, all)),
        _ => {}
    }
}

/// The [`MAX_REQUIRED`] most selective of these atoms, without repetitions.
fn most_selective_few(mut atoms: Vec<AtomId>, costs: &impl CostModel) -> Vec<AtomId> {
    atoms.sort_unstable();
    atoms.dedup();
    atoms.sort_by_cached_key(|&atom| costs.selectivity(atom).to_bits());
    atoms.truncate(MAX_REQUIRED);
    atoms
}

fn most_selective(atoms: impl Iterator<Item = AtomId>, costs: &impl CostModel) -> Option<AtomId> {
    atoms.min_by(|&a, &b| costs.selectivity(a).total_cmp(&costs.selectivity(b)))
}

fn union(plans: Vec<AccessPlan>) -> AccessPlan {
    let mut whole = AccessPlan::default();
    for plan in plans {
        whole.cost += plan.cost;
        whole.predicates.extend(plan.predicates);
    }
    whole
}

fn cost_of(predicates: &[AccessPredicate], costs: &impl CostModel) -> f32 {
    predicates
        .iter()
        .map(|predicate| {
            costs.lookup_cost(predicate.key) + costs.selectivity(predicate.key) * hit_cost(predicate, costs)
        })
        .sum()
}

/// The cost of a predicate in a document that contains its key.
fn hit_cost(predicate: &AccessPredicate, costs: &impl CostModel) -> f32 {
    let verify = if predicate.sufficient { MATCH_COST } else { 1.0 };
    match predicate.guard {
        NO_GUARD => verify,
        Guard::Present(atom) => GUARD_COST + costs.selectivity(atom) * verify,
        Guard::Absent(atom) => GUARD_COST + (1.0 - costs.selectivity(atom)) * verify,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::percolator::program::{ABSENT, AND, OPERATOR, OPERATOR_SHIFT, OR};

    /// Every atom is in one document of a hundred. Counts the calls.
    #[derive(Default)]
    struct CountingCosts {
        n_calls: Cell<usize>,
    }

    impl CostModel for CountingCosts {
        fn selectivity(&self, _: AtomId) -> f32 {
            self.n_calls.set(self.n_calls.get() + 1);
            0.01
        }

        fn lookup_cost(&self, _: AtomId) -> f32 {
            0.0
        }
    }

    /// An operator with a leaf and another part.
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
        let costs = CountingCosts::default();
        let plan = plan(&code, &costs);
        let mut keys: Vec<AtomId> = plan.predicates.iter().map(|predicate| predicate.key).collect();
        keys.sort_unstable();
        assert_eq!(keys, (0..=16).map(|level| level * 2 + 1).collect::<Vec<AtomId>>());
        // Twice for each predicate of a level, which costs its key and its guard.
        assert!(costs.n_calls.get() < 1_000, "{} calls", costs.n_calls.get());
    }
}
