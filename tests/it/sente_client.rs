//! Clients of Sente, written from the description of its protocol: each speaks as one group of
//! versions does, over a WebSocket or by polling, and notes what goes over the wire.

mod poller;
mod socket;

use std::fmt::Write as _;

use perch_sente::frame::{Format, Packing, Version};
use perch_sente::value::Value;
use reqwest::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};

pub(crate) use poller::SentePoller;
pub(crate) use socket::SenteSocket;

/// Versions that look alike on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    /// 1.0 to 1.2, which name no client but in a poll.
    First,
    /// 1.3 to 1.8.1, `BirdWatch`'s pin among them.
    A,
    /// 1.9 to 1.13, `BirdWatch`'s last.
    B,
    /// 1.14 to 1.16.
    C,
    /// 1.17.
    D,
    /// 1.18 to 1.20.
    E,
    /// 1.21 and later.
    F,
}

impl Group {
    fn writes(self) -> Version {
        if self >= Group::E { Version::V2 } else { Version::V1 }
    }

    fn sends_csrf(self) -> bool {
        self >= Group::C
    }

    /// Whether the client understands a frame that starts like this; with EDN, some do by chance.
    fn reads(self, frame: &str, packing: Packing) -> bool {
        let is_v1 = frame.starts_with(['+', '-']);
        match self {
            Group::First | Group::A => is_v1,
            Group::B | Group::C => is_v1 || packing == Packing::Edn,
            Group::D | Group::E => true,
            Group::F => !is_v1,
        }
    }
}

/// How a page is set up.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub group: Group,
    pub packing: Packing,
    /// Whether the packer writes a letter.
    pub letter: bool,
    pub path: &'static str,
    pub client_id: String,
    /// The token that came with the page, and is in the cookie too.
    pub csrf: Option<&'static str>,
}

impl Setup {
    pub(crate) fn new(group: Group, packing: Packing, path: &'static str) -> Setup {
        let client_id = format!("client-{}", format!("{group:?}").to_lowercase());
        Setup { group, packing, letter: false, path, client_id, csrf: None }
    }

    pub(crate) fn with_id(&self, client_id: &str) -> Setup {
        Setup { client_id: client_id.to_owned(), ..self.clone() }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("x-requested-with", HeaderValue::from_static("XMLHTTPRequest"));
        if let Some(token) = self.csrf {
            let cookie = format!("other=1; perch-csrf={token}");
            headers.insert(COOKIE, cookie.parse().expect("a cookie"));
        }
        if self.group.sends_csrf() {
            let name = HeaderName::from_static("x-csrf-token");
            headers.insert(name, HeaderValue::from_static(self.csrf.unwrap_or("null")));
        }
        headers
    }

    /// The query of an upgrade.
    fn upgrade_query(&self) -> String {
        if self.group == Group::First {
            return String::new();
        }
        let mut query = format!("?client-id={}", self.client_id);
        if let Some(token) = self.csrf.filter(|_| self.group.sends_csrf()) {
            write!(query, "&csrf-token={token}").expect("a string takes everything");
        }
        query
    }

    /// The query of a poll.
    fn poll_query(&self, handshake: bool) -> String {
        let id = &self.client_id;
        match (self.group, handshake) {
            (Group::First, _) => format!("_=1795237352511&ajax-client-uuid={id}"),
            (Group::A, false) => format!("_=1795237352511&client-id={id}"),
            (Group::A, true) => format!("_=1795237352511&client-id={id}&handshake%3F=true"),
            (Group::F, true) => format!("udt=1795237352511&client-id={id}&handshake%3F=1"),
            (_, true) => format!("udt=1795237352511&client-id={id}&handshake%3F=true"),
            (_, false) => format!("udt=1795237352511&client-id={id}"),
        }
    }

    /// The form of a POST.
    fn form(&self, frame: &str) -> String {
        if self.group == Group::First {
            return format!("_=1795237352773&ppstr={}&csrf-token=null", percent(frame));
        }
        let time = if self.group == Group::A { "_" } else { "udt" };
        let mut form = format!("{time}=1795237352773");
        if self.group != Group::F {
            write!(form, "&csrf-token={}", self.csrf.unwrap_or("null")).expect("a string takes everything");
        }
        write!(form, "&client-id={}&ppstr={}", self.client_id, percent(frame)).expect("a string takes everything");
        form
    }

