//! The SMTP client of deliveries.

use std::time::Duration;

use anyhow::Context as _;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::Url;

use super::sent::{Outcome, Sent};
use super::unsubscribe::{Recipient, UnsubscribeKey};
use crate::config::{MailEncryption, MailSection};

/// Sends mails for all deliveries, through the one server of the configuration.
pub(super) struct MailClient {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    pub(super) from: Mailbox,
    recipients: Vec<String>,
    connections: Semaphore,
    timeout: Duration,
    /// The URL of perch for the world.
    public_url: Url,
    unsubscribe_key: UnsubscribeKey,
}

impl std::fmt::Debug for MailClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The transport has a password.
        f.debug_struct("MailClient").field("from", &self.from).finish_non_exhaustive()
    }
}

impl MailClient {
    /// A client for this server; `None` without a server.
    ///
    /// # Errors
    ///
    /// The sender is no address, or a file can't be read.
    pub(super) fn new(
        config: &MailSection,
        public_url: &str,
        timeout: Duration,
        unsubscribe_key: UnsubscribeKey,
    ) -> anyhow::Result<Option<MailClient>> {
        if config.server.is_empty() {
            return Ok(None);
        }
        let from: Mailbox =
            config.from.parse().with_context(|| format!("mail.from: {:?} is no sender", config.from))?;
        let public_url = Url::parse(public_url).context("server.public_url")?;
        let tls = match config.encryption {
            MailEncryption::None => Tls::None,
            MailEncryption::Tls => Tls::Wrapper(tls_parameters(config)?),
            MailEncryption::Starttls => Tls::Required(tls_parameters(config)?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.server)
            .port(config.port)
            .tls(tls)
            .hello_name(ClientId::Domain(public_url.host_str().unwrap_or("localhost").to_owned()))
            .timeout(Some(timeout));
        if !config.user.is_empty() {
            let path = config.password_file.display();
            let password = std::fs::read_to_string(&config.password_file)
                .with_context(|| format!("mail.password_file: {path} can't be read"))?;
            builder = builder.credentials(Credentials::new(config.user.clone(), password.trim().to_owned()));
        }
        Ok(Some(MailClient {
            transport: builder.build(),
            from,
            recipients: config.recipients.iter().map(|recipient| recipient.to_lowercase()).collect(),
            connections: Semaphore::new(config.max_connections),
            timeout,
            public_url,
            unsubscribe_key,
        }))
    }

    /// The URL of perch for the world.
    pub(super) fn public_url(&self) -> &Url {
        &self.public_url
    }

    /// The URL by which a recipient unsubscribes.
    pub(super) fn unsubscribe_url(&self, recipient: &Recipient) -> String {
        let base = self.public_url.as_str().trim_end_matches('/');
        format!("{base}/unsubscribe/{}", self.unsubscribe_key.token(recipient))
    }

    /// Whether mails may go to this address.
    pub(super) fn allows(&self, address: &Address) -> bool {
        let address = address.to_string().to_lowercase();
        let is_allowed = |recipient: &String| match recipient.as_str() {
            "*" => true,
            domain if domain.starts_with('@') => address.ends_with(domain),
            other => address == other,
        };
        self.recipients.iter().any(is_allowed)
    }

    /// Sends a mail when a connection is free. `build` makes it then, so that mails that wait take
    /// no memory.
    pub(super) async fn send(&self, build: impl FnOnce(&MailClient) -> anyhow::Result<Message>) -> Sent {
        // The semaphore is never closed.
        let _connection = self.connections.acquire().await;
        let mail = match build(self) {
            Ok(mail) => mail,
            Err(error) => return failed(None, format!("the mail can't be written: {error:#}")),
        };
        match timeout(self.timeout, self.transport.send(mail)).await {
            Ok(Ok(response)) => Sent { status: response.code().to_string().parse().ok(), outcome: Outcome::Delivered },
            Ok(Err(error)) => understand(&error),
            Err(_) => failed(None, format!("no answer of the mail server in {} s", self.timeout.as_secs())),
        }
    }
}

fn tls_parameters(config: &MailSection) -> anyhow::Result<TlsParameters> {
    let mut builder = TlsParameters::builder(config.server.clone());
    if !config.ca_file.as_os_str().is_empty() {
        let path = config.ca_file.display();
        let pem = std::fs::read(&config.ca_file).with_context(|| format!("mail.ca_file: {path} can't be read"))?;
        let certificate =
            Certificate::from_pem(&pem).with_context(|| format!("mail.ca_file: {path} has no certificate"))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    builder.build_rustls().context("TLS for mail can't be set up")
}

fn failed(status: Option<u16>, reason: String) -> Sent {
    Sent { status, outcome: Outcome::Failed { reason, retry_after: None } }
}

/// The codes by which a server says that there is no such mailbox, or that it wants no mail from
/// us. Others, such as those of a wrong password, say nothing about the recipient.
const NO_MAILBOX: [u16; 4] = [550, 551, 553, 556];

fn understand(error: &lettre::transport::smtp::Error) -> Sent {
    let status = error.status().and_then(|code| code.to_string().parse().ok());
    let mut reason = format!("the mail server: {error}");
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let cause = cause.to_string();
    if !reason.contains(&cause) {
        reason = format!("{reason}: {cause}");
    }
    if status.is_some_and(|status| NO_MAILBOX.contains(&status)) {
        return Sent { status, outcome: Outcome::Refused(reason) };
    }
    failed(status, reason)
}
