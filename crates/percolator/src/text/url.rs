//! The terms of an address: its host, the domains above the host, and the words of its path.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr3, memmem, memrchr};
use percent_encoding::percent_decode_str;

use super::MAX_TERM_BYTES;
use super::{Span, at, fold, split};

/// Calls `sink` with each term of an address: folded term, position, byte span in `url`.
///
/// The host without `www.` is at position 0, and so are the domains above it (`example.com` for
/// `blog.example.com`), its labels (`blog`, `example`, `com`) and their words. The words of path,
/// query and fragment follow from position 1. Scheme, user and port are left out.
pub fn url_words(url: &str, sink: &mut (impl FnMut(&str, u32, (u32, u32)) + ?Sized)) {
    let host = host(url);
    // Before the host, so that a phrase of host and path is a run of terms without them.
    labels(url, host.clone(), sink);
    let mut start = host.start;
    while start < host.end {
        let term = fold(&url[start..host.end]);
        if !term.is_empty() {
            sink(&term, 0, (at(start), at(host.end)));
        }
        let domain = &url[start..host.end];
        // The second condition keeps the work linear for a host of nothing but dots.
        let parent = memchr(b'.', domain.as_bytes()).filter(|_| domain.len() <= MAX_TERM_BYTES && !is_ip(domain));
        match parent {
            Some(dot) if domain[dot + 1..].contains('.') => start += dot + 1,
            _ => break,
        }
    }
    let rest = end_of_authority(url, authority(url).start);
    let words = decoded(&url[rest..]);
    let is_decoded = matches!(words, Cow::Owned(_));
    split::<false>(&words, &mut |term, position, span: Span| {
        let span = if is_decoded { (at(rest), at(url.len())) } else { (at(rest) + span.0, at(rest) + span.1) };
        sink(term, position + 1, span);
    });
}

/// The labels of a host with several, and the words of labels with hyphens.
fn labels(url: &str, host: Range<usize>, sink: &mut (impl FnMut(&str, u32, (u32, u32)) + ?Sized)) {
    let name = &url[host.clone()];
    if name.len() > MAX_TERM_BYTES || is_ip(name) {
        return;
    }
    let mut start = host.start;
    for label in name.split('.') {
        let span = (at(start), at(start + label.len()));
        let term = fold(label);
        if !term.is_empty() && label.len() < name.len() {
            sink(&term, 0, span);
        }
        if label.contains('-') {
            split::<false>(label, &mut |word: &str, _, (from, to): Span| sink(word, 0, (span.0 + from, span.0 + to)));
        }
        start += label.len() + 1;
    }
}

/// The terms of a query for an address, in order: those of [`url_words`] without the domains above
/// the host and its labels. A text that does not start with a host (`rust`, `/rust`, two words)
/// gives its words.
#[must_use]
pub fn url_query_words(text: &str) -> Vec<String> {
    let text = text.trim();
    let mut terms = Vec::new();
    let host = host(text);
    let has_scheme = memmem::find(text.as_bytes(), b"://").is_some();
    let name = fold(&text[host]);
    let is_host = !name.is_empty() && !name.contains(char::is_whitespace) && (has_scheme || name.contains('.'));
    if is_host {
        terms.push(name.into_owned());
        let rest = end_of_authority(text, authority(text).start);
        split::<false>(&decoded(&text[rest..]), &mut |term: &str, _, _| terms.push(term.to_owned()));
    } else {
        split::<false>(&decoded(text), &mut |term: &str, _, _| terms.push(term.to_owned()));
    }
    terms
}

/// User, host and port.
fn authority(url: &str) -> Range<usize> {
    let start = match memmem::find(url.as_bytes(), b"://") {
        Some(scheme) if url[..scheme].bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) => {
            scheme + 3
        }
        _ => 0,
    };
    start..end_of_authority(url, start)
}

fn end_of_authority(url: &str, start: usize) -> usize {
    memchr3(b'/', b'?', b'#', &url.as_bytes()[start..]).map_or(url.len(), |end| start + end)
}

/// The host without `www.` and a trailing dot.
fn host(url: &str) -> Range<usize> {
    let Range { mut start, mut end } = authority(url);
    let bytes = url.as_bytes();
    if let Some(user) = memrchr(b'@', &bytes[start..end]) {
        start += user + 1;
    }
    if let Some(port) = memrchr(b':', &bytes[start..end])
        && bytes[start + port + 1..end].iter().all(u8::is_ascii_digit)
    {
        end = start + port;
    }
    if bytes[start..end].get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"www.")) {
        start += 4;
    }
    while start < end && bytes[end - 1] == b'.' {
        end -= 1;
    }
    while start < end && bytes[start] == b'.' {
        start += 1;
    }
    start..end
}

fn is_ip(host: &str) -> bool {
    host.starts_with('[') || host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// Decodes percent-encoding: `%C3%BC` is `ü`. A text that decodes to invalid UTF-8 is not decoded.
fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8().unwrap_or(Cow::Borrowed(text))
}
