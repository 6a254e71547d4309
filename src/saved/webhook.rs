//! `{"type": "webhook"}`: batches as signed POST requests.
//!
//! Source of the format: the Standard Webhooks specification 1.0.0
//! (<https://github.com/standard-webhooks/standard-webhooks>). The signature is HMAC-SHA256 over
//! `id.timestamp.body`. With two secrets there are two signatures, so that a receiver can change
//! its secret without a gap. With a template, the body is what a service for people wants.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::future::BoxFuture;
use ring::hmac;
use serde_json::Value;
use url::Url;

use super::batch::{Batch, DigestSummary, MAX_EVENTS};
use super::http::DeliveryClient;
use super::message::Message;
use super::receiver::{Fields, Receiver, ReceiverKind, WrongField};
use super::sent::{Attempt, Sent};
use super::template::TemplateKind;
use super::templates;

pub(super) const KIND: ReceiverKind = ReceiverKind {
    name: "webhook",
    about: "POST requests, signed as Standard Webhooks describes",
    example: r#"{"url": "https://example.org/hook", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}"#,
    every: None,
    is_available: |_| true,
    build,
};

const PREFIX: &str = "whsec_";

/// The most secrets at one time: the new one and the old one.
const MAX_SECRETS: usize = 2;

/// The shortest and the longest secret, in bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 16..=128;

struct Webhook {
    /// As the user has written it.
    url: Url,
    keys: Vec<hmac::Key>,
    /// How the service wants its messages, and where; `None` is what programs get.
    template: Option<(&'static TemplateKind, Url)>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The path of an address may be a secret.
        f.debug_struct("Webhook").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

fn build(fields: &mut Fields) -> Result<Box<dyn Receiver>, WrongField> {
    let wrong_url = |what: &str| WrongField("url", what.to_owned());
    let text = fields.text("url")?.ok_or_else(|| wrong_url("is missing"))?;
    let url = Url::parse(&text).map_err(|error| wrong_url(&format!("is no address: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong_url("must begin with https:// or http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong_url("must have no user name and no password"));
    }
    let template = fields.text("template")?.map(|name| {
        let kind = templates::find(&name)
            .ok_or_else(|| WrongField("template", format!("is {name:?}, expected one of {}", templates::names())))?;
        let address = kind.address.map_or_else(|| Ok(url.clone()), |address| address(&url));
        Ok((kind, address.map_err(wrong_url)?))
    });
    let template = template.transpose()?;
    let (secrets, is_list) = match fields.take("secret") {
        None => (Vec::new(), false),
        Some(Value::Array(secrets)) => (secrets, true),
        Some(secret) => (vec![secret], false),
    };
    if is_list && !(1..=MAX_SECRETS).contains(&secrets.len()) {
        return Err(WrongField("secret", "must be one secret, or the new one and the old one".to_owned()));
    }
    let keys = secrets.iter().map(|secret| key(secret).ok_or_else(wrong_secret)).collect::<Result<_, _>>()?;
    Ok(Box::new(Webhook { url, keys, template }))
}

fn wrong_secret() -> WrongField {
    let expected = "must be \"whsec_\" and 16 to 128 bytes in base64; \
                    `echo whsec_$(head -c 32 /dev/urandom | base64 -w0)` makes one";
    WrongField("secret", expected.to_owned())
}

/// The key of a secret.
pub(crate) fn key(secret: &Value) -> Option<hmac::Key> {
    let bytes = BASE64_STANDARD.decode(secret.as_str()?.strip_prefix(PREFIX)?).ok()?;
    SECRET_BYTES.contains(&bytes.len()).then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// What is signed.
fn signed(id: &str, timestamp: u64, body: &[u8]) -> Vec<u8> {
    [format!("{id}.{timestamp}.").as_bytes(), body].concat()
}

/// The signature of a request, without its version.
fn sign(key: &hmac::Key, id: &str, timestamp: u64, body: &[u8]) -> String {
    BASE64_STANDARD.encode(hmac::sign(key, &signed(id, timestamp, body)))
}

/// Whether a signature without its version is that of this request, in constant time.
pub(crate) fn verify(key: &hmac::Key, id: &str, timestamp: u64, body: &[u8], signature: &str) -> bool {
    let signature = BASE64_STANDARD.decode(signature);
    signature.is_ok_and(|signature| hmac::verify(key, &signed(id, timestamp, body), &signature).is_ok())
}

/// The body of a request.
fn body(batch: &Batch) -> String {
    let events = batch.events.iter().map(|event| event.as_str().len() + 1).sum::<usize>();
    let mut body = String::with_capacity(events + 256);
    let name = serde_json::to_string(&*batch.search).expect("a string is JSON");
    write!(
        body,
        "{{\"type\":\"{}\",\"timestamp\":\"{}\",\"data\":{{\"search\":{name},\"epoch\":\"{}\",",
        batch.kind, batch.at, batch.epoch
    )
    .expect("a string takes everything");
    if let Some(DigestSummary { from, to, count, left_out }) = batch.digest {
        let (after, until) = (batch.after, batch.until);
        write!(
            body,
            "\"from\":\"{from}\",\"to\":\"{to}\",\"after\":{after},\"until\":{until},\
             \"count\":{count},\"left_out\":{left_out},"
        )
        .expect("a string takes everything");
    }
    body.push_str("\"events\":[");
    for (at, event) in batch.events.iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        body.push_str(event.as_str());
    }
    body.push_str("]}}");
    body
}

impl Receiver for Webhook {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn key(&self) -> String {
        self.url.to_string()
    }

    fn check(&self, client: &DeliveryClient) -> Result<(), WrongField> {
        client.check_address(&self.url).map_err(|reason| WrongField("url", format!("is refused: {reason}")))
    }

    fn max_events(&self) -> usize {
        self.template.as_ref().map_or(MAX_EVENTS, |(template, _)| template.max_posts)
    }

    fn shows_gone(&self) -> bool {
        // A reader has read the tweet already: a message that it is gone helps no more.
        self.template.is_none()
    }

    fn send<'a>(&'a self, batch: &'a Batch, client: &'a DeliveryClient, attempt: Attempt) -> BoxFuture<'a, Sent> {
        let address = self.template.as_ref().map_or(&self.url, |(_, address)| address);
        Box::pin(client.send(address, attempt, |request| {
            let (content_type, body) = match &self.template {
                Some((template, _)) => {
                    let message = Message::of(batch, template.max_posts, client.public_url());
                    (template.content_type, (template.body)(&message, &self.url))
                }
                None => ("application/json", body(batch)),
            };
            let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let mut request = request
                .header("content-type", content_type)
                .header("webhook-id", &batch.id)
                .header("webhook-timestamp", timestamp);
            if !self.keys.is_empty() {
                let signature = |key| format!("v1,{}", sign(key, &batch.id, timestamp, body.as_bytes()));
                let signatures: Vec<_> = self.keys.iter().map(signature).collect();
                request = request.header("webhook-signature", signatures.join(" "));
            }
            request.body(body)
        }))
    }
}
