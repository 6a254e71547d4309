//! Leaves of numbers and dates.

use std::ops::Bound;

use super::{Ast, Builder, Built, FieldId, Kind, LeafError, RangeBound, dates, is_digits};
use crate::schema::float_key;

impl Builder<'_> {
    /// A range of numbers or dates. `None` is an open bound.
    pub(in crate::query) fn range(
        &mut self,
        field: FieldId,
        lower: Option<RangeBound<'_>>,
        upper: Option<RangeBound<'_>>,
    ) -> Built {
        self.clause()?;
        if !self.kind(field).has_values() {
            let name = self.name(field);
            return Err(match self.kind(field) {
                Kind::Point => self.not_terms(field),
                _ => LeafError::new(format!("`{name}` holds words, and words have no ranges"))
                    .expected(format!("expected a word, or one of several: {name}:IN [a b]")),
            });
        }
        let lower = match lower {
            None => Bound::Unbounded,
            Some(RangeBound { text, included: true }) => Bound::Included(self.interval(field, text)?.0),
            Some(RangeBound { text, included: false }) => Bound::Excluded(self.interval(field, text)?.1),
        };
        let upper = match upper {
            None => Bound::Unbounded,
            Some(RangeBound { text, included: true }) => Bound::Included(self.interval(field, text)?.1),
            Some(RangeBound { text, included: false }) => Bound::Excluded(self.interval(field, text)?.0),
        };
        Ok(Ast::Range { field, lower, upper })
    }

    /// The first and last key of a number or date.
    pub(super) fn interval(&self, field: FieldId, text: &str) -> Built<(i64, i64)> {
        let text = text.trim();
        let name = self.name(field);
        if text.is_empty() {
            return Err(LeafError::new(format!("a value is missing for `{name}`")));
        }
        match self.kind(field) {
            Kind::Integer => match integer(text) {
                Some(value) => Ok((value, value)),
                None if is_digits(text) => Err(LeafError::new(format!(
                    "`{text}` is beyond what `{name}` holds: from {} to {}",
                    i64::MIN,
                    i64::MAX
                ))),
                None => Err(LeafError::new(format!("`{text}` is no whole number, and `{name}` holds nothing else"))
                    .expected(format!("expected for example {name}:5, {name}:>=5 or {name}:[5 TO 9]"))),
            },
            Kind::Float => match text.parse::<f64>() {
                Ok(value) if !value.is_nan() => Ok((float_key(value), float_key(value))),
                _ => Err(LeafError::new(format!("`{text}` is no number, and `{name}` holds nothing else"))
                    .expected(format!("expected for example {name}:0.5, {name}:>=0.5 or {name}:[0 TO 1]"))),
            },
            Kind::Date => match dates::interval_in(text, self.now, self.time_zone.as_ref()) {
                Ok(interval) => Ok((*interval.start(), *interval.end())),
                Err(message) => Err(LeafError::new(message).expected(dates::EXPECTED)),
            },
            _ => Err(self.not_terms(field)),
        }
    }

    /// A leaf for any value.
    pub(in crate::query) fn exists(&mut self, field: FieldId) -> Built {
        self.clause()?;
        Ok(Ast::Exists { field })
    }
}

/// A number with a comma before each three digits: `1,000`.
pub(in crate::query) fn is_grouped_number(text: &str) -> bool {
    let mut groups = text.trim_start_matches(['+', '-']).split(',');
    let is_number = |group: &str| !group.is_empty() && group.len() <= 3 && group.bytes().all(|it| it.is_ascii_digit());
    groups.next().is_some_and(is_number)
        && text.contains(',')
        && groups.all(|group| group.len() == 3 && is_number(group))
}

/// A whole number, also as `1,000`, `10k` or `1.5M`.
fn integer(text: &str) -> Option<i64> {
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    if is_grouped_number(text) {
        return text.replace(',', "").parse().ok();
    }
    let (number, factor) = match text.chars().next_back()? {
        'k' | 'K' => (&text[..text.len() - 1], 1_000),
        'm' | 'M' => (&text[..text.len() - 1], 1_000_000),
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: i64 = whole.parse::<u32>().ok()?.into();
    let mut value = whole.checked_mul(factor)?;
    let mut unit = factor;
    for digit in fraction.chars() {
        unit /= 10;
        value = value.checked_add(i64::from(digit.to_digit(10)?) * unit)?;
    }
    Some(value)
}
