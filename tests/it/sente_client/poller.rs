//! A page that polls.

use std::time::Instant;

use perch_sente::frame::Packing;
use perch_sente::value::Value;
use reqwest::header::{COOKIE, HeaderValue};

use super::{Group, Setup, Transcript, data, id};
use crate::support::{PATIENCE, Perch};

/// A page that polls.
pub(crate) struct SentePoller {
    pub setup: Setup,
    pub http: reqwest::Client,
    pub url: String,
    pub transcript: Transcript,
    ready: Vec<Value>,
    /// What the browser sends with its POSTs.
    cookie: Option<HeaderValue>,
}

impl SentePoller {
    /// Begins to poll and takes the handshake.
    pub(crate) async fn connect(perch: &Perch, setup: Setup) -> SentePoller {
        let mut poller = SentePoller::new(perch, setup);
        poller.handshake(true).await;
        poller
    }

    pub(crate) fn new(perch: &Perch, setup: Setup) -> SentePoller {
        let (http, url) = (perch.http.clone(), perch.url(setup.path));
        SentePoller { setup, http, url, transcript: Transcript::default(), ready: Vec::new(), cookie: None }
    }

    /// A poll that is answered with a handshake. `asks` says whether the client asks for one.
    pub(crate) async fn handshake(&mut self, asks: bool) {
        let (status, frame) = self.get(asks).await;
        assert_eq!(status, 200, "{frame}");
        let (value, _) = self.setup.read(&frame);
        assert_eq!(id(&value), "chsk/handshake", "{frame}");
        assert_eq!(data(&value).elements().expect("uid and token")[0], Value::str(&self.setup.client_id));
        self.transcript.note(&format!("< {frame}"));
    }

    /// One poll: status and body.
    pub(crate) async fn get(&mut self, handshake: bool) -> (u16, String) {
        let query = self.setup.poll_query(handshake);
        if handshake {
            self.transcript.note(&format!("GET {}?{query}", self.setup.path));
        }
        let request = self.http.get(format!("{}?{query}", self.url)).headers(self.setup.headers()).timeout(PATIENCE);
        let response = request.send().await.expect("perch answers");
        assert_eq!(response.headers()["cache-control"], "no-store");
        if let Some(cookie) = response.headers().get("set-cookie") {
            let pair = cookie.to_str().expect("text").split(';').next().unwrap_or_default();
            self.cookie = Some(pair.parse().expect("a cookie"));
        }
        (response.status().as_u16(), response.text().await.expect("a body"))
    }

    /// Sends a frame as it is: status and body.
    pub(crate) async fn post(&mut self, frame: &str) -> (u16, String) {
        let form = self.setup.form(frame);
        self.transcript.note(&format!("POST {} {form}", self.setup.path));
        let mut headers = self.setup.headers();
        if let Some(cookie) = self.cookie.clone().filter(|_| self.setup.group == Group::First) {
            headers.insert(COOKIE, cookie);
        }
        let request = self
            .http
            .post(&self.url)
            .headers(headers)
            .header("content-type", "application/x-www-form-urlencoded;charset=UTF-8")
            .body(form);
        let response = request.send().await.expect("perch answers");
        let (status, body) = (response.status().as_u16(), response.text().await.expect("a body"));
        self.transcript.note(&format!("< {body}"));
        (status, body)
    }

    /// Sends an event that is packed already; it wants no answer.
    pub(crate) async fn send(&mut self, event: &str) {
        let frame = self.setup.frame(event, None);
        let (status, body) = self.post(&frame).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(self.setup.read(&body).0, Value::keyword("chsk/dummy-cb-200"));
    }

    /// Sends an event that is packed already; the answer is that of its callback.
    pub(crate) async fn ask(&mut self, event: &str) -> Value {
        let marker = match (self.setup.group, self.setup.packing) {
            (Group::F, Packing::Edn) => ":ajax",
            (Group::F, Packing::Transit) => "\"~:ajax\"",
            _ => "0",
        };
        let frame = self.setup.frame(event, Some(marker));
        let (status, body) = self.post(&frame).await;
        assert_eq!(status, 200, "{body}");
        self.setup.read(&body).0
    }

    /// Polls once: the events, counts left out. An empty batch is noted too.
    pub(crate) async fn poll(&mut self) -> Vec<Value> {
        let (status, frame) = self.get(false).await;
        assert_eq!(status, 200, "{frame}");
        self.transcript.batch(&self.setup, &frame)
    }

    /// Polls until an event comes that is no count.
    pub(crate) async fn event(&mut self) -> Value {
        let asked = Instant::now();
        while self.ready.is_empty() {
            // Counts come for ever.
            assert!(asked.elapsed() < PATIENCE, "no event but counts for {PATIENCE:?}");
            self.ready = self.poll().await;
        }
        self.ready.remove(0)
    }

    /// The data of the next event, which must be this one.
    pub(crate) async fn expect(&mut self, wanted: &str) -> Value {
        let event = self.event().await;
        assert_eq!(id(&event), wanted, "{event:?}");
        data(&event).clone()
    }
}
