//! A queue message.
#![no_main]

#[expect(dead_code, reason = "shared by all targets")]
#[path = "../entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    entries::message(body);
});
