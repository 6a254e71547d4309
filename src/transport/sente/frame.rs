//! Sente's frames: a packed value, with or without a place for a callback, in the two formats that clients have used.
//!
//! ```text
//! v1   +[x]  +[x cb]  -x       to 1.17
//! v2   [x]   [x cb]            from 1.17
//! raw  x, which is [id data] or [id data cb]
//! ```
//!
//! The raw form is none of Sente's: it is for clients that open a WebSocket of their own and speak Transit or EDN over it.
//!
//! `x` is packed as EDN or Transit; the flexible packer of old puts a letter in front of it that says which. What comes in is read in any format;
//! what goes out is a format's prefix, `[`, pieces, `]`, so pieces can be packed before the format is known.

use super::transit::{Codes, Writer};
use super::value::{ReadError, Value};
use super::{edn, reencode, transit};

/// How values become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Packing {
    /// EDN.
    Edn,
    /// Transit over JSON.
    Transit,
}

/// Which format of frames is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// With a `+` in front.
    V1,
    /// Without.
    V2,
    /// Nothing but the event: for clients that are none of Sente's.
    Raw,
}

/// How a frame is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// The prefix.
    pub version: Version,
    /// What is behind it.
    pub packing: Packing,
    /// Whether a letter in front of the packed value says which packing it is.
    pub letter: bool,
}

/// An event: a keyword with a namespace, and its data.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The keyword without its colon.
    pub id: Box<str>,
    /// [`Value::Nil`] when there is none.
    pub data: Value,
}

/// A frame that came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Inbound {
    /// What happened.
    pub event: Event,
    /// What the sender wants to see with the answer, if it wants one.
    pub callback: Option<Value>,
    /// How the frame was written: the answer is written alike.
    pub format: Format,
}

/// Why a frame is dropped. Nobody is told but the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It can't be read.
    #[error("a bad package: {0}")]
    Package(#[from] ReadError),
    /// It can be read, and is no event.
    #[error("a bad event")]
    Event,
}

/// The longest callback id. Clients use 6 characters.
const MAX_CALLBACK_BYTES: usize = 64;

impl Format {
    /// Reads the frame of a client that writes nothing but events.
    ///
    /// # Errors
    ///
    /// Why it is of no use.
    pub fn read_raw(frame: &str, packing: Packing) -> Result<Inbound, FrameError> {
        let (Value::Vector(mut parts) | Value::List(mut parts)) = packing.read(frame)? else {
            return Err(FrameError::Event);
        };
        let callback = if parts.len() == 3 { parts.pop() } else { None };
        let callback = check_callback(callback)?;
        let format = Format { version: Version::Raw, packing, letter: false };
        Ok(Inbound { event: Value::Vector(parts).try_into()?, callback, format })
    }

    /// Reads a frame in any format of Sente. `packing` is what it is packed in when no letter says otherwise.
    ///
    /// # Errors
    ///
    /// Why it is of no use.
    pub fn read(frame: &str, packing: Packing) -> Result<Inbound, FrameError> {
        let Head { is_wrapped, format, packing, text } = Head::read(frame, packing);
        let value = packing.read(text)?;
        let (event, callback) = if is_wrapped {
            match value {
                Value::Vector(mut wrapped) | Value::List(mut wrapped) if matches!(wrapped.len(), 1 | 2) => {
                    let callback = if wrapped.len() == 2 { wrapped.pop() } else { None };
                    (wrapped.pop().ok_or(FrameError::Event)?, callback)
                }
                _ => return Err(FrameError::Event),
            }
        } else {
            (value, None)
        };
        let callback = check_callback(callback)?;
        Ok(Inbound { event: event.try_into()?, callback, format })
    }

