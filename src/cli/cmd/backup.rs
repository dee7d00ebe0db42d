//! `backup`: a directory or a bucket becomes a snapshot.

use crate::base::mac::Mac;
use crate::base::stamp::Stamp;
use crate::cli::args::{self, Opt, Parsed, Takes};
use crate::cli::cache::DiskCache;
use crate::cli::cmd::check;
use crate::cli::cmd::entries;
use crate::cli::cmd::restore::{concurrency, count};
use crate::cli::commands::Command;
use crate::cli::connect;
use crate::cli::exit::{DONE, Failure, INCOMPLETE};
use crate::cli::gotime;
use crate::cli::human;
use crate::cli::open::{self, Opened};
use crate::cli::record::Record;
use crate::cli::report::{Lines, Report, Wording};
use crate::cli::session::{Place, Session};
use crate::cli::settings::Role;
use crate::cli::summary;
use crate::connectors::context::Reading;
use crate::connectors::ignore::Ignore;
use crate::engine::StateCache;
use crate::engine::ahead::{Ahead, LeaveOut};
use crate::engine::backup::{self, Options, Previous};
use crate::engine::ctimes::Ctimes;
use crate::engine::dates;
use crate::engine::previous::Earlier;
use crate::engine::select::Argument;
use crate::engine::snapshot;
use crate::ports::source::{Found, Source, Step};
use crate::world::host::{self, Accounts};
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const TAGS_ONCE: &str = "tags should be specified only once, as a comma-separated list";

/// Its options.
pub const OPTIONS: &[Opt] = &[
    Opt::new("check", Takes::Switch, "check the snapshot after creating it"),
    Opt::new("concurrency", Takes::Number, "maximum number of parallel tasks"),
    Opt::new("force", Takes::Switch, "read every file, also those that seem unchanged"),
    Opt::new("force-timestamp", Takes::Date, "force a timestamp"),
    Opt::new(
        "ignore",
        Takes::Text("value"),
        "gitignore pattern to exclude files, can be specified multiple times",
    ),
    Opt::new("ignore-file", Takes::Path("string"), "path to a file containing gitignore patterns"),
    Opt::new("no-xattr", Takes::Switch, "do not back up extended attributes"),
    Opt::new("o", Takes::Text("value"), "specify extra importer options"),
    Opt::new("packfiles", Takes::Path("string"), "accepted: packfiles are always assembled in memory"),
    Opt::new("quiet", Takes::Switch, "suppress output of entries that are backed up"),
    Opt::new("scan", Takes::Switch, "do not actually perform a backup, just list the files"),
    Opt::new("silent", Takes::Switch, "suppress output of all entries"),
    Opt::new("tag", Takes::Once("value", TAGS_ONCE), "comma-separated list of tags to apply to the snapshot"),
];

