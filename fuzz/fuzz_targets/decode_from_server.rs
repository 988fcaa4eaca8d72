//! Calls the function of this name, on inputs that are packets now and then; owns nothing.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bowline_fuzz::decode_from_server(input));

libfuzzer_sys::fuzz_mutator!(|input: &mut [u8], size: usize, max_size: usize, seed: u32| {
    bowline_fuzz::mutate(
        input,
        size,
        max_size,
        seed,
        Some(bowline_proto::Role::Server),
        libfuzzer_sys::fuzzer_mutate,
    )
});
