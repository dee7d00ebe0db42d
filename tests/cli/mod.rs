//! The command line, through the built program.

mod backup;
mod cat;
mod check;
mod create;
mod entries;
mod filters;
mod info;
mod interrupt;
mod ls;
mod policy;
mod prune;
mod refusals;
mod restore;
mod rm;
mod small;
mod words;
