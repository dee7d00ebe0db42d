//! What `rm` and `prune` have in common: words that name snapshots, and their removal.

use crate::base::mac::Mac;
use crate::cli::args::Parsed;
use crate::cli::exit::{DONE, Failure};
use crate::cli::open::Opened;
use crate::cli::record::Record;
use crate::cli::session::Session;
use crate::engine::publish;
use crate::engine::remove;

/// The words as prefixes of ids, in lower case. An empty word, as an unset shell variable leaves
/// it, would name every snapshot, and a misplaced option none: both are refused.
///
/// # Errors
/// The first word that is no prefix.
pub fn prefixes(parsed: &Parsed) -> Result<Vec<String>, Failure> {
    let prefix = |word: &std::ffi::OsString| {
        let text = word.to_string_lossy().to_ascii_lowercase();
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if digits {
            return Ok(text);
        }
        let failure = Failure::new(format!("invalid snapshot prefix: {:?}", word.to_string_lossy()));
        Err(if text.starts_with('-') { failure.and("Options come before snapshot IDs.") } else { failure })
    };
    parsed.rest.iter().map(prefix).collect()
}

/// Says so early when the store cannot be changed anyway.
///
/// # Errors
/// An archive.
pub fn refuse_archive(opened: &Opened) -> Result<(), Failure> {
    Ok(publish::refuse_archive(&opened.repository)?)
}

/// Removes the snapshots and says so for each, in the name of `command`.
///
/// # Errors
/// When the store failed: then none was removed.
pub fn remove(session: &Session, opened: &Opened, command: &str, ids: &[Mac]) -> Result<u8, Failure> {
    if let Err(error) = remove::remove(&opened.repository, &opened.index, ids, &opened.world) {
        session.out.error_line(format!("error: {error}"));
        return Err(Failure::new(match ids.len() {
            1 => "failed to remove 1 snapshot".to_owned(),
            count => format!("failed to remove {count} snapshots"),
        }));
    }
    for id in ids {
        session.out.record(Record::new("removed").text("snapshot", &id.to_string()));
        session.info(&format!("{command}: removal of {} completed successfully", id.short()));
    }
    Ok(DONE)
}