/// Backs up.
///
/// # Errors
/// When no snapshot was made; one with entries missing ends with a code of its own.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let place = place(session, &parsed)?;
    let ignore = patterns(&parsed)?;
    let timestamp = timestamp(session, &parsed)?;
    let cores = concurrency(&parsed, session.globals.cpu)?;
    let silent = parsed.switch("silent");
    let lines =
        Lines { done: !parsed.switch("quiet") && !session.globals.quiet, failed: true }.unless(silent);
    let report = Report::new(session.out.clone(), Wording::Backup, lines);
    let reading = Reading { xattrs: !parsed.switch("no-xattr"), skip: own_directory(session) };
    let source = connect::source(session, &place, reading)
        .map_err(|failure| failure.context(format_args!("failed to create an importer for {}", place.word)));
    // What is told of a file is as old as the walk, and so is the snapshot.
    let begun = Stamp::from_nanos(session.clock.now_ns());
    let leave_out = Arc::new(move |path: &[u8], directory| ignore.excluded(path, directory));
    let ahead = match &source {
        Ok(source) if !parsed.switch("scan") => {
            Some(Ahead::start(Arc::clone(source), Arc::clone(&leave_out) as Arc<LeaveOut>))
        }
        _ => None,
    };
    let mut opened = open::store(session, Some(report.clone()))?;
    opened.cores = cores;
    let source = source?;
    let Some(source) = ahead else {
        return scan(session, &*source, &*leave_out);
    };
    let tags = parsed.text("tag").unwrap_or_default();
    let tags: Vec<String> =
        tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    let accounts = Accounts::load();
    let started = session.clock.monotonic();
    let remembered = Remembered::of(session, &opened, &source);
    let (made, ctimes) = {
        let _running = report.run(&session.cancel, session.globals.quiet);
        let blobs = opened.walk_blobs();
        let fetcher = opened.fetcher(&blobs);
        let known = snapshot::open_all(&fetcher, &opened.index.snapshots())?.readable;
        let newest = backup::newest_of(known.iter().map(|snapshot| &snapshot.header), &source);
        let newest = newest.and_then(|header| known.iter().find(|snapshot| snapshot.id == header.identifier));
        let earlier = match newest {
            Some(snapshot) if !parsed.switch("force") => Some(Earlier::new(&blobs, snapshot)?),
            _ => None,
        };
        let ctimes = remembered.read(&opened, earlier.as_ref().and(newest).map(|snapshot| snapshot.id));
        let options = Options {
            tags,
            timestamp: Some(timestamp.unwrap_or(begun)),
            context: context(session, &accounts),
            host: host::hostname(),
            exclude: Some(&*leave_out),
            previous: earlier.as_ref().map(|earlier| earlier as &dyn Previous),
            ctimes: Some(&ctimes),
            workers: cores,
            lockless: lockless(),
            ..Options::default()
        };
        let made = backup::backup(&opened.repository, &opened.index, &source, &options, &opened.world)
            .map_err(|error| Failure::from(error).context("failed to create snapshot"))?;
        (made, ctimes)
    };
    let header = &made.header;
    let size = header.sources.first().map_or(0, |source| source.summary.total_size());
    let took = session.clock.monotonic().saturating_sub(started);
    session.out.record(summary::record(&made, took));
    session.info(&format!(
        "backup: created unsigned snapshot {} of size {} in {} (wrote {})",
        header.identifier.short(),
        human::bytes(size),
        gotime::duration(i64::try_from(took.as_nanos()).unwrap_or(i64::MAX)),
        human::bytes(made.bytes_stored)
    ));
    if session.out.progress && !session.out.speaks_json() && !session.globals.quiet {
        session.out.flush();
        session.out.error_text(&summary::page(&made, took));
    }
    remembered.write(&opened, ctimes, &header.identifier);
    if parsed.switch("check") {
        let opened = open::again(opened)?;
        let wanted = [(header.identifier, Argument::parse(b"/"))];
        check::verify(session, &opened, &wanted, check::Options { fast: false, signatures: true })
            .map_err(|failure| failure.context("failed to check snapshot"))?;
    }
    if made.errors.is_empty() {
        return Ok(DONE);
    }
    let torn = usize::try_from(made.torn).unwrap_or(usize::MAX);
    let message = incomplete(made.errors.len().saturating_sub(torn), torn);
    Err(Failure { code: INCOMPLETE, ..Failure::new(message) })
}

/// What is wrong with a snapshot that lacks entries, or has some that were written to while they
/// were read.
fn incomplete(unread: usize, torn: usize) -> String {
    let told = [(unread, "could not be read"), (torn, "changed while being read")];
    let told = told.into_iter().filter(|(entries, _)| *entries > 0);
    let told = told.map(|(entries, what)| format!("{} {what}", count(entries, "entry", "entries")));
    format!("the snapshot was created, but {}", told.collect::<Vec<_>>().join(", "))
}

/// Where this machine remembers the change times of a source, if anywhere.
struct Remembered {
    cache: Option<DiskCache>,
    name: Mac,
}

impl Remembered {
    fn of(session: &Session, opened: &Opened, source: &dyn Source) -> Remembered {
        let cache = session.cache_dir.as_ref().map(|dir| DiskCache::ctimes(dir, &opened.repository.id()));
        Remembered { cache, name: Ctimes::name(&opened.repository.codec, &source.origin()) }
    }

    /// Those of the snapshot that is compared with; none without one.
    fn read(&self, opened: &Opened, snapshot: Option<Mac>) -> Ctimes {
        let codec = &opened.repository.codec;
        let file = self.cache.as_ref().and_then(|cache| cache.get(&self.name));
        match (file, snapshot) {
            (Some(file), Some(snapshot)) => Ctimes::of(codec, &file, &snapshot),
            _ => Ctimes::new(codec),
        }
    }

    /// Those of the snapshot that was made.
    fn write(&self, opened: &Opened, ctimes: Ctimes, snapshot: &Mac) {
        if let Some(cache) = &self.cache
            && let Some(file) = ctimes.file(&opened.repository.codec, snapshot)
        {
            cache.put(&self.name, &file);
        }
    }
}

