//! A power cut on a real file system: ext4 on a loop device, whose backing file is copied while
//! perch runs. The copy holds what had reached the disk at that moment. Needs root, and
//! `PERCH_LONG_TESTS=1`.

use std::path::Path;
use std::process::{Command, Stdio};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::support::process::Server;
use crate::support::tweet;

const CUTS: u64 = 10;

/// A new file system in a file. `false` when this machine has no tool for that.
fn make_file_system(image: &Path) -> bool {
    std::fs::File::create(image).and_then(|file| file.set_len(64 << 20)).expect("there is space");
    let mut make = Command::new("mkfs.ext4");
    make.arg("-q").arg(image).stdout(Stdio::null()).stderr(Stdio::null());
    make.status().is_ok_and(|status| status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_power_cuts_on_ext4() {
    if std::env::var_os("PERCH_LONG_TESTS").is_none() {
        return;
    }
    let http = crate::support::client();
    let mut lost = Vec::new();
    for seed in 0..CUTS {
        let mut random = StdRng::seed_from_u64(seed);
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (image, left) = (dir.path().join("image"), dir.path().join("left"));
        let mounted = dir.path().join("mounted");
        std::fs::create_dir(&mounted).expect("made");
        let server = if make_file_system(&image) { Server::start_on_image(&mounted, &image) } else { None };
        let Some(server) = server else {
            eprintln!("SKIPPED: a power cut needs root, mkfs.ext4 and a loop device");
            return;
        };
        let mut acknowledged = 0;
        let mut last_seq = 0;
        for _ in 0..random.random_range(1..6) {
            let ids = acknowledged + 1..=acknowledged + random.random_range(1..50);
            let body: String = ids.clone().map(|id| format!("{}\n", tweet(id, "kept"))).collect();
            let answer = http.post(format!("{}/api/tweets", server.url)).body(body).send().await.expect("an answer");
            let answer: serde_json::Value = answer.json().await.expect("JSON");
            assert_eq!(answer["accepted"], json!(ids.clone().count()), "{answer}");
            acknowledged = *ids.end();
            last_seq = answer["seq"].as_u64().expect("a seq");
        }
        // The cut comes at a random moment within a second of the answer: before the kernel writes
        // unsynced pages back by itself, and while perch works on.
        let requests = random.random_range(0..400);
        for _ in 0..requests {
            server.get("/api/stats").await;
        }
        std::fs::copy(&image, &left).expect("copied");
        let epoch = server.get("/api/stats").await["epoch"].clone();
        server.kill();

        let server = Server::start_on_image(&mounted, &left).expect("it was mounted before");
        let found = server.get("/api/search?q=kept&n=0").await;
        if found["total"] != json!(acknowledged) {
            lost.push(format!(
                "cut {seed}, {requests} requests after the answer: {} of {acknowledged}",
                found["total"]
            ));
            continue;
        }
        let stats = server.get("/api/stats").await;
        assert_eq!(stats["epoch"], epoch);
        assert!(stats["seq"].as_u64() >= Some(last_seq), "seqs are used again: {stats}");
    }
    assert!(lost.is_empty(), "{} of {CUTS} cuts lost tweets:\n{}", lost.len(), lost.join("\n"));
    eprintln!("{CUTS} power cuts, nothing lost");
}
