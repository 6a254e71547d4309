//! Any text is read as Transit or refused, what was read is written so that it is read again, and JSON is turned into what its value gives.

#![no_main]

use libfuzzer_sys::fuzz_target;
use perch::transport::sente::frame::{Format, Packing};
use perch::transport::sente::reencode;
use perch::transport::sente::transit::{self, Codes, Writer};
use perch::transport::sente::value::Value;

fuzz_target!(|text: &str| {
    let _ = Format::read(text, Packing::Transit);
    if let Ok(value) = transit::read(text) {
        for codes in [Codes::None, Codes::Short] {
            let mut written = String::new();
            transit::write(&value, codes, &mut written);
            let again = transit::read(&written).expect("what is written can be read");
            let mut twice = String::new();
            transit::write(&again, codes, &mut twice);
            assert_eq!(written, twice);
        }
    }
    let mut out = String::new();
    let reencoded = reencode::transit(text, &mut Writer::new(Codes::Short, &mut out));
    // Numbers in JSON can be written in more ways than one, so that only what is in canonical form is compared.
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(text)
        && json.to_string() == text
    {
        reencoded.expect("JSON is turned into Transit");
        let mut plain = String::new();
        transit::write(&Value::from_json(&json), Codes::Short, &mut plain);
        assert_eq!(out, plain);
    }
});
