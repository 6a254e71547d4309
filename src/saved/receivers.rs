//! The receivers that perch knows: a table of plugins.

use serde_json::{Map, Value};

use super::pacing::Pacing;
use super::receiver::{Fields, Receiver, ReceiverKind, WrongField};
use super::{mail, webhook};
use crate::live::ApiError;

/// All receivers that perch knows.
pub const RECEIVERS: &[ReceiverKind] = &[webhook::KIND, mail::KIND];

/// A receiver, and how often it gets messages.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) receiver: Box<dyn Receiver>,
    /// `None` sends matches as they come.
    pub(super) pacing: Option<Pacing>,
}

/// Builds the receiver at this place of `deliver`.
///
/// # Errors
///
/// There is no such type, or a field is wrong.
pub(super) fn build(at: usize, fields: &Map<String, Value>) -> Result<Destination, ApiError> {
    let wrong = |field: &str, what: &str| ApiError::field(&format!("deliver[{at}].{field}"), what);
    let known = || RECEIVERS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
    let mut fields = Fields(fields.clone());
    let Some(Value::String(kind)) = fields.take("type") else {
        return Err(wrong("type", &format!("must be one of {}", known())));
    };
    let Some(row) = RECEIVERS.iter().find(|row| row.name == kind) else {
        return Err(wrong("type", &format!("is {kind:?}, expected one of {}", known())));
    };
    let wrong_field = |WrongField(field, what): WrongField| wrong(field, &what);
    let pacing = Pacing::read(&mut fields, row.every).map_err(wrong_field)?;
    let receiver = (row.build)(&mut fields).map_err(wrong_field)?;
    match fields.0.keys().next() {
        None => Ok(Destination { receiver, pacing }),
        Some(name) => Err(wrong(name, "is not known")),
    }
}
