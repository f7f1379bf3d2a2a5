//! `receive` as its callers meet it: real tokens, real HTTP to the issuer, a real queue.

mod binary;
mod calls;
mod events;
mod issuer;
mod logs;
mod relays;
mod system;
mod tokens;
mod triggers;
