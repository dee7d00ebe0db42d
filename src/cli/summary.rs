//! What a backup came to, at one glance.

use crate::cli::human;
use crate::cli::record::Record;
use crate::engine::backup::Report;
use std::time::Duration;

/// Files and other entries of the snapshot that the previous one does not have.
fn files_new(made: &Report) -> u64 {
    made.files.saturating_sub(made.unchanged + made.changed)
}

fn size(made: &Report) -> u64 {
    made.header.sources.first().map_or(0, |source| source.summary.total_size())
}

/// For a script.
pub fn record(made: &Report, took: Duration) -> Record {
    Record::new("backup")
        .text("snapshot", &made.header.identifier.to_string())
        .number("size", size(made))
        .number("directories", made.directories)
        .number("files_new", files_new(made))
        .number("files_changed", made.changed)
        .number("files_same", made.unchanged)
        .number("failed", made.errors.len() as u64)
        .number("bytes_read", made.bytes_read)
        .number("bytes_new", made.bytes_new)
        .number("bytes_stored", made.bytes_stored)
        .ratio("dedup_ratio", size(made), made.bytes_new)
        .ratio("compression_ratio", made.bytes_new, made.bytes_stored)
        .number("duration_ns", i128::try_from(took.as_nanos()).unwrap_or(i128::MAX))
}

/// For a person: four lines.
pub fn page(made: &Report, took: Duration) -> String {
    let ratio = |above: u64, below: u64| match below {
        0 => String::new(),
        below => format!("{:.1}x", above as f64 / below as f64),
    };
    let part = |text: &str, ratio: String| match ratio.as_str() {
        "" => String::new(),
        ratio => format!(", {text} {ratio}"),
    };
    let secs = took.as_secs_f64();
    let rate = if secs > 0.0 { (size(made) as f64 / secs) as u64 } else { 0 };
    let failed = match made.errors.len() {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    format!(
        "  files   {} new, {} changed, {} same, in {} directories{failed}\n  read    {} of {}\n  \
         stored  {}{}{}\n  time    {secs:.1}s, {}/s\n",
        files_new(made),
        made.changed,
        made.unchanged,
        made.directories,
        human::bytes(made.bytes_read),
        human::bytes(size(made)),
        human::bytes(made.bytes_stored),
        part("dedup", ratio(size(made), made.bytes_new)),
        part("compression", ratio(made.bytes_new, made.bytes_stored)),
        human::bytes(rate),
    )
}
