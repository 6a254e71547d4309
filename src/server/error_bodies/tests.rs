use super::*;

#[test]
fn hypers_own_answers_are_told_from_those_of_handlers() {
    let own = "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\
               date: Sat, 28 Nov 2026 17:00:00 GMT\r\n\r\n";
    let date = "Sat, 28 Nov 2026 17:00:00 GMT";
    assert_eq!(own_answer(own.as_bytes()), Some((431, date)));
    assert_eq!(own_answer(own.replace("431", "414").as_bytes()), Some((414, date)));
    for other in [
        own.replace("431", "200"),
        own.replace("date:", "x-content-type-options: nosniff\r\ndate:"),
        own.replace("content-length: 0", "content-length: 5"),
        format!("{own}hello"),
        own.trim_end().to_owned(),
        String::new(),
    ] {
        assert_eq!(own_answer(other.as_bytes()), None, "{other}");
    }
}
