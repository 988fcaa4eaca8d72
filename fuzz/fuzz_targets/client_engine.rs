//! Calls the function of this name; owns nothing.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bowline_fuzz::client_engine(input));
