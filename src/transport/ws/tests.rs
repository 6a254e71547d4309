use super::*;

#[test]
fn close_codes_are_told_apart_and_documented() {
    let protocol = include_str!("../../../docs/PROTOCOL.md");
    let mut codes = End::TOLD.iter().map(|end| end.code().unwrap()).collect::<Vec<_>>();
    for (end, code) in End::TOLD.iter().zip(&codes) {
        assert!(end.reason().len() <= 123, "a close frame holds no more");
        assert!(protocol.contains(&format!("| {code} |")), "{code} is not in docs/PROTOCOL.md");
    }
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), End::TOLD.len());
}
