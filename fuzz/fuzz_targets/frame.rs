#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| perch_fuzz::frame(input));
