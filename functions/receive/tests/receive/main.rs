//! `receive` as its callers use it: with real tokens, an issuer behind real HTTP, and a real queue.

mod binary;
mod calls;
mod claims;
mod events;
mod issuer;
mod keys;
mod logs;
mod relays;
mod system;
mod tokens;
mod triggers;
mod verifier;
