//! What relays cost a month on AWS: list prices times what relays and an idle deployment use.
//!
//! The inputs are in `infra/cost.yaml`; the arithmetic is a pure function of them ([`Bill::new`]).

mod bill;
mod inputs;
mod table;

pub use bill::{Bill, Item};
pub use inputs::{Deployment, Inputs, InputsError, Price, Prices, ReconcileRun, Relay};
pub use table::table;
