//! `{"type": "mail"}`: digests by mail.
//!
//! A mail has the digest as text and as HTML. It can be unsubscribed from with one click, as
//! RFC 8058 describes: the headers `List-Unsubscribe` and `List-Unsubscribe-Post` name an address
//! to POST to. The `Message-ID` is the same for each try, so that mail servers can discard repeats.

use std::fmt::Write as _;

use futures_util::future::BoxFuture;
use html_escape::{encode_double_quoted_attribute, encode_text};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use super::batch::{Batch, MAX_EVENTS};
use super::http::DeliveryClient;
use super::mail_client::MailClient;
use super::message::Message;
use super::receiver::{Fields, Receiver, ReceiverKind, WrongField};
use super::sent::{Attempt, Outcome, Sent};
use super::templates::text;
use super::unsubscribe::Recipient;

pub(super) const KIND: ReceiverKind = ReceiverKind {
    name: "mail",
    about: "digests by mail, each day unless `every` says otherwise",
    example: r#"{"to": "ann@example.org", "every": "1d", "at": "09:00", "time_zone": "Europe/Berlin"}"#,
    every: Some("1d"),
    is_available: |client| client.mail().is_some(),
    build,
};

#[derive(Debug)]
struct Mail {
    to: Mailbox,
}

fn build(fields: &mut Fields) -> Result<Box<dyn Receiver>, WrongField> {
    let wrong = |what: &str| WrongField("to", what.to_owned());
    let to = fields.text("to")?.ok_or_else(|| wrong("is missing"))?;
    let to = to.parse().map_err(|_| wrong("must be the address of one person, such as \"ann@example.org\""))?;
    Ok(Box::new(Mail { to }))
}

/// What the keys of receivers of mails begin with.
const KEY: &str = "mailto:";

/// The address of a receiver with this key, if it gets mails.
pub(super) fn address_of_key(key: &str) -> Option<&str> {
    key.strip_prefix(KEY)
}

impl Mail {
    /// The address as it is compared: domains have no case.
    fn address(&self) -> String {
        format!("{}@{}", self.to.email.user(), self.to.email.domain().to_lowercase())
    }

    fn write(&self, batch: &Batch, client: &MailClient) -> anyhow::Result<lettre::Message> {
        let message = Message::of(batch, MAX_EVENTS, Some(client.public_url()));
        let recipient = Recipient { search: batch.search.to_string(), address: self.address() };
        let unsubscribe = client.unsubscribe_url(&recipient);
        let domain = client.from.email.domain();
        let mail = lettre::Message::builder()
            .message_id(Some(format!("<{}@{domain}>", batch.id)))
            .date(batch.at.into())
            .from(client.from.clone())
            .to(self.to.clone())
            .subject(message.title())
            // Programs that answer mails by themselves leave it alone (RFC 3834).
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("List-Unsubscribe", &format!("<{unsubscribe}>")))
            .raw_header(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"));
        let mut text = text::body(&message);
        let mut page = html(&message);
        write!(text, "\nUnsubscribe: {unsubscribe}\n")?;
        writeln!(page, "<p><a href=\"{}\">Unsubscribe</a></p>", encode_double_quoted_attribute(&unsubscribe))?;
        Ok(mail.multipart(MultiPart::alternative_plain_html(text, page))?)
    }
}

/// A header of ASCII that needs no folding.
fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.to_owned(), value.to_owned())
}

/// The message as HTML, without scripts, styles and images of others.
fn html(message: &Message) -> String {
    let mut html = String::from("<!doctype html>\n<meta charset=\"utf-8\">\n");
    let mut add = |line: String| {
        html.push_str(&line);
        html.push('\n');
    };
    let title = message.title();
    add(format!("<title>{0}</title>\n<h2>{0}</h2>", encode_text(&title)));
    for post in &message.posts {
        let author = post.byline();
        let author = match &post.url {
            Some(url) => format!("<a href=\"{}\">{}</a>", encode_double_quoted_attribute(url), encode_text(&author)),
            None => encode_text(&author).into_owned(),
        };
        let text = encode_text(&post.text).replace('\n', "<br>");
        add(format!("<p><b>{author}</b><br>{text}</p>"));
    }
    if let Some(more) = message.more() {
        add(match &message.link {
            Some(url) => format!("<p><a href=\"{}\">{more}</a></p>", encode_double_quoted_attribute(url)),
            None => format!("<p>{more}</p>"),
        });
    }
    html
}

impl Receiver for Mail {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn key(&self) -> String {
        format!("{KEY}{}", self.address())
    }

    fn check(&self, client: &DeliveryClient) -> Result<(), WrongField> {
        let Some(mail) = client.mail() else {
            return Err(WrongField("type", "is \"mail\", but perch has no mail server ([mail])".to_owned()));
        };
        if mail.allows(&self.to.email) {
            return Ok(());
        }
        Err(WrongField("to", "is refused: mail.recipients does not allow this address".to_owned()))
    }

    fn max_events(&self) -> usize {
        MAX_EVENTS
    }

    fn shows_gone(&self) -> bool {
        false
    }

    fn send<'a>(&'a self, batch: &'a Batch, client: &'a DeliveryClient, _: Attempt) -> BoxFuture<'a, Sent> {
        Box::pin(async move {
            // The configuration may have changed since the search was saved.
            match (client.mail(), self.check(client)) {
                (Some(mail), Ok(())) => mail.send(|client| self.write(batch, client)).await,
                (_, refused) => {
                    let reason = match refused {
                        Err(WrongField(field, what)) => format!("`{field}` {what}"),
                        Ok(()) => "perch has no mail server".to_owned(),
                    };
                    Sent { status: None, outcome: Outcome::Failed { reason, retry_after: None } }
                }
            }
        })
    }
}