/// What a header says of where it was made, in the order of the reference.
pub fn context(session: &Session, accounts: &Accounts) -> Vec<(String, String)> {
    let words = std::env::args_os().map(|word| without_secret(&word.to_string_lossy()));
    let cores = host::cores().to_string();
    [
        ("Hostname", host::hostname()),
        ("Username", host::user_name(accounts)),
        ("OperatingSystem", host::operating_system().to_owned()),
        ("MachineID", host::machine_id()),
        ("CommandLine", words.collect::<Vec<_>>().join(" ")),
        ("ProcessID", std::process::id().to_string()),
        ("Architecture", host::architecture().to_owned()),
        ("NumCPU", cores.clone()),
        ("MaxProcs", session.globals.cpu.to_string()),
        ("Client", concat!("plakar/", env!("CARGO_PKG_VERSION")).to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .to_vec()
}

/// A word of the command line as it may be kept: `-o secret_access_key=…` without its value.
fn without_secret(word: &str) -> String {
    match word.split_once('=') {
        Some((key, _)) if entries::is_secret(key.trim_start_matches('-')) => format!("{key}=********"),
        _ => word.to_owned(),
    }
}

/// `PLAKAR_LOCKLESS`: no locks at all, for stores that nobody else can reach.
pub fn lockless() -> bool {
    std::env::var("PLAKAR_LOCKLESS").is_ok_and(|value| args::truth(&value) == Some(true))
}

/// The source: a word, a named entry, or the working directory; `-o` wins over its options.
fn place(session: &Session, parsed: &Parsed) -> Result<Place, Failure> {
    let word = match parsed.rest.as_slice() {
        [] => OsString::from("."),
        [word] => word.clone(),
        _ => return Err(Failure::new("Too many arguments")),
    };
    let mut place = session.place(Role::Source, &word)?;
    extra_options(parsed, &mut place);
    Ok(place)
}

/// What `-o` says, over what the entry says.
pub fn extra_options(parsed: &Parsed, place: &mut Place) {
    for option in parsed.texts("o") {
        let (key, value) = option.split_once('=').unwrap_or((option, "true"));
        if key == "location" {
            place.location = OsString::from(value);
        } else {
            place.options.insert(key.to_owned(), value.to_owned());
        }
    }
}

/// Patterns of the file first, so that those of the command line have the last word.
fn patterns(parsed: &Parsed) -> Result<Ignore, Failure> {
    let mut patterns = Vec::new();
    if let Some(file) = parsed.path("ignore-file") {
        let text = fs::read_to_string(Path::new(file)).map_err(|error| {
            Failure::new(format!("unable to open excludes file: {}: {error}", file.display()))
        })?;
        patterns.extend(text.lines().map(str::to_owned));
    }
    patterns.extend(parsed.texts("ignore").map(str::to_owned));
    Ignore::new(&patterns).map_err(Failure::new)
}

fn timestamp(session: &Session, parsed: &Parsed) -> Result<Option<Stamp>, Failure> {
    let now = Stamp::from_nanos(session.clock.now_ns());
    let Some(text) = parsed.text("force-timestamp") else { return Ok(None) };
    let stamp = dates::moment(text, now).map_err(Failure::new)?;
    if stamp > now {
        return Err(Failure::new("forced timestamp cannot be in the future"));
    }
    Ok(Some(stamp))
}

/// The store's own directory, which a backup of what surrounds it leaves out. A store that is not
/// known is told when it is opened.
fn own_directory(session: &Session) -> Vec<Vec<u8>> {
    let place = session.store_word().and_then(|word| session.place(Role::Store, &word));
    let location = place.and_then(|place| connect::location(session, Role::Store, &place));
    let location = location.map(|location| location.to_string()).unwrap_or_default();
    location.strip_prefix("fs://").map(|path| path.as_bytes().to_vec()).into_iter().collect()
}

/// Lists what would be backed up.
fn scan(session: &Session, source: &dyn Source, leave_out: &LeaveOut) -> Result<u8, Failure> {
    let mut failed = false;
    source.walk(&mut |found| {
        if session.cancel.is_cancelled() || session.out.is_gone() {
            return Step::Stop;
        }
        match found {
            Found::Entry(record) => {
                let directory = record.info.mode.is_dir();
                if leave_out(&record.path, directory) {
                    return if directory { Step::Skip } else { Step::Descend };
                }
                session.out.tell(|| Record::new("match").path("path", &record.path), || &record.path);
            }
            Found::Unreadable { path, reason } => {
                failed = true;
                session.out.error_line(format!("{}: {reason}", String::from_utf8_lossy(&path)));
            }
        }
        Step::Descend
    })?;
    match failed {
        true => Err(Failure::new("failed to scan some files")),
        false => Ok(DONE),
    }
}

#[cfg(test)]
mod tests {
    use super::incomplete;

    #[test]
    fn entries_that_are_missing_and_entries_that_are_torn_are_told_apart() {
        let cases = [
            (1, 0, "1 entry could not be read"),
            (0, 2, "2 entries changed while being read"),
            (3, 1, "3 entries could not be read, 1 entry changed while being read"),
        ];
        for (unread, torn, told) in cases {
            assert_eq!(incomplete(unread, torn), format!("the snapshot was created, but {told}"));
        }
    }
}
