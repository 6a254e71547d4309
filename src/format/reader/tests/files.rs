//! Packings, archives, tables, pages, and files without tweets.

use super::*;

#[tokio::test]
async fn bzip2_xz_and_utf16_are_read() {
    let lines = many_lines();
    let expected = read_all(lines.clone(), OPTIONS).await;
    for packed in [pack!(BzEncoder, lines.as_bytes()), pack!(XzEncoder, lines.as_bytes())] {
        assert_eq!(read_all(packed.clone(), OPTIONS).await, expected);
        assert_eq!(read_all([&packed[..], &packed[..]].concat(), OPTIONS).await, expected.repeat(2));
        let out = read_all(&packed[..packed.len() - 10_000], OPTIONS).await;
        assert!(out.contains("error: "), "{}", &out[out.len() - 200..]);
    }
    let text = "\u{FEFF}{\"id\":1,\"t\":\"ü\"}\r\n{\"id\":2}\r\n";
    let expected = read_all(text, OPTIONS).await;
    for unit in [u16::to_le_bytes, u16::to_be_bytes] {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(unit).collect();
        assert_eq!(read_all(bytes, OPTIONS).await, expected);
    }
}

/// A tar of these files.
fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A zip of these files.
fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut writer, content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[tokio::test]
async fn files_in_archives_are_read_one_after_the_other() {
    let (first, second) = (b"{\"id\":1}\n{\"id\":2}\n".as_slice(), b"[{\"id\":3}, nonsense]".as_slice());
    let bzip2 = pack!(BzEncoder, first);
    let files = [("a/1.ndjson.bz2", &bzip2[..]), ("a/picture.jpg", b"\xFF\xD8"), ("a/2.json", second)];
    let expected = expect![[r#"
        {"id":1}
        {"id":2}
        {"id":3}
        line 2: a/2.json: element 2: no JSON: expected ident at line 1 column 2
    "#]];
    let tar = tar_of(&files);
    for archive in [tar.clone(), pack!(GzipEncoder, &tar), zip_of(&files)] {
        check(archive, &expected).await;
    }
    let nested = zip_of(&[("inner.tar", &tar_of(&[("1", first)]))]);
    check(nested, &expect![["{\"id\":1}\n{\"id\":2}\n"]]).await;
    let out = read_all(&tar[..600], OPTIONS).await;
    assert!(out.contains("error: ") || out.contains("line 1: "), "{out}");
}

/// A long name is an entry of its own, which the reader doesn't hold in memory.
#[tokio::test]
async fn long_names_of_a_tar_are_passed_over() {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    let name = vec![b'n'; 1 << 20];
    header.set_size(name.len() as u64);
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, &name[..]).unwrap();
    let mut archive = builder.into_inner().unwrap();
    archive.truncate(archive.len() - 1_024);
    archive.extend(tar_of(&[("1.ndjson", b"{\"id\":1}\nnonsense\n")]));
    let out = read_all(archive, OPTIONS).await;
    assert_eq!(out, "{\"id\":1}\nline 2: 1.ndjson: no JSON: expected ident at line 1 column 2\n");
}

#[tokio::test]
async fn an_xz_dictionary_has_its_limit() {
    let quality = async_compression::Level::Precise(9);
    let mut encoder = async_compression::tokio::write::XzEncoder::with_quality(Vec::new(), quality);
    encoder.write_all(b"{\"id\":1}\n").await.unwrap();
    encoder.shutdown().await.unwrap();
    let packed = encoder.into_inner();
    assert_eq!(read_all(packed.clone(), OPTIONS).await, "{\"id\":1}\n");
    let out = read_all(packed, ReaderOptions { max_window_log: 23, ..OPTIONS }).await;
    assert!(out.starts_with("error: the input can't be decompressed: "), "{out}");
}

#[tokio::test]
async fn reading_goes_on_in_an_archive() {
    let tar = tar_of(&[("1", b"{\"id\":1}\n{\"id\":2}\n"), ("2", b"{\"id\":3}\n{\"id\":4}\n")]);
    for (docs, ids) in [(0, vec![1, 2, 3, 4]), (1, vec![2, 3, 4]), (3, vec![4]), (4, vec![])] {
        let from = Offset { docs, bytes: None };
        let parse: (Parse, fn(Tweet, Location) -> Tweet) = (plain, |tweet, _| tweet);
        let mut reader = BulkReader::with_parse(io::Cursor::new(tar.clone()), OPTIONS, from, parse);
        let (mut found, mut end) = (Vec::new(), from);
        while let Some(chunk) = reader.next_chunk().await.unwrap() {
            found.extend(chunk.tweets.iter().map(|tweet| tweet.id));
            end = chunk.end;
        }
        assert_eq!((found, end), (ids, Offset { docs: 4, bytes: None }));
    }
}

#[tokio::test]
async fn the_archive_of_an_account_names_its_author() {
    let account =
        b"window.YTD.account.part0 = [ { \"account\" : { \"username\" : \"dora\", \"accountId\" : \"11\" } } ]";
    let tweets = b"window.YTD.tweets.part0 = [ { \"tweet\" : { \"id_str\" : \"5\", \"full_text\" : \"x\", \"created_at\": \"1419296365\" } } ]";
    let files =
        [("data/tweets.js", tweets.as_slice()), ("data/account.js", account), ("data/manifest.js", b"window.x = 5")];
    let options = ReaderOptions { max_line_bytes: 1_000, ..OPTIONS };
    let mut reader = BulkReader::with(io::Cursor::new(zip_of(&files)), options, Offset::default(), |tweet, _| tweet);
    let chunk = reader.next_chunk().await.unwrap().unwrap();
    assert_eq!(chunk.tweets[0].user.screen_name, "dora");
    let rest = reader.next_chunk().await.unwrap().unwrap();
    assert_eq!(rest.skipped.get("file"), Some(&1), "{rest:?}");
    assert!(reader.next_chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_no_file_of_tweets_is_one_mistake() {
    for (input, expected) in [
        (b"%PDF-1.7 and so on\nmore\n".to_vec(), "a PDF document"),
        (b"hello\nworld\n".repeat(2_000), "plain text"),
        (b"{\"a\":1}\n{\"b\":2}\n".to_vec(), "the keys a"),
        (b"<!DOCTYPE html><p>".to_vec(), "a web page"),
        (zip_of(&[("a.txt", b"hello")]), "an archive whose files (1) hold no tweets"),
    ] {
        let mut reader = BulkReader::new(io::Cursor::new(input), ReaderOptions::default());
        let error = reader.next_chunk().await.expect_err("it is none").to_string();
        assert!(error.starts_with("this is no file of tweets") && error.contains(expected), "{error}");
        assert!(reader.next_chunk().await.unwrap().is_none());
    }
}

#[tokio::test]
async fn tables_are_read_row_by_row() {
    let table = "id\ttext\r\n1\t\"two\nlines\"\r\n2\t5\" wide\r\n\r\n3\tlast";
    let mut reader = BulkReader::with(table.as_bytes(), ReaderOptions::default(), Offset::default(), |tweet, _| tweet);
    let chunk = reader.next_chunk().await.unwrap().unwrap();
    let texts: Vec<&str> = chunk.tweets.iter().map(|tweet| tweet.text.as_str()).collect();
    assert_eq!(texts, ["two\nlines", "5\" wide", "last"]);
    let map = vec![("id".to_owned(), "Nr".to_owned()), ("text".to_owned(), "Inhalt".to_owned())];
    let mut reader =
        BulkReader::with(&b"Nr;Inhalt\n7;x\n"[..], ReaderOptions::default(), Offset::default(), |tweet, _| tweet)
            .with_columns(map);
    assert_eq!(reader.next_chunk().await.unwrap().unwrap().tweets[0].id, 7);
}

#[tokio::test]
async fn a_page_may_be_longer_than_a_tweet() {
    let long = "x".repeat(400);
    let tweet = |id: u32, text: &str| format!("{{\"id\":\"{id}\",\"text\":\"{text}\",\"author_id\":\"7\"}}");
    let page = format!(
        "{{\"data\":[{},{},{}],\"includes\":{{\"users\":[{{\"id\":\"7\",\"username\":\"ann\"}}]}}}}\n",
        tweet(1, "a"),
        tweet(2, &long),
        tweet(3, &"y".repeat(100))
    );
    let options = ReaderOptions { max_line_bytes: 200, ..OPTIONS };
    let mut reader = BulkReader::with(io::Cursor::new(page), options, Offset::default(), |tweet, _| tweet);
    let chunk = reader.next_chunk().await.unwrap().unwrap();
    assert_eq!(chunk.tweets.iter().map(|tweet| tweet.id).collect::<Vec<_>>(), [1, 3]);
    assert!(chunk.tweets.iter().all(|tweet| tweet.user.screen_name == "ann"));
    assert!(chunk.refused[0].reason.starts_with("data[1]: too long: more than 200 bytes"), "{:?}", chunk.refused);
}

#[tokio::test]
async fn the_raw_reader_gives_the_bytes_as_they_are() {
    let packed = pack!(GzipEncoder, b"[{\"id\": 1},\n {\"id\":\n2}]");
    let mut reader = RawReader::resume(io::Cursor::new(packed), OPTIONS, Offset::default());
    let chunk = reader.next_chunk().await.unwrap().unwrap();
    let docs: Vec<_> = chunk.docs.iter().map(|doc| (doc.location, &chunk.bytes[doc.range.clone()])).collect();
    assert_eq!(docs, [(Location::Element(1), &b"{\"id\": 1}"[..]), (Location::Element(2), &b"{\"id\":\n2}"[..])]);
    assert!(reader.next_chunk().await.unwrap().is_none());
}
