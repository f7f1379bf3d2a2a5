//! The body of an inbound HTTP call: only of Altinn Events' webhook, since the other route refuses calls without a token.
#![no_main]

use std::cell::LazyCell;

use tokio::runtime::{Builder, Runtime};

#[expect(dead_code, reason = "shared by all targets")]
#[path = "../entries.rs"]
mod entries;

thread_local! {
    static INBOUND: LazyCell<(Runtime, entries::Inbound)> = LazyCell::new(|| {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let inbound = entries::Inbound::new("https://test.maskinporten.no/", None);
        let inbound = runtime.block_on(inbound);
        (runtime, inbound)
    });
}

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    INBOUND.with(|inbound| {
        let (runtime, inbound) = &**inbound;
        runtime.block_on(inbound.body(body));
    });
});
