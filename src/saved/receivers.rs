//! The receivers that perch knows: a table of plugins.

use serde_json::{Map, Value};

use super::receiver::{Fields, Receiver, ReceiverKind, WrongField};
use super::webhook;
use crate::live::ApiError;

/// All receivers that perch knows.
pub const RECEIVERS: &[ReceiverKind] = &[webhook::KIND];

/// Builds the receiver at this place of `deliver`.
///
/// # Errors
///
/// There is no such type, or a field is wrong.
pub(super) fn build(at: usize, fields: &Map<String, Value>) -> Result<Box<dyn Receiver>, ApiError> {
    let wrong = |field: &str, what: &str| ApiError::field(&format!("deliver[{at}].{field}"), what);
    let known = || RECEIVERS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
    let mut fields = Fields(fields.clone());
    let Some(Value::String(kind)) = fields.take("type") else {
        return Err(wrong("type", &format!("must be one of {}", known())));
    };
    let Some(row) = RECEIVERS.iter().find(|row| row.name == kind) else {
        return Err(wrong("type", &format!("is {kind:?}, expected one of {}", known())));
    };
    let receiver = (row.build)(&mut fields).map_err(|WrongField(field, what)| wrong(field, &what))?;
    match fields.0.keys().next() {
        None => Ok(receiver),
        Some(name) => Err(wrong(name, "is not known")),
    }
}
