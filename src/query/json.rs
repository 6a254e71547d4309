//! JSON
use super::{Ast, Diagnostics, QueryLimits};
use crate::schema::Schema;
pub(super) fn parse(value: &serde_json::Value, schema: &Schema, limits: &QueryLimits) -> Result<Ast, Diagnostics> {
    let _ = (value, schema, limits);
    Ok(Ast::None)
}
