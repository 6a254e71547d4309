//! Archives: their files one after the other, damaged ones, and how much of them is unpacked.

use super::*;

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
pub(super) fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
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
async fn reading_goes_on_in_an_archive() {
    let tar = tar_of(&[("1", b"{\"id\":1}\n{\"id\":2}\n"), ("2", b"{\"id\":3}\n{\"id\":4}\n")]);
    for (docs, ids) in [(0, vec![1, 2, 3, 4]), (1, vec![2, 3, 4]), (3, vec![4]), (4, vec![])] {
        let from = Offset { docs, bytes: None };
        let parse: (Parse, fn(Tweet, Location) -> Tweet) = (plain, |tweet, _| tweet);
        let mut reader = BulkReader::with_parse(io::Cursor::new(tar.clone()), OPTIONS, from, parse);
        let (mut found, mut end) = (Vec::new(), from);
        while let Some(chunk) = reader.next_chunk().await.unwrap() {
            found.extend(chunk.tweets.iter().map(|tweet| tweet.id));
            end = chunk.end.unwrap();
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

/// A tar of entries that may extend each other.
fn tar_with(entries: &[(tar::EntryType, &str, u64, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for &(kind, name, size, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_path(name).unwrap();
        header.set_size(size);
        header.set_cksum();
        out.extend(header.as_bytes());
        out.extend(content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out
}

/// A record of an entry that extends another one: its length, in digits, includes itself.
fn pax(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let len = (1..=5).map(|digits| rest.len() + digits).find(|len| len.to_string().len() + rest.len() == *len);
    format!("{}{rest}", len.unwrap()).into_bytes()
}

#[tokio::test]
async fn entries_of_a_tar_that_extend_others_are_read() {
    use tar::EntryType as T;
    let long = "n".repeat(150);
    let tweets = b"{\"id\":1}\nnonsense\n";
    let (name, size) = (pax("path", &format!("{long}.ndjson")), pax("size", &tweets.len().to_string()));
    let picture = pax("path", &format!("{long}.jpg"));
    let of = |bytes: &[u8]| bytes.len() as u64;
    let records = [&name[..], &size].concat();
    let tar = tar_with(&[
        (T::XHeader, "x", of(&records), &records),
        // Writers put no size here that they have given before.
        (T::Regular, "short", 0, tweets),
        (T::XHeader, "x", of(&picture), &picture),
        (T::Regular, "short", 9, b"{\"id\":2}\n"),
        (T::XGlobalHeader, "g", of(&name), &name),
        (T::Regular, "last", 9, b"{\"id\":3}\n"),
    ]);
    let expected =
        format!("{{\"id\":1}}\n{{\"id\":3}}\nline 2: {long}.ndjson: no JSON: expected ident at line 1 column 2\n");
    assert_eq!(read_all(tar.clone(), OPTIONS).await, expected);
    // A header that is damaged, and an end in a file.
    let mut damaged = tar.clone();
    damaged[1_024 + 148] ^= 1;
    assert!(read_all(damaged, OPTIONS).await.contains("error: the input can't be decompressed: a header of the tar"));
    let out = read_all(&tar[..tar.len() - 508], OPTIONS).await;
    assert!(out.contains("error: the input is truncated: it ends inside the archive"), "{out}");
}

/// A zip whose first file is packed in a way that perch does not unpack.
fn zip_of_unknown_method(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip_of(files);
    let directory = memchr::memmem::find(&zip, b"PK\x01\x02").unwrap();
    (zip[8], zip[directory + 10]) = (12, 12);
    zip
}

#[tokio::test]
async fn a_file_of_an_archive_that_is_damaged_costs_that_file() {
    let tweet = |id: u32| format!("{{\"id\":{id}}}\n").into_bytes();
    let (one, two) = (tweet(1), tweet(2));
    let mut damaged = zip_of(&[("bad", &one), ("good", &two)]);
    let at = memchr::memmem::find(&damaged, b"bad").unwrap() + 4;
    damaged[at] ^= 0x55;
    for zip in [zip_of_unknown_method(&[("bad", &one), ("good", &two)]), damaged] {
        let out = read_all(zip, OPTIONS).await;
        assert!(out.starts_with("{\"id\":2}\nline 1: bad: the input can't be read: "), "{out}");
        assert!(!out.contains("error: "), "{out}");
    }
    // An archive in an archive is such a file.
    let inner = zip_of(&[("inner", &one)]);
    let cut = &inner[..inner.len() - 10];
    for bad in [cut, b"PK\x03\x04nothing of a zip\n"] {
        let out = read_all(tar_of(&[("bad.zip", bad), ("good", &two)]), OPTIONS).await;
        assert!(out.starts_with("{\"id\":2}\nline 1: bad.zip: the input can't be decompressed: "), "{out}");
        assert!(!out.contains("error: "), "{out}");
    }
}

#[tokio::test]
async fn what_archives_hold_counts_together() {
    let picture = vec![0; 700_000];
    let tar = tar_of(&[("picture.jpg", &picture), ("tweets", b"{\"id\":1}\n")]);
    let packed = pack!(GzipEncoder, &tar);
    let options = ReaderOptions { max_unpacked_bytes: 1_000_000, ..OPTIONS };
    // The files of a tar are a part of it, and count once.
    assert_eq!(read_all(packed.clone(), options).await, "{\"id\":1}\n");
    assert_eq!(read_all(tar, options).await, "{\"id\":1}\n");
    for archive in [
        pack!(GzipEncoder, &tar_of(&[("1.jpg", &picture), ("2.jpg", &picture), ("tweets", b"{\"id\":2}\n")])),
        zip_of(&[("1.tar.gz", &packed), ("2.tar.gz", &packed), ("tweets", b"{\"id\":2}\n")]),
    ] {
        let out = read_all(archive.clone(), options).await;
        assert!(out.ends_with("error: the input is longer than 1000000 bytes\n") && !out.contains(":2"), "{out}");
        let out = read_all(archive, OPTIONS).await;
        assert!(out.ends_with("{\"id\":2}\n"), "{out}");
    }
}

#[tokio::test]
async fn archives_that_are_unpacked_at_one_time_are_counted() {
    let all = archive::UNPACKED.acquire_many(16).await.unwrap();
    let open = || {
        let input: InputStream = Box::new(io::Cursor::new(tar_of(&[("1", b"x")])));
        archive::Archive::open(archive::ArchiveKind::Tar, input, None, false)
    };
    let mut archive = open();
    assert!(futures_util::poll!(poll_fn(|context| archive.poll_next(context))).is_pending());
    assert!(archive.is_waiting(), "it has no thread yet");
    drop(all);
    let member = poll_fn(|context| archive.poll_next(context)).await.unwrap().unwrap();
    assert_eq!(&*member.name, "1");
}
