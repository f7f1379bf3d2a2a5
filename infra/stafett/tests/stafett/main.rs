//! The built program, as its users run it.

mod author;
mod browser;
mod check;
mod one_path;
mod playground;
mod recorded_apps;
mod subscribe;
