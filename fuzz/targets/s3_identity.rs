#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plakar::fuzzing::s3_identity(data));
