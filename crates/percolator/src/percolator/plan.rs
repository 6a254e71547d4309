//! Chooses the atoms that each query is posted under.

pub(crate) mod access_plan;
pub(crate) mod cost_model;
