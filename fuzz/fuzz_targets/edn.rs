//! Any text is read as EDN or refused, and what was read is written so that it is read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use perch::transport::sente::edn;
use perch::transport::sente::frame::{Format, Packing};
use perch::transport::sente::reencode;

fuzz_target!(|text: &str| {
    let _ = Format::read(text, Packing::Edn);
    let _ = reencode::edn(text, &mut String::new());
    if let Ok(value) = edn::read(text) {
        let mut written = String::new();
        edn::write(&value, &mut written);
        // Numbers that old readers don't know are written as strings; from then on nothing changes any more.
        let again = edn::read(&written).expect("what is written can be read");
        let mut twice = String::new();
        edn::write(&again, &mut twice);
        assert_eq!(written, twice);
    }
});
