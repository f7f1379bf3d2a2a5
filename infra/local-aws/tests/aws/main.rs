//! What Stafett needs of AWS, and rules for the templates.

mod contract;
mod template;
