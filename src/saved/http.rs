//! The HTTP client of deliveries: limits per host, and no request into private networks.
//!
//! A client of perch chooses the addresses that perch sends requests to. So perch refuses addresses
//! of its machine and of private networks, after the name is resolved and for the address that it
//! connects to: a name that resolves to another address a moment later gains nothing. perch follows
//! no redirect.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use url::{Host, Url};

use super::addresses::is_public;
use super::mail_client::MailClient;
use super::sent::{Attempt, Outcome, Sent};
use crate::config::DeliveriesSection;
use crate::outbound::{self, Trust};

/// An answer up to this size is read, so that its connection can be used again.
const MAX_BODY_BYTES: u64 = 16 * 1024;

/// The time for such an answer.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// At this number of hosts the client forgets those without requests, but not which are slow.
const SWEEP_HOSTS: usize = 1_024;

/// At this number it forgets the slow ones too.
const MAX_HOSTS: usize = 16_384;

/// Receivers that fail have this part of all requests beside the others, and those that are slow
/// have another one.
const SHARE: usize = 4;

/// A host is slow when its last answer took so long.
const SLOW: Duration = Duration::from_secs(1);

/// The longest pause that a receiver can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// Sends requests for all deliveries.
#[derive(Debug)]
pub struct DeliveryClient {
    /// Made for the first request: most servers have no saved search.
    client: OnceLock<Client>,
    allows_private: bool,
    timeout: Duration,
    per_host: usize,
    all: Semaphore,
    /// The share of receivers that fail, so that many dead ones don't hold up the others.
    failing: Semaphore,
    /// The share of receivers that take their time.
    slow: Semaphore,
    hosts: Mutex<HashMap<String, Arc<HostSlots>>>,
    /// `None` without a mail server.
    mail: Option<MailClient>,
    /// The URL of perch for the world, if it is known.
    public_url: Option<Url>,
}

/// The requests to one host.
#[derive(Debug)]
struct HostSlots {
    slots: Semaphore,
    is_slow: AtomicBool,
}

impl HostSlots {
    fn answered_after(&self, took: Duration) {
        self.is_slow.store(took >= SLOW, Ordering::Relaxed);
    }
}

impl DeliveryClient {
    /// A client with these limits.
    pub(super) fn new(config: &DeliveriesSection, mail: Option<MailClient>, public_url: &str) -> DeliveryClient {
        DeliveryClient {
            client: OnceLock::new(),
            allows_private: config.allow_private_addresses,
            timeout: config.timeout,
            per_host: config.max_requests_per_host,
            all: Semaphore::new(config.max_requests),
            failing: Semaphore::new((config.max_requests / SHARE).max(1)),
            slow: Semaphore::new((config.max_requests / SHARE).max(1)),
            hosts: Mutex::default(),
            mail,
            public_url: Url::parse(public_url).ok(),
        }
    }

    /// The URL of perch for the world, if it is known.
    pub(super) fn public_url(&self) -> Option<&Url> {
        self.public_url.as_ref()
    }

    /// The client for mails, if there is a mail server.
    pub(super) fn mail(&self) -> Option<&MailClient> {
        self.mail.as_ref()
    }

    fn client(&self) -> anyhow::Result<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        // A machine without certificates still delivers to receivers without TLS.
        let tls = outbound::tls(Trust::System).or_else(|error| {
            tracing::warn!(%error, "webhooks over TLS will fail");
            outbound::tls(Trust::None)
        })?;
        let resolver = PublicResolver { allows_private: self.allows_private };
        let client = outbound::http(tls).dns_resolver(Arc::new(resolver)).build()?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Sends a request when the limits allow it. `build` makes it then, so that requests that wait
    /// take no memory.
    pub async fn send(
        &self,
        url: &Url,
        attempt: Attempt,
        build: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Sent {
        if let Err(reason) = self.check_address(url) {
            return failed(reason);
        }
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => return failed(error.to_string()),
        };
        // The host's slot comes first, so that requests that wait for a slow host hold no other
        // slot.
        let host = self.host(url);
        // The semaphores are never closed.
        let _host = host.slots.acquire().await;
        let _slot = self.slots(&host, attempt).acquire().await;
        let started = Instant::now();
        let answered = timeout(self.timeout, build(client.post(url.clone())).send()).await;
        host.answered_after(started.elapsed());
        match answered {
            Ok(Ok(response)) => understand(response).await,
            Ok(Err(error)) => failed(reason(&error)),
            Err(_) => failed(format!("no answer in {} s", self.timeout.as_secs())),
        }
    }

