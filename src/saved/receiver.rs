//! What a receiver of deliveries is.

use std::fmt::Debug;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::batch::{Batch, MAX_EVENTS};
use super::http::DeliveryClient;
use super::sent::{Attempt, Sent};

/// What stands in answers in the place of a secret.
pub(super) const MASK: &str = "***";

/// Builds a receiver from its fields, without `type`. An error names the field.
pub(super) type Build = fn(&mut Fields) -> Result<Box<dyn Receiver>, WrongField>;

/// A row of the table of receivers.
pub struct ReceiverKind {
    /// The `type`.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// An example; a test builds it.
    pub example: &'static str,
    /// The `every` of receivers that name none; `None` sends matches as they come.
    pub every: Option<&'static str>,
    /// Whether the configuration has what it needs.
    pub is_available: fn(&DeliveryClient) -> bool,
    /// Builds it.
    pub build: Build,
}

/// A wrong field: its name, and what is expected.
#[derive(Debug, PartialEq, Eq)]
pub struct WrongField(pub &'static str, pub String);

/// The fields of a receiver that were not read yet.
pub struct Fields(pub(super) Map<String, Value>);

impl Fields {
    /// Takes a field. Null counts as missing.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a string.
    ///
    /// # Errors
    ///
    /// The field is something else.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>, WrongField> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(WrongField(name, "must be a string".to_owned())),
        }
    }
}

/// Takes batches of matches. One batch at a time; the next one follows when this one has arrived.
pub trait Receiver: Debug + Send + Sync {
    /// The name of its kind, for metrics.
    fn kind(&self) -> &'static str;

    /// What tells it apart from the other receivers of a search. Another secret makes no other
    /// receiver.
    fn key(&self) -> String;

    /// Whether the configuration allows it, as far as that is known before perch connects.
    ///
    /// # Errors
    ///
    /// The field that it does not allow.
    fn check(&self, client: &DeliveryClient) -> Result<(), WrongField>;

    /// The most events that one message shows.
    fn max_events(&self) -> usize {
        MAX_EVENTS
    }

    /// Whether its messages say which tweets are gone.
    fn shows_gone(&self) -> bool {
        true
    }

    /// Sends a batch.
    fn send<'a>(&'a self, batch: &'a Batch, client: &'a DeliveryClient, attempt: Attempt) -> BoxFuture<'a, Sent>;
}
