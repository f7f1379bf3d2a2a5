//! An expression of a route.
#![no_main]

#[expect(dead_code, reason = "shared by all targets")]
#[path = "../entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    entries::expression(text);
});
