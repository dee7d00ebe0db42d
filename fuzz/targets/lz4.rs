#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plakar::fuzzing::lz4(data));
