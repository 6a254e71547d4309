use std::collections::BTreeSet;
use std::time::Duration;

use super::ledger::{Faults, Ledger};
use super::plan::{Plan, PlanOptions};
use super::schedule::Schedule;
use super::session::id_and_seq;
use super::socket::{Frame, Parsed, parse, write_frame};

#[test]
fn frames_of_any_length_are_read_wherever_they_are_cut() {
    for len in [0, 1, 125, 126, 300, 65_535, 65_536, 70_000] {
        let text = "x".repeat(len);
        let mut bytes = vec![0x81];
        match len {
            0..126 => bytes.push(u8::try_from(len).unwrap()),
            126..65_536 => {
                bytes.push(126);
                bytes.extend(u16::try_from(len).unwrap().to_be_bytes());
            }
            _ => {
                bytes.push(127);
                bytes.extend((len as u64).to_be_bytes());
            }
        }
        bytes.extend(text.as_bytes());
        for cut in [0, 1, 2, 3, 5, bytes.len() - 1] {
            if cut < bytes.len() {
                assert_eq!(parse(&bytes[..cut]).unwrap(), Parsed::Part, "{len} cut at {cut}");
            }
        }
        let whole = bytes.len();
        bytes.extend([0x89, 0]);
        assert_eq!(parse(&bytes).unwrap(), Parsed::Frame(Frame::Text(text.as_bytes()), whole));
        assert_eq!(parse(&bytes[whole..]).unwrap(), Parsed::Frame(Frame::Ping(b""), 2));
    }
    assert_eq!(parse(&[0x88, 4, 0x0f, 0xa0, b'o', b'k']).unwrap(), Parsed::Frame(Frame::Close(4000, b"ok"), 6));
    assert!(parse(&[0x81, 0x85, 0, 0]).is_err(), "masked");
    assert!(parse(&[0x01, 0]).is_err(), "a fragment");
}

#[test]
fn what_is_sent_is_masked_and_whole() {
    for len in [0, 125, 126, 65_536] {
        let mut out = Vec::new();
        write_frame(1, "x".repeat(len).as_bytes(), &mut out);
        let head = match len {
            0..126 => 2,
            126..65_536 => 4,
            _ => 10,
        };
        assert_eq!((out[0], out[1] & 0x80, out.len()), (0x81, 0x80, head + 4 + len));
        let mask = &out[head..head + 4];
        assert!(out[head + 4..].iter().zip(mask.iter().cycle()).all(|(byte, mask)| byte ^ mask == b'x'));
    }
}

fn plan(sessions: u32, queries: u32, overlap: f64, tweets: u32, words: u32) -> Plan {
    let mark = "b1".to_owned();
    Plan::new(PlanOptions { sessions, queries, overlap, tweets, words, first_id: 1_000, mark, seed: 3 })
}

#[test]
fn a_session_is_owed_what_its_query_matches() {
    for (queries, words) in [(1, 1), (7, 1), (7, 3), (7, 6), (7, 7)] {
        let plan = plan(30, queries, 0.4, 200, words);
        let mut doubles = 0;
        for session in 0..30 {
            let query = plan.query(session);
            let asked: Vec<_> = query.split(" OR ").collect();
            doubles += usize::from(asked.len() == 2);
            let matching: Vec<u32> = (0..200)
                .filter(|&tweet| {
                    let mut line = String::new();
                    plan.write_tweet(tweet, &mut line);
                    let tweet: serde_json::Value = serde_json::from_str(&line).unwrap();
                    let found: BTreeSet<_> = tweet["text"].as_str().unwrap().split(' ').collect();
                    asked.iter().any(|word| found.contains(word))
                })
                .collect();
            assert_eq!(*plan.owed(session), *matching, "{query}, {words} of {queries}");
        }
        assert_eq!(doubles, 12);
        let all: u64 = plan.fan_out().iter().map(|&n| u64::from(n)).sum();
        assert_eq!(plan.deliveries(0..30, 200), all);
    }
}

#[test]
fn tweets_are_those_that_perch_takes_and_are_known_again_by_their_id() {
    let plan = plan(1, 5, 0.0, 10, 2);
    let mut line = String::new();
    plan.write_tweet(7, &mut line);
    let tweet = crate::tweet::read(line.as_bytes()).unwrap();
    assert_eq!(plan.number(tweet.id), Some(7));
    assert_eq!((plan.number(999), plan.number(1_010)), (None, None));
}

fn ledger(owed: &[u32], came: &[(u32, u64)]) -> Ledger {
    let mut ledger = Ledger::new(owed.into());
    for &(tweet, seq) in came {
        ledger.take(Some(tweet), seq);
    }
    ledger
}

#[test]
fn a_clean_session_is_clean() {
    let ledger = ledger(&[2, 4, 8], &[(2, 10), (4, 11), (8, 20)]);
    assert!(ledger.is_complete(9) && ledger.faults(9).is_clean());
}

#[test]
fn requests_side_by_side_may_overtake_each_other() {
    let mut one = ledger(&[2, 4, 8], &[(8, 10), (2, 11)]);
    assert!(!one.is_complete(9));
    one.take(Some(4), 12);
    assert!(one.is_complete(9) && one.faults(9).is_clean());
}

#[test]
fn every_fault_is_found() {
    let owed = [2, 4, 8, 9];
    let of = |came: &[(u32, u64)], n| ledger(&owed, came).faults(n);
    assert_eq!(of(&[(2, 1), (8, 2)], 10), Faults { gaps: 2, ..Faults::default() }, "one in the middle, one at the end");
    assert_eq!(of(&[(2, 1), (8, 2)], 9), Faults { gaps: 1, ..Faults::default() }, "9 was not sent");
    assert_eq!(of(&[], 5), Faults { gaps: 2, ..Faults::default() });
    assert_eq!(of(&[(2, 1), (4, 2), (2, 3)], 5), Faults { duplicates: 1, ..Faults::default() });
    assert_eq!(of(&[(4, 1), (2, 2), (2, 3)], 5), Faults { duplicates: 1, ..Faults::default() });
    assert_eq!(of(&[(2, 5), (4, 4)], 5), Faults { order: 1, ..Faults::default() });
    assert_eq!(of(&[(2, 1), (3, 2), (4, 3)], 5), Faults { foreign: 1, ..Faults::default() });
}

#[test]
fn id_and_seq_are_found_wherever_they_stand() {
    let fast = br#"["tweet/new",{"tweet":{"id":77,"id_str":"77","text":"\",\"seq\":1,"},"seq":42,"matches":[null]}]"#;
    assert_eq!(id_and_seq(fast), Some((77, 42)));
    let slow = br#"["tweet/new",{"seq":43,"matches":[],"tweet":{"text":"x","id":78}}]"#;
    assert_eq!(id_and_seq(slow), Some((78, 43)));
    assert_eq!(id_and_seq(br#"["tweet/new",{"tweet":{"id":77}}]"#), None);
}

#[test]
fn the_schedule_is_in_ticks_and_does_not_drift() {
    let schedule = Schedule::paced(1_000, 250.0, Duration::from_millis(10), 600);
    let start = schedule.start();
    let due = |tweet| (schedule.at(tweet) - start).as_millis();
    assert_eq!([0, 2, 3, 5, 250, 999].map(due), [0, 0, 10, 20, 1_000, 3_990]);
    assert!(!schedule.is_slow_phase(599) && schedule.is_slow_phase(600));
}
