//! What Stafett needs of AWS, and what the templates must say.

mod contract;
mod template;