    /// The callback of a frame that is too long to be read, and the format of the answer to it. Clients write a string
    /// of letters and digits, as the last value of the frame.
    #[must_use]
    pub fn read_callback(frame: &str, packing: Packing) -> Option<(Value, Format)> {
        let Head { is_wrapped, format, text, .. } = Head::read(frame, packing);
        let (before, id) = text.trim_end().strip_suffix(']')?.trim_end().strip_suffix('"')?.rsplit_once('"')?;
        let is_id = (1..=MAX_CALLBACK_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        // Behind the event, whose vector ends before it.
        let before = before.trim_end_matches(|char: char| char == ',' || char.is_whitespace());
        (is_wrapped && is_id && before.ends_with(']')).then(|| (Value::str(id), format))
    }

    /// A frame around what is packed already.
    fn write(self, body: impl FnOnce(&mut String), capacity: usize) -> String {
        let mut frame = String::with_capacity(capacity + 16);
        if self.version == Version::Raw {
            body(&mut frame);
            return frame;
        }
        if self.version == Version::V1 {
            frame.push('+');
        }
        if self.letter {
            frame.push(if self.packing == Packing::Transit { 'j' } else { 'e' });
        }
        frame.push('[');
        body(&mut frame);
        frame.push(']');
        frame
    }

    /// A frame with one value, without a callback: a handshake, or the answer to a POST.
    #[must_use]
    pub fn value(self, value: &Value) -> String {
        self.write(|frame| self.packing.write(value, frame), 64)
    }

    /// The answer to a callback. `reply` is packed as this format says.
    #[must_use]
    pub fn reply(self, reply: &str, callback: &Value) -> String {
        // An event has room for it at its end; every answer to a raw frame is an event.
        let reply = if self.version == Version::Raw { reply.strip_suffix(']').unwrap_or(reply) } else { reply };
        let end = if self.version == Version::Raw { "]" } else { "" };
        self.write(
            |frame| {
                frame.push_str(reply);
                frame.push_str(self.packing.separator());
                self.packing.write(callback, frame);
                frame.push_str(end);
            },
            reply.len() + 16,
        )
    }

    /// The answer to a POST: the callback's place is not needed. `reply` is packed as this format says.
    #[must_use]
    pub fn body(self, reply: &str) -> String {
        self.write(|frame| frame.push_str(reply), reply.len())
    }

    /// Whether one frame can hold several events.
    #[must_use]
    pub fn has_batches(self) -> bool {
        self.version != Version::Raw
    }

    /// A batch of events, each packed as this format says. None at all is legal, and does nothing. Where there are no batches, it must be one.
    #[must_use]
    pub fn batch<'a>(self, events: impl Iterator<Item = &'a str> + Clone) -> String {
        if !self.has_batches() {
            return events.take(1).collect();
        }
        let capacity = events.clone().map(|event| event.len() + 1).sum::<usize>();
        self.write(
            |frame| {
                frame.push('[');
                for (at, event) in events.enumerate() {
                    frame.push_str(if at > 0 { self.packing.separator() } else { "" });
                    frame.push_str(event);
                }
                frame.push(']');
            },
            capacity + 2,
        )
    }

    /// The first frame of a connection.
    #[must_use]
    pub fn handshake(self, uid: &str) -> String {
        let details = match self.version {
            Version::V1 => vec![Value::str(uid), Value::Nil],
            Version::V2 | Version::Raw => vec![Value::str(uid), Value::Nil, Value::Nil],
        };
        self.value(&Value::Vector(vec![Value::keyword("chsk/handshake"), Value::Vector(details)]))
    }
}

/// What stands before the packed value of a frame.
struct Head<'a> {
    /// Whether the value is a vector with a place for a callback.
    is_wrapped: bool,
    /// How the answer is written.
    format: Format,
    /// How the value is packed.
    packing: Packing,
    text: &'a str,
}

