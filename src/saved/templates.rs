//! The templates that perch knows: a table of plugins.
//!
//! A template writes a [`Message`](super::message::Message) as a service for people wants it,
//! within the service's limits, and so that nothing in a tweet is markup or a mention.

mod discord;
mod ntfy;
mod slack;
mod teams;
pub(super) mod text;

use super::template::TemplateKind;

/// All templates that perch knows.
pub(crate) const TEMPLATES: &[TemplateKind] = &[slack::KIND, discord::KIND, teams::KIND, ntfy::KIND, text::KIND];

/// The template of this name.
pub(super) fn find(name: &str) -> Option<&'static TemplateKind> {
    TEMPLATES.iter().find(|kind| kind.name == name)
}

/// The names, for messages.
pub(super) fn names() -> String {
    TEMPLATES.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
