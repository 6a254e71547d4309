//! What a template is.

use url::Url;

use super::message::Message;

/// Makes an address of another one. An error says what is expected.
pub(super) type MakeAddress = fn(&Url) -> Result<Url, &'static str>;

/// A row of the table of templates: how a service wants its messages.
pub(crate) struct TemplateKind {
    /// The `template`.
    pub(crate) name: &'static str,
    /// One line about it.
    pub(crate) about: &'static str,
    /// The most posts of a message.
    pub(super) max_posts: usize,
    /// The `Content-Type`.
    pub(super) content_type: &'static str,
    /// Makes the URL of the requests from the URL of the receiver. `None`: both are the same.
    pub(super) address: Option<MakeAddress>,
    /// The body of a request to the address that the user gives.
    pub(super) body: fn(&Message, &Url) -> String,
}
