//! The command line, through the built program.

mod entries;
mod rm;
mod words;
