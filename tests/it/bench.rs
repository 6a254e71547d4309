//! `perch bench` against a server: what it counts, and that it finds nothing wrong. Never how fast
//! anything is.

use serde_json::Value;

use crate::support::process::{Server, perch};

/// Runs it with few sessions: the JSON.
fn bench(server: &Server, arguments: &[&str]) -> Value {
    let output = perch()
        .args(["bench", "--url", &server.url, "--json", "--sessions", "20", "--queries", "4"])
        .args(arguments)
        .output()
        .expect("perch runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
    let outcome: Value = serde_json::from_str(&stdout).expect("JSON");
    for fault in ["gaps", "duplicates", "order", "not_owed", "repeated_states"] {
        assert_eq!(outcome["faults"][fault], 0, "{fault}: {outcome}");
    }
    assert_eq!((&outcome["sessions"], &outcome["completed"], &outcome["lost"]), (&20.into(), &20.into(), &0.into()));
    assert_eq!(outcome["deliveries"], outcome["owed"], "{outcome}");
    outcome
}

fn server() -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(&dir.path().join("index"));
    (dir, server)
}

#[test]
fn every_delivery_of_a_steady_rate_is_counted() {
    let (_dir, server) = server();
    let outcome = bench(&server, &["paced", "--duration", "1", "--rate", "50", "--deliveries", "400"]);
    assert_eq!(outcome["tweets"], 50);
    // Five sessions for each of four words, two sessions with two words.
    assert!(outcome["queries"].as_u64().expect("a number") > 4, "{outcome}");
    assert!(outcome["deliveries"].as_u64().expect("a number") >= 250, "{outcome}");
    assert!(outcome["latency"]["p99_ms"].is_number(), "{outcome}");
    if cfg!(target_os = "linux") {
        assert!(outcome["cpu_us_per_delivery"].is_number() && outcome["memory_per_session_bytes"].is_number());
    }
    let idle = bench(&server, &["idle", "--duration", "1"]);
    assert_eq!((&idle["tweets"], &idle["deliveries"]), (&0.into(), &0.into()));
    server.kill();
}

#[test]
fn a_backlog_is_delivered_from_queue_and_index() {
    let (_dir, server) = server();
    let limited = ["backlog", "--duration", "2", "--rate", "300", "--backlog", "5000"];
    let outcome = bench(&server, &limited);
    // Every tweet goes to every session.
    assert_eq!(outcome["deliveries"].as_u64(), outcome["tweets"].as_u64().map(|n| n * 20), "{outcome}");
    server.kill();
}

#[test]
fn all_sessions_come_back_and_miss_nothing() {
    let (_dir, server) = server();
    let outcome =
        bench(&server, &["reconnect", "--duration", "3", "--away", "1", "--rate", "50", "--deliveries", "400"]);
    assert!(outcome["reconnect"]["all_live_s"].is_number(), "{outcome}");
    assert!(outcome["catch_ups"].as_u64().expect("a number") >= 20, "{outcome}");
    server.kill();
}

#[test]
fn slow_sessions_get_everything_in_the_end() {
    let (_dir, server) = server();
    let slow =
        ["slow", "--duration", "2", "--before", "1", "--slow-share", "25", "--rate", "50", "--deliveries", "400"];
    let outcome = bench(&server, &slow);
    assert_eq!(outcome["slow"]["sessions"], 5, "{outcome}");
    assert!(outcome["slow"]["p99_ratio"].is_number(), "{outcome}");
    server.kill();
}

#[test]
fn too_many_sessions_for_the_limit_of_files_are_told_so() {
    let (_dir, server) = server();
    let command = r#"ulimit -n 400 && exec "$0" bench --url "$1" --sessions 1000"#;
    let output = std::process::Command::new("sh")
        .args(["-c", command, env!("CARGO_BIN_EXE_perch"), &server.url])
        .output()
        .expect("sh runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("1300 files") && stderr.contains("ulimit -n 1300"), "{stderr}");
    server.kill();
}
