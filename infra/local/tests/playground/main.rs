//! The playground over HTTP: its pages, its forms, and how it starts and ends.

mod form;
mod markup;
mod pages;
mod program;
mod stage;
