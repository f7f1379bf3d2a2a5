//! An instance as Altinn returns it.
#![no_main]

use std::cell::LazyCell;

#[expect(dead_code, reason = "shared by all targets")]
#[path = "../entries.rs"]
mod entries;

thread_local! {
    static DRAFTING: LazyCell<entries::Drafting> = LazyCell::new(entries::Drafting::new);
}

libfuzzer_sys::fuzz_target!(|json: &[u8]| {
    DRAFTING.with(|drafting| drafting.instance(json));
});
