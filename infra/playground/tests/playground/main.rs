//! The playground over HTTP: its pages, its forms, and its operations.

mod form;
mod markup;
mod operations;
mod pages;
mod stage;