    fn format(&self) -> Format {
        Format { version: self.group.writes(), packing: self.packing, letter: self.letter }
    }

    /// A frame as this client writes it, of an event that is packed already.
    pub(crate) fn frame(&self, event: &str, callback: Option<&str>) -> String {
        let callback = match (self.group, callback, self.packing) {
            (_, Some(callback), Packing::Edn) => format!(" {callback}"),
            (_, Some(callback), Packing::Transit) => format!(",{callback}"),
            (Group::F, None, Packing::Edn) => " nil".to_owned(),
            (Group::F, None, Packing::Transit) => ",null".to_owned(),
            (_, None, _) => String::new(),
        };
        let prefix = if self.group.writes() == Version::V1 { "+" } else { "" };
        let letter = match (self.letter, self.packing) {
            (false, _) => "",
            (true, Packing::Edn) => "e",
            (true, Packing::Transit) => "j",
        };
        format!("{prefix}{letter}[{event}{callback}]")
    }

    /// What is in a frame that the server sent: the value and the callback id.
    pub(crate) fn read(&self, frame: &str) -> (Value, Option<Value>) {
        assert!(self.group.reads(frame, self.packing), "a client of {:?} can't read {frame}", self.group);
        let text = frame.trim_start_matches('+');
        assert!(!text.starts_with('-'), "{frame}");
        let text = if self.letter {
            let letter = if self.packing == Packing::Transit { 'j' } else { 'e' };
            text.strip_prefix(letter).unwrap_or_else(|| panic!("no letter: {frame}"))
        } else {
            text
        };
        let value = self.packing.read(text).unwrap_or_else(|error| panic!("{error}: {frame}"));
        let Value::Vector(wrapped) = value else { panic!("not wrapped: {frame}") };
        let mut wrapped = wrapped.into_iter();
        let value = wrapped.next().unwrap_or_else(|| panic!("nothing in {frame}"));
        let callback = wrapped.next().filter(Value::is_truthy);
        assert_eq!(wrapped.next(), None, "{frame}");
        (value, callback)
    }
}

/// Percent-encodes as encodeURIComponent does.
pub(crate) fn percent(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a string takes everything");
        }
    }
    encoded
}

/// An event that was received.
pub(crate) fn id(event: &Value) -> &str {
    match event.elements().and_then(|parts| parts.first()) {
        Some(Value::Keyword(id)) => id,
        other => panic!("no event: {other:?}"),
    }
}

/// Its data.
pub(crate) fn data(event: &Value) -> &Value {
    event.elements().and_then(|parts| parts.get(1)).unwrap_or(&Value::Nil)
}

fn is_stats(event: &Value) -> bool {
    id(event).starts_with("stats/")
}

/// What went over the wire: `>` from the client, `<` from the server. Counts come when they come,
/// so they are left out.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    pub lines: String,
}

impl Transcript {
    pub(crate) fn note(&mut self, line: &str) {
        self.lines.push_str(line);
        self.lines.push('\n');
    }

    /// Notes a frame of the server and answers with the events in it, counts left out.
    fn batch(&mut self, setup: &Setup, frame: &str) -> Vec<Value> {
        let (value, callback) = setup.read(frame);
        assert_eq!(callback, None, "a batch has no callback: {frame}");
        let Value::Vector(events) = value else { panic!("a batch is a vector: {frame}") };
        // One event that is none, and a genuine client throws the whole batch away.
        for event in &events {
            let (name, parts) = (id(event), event.elements().map_or(0, <[Value]>::len));
            let is_event = name.contains('/') && !name.starts_with("chsk/") && matches!(parts, 1 | 2);
            assert!(is_event, "{event:?} in {frame}");
        }
        let n_events = events.len();
        let events: Vec<_> = events.into_iter().filter(|event| !is_stats(event)).collect();
        if events.len() == n_events {
            self.note(&format!("< {frame}"));
        } else if !events.is_empty() {
            let packed: Vec<String> = events
                .iter()
                .map(|event| {
                    let mut packed = String::new();
                    setup.packing.write(event, &mut packed);
                    packed
                })
                .collect();
            let version = if frame.starts_with('+') { Version::V1 } else { Version::V2 };
            let format = Format { version, ..setup.format() };
            self.note(&format!("< {}", format.batch(packed.iter().map(String::as_str))));
        }
        events
    }
}
