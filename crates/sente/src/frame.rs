//! Sente's frames: a packed value, with or without a place for a callback, in the formats that
//! clients have used.
//!
//! ```text
//! v1   +[x]  +[x cb]  -x       up to Sente 1.17
//! v2   [x]   [x cb]            from Sente 1.17 on
//! raw  x, which is [id data] or [id data cb]
//! ```
//!
//! The raw format is not Sente's. It is for clients that open a WebSocket of their own and speak
//! Transit or EDN over it.
//!
//! `x` is packed as EDN or Transit. The flexible packer of early versions puts a letter in front of
//! it that says which. A reader takes every format. A writer writes the prefix of one format, `[`,
//! the packed parts, and `]`; so parts can be packed before the format is known.

use crate::transit::{Codes, Writer};
use crate::value::{ReadError, Value};
use crate::{edn, reencode, transit};

/// How values become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Packing {
    /// EDN.
    Edn,
    /// Transit over JSON.
    Transit,
}

/// The format of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// With a `+` in front.
    V1,
    /// Without a prefix.
    V2,
    /// Only the event, for clients that don't use Sente's library.
    Raw,
}

/// How a frame is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// The prefix, and how the value is wrapped.
    pub version: Version,
    /// How the value is packed.
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

/// A frame that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Inbound {
    /// The event.
    pub event: Event,
    /// The callback id, which comes back with the answer. `None` when the sender wants none.
    pub callback: Option<Value>,
    /// How the frame was written. The answer takes the same format.
    pub format: Format,
}

/// Why a frame can't be read as an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The packed value can't be read.
    #[error("a bad package: {0}")]
    Package(#[from] ReadError),
    /// The value is not an event.
    #[error("a bad event")]
    Event,
}

/// The longest callback id. Clients use 6 characters.
const MAX_CALLBACK_BYTES: usize = 64;

impl Format {
    /// Reads a frame of [`Version::Raw`].
    ///
    /// # Errors
    ///
    /// [`FrameError`], when it is not an event.
    pub fn read_raw(frame: &str, packing: Packing) -> Result<Inbound, FrameError> {
        let (Value::Vector(mut parts) | Value::List(mut parts)) = packing.read(frame)? else {
            return Err(FrameError::Event);
        };
        let callback = if parts.len() == 3 { parts.pop() } else { None };
        let callback = check_callback(callback)?;
        let format = Format { version: Version::Raw, packing, letter: false };
        Ok(Inbound { event: Value::Vector(parts).try_into()?, callback, format })
    }

    /// Reads a frame of [`Version::V1`] or [`Version::V2`]. `packing` applies to a frame without a
    /// letter.
    ///
    /// # Errors
    ///
    /// [`FrameError`], when it does not hold an event.
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

