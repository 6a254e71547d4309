//! A reindex that is cut off anywhere.

use super::*;
use crate::index::checksum;
use crate::index::swap::NEW;

#[test]
fn a_reindex_that_was_cut_off_is_finished() {
    let dir = TempDir::new().unwrap();
    let index = open_in(dir.path());
    for from in [1, 30] {
        append(&index, tweets(50, from));
        index.commit_now().unwrap();
    }
    let (before, epoch) = (content(&index), index.epoch());
    drop(index);
    let state = |name: &str| dir.path().join(name);
    let note = fs::read_to_string(state("perch.json")).unwrap();
    let open = note.split(",\n  \"perch_crc32\"").next().unwrap();
    let built = checksum::seal_json(&format!("{open},\n  \"built_version\": {}\n}}", crate::index::schema_version()));
    // (what is in tantivy, tantivy.new and tantivy.old; whether perch.json says that the new one is
    // whole)
    let (whole, half, none) = (Some(true), Some(false), None);
    for (tantivy, new, old, is_built) in [
        (whole, half, none, false),
        (whole, whole, none, true),
        (whole, whole, half, true),
        (none, whole, whole, true),
        (whole, none, whole, true),
        (whole, none, half, true),
        (whole, none, none, true),
        // An earlier perch did not say so.
        (none, whole, whole, false),
        (none, half, whole, false),
        (none, none, whole, false),
    ] {
        let copy = TempDir::new().unwrap();
        for (name, content) in [(TANTIVY, tantivy), (NEW, new), (OLD, old)] {
            let Some(is_whole) = content else { continue };
            fs::create_dir(copy.path().join(name)).unwrap();
            for entry in fs::read_dir(state(TANTIVY)).unwrap() {
                let entry = entry.unwrap();
                if !is_whole && entry.file_name() == *META {
                    continue;
                }
                match fs::copy(entry.path(), copy.path().join(name).join(entry.file_name())) {
                    // tantivy's threads may still delete unneeded files.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    copied => drop(copied.unwrap()),
                }
            }
        }
        fs::write(copy.path().join("perch.json"), if is_built { &built } else { &note }).unwrap();
        let what = format!("{tantivy:?} {new:?} {old:?} {is_built}");

        let names = || {
            let names = fs::read_dir(copy.path()).unwrap().map(|entry| entry.unwrap().file_name());
            names.collect::<std::collections::BTreeSet<_>>()
        };
        let before_check = names();
        let report = check(copy.path()).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((report.tweets, report.problems), (before.len() as u64, Vec::new()), "{what}");
        assert_eq!(names(), before_check, "{what}: a check changes nothing");

        let target = TempDir::new().unwrap();
        assert_eq!(backup(copy.path(), target.path()).unwrap().tweets, before.len() as u64, "{what}");
        assert_eq!(check(target.path()).unwrap().problems, Vec::<String>::new(), "{what}");

        let index = Index::open(&IndexOptions { dir: copy.path().to_owned(), ..IndexOptions::default() });
        let index = index.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((content(&index), index.epoch()), (before.clone(), epoch), "{what}");
        drop(index);
        assert!(!copy.path().join(OLD).exists(), "{what}");
        assert_eq!(reindex(copy.path()).unwrap().tweets, before.len() as u64, "{what}");
        assert!(!copy.path().join(OLD).exists() && !copy.path().join(NEW).exists(), "{what}");
        assert_eq!(check(copy.path()).unwrap().problems, Vec::<String>::new(), "{what}");
    }
}
