//! Tests of the local Altinn over HTTP. Many compare its responses with those recorded from the real one.

mod again;
mod ages;
mod contract;
mod create;
mod data;
mod early;
mod events;
mod events_recorded;
mod folder;
mod form;
mod next_generation;
mod out_of_reach;
mod own_apps;
mod process;
mod query;
mod recorded;
mod storage;
mod support;
mod tokens;
