//! The command line, through the built program.

mod entries;
mod policy;
mod prune;
mod rm;
mod words;
