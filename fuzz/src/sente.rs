//! The two forms of a frame of Sente.

use perch_sente::frame::{Format, Packing};
use perch_sente::transit::{Codes, Writer};
use perch_sente::value::Value;
use perch_sente::{edn as edn_form, reencode, transit as transit_form};

/// Any text is read as Transit or refused, what was read is written so that it is read again, and
/// JSON is turned into what its value gives.
pub fn transit(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = Format::read(text, Packing::Transit);
    if let Ok(value) = transit_form::read(text) {
        for codes in [Codes::None, Codes::Short] {
            let mut written = String::new();
            transit_form::write(&value, codes, &mut written);
            let again = transit_form::read(&written).expect("what is written can be read");
            let mut twice = String::new();
            transit_form::write(&again, codes, &mut twice);
            assert_eq!(written, twice);
        }
    }
    let mut out = String::new();
    let reencoded = reencode::transit(text, &mut Writer::new(Codes::Short, &mut out));
    // Numbers in JSON can be written in more ways than one, so that only what is in canonical form
    // is compared.
    let Ok(json) = serde_json::from_str::<serde_json::Value>(text) else { return };
    let canonical = json.to_string();
    if canonical == text {
        reencoded.expect("JSON is turned into Transit");
        let mut plain = String::new();
        transit_form::write(&Value::from_json(&json), Codes::Short, &mut plain);
        assert_eq!(out, plain);
    }
}

/// Any text is read as EDN or refused, and what was read is written so that it is read again.
pub fn edn(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = Format::read(text, Packing::Edn);
    let _ = reencode::edn(text, &mut String::new());
    if let Ok(value) = edn_form::read(text) {
        let mut written = String::new();
        edn_form::write(&value, &mut written);
        // Numbers that old readers don't know are written as strings; from then on nothing changes
        // any more.
        let again = edn_form::read(&written).expect("what is written can be read");
        let mut twice = String::new();
        edn_form::write(&again, &mut twice);
        assert_eq!(written, twice);
    }
}
