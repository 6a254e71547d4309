use std::collections::HashMap;
use std::time::Duration;

use tracing_subscriber::util::SubscriberInitExt as _;

use super::log::log_to;
use super::*;
use crate::config::TelemetrySection;
use crate::ids::Seq;

#[test]
fn names_are_unique_and_carry_their_unit() {
    let mut names = std::collections::BTreeSet::new();
    for metric in METRICS {
        let name = metric.name;
        assert!(names.insert(name), "{name} is there twice");
        assert!(name.starts_with("perch_") && metric.about.ends_with('.'), "{name}");
        match metric.kind {
            MetricKind::Counter => assert!(name.ends_with("_total"), "{name}"),
            MetricKind::Gauge => assert!(!name.ends_with("_total"), "{name}"),
            MetricKind::Histogram(buckets) => {
                assert!(name.ends_with("_seconds"), "{name}");
                assert!(buckets.is_sorted(), "{name}");
            }
        }
    }
}

#[test]
fn every_metric_is_in_the_operations_page() {
    let page = include_str!("../../docs/OPERATIONS.md");
    for metric in METRICS {
        let row = format!("| `{}` | {} |", metric.name, metric.about);
        assert!(page.contains(&row), "docs/OPERATIONS.md has no line {row}");
    }
}

#[test]
fn events_show_up_as_metrics_however_often_it_is_installed() {
    let handle = install_metrics();
    let _ = install_metrics();
    tweets_received("telemetry#1", 3);
    tweet_refused("telemetry#1", "too_long", 7, "too long");
    percolated(3, 2, 5, Duration::from_millis(2));
    percolation_sampled(Duration::from_micros(20));
    committed(3, Duration::from_millis(20));
    index_size(10, 3);
    deleted_for_age(3, Seq(7), Duration::from_secs(60));
    deleted_for_size(3, Seq(7), 1_000);
    queries_registered(1, 100);
    sessions(4);
    saved_searches(&HashMap::from([("live", 2)]));
    delivery_tried("webhook", true, 3);
    feed_read("atom", "full");
    frames_sent("ws", 9);
    queue_overflowed(1);
    event_dropped("sente", &"a bad package");
    catch_up_started();
    searched(Duration::from_micros(300));
    request_answered("/api/tweets/{id}", 200, Duration::from_micros(300));
    tweets_withheld(2);
    error_answered("limit");
    turned_away("test");
    connections(2);
    disconnected("ws", "too_slow");
    source_started("telemetry#1");
    source_failed("telemetry#1", &anyhow::anyhow!("broken"), Duration::from_secs(1));
    source_done("telemetry#1");
    source_lag("telemetry#1", Duration::from_millis(20));
    source_gap("telemetry#1", "a host has no events of the last hour");
    let mut dropped = crate::tweet::Dropped::default();
    dropped.add("retweet_count");
    values_dropped(&dropped);
    deletions_received(3, 2);
    render_metrics();
    let page = handle.render();
    for metric in METRICS {
        assert!(page.contains(&format!("# TYPE {} ", metric.name)), "{} is missing:\n{page}", metric.name);
    }
    assert!(page.contains(r#"perch_tweets_received_total{source="telemetry#1"} 3"#), "{page}");
    assert!(page.contains(r#"perch_tweets_refused_total{source="telemetry#1",reason="too_long"} 1"#), "{page}");
    assert!(page.contains(r#"perch_search_seconds_bucket{le="0.0005"}"#), "{page}");
    for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"] {
        assert!(page.lines().any(|line| line.starts_with(&format!("{name} "))), "{name} is missing:\n{page}");
    }
}

#[test]
fn a_log_filter_that_is_none_is_an_error() {
    let config = TelemetrySection { log: "perch=loud".to_owned(), ..TelemetrySection::default() };
    assert!(init_log(&config).is_err());
}

#[test]
fn the_log_holds_nothing_that_libraries_say_at_trace() {
    let (log, written) = (tempfile::NamedTempFile::new().unwrap(), |log: &tempfile::NamedTempFile| {
        std::fs::read_to_string(log.path()).unwrap()
    });
    for filter in ["trace", "info,tungstenite::protocol=trace,perch::x=trace"] {
        let config = TelemetrySection { log: filter.to_owned(), ..TelemetrySection::default() };
        let (subscriber, _) = log_to(&config, log.reopen().unwrap(), false).unwrap();
        let _set = subscriber.set_default();
        tracing::trace!(target: "tungstenite::protocol", "a secret");
        tracing::trace!(target: "perchance", "a secret");
        tracing::debug!(target: "tungstenite::protocol", "closes");
        tracing::trace!(target: "perch::x", "our own");
        let written = written(&log);
        assert!(written.contains("closes") && written.contains("our own"), "{filter}: {written}");
        assert!(!written.contains("a secret"), "{filter}: {written}");
    }
}

#[test]
fn the_filter_of_a_running_log_can_be_changed() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let (subscriber, filter) = log_to(&TelemetrySection::default(), log.reopen().unwrap(), false).unwrap();
    let _set = subscriber.set_default();
    let say = |what| tracing::debug!(target: "perch::x", what);
    say("before");
    filter.set("perch::x=debug").unwrap();
    say("between");
    assert!(filter.set("perch=loud").is_err());
    say("still");
    filter.set("info").unwrap();
    say("after");
    let written = std::fs::read_to_string(log.path()).unwrap();
    assert!(written.contains("between") && written.contains("still"), "{written}");
    assert!(!written.contains("before") && !written.contains("after"), "{written}");
}
