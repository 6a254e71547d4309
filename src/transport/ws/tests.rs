use std::time::Duration;

use super::timers::is_silent;
use super::*;

#[test]
fn close_codes_are_told_apart_and_documented() {
    let protocol = include_str!("../../../docs/PROTOCOL.md");
    let mut codes = WsClose::TOLD.iter().map(|end| end.code().unwrap()).collect::<Vec<_>>();
    for (end, code) in WsClose::TOLD.iter().zip(&codes) {
        assert!(end.reason().len() <= 123, "a close frame holds no more");
        assert!(protocol.contains(&format!("| {code} |")), "{code} is not in docs/PROTOCOL.md");
    }
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), WsClose::TOLD.len());
}

#[test]
fn a_client_that_reads_is_alive_though_its_pong_waits_behind_data() {
    let (start, timeout) = (Instant::now(), Duration::from_secs(90));
    let at = |seconds| start + Duration::from_secs(seconds);
    assert!(!is_silent(at(90), start, None, timeout));
    assert!(is_silent(at(91), start, None, timeout));
    assert!(!is_silent(at(500), start, Some(at(450)), timeout), "it reads");
    assert!(is_silent(at(541), start, Some(at(450)), timeout), "it reads no longer");
    assert!(!is_silent(at(541), at(500), Some(at(450)), timeout), "it has spoken since");
}