    /// The slots that a request takes one of. Thousands of receivers that fail or are slow hold up
    /// those of their kind.
    fn slots(&self, host: &HostSlots, attempt: Attempt) -> &Semaphore {
        match attempt {
            Attempt::Again => &self.failing,
            Attempt::First if host.is_slow.load(Ordering::Relaxed) => &self.slow,
            Attempt::First => &self.all,
        }
    }

    /// Whether requests may go to this address, as far as its text says. Names are checked when
    /// they are resolved.
    ///
    /// # Errors
    ///
    /// The reason, a public text.
    pub fn check_address(&self, url: &Url) -> Result<(), String> {
        let ip = match url.host() {
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        if self.allows_private || is_public(ip) { Ok(()) } else { Err(private(&ip.to_string())) }
    }

    fn host(&self, url: &Url) -> Arc<HostSlots> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= SWEEP_HOSTS {
            let keeps_slow = hosts.len() < MAX_HOSTS;
            let is_slow = |host: &HostSlots| host.is_slow.load(Ordering::Relaxed);
            hosts.retain(|_, host| Arc::strong_count(host) > 1 || (keeps_slow && is_slow(host)));
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        Arc::clone(hosts.entry(host).or_insert_with(|| {
            Arc::new(HostSlots { slots: Semaphore::new(self.per_host), is_slow: AtomicBool::new(false) })
        }))
    }
}

fn private(what: &str) -> String {
    format!("{what} is an address of this machine or of a private network (deliveries.allow_private_addresses)")
}

fn failed(reason: String) -> Sent {
    Sent { status: None, outcome: Outcome::Failed { reason, retry_after: None } }
}

/// The innermost cause, which says the most.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if error.is_connect() { format!("no connection: {cause}") } else { cause.to_string() }
}

async fn understand(response: Response) -> Sent {
    let status = response.status();
    let retry_after = outbound::retry_after(response.headers(), Timestamp::now()).map(|it| it.min(MAX_RETRY_AFTER));
    let outcome = match status {
        status if status.is_success() => Outcome::Delivered,
        StatusCode::GONE => Outcome::Refused("the receiver answered 410 Gone".to_owned()),
        status => Outcome::Failed { reason: format!("the receiver answered {status}"), retry_after },
    };
    if response.content_length().is_some_and(|length| length <= MAX_BODY_BYTES) {
        let _ = timeout(BODY_TIMEOUT, response.bytes()).await;
    }
    Sent { status: Some(status.as_u16()), outcome }
}

/// Resolves names to public addresses.
#[derive(Debug)]
struct PublicResolver {
    allows_private: bool,
}

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allows_private = self.allows_private;
        Box::pin(async move {
            // The client puts its port in the place of 0.
            let addresses: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let is_found = !addresses.is_empty();
            let allowed: Vec<SocketAddr> =
                addresses.into_iter().filter(|address| allows_private || is_public(address.ip())).collect();
            if allowed.is_empty() {
                let host = name.as_str();
                let reason = if is_found { private(host) } else { format!("{host} has no address") };
                return Err(reason.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hosts_that_are_slow_hold_up_no_others() {
        let config = DeliveriesSection { max_requests: 8, ..DeliveriesSection::default() };
        let client = DeliveryClient::new(&config, None, "");
        let host = |number: usize| client.host(&Url::parse(&format!("https://{number}.example.org/")).unwrap());
        let slow: Vec<_> = (0..20).map(host).collect();
        slow.iter().for_each(|host| host.answered_after(SLOW));
        let mut held = Vec::new();
        while let Ok(slot) = client.slots(&slow[held.len()], Attempt::First).try_acquire() {
            held.push(slot);
        }
        assert_eq!(held.len(), 2, "a quarter of the requests");
        assert!(client.slots(&host(100), Attempt::First).try_acquire().is_ok());
        assert!(client.slots(&slow[0], Attempt::Again).try_acquire().is_ok());
        // A host that has recovered is one of the others again.
        slow[0].answered_after(SLOW / 2);
        assert!(client.slots(&slow[0], Attempt::First).try_acquire().is_ok());
    }

    #[test]
    fn the_client_knows_which_hosts_are_slow_and_forgets_the_others() {
        let client = DeliveryClient::new(&DeliveriesSection::default(), None, "");
        let url = |number: usize| Url::parse(&format!("https://{number}.example.org/")).unwrap();
        client.host(&url(0)).answered_after(SLOW);
        (1..SWEEP_HOSTS + 10).for_each(|number| drop(client.host(&url(number))));
        assert!(client.hosts.lock().unwrap().len() < SWEEP_HOSTS);
        assert!(client.host(&url(0)).is_slow.load(Ordering::Relaxed));
        for number in 0..MAX_HOSTS + 10 {
            client.host(&url(number)).answered_after(SLOW);
        }
        assert!(client.hosts.lock().unwrap().len() <= MAX_HOSTS);
    }
}
