#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tributary_fuzz::binlog::file(data));
