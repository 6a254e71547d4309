//! Atom (RFC 4287), in pages (RFC 5005).

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::FeedDocument;
use super::entry::Entry;

pub(super) const MEDIA_TYPE: &str = "application/atom+xml; charset=utf-8";

type Xml = Writer<Vec<u8>>;

/// The feed as an Atom document.
pub(super) fn document(feed: &FeedDocument) -> Vec<u8> {
    let mut xml = Writer::new(Vec::with_capacity(1024 + feed.entries.len() * 2048));
    write(&mut xml, feed).expect("memory takes everything");
    xml.into_inner()
}

fn write(xml: &mut Xml, feed: &FeedDocument) -> io::Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    xml.write_event(Event::Start(BytesStart::new("feed").with_attributes([("xmlns", "http://www.w3.org/2005/Atom")])))?;
    element(xml, "id", &feed.id)?;
    element(xml, "title", &feed.title)?;
    if let Some(description) = &feed.description {
        element(xml, "subtitle", description)?;
    }
    element(xml, "updated", &feed.updated.to_string())?;
    let generator = xml.create_element("generator").with_attribute(("version", env!("CARGO_PKG_VERSION")));
    generator.write_text_content(BytesText::new("perch"))?;
    link(xml, &[("rel", "self"), ("type", "application/atom+xml"), ("href", &feed.url)])?;
    link(xml, &[("rel", "first"), ("type", "application/atom+xml"), ("href", &feed.first_url)])?;
    if let Some(next) = &feed.next_url {
        link(xml, &[("rel", "next"), ("type", "application/atom+xml"), ("href", next)])?;
    }
    for entry in &feed.entries {
        write_entry(xml, entry)?;
    }
    xml.write_event(Event::End(BytesEnd::new("feed")))
}

fn write_entry(xml: &mut Xml, entry: &Entry) -> io::Result<()> {
    let start = BytesStart::new("entry");
    xml.write_event(Event::Start(match &entry.language {
        Some(language) => start.with_attributes([("xml:lang", language.as_str())]),
        None => start,
    }))?;
    element(xml, "id", &entry.id)?;
    element(xml, "title", &entry.title)?;
    let published = entry.published.to_string();
    element(xml, "published", &published)?;
    element(xml, "updated", &published)?;
    xml.write_event(Event::Start(BytesStart::new("author")))?;
    element(xml, "name", &entry.author.name)?;
    if let Some(url) = &entry.author.url {
        element(xml, "uri", url)?;
    }
    xml.write_event(Event::End(BytesEnd::new("author")))?;
    if let Some(url) = &entry.url {
        link(xml, &[("rel", "alternate"), ("type", "text/html"), ("href", url)])?;
    }
    for media in &entry.media {
        let mut attributes = vec![("rel", "enclosure"), ("href", media.url.as_str())];
        attributes.extend(media.media_type.map(|media_type| ("type", media_type)));
        link(xml, &attributes)?;
    }
    for tag in &entry.hashtags {
        xml.create_element("category").with_attribute(("term", tag.as_str())).write_empty()?;
    }
    let content = xml.create_element("content").with_attribute(("type", "html"));
    content.write_text_content(BytesText::new(&entry.html))?;
    xml.write_event(Event::End(BytesEnd::new("entry")))
}

fn element(xml: &mut Xml, name: &str, text: &str) -> io::Result<()> {
    xml.create_element(name).write_text_content(BytesText::new(text))?;
    Ok(())
}

fn link(xml: &mut Xml, attributes: &[(&str, &str)]) -> io::Result<()> {
    xml.create_element("link").with_attributes(attributes.iter().copied()).write_empty()?;
    Ok(())
}
