//! Lines of a body that does not end.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::BytesMut;
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

/// Splits a body into lines. Cancel safe.
pub(super) struct LineReader {
    response: Response,
    host: String,
    buffer: BytesMut,
    /// The bytes of the buffer that hold no end of a line.
    searched: usize,
    max_bytes: usize,
    max_silence: Duration,
    /// When the last bytes came.
    last_received: Instant,
}

impl LineReader {
    /// A reader of lines of up to `max_bytes`. The connection counts as ended when nothing comes
    /// for `max_silence`.
    pub(super) fn new(response: Response, host: &str, max_bytes: usize, max_silence: Duration) -> LineReader {
        LineReader {
            response,
            host: host.to_owned(),
            buffer: BytesMut::new(),
            searched: 0,
            max_bytes,
            max_silence,
            last_received: Instant::now(),
        }
    }

    /// The next line, without its end.
    ///
    /// # Errors
    ///
    /// The connection has ended, or the server is silent, or sends a line that is no text or too
    /// long.
    pub(super) async fn next(&mut self) -> anyhow::Result<String> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
                let mut line = self.buffer.split_to(self.searched + end + 1);
                self.searched = 0;
                line.truncate(line.trim_ascii_end().len());
                return String::from_utf8(line.into())
                    .with_context(|| format!("{} sends a line that is no text", self.host));
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > self.max_bytes {
                bail!("{} sends a line of more than {} bytes", self.host, self.max_bytes);
            }
            let chunk = match timeout_at(self.last_received + self.max_silence, self.response.chunk()).await {
                Ok(chunk) => chunk.map_err(reqwest::Error::without_url),
                Err(_) => bail!("{} was silent for {} s", self.host, self.max_silence.as_secs()),
            };
            match chunk.with_context(|| format!("the connection to {} broke off", self.host))? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => bail!("{} closed the connection", self.host),
            }
            self.last_received = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    /// A reader of these chunks, behind which nothing comes.
    fn reader(chunks: &[&'static str], max_bytes: usize) -> LineReader {
        let chunks: Vec<Result<&str, std::io::Error>> = chunks.iter().map(|&chunk| Ok(chunk)).collect();
        let chunks = futures_util::StreamExt::chain(stream::iter(chunks), stream::pending());
        let response = axum::http::Response::new(reqwest::Body::wrap_stream(chunks));
        LineReader::new(response.into(), "a.example", max_bytes, Duration::from_secs(25))
    }

    #[tokio::test(start_paused = true)]
    async fn lines_are_read_until_the_server_is_silent() {
        let mut lines = reader(&["{\"a\"", ": 1}\r\n\r\nsec", "ond\nrest"], 100);
        for line in ["{\"a\": 1}", "", "second"] {
            assert_eq!(lines.next().await.expect("a line"), line);
        }
        let started = Instant::now();
        let error = lines.next().await.expect_err("nothing comes").to_string();
        assert_eq!((&*error, started.elapsed().as_secs()), ("a.example was silent for 25 s", 25));
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_has_a_longest_length() {
        let error = reader(&["0123456789", "0123456789"], 16).next().await.expect_err("too long").to_string();
        assert_eq!(error, "a.example sends a line of more than 16 bytes");
    }
}
