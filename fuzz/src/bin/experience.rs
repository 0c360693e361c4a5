#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| troop_fuzz::experience::run(data));