    /// The callback id of a frame that is too long to be read, and the format of the answer.
    /// Clients write the id as a string of letters and digits, the last value of the frame.
    #[must_use]
    pub fn read_callback(frame: &str, packing: Packing) -> Option<(Value, Format)> {
        let Head { is_wrapped, format, text, .. } = Head::read(frame, packing);
        let (before, id) = text.trim_end().strip_suffix(']')?.trim_end().strip_suffix('"')?.rsplit_once('"')?;
        let is_id = (1..=MAX_CALLBACK_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        // Behind the event, whose vector ends before it.
        let before = before.trim_end_matches(|char: char| char == ',' || char.is_whitespace());
        (is_wrapped && is_id && before.ends_with(']')).then(|| (Value::str(id), format))
    }

    /// Writes a frame around parts that are packed already.
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

    /// Writes a frame with one value and no callback: a handshake, or the answer to a POST.
    #[must_use]
    pub fn value(self, value: &Value) -> String {
        self.write(|frame| self.packing.write(value, frame), 64)
    }

    /// Writes the answer to a callback. `reply` is packed in this format's packing.
    #[must_use]
    pub fn reply(self, reply: &str, callback: &Value) -> String {
        // Every answer to a raw frame is an event, and takes the callback as its last element.
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

    /// Writes the answer to a POST, which has no place for a callback. `reply` is packed in this
    /// format's packing.
    #[must_use]
    pub fn body(self, reply: &str) -> String {
        self.write(|frame| frame.push_str(reply), reply.len())
    }

    /// Whether one frame can hold several events.
    #[must_use]
    pub fn has_batches(self) -> bool {
        self.version != Version::Raw
    }

    /// Writes a batch of events, each packed in this format's packing. An empty batch is legal and
    /// does nothing. A format without batches takes the first event only.
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

    /// Writes the first frame of a connection.
    #[must_use]
    pub fn handshake(self, uid: &str) -> String {
        let details = match self.version {
            Version::V1 => vec![Value::str(uid), Value::Nil],
            Version::V2 | Version::Raw => vec![Value::str(uid), Value::Nil, Value::Nil],
        };
        self.value(&Value::Vector(vec![Value::keyword("chsk/handshake"), Value::Vector(details)]))
    }
}

/// The parts of a frame before its packed value, and that value.
struct Head<'a> {
    /// Whether the value is a vector with a place for a callback.
    is_wrapped: bool,
    /// The format of the answer.
    format: Format,
    /// How the value is packed.
    packing: Packing,
    /// The packed value.
    text: &'a str,
}

impl Head<'_> {
    fn read(frame: &str, packing: Packing) -> Head<'_> {
        let (prefix, rest) = match frame.as_bytes().first() {
            Some(prefix @ (b'+' | b'-')) => (Some(*prefix), &frame[1..]),
            _ => (None, frame),
        };
        let version = if prefix.is_some() { Version::V1 } else { Version::V2 };
        // A wrapped value is a vector, so a letter can't be a part of it.
        let (letter, packing, text) = match rest.as_bytes().first() {
            Some(b'j') => (true, Packing::Transit, &rest[1..]),
            Some(b'e') => (true, Packing::Edn, &rest[1..]),
            _ => (false, packing, rest),
        };
        // A client that writes a letter reads both packings, and Transit is shorter.
        let format = Format { version, packing: if letter { Packing::Transit } else { packing }, letter };
        Head { is_wrapped: prefix != Some(b'-'), format, packing, text }
    }
}

/// Checks what stands in the place of a callback.
fn check_callback(callback: Option<Value>) -> Result<Option<Value>, FrameError> {
    match callback.filter(Value::is_truthy) {
        None => Ok(None),
        Some(Value::Str(id) | Value::Keyword(id)) if id.len() > MAX_CALLBACK_BYTES => Err(FrameError::Event),
        Some(callback @ (Value::Str(_) | Value::Keyword(_) | Value::Int(_) | Value::Bool(_))) => Ok(Some(callback)),
        Some(_) => Err(FrameError::Event),
    }
}

impl Packing {
    /// Reads a value.
    ///
    /// # Errors
    ///
    /// [`ReadError`], when the text is not of this packing.
    pub fn read(self, text: &str) -> Result<Value, ReadError> {
        match self {
            Packing::Edn => edn::read(text),
            Packing::Transit => transit::read(text),
        }
    }

    /// Appends a value. The output can stand anywhere in a text.
    pub fn write(self, value: &Value, out: &mut String) {
        match self {
            Packing::Edn => edn::write(value, out),
            Packing::Transit => transit::write(value, Codes::None, out),
        }
    }

    /// What stands between two elements of a vector.
    fn separator(self) -> &'static str {
        match self {
            Packing::Edn => " ",
            Packing::Transit => ",",
        }
    }

    /// Packs an event whose data is JSON text. With a meta, the data stands under `msg`, beside
    /// `msg-meta`. With [`Codes::Short`] the event must be the first in its frame.
    ///
    /// # Errors
    ///
    /// [`NotJson`](reencode::NotJson), when the data is not JSON.
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
                    writer.begin_map();
                    writer.raw(",");
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
