//! The Altinn client: tokens, reads, the search for a stamp, and the one request that creates B.
//!
//! Every address is built from settings and parsed ids. `selfLinks` and redirects are never followed. Errors carry no
//! URL and no body.

pub mod after;
mod app;
mod attachment;
mod budget;
mod client;
mod connection;
pub mod create;
pub mod cursor;
mod error;
mod http;
mod json;
pub mod list;
mod percent;
pub mod process;
mod read;
mod refusal;
pub mod repair;
pub mod search;
pub mod sentence;
pub mod subscriptions;
pub mod token;

pub use budget::Budget;
pub use client::Altinn;
pub use connection::{Connection, ConnectionError};
pub use error::{AltinnError, AltinnErrorKind, Call, TokenError};
pub use http::http_client;
pub use token::Tokens;