impl Head<'_> {
    fn read(frame: &str, packing: Packing) -> Head<'_> {
        let (prefix, rest) = match frame.as_bytes().first() {
            Some(prefix @ (b'+' | b'-')) => (Some(*prefix), &frame[1..]),
            _ => (None, frame),
        };
        let version = if prefix.is_some() { Version::V1 } else { Version::V2 };
        // What is packed in a frame with a callback's place is a vector, so a letter can't be a part of it.
        let (letter, packing, text) = match rest.as_bytes().first() {
            Some(b'j') => (true, Packing::Transit, &rest[1..]),
            Some(b'e') => (true, Packing::Edn, &rest[1..]),
            _ => (false, packing, rest),
        };
        // Whoever understands a letter understands both; Transit is the shorter.
        let format = Format { version, packing: if letter { Packing::Transit } else { packing }, letter };
        Head { is_wrapped: prefix != Some(b'-'), format, packing, text }
    }
}

/// What may stand in the place of a callback.
fn check_callback(callback: Option<Value>) -> Result<Option<Value>, FrameError> {
    match callback.filter(Value::is_truthy) {
        None => Ok(None),
        Some(Value::Str(id) | Value::Keyword(id)) if id.len() > MAX_CALLBACK_BYTES => Err(FrameError::Event),
        Some(callback @ (Value::Str(_) | Value::Keyword(_) | Value::Int(_) | Value::Bool(_))) => Ok(Some(callback)),
        Some(_) => Err(FrameError::Event),
    }
}

impl Packing {
    /// Unpacks.
    ///
    /// # Errors
    ///
    /// What is wrong with the text.
    pub fn read(self, text: &str) -> Result<Value, ReadError> {
        match self {
            Packing::Edn => edn::read(text),
            Packing::Transit => transit::read(text),
        }
    }

    /// Appends a value that can stand anywhere.
    pub fn write(self, value: &Value, out: &mut String) {
        match self {
            Packing::Edn => edn::write(value, out),
            Packing::Transit => transit::write(value, Codes::None, out),
        }
    }

    /// Between two elements of a vector.
    fn separator(self) -> &'static str {
        match self {
            Packing::Edn => " ",
            Packing::Transit => ",",
        }
    }

    /// Packs an event whose data is JSON, or JSON under `msg` beside `msg-meta` when there is a meta.
    ///
    /// With [`Codes::Short`] the event must be the first in its frame.
    ///
    /// # Errors
    ///
    /// When the data is no JSON.
    pub fn event(self, id: &str, data: &str, meta: Option<&Value>, codes: Codes) -> Result<String, reencode::NotJson> {
        let mut out = String::with_capacity(data.len() + data.len() / 4 + 64);
        match self {
            Packing::Edn => {
                out.push_str("[:");
                out.push_str(id);
                out.push(' ');
                if let Some(meta) = meta {
                    out.push_str("{:msg ");
                    reencode::edn(data, &mut out)?;
                    out.push_str(", :msg-meta ");
                    edn::write(meta, &mut out);
                    out.push('}');
                } else {
                    reencode::edn(data, &mut out)?;
                }
            }
            Packing::Transit => {
                let mut writer = Writer::new(codes, &mut out);
                writer.raw("[");
                writer.keyword(id);
                writer.raw(",");
                if let Some(meta) = meta {
                    writer.raw("[\"^ \",");
                    writer.keyword_key("msg");
                    writer.raw(",");
                    reencode::transit(data, &mut writer)?;
                    writer.raw(",");
                    writer.keyword_key("msg-meta");
                    writer.raw(",");
                    writer.value(meta);
                    writer.raw("]");
                } else {
                    reencode::transit(data, &mut writer)?;
                }
            }
        }
        out.push(']');
        Ok(out)
    }
}

impl TryFrom<Value> for Event {
    type Error = FrameError;

    fn try_from(value: Value) -> Result<Event, FrameError> {
        let (Value::Vector(mut parts) | Value::List(mut parts)) = value else { return Err(FrameError::Event) };
        let data = match parts.len() {
            1 => Value::Nil,
            2 => parts.pop().unwrap_or(Value::Nil),
            _ => return Err(FrameError::Event),
        };
        match parts.pop() {
            Some(Value::Keyword(id)) if id.find('/').is_some_and(|at| at > 0 && at + 1 < id.len()) => {
                Ok(Event { id, data })
            }
            _ => Err(FrameError::Event),
        }
    }
}

#[cfg(test)]
mod tests;
