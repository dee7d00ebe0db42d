//! `info`: what a store, or a snapshot, says of itself.

use crate::base::mac::Mac;
use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::commands::Command;
use crate::cli::exit::{DONE, Failure};
use crate::cli::gotime;
use crate::cli::human;
use crate::cli::open::{self, Opened};
use crate::cli::session::Session;
use crate::engine::errors;
use crate::engine::retention::Retention;
use crate::engine::select::{Argument, Filters};
use crate::engine::snapshot::Snapshot;
use crate::ports::store::Kind;
use std::os::unix::ffi::OsStrExt;

/// Its options.
pub const OPTIONS: &[Opt] = &[Opt::new("errors", Takes::Switch, "show errors within snapshot")];

/// Prints.
///
/// # Errors
/// What cannot be read.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    if parsed.rest.len() > 1 {
        return Err(Failure::new("too many arguments"));
    }
    let opened = open::store(session, None)?;
    let Some(word) = parsed.rest.first() else {
        for line in store(&opened)? {
            session.out.line(line);
        }
        return Ok(DONE);
    };
    let argument = Argument::parse(word.as_bytes());
    let blobs = opened.blobs();
    let found = opened.snapshot(&blobs, &argument)?;
    if parsed.switch("errors") {
        let below = argument.resolve(&found.root());
        errors::each(&blobs, &found, &below, &mut |path, message| {
            let mut line = path.to_vec();
            line.extend_from_slice(format!(": {message}").as_bytes());
            session.out.line(line);
        })?;
        return Ok(DONE);
    }
    for line in snapshot(&found) {
        session.out.line(line);
    }
    Ok(DONE)
}

/// `20 MiB (20971520 bytes)`.
fn size(bytes: u64) -> String {
    format!("{} ({bytes} bytes)", human::bytes(bytes))
}

fn store(opened: &Opened) -> Result<Vec<String>, Failure> {
    let config = &opened.repository.config;
    let mut lines = vec![
        format!("Version: {}", config.version),
        format!("Timestamp: {}", gotime::full(config.timestamp)),
        format!("RepositoryID: {}", uuid(&config.repository_id)),
        "Packfile:".to_owned(),
        format!(" - MaxSize: {}", size(config.packfile.max)),
        "Chunking:".to_owned(),
        format!(" - Algorithm: {}", config.chunking.algorithm),
        format!(" - MinSize: {}", size(u64::from(config.chunking.min))),
        format!(" - NormalSize: {}", size(u64::from(config.chunking.normal))),
        format!(" - MaxSize: {}", size(u64::from(config.chunking.max))),
        "Hashing:".to_owned(),
        format!(" - Algorithm: {}", config.hashing.algorithm),
        format!(" - Bits: {}", config.hashing.bits),
    ];
    if let Some(compression) = &config.compression {
        lines.push("Compression:".to_owned());
        lines.push(format!(" - Algorithm: {}", compression.algorithm));
        lines.push(format!(" - Level: {}", compression.level));
    }
    if let Some(encryption) = &config.encryption {
        lines.push("Encryption:".to_owned());
        lines.push(format!(" - SubkeyAlgorithm: {}", encryption.subkey_algorithm));
        lines.push(format!(" - DataAlgorithm: {}", encryption.data_algorithm));
        lines.push(format!(" - ChunkSize: {}", encryption.chunk_size));
        lines.push(format!(" - Canary: {}", digits(&encryption.canary)));
        lines.push(format!(" - KDF: {}", encryption.kdf.name()));
        lines.push(format!("   - Salt: {}", digits(&encryption.kdf.salt)));
        for (name, value) in encryption.kdf.costs() {
            lines.push(format!("   - {name}: {value}"));
        }
    }
    let (found, problems) = opened.select(&Filters::default(), &Retention::default())?;
    let logical: u64 = found.iter().map(Snapshot::size).sum();
    lines.push(format!("Snapshots: {}", found.len() + problems.len()));
    let mut stored = 0;
    for kind in [Kind::State, Kind::Packfile, Kind::Lock] {
        stored += opened.repository.store.list(kind)?.iter().map(|file| file.size).sum::<u64>();
    }
    lines.push(format!("Storage size: {}", size(stored)));
    lines.push(format!("Logical size: {}", size(logical)));
    Ok(lines)
}

fn snapshot(snapshot: &Snapshot) -> Vec<Vec<u8>> {
    let header = &snapshot.header;
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut line = |text: String| lines.push(text.into_bytes());
    line(format!("Version: {}", header.version));
    line(format!("SnapshotID: {}", snapshot.id));
    line(format!("Timestamp: {}", gotime::full(header.timestamp)));
    line(format!("Duration: {}", gotime::duration(header.duration_ns)));
    line(format!("Name: {}", header.name));
    line(format!("Environment: {}", header.environment));
    line(format!("Perimeter: {}", header.perimeter));
    line(format!("Category: {}", header.category));
    if !header.tags.is_empty() {
        line(format!("Tags: {}", header.tags.join(", ")));
    }
    let Some(source) = header.sources.first() else { return lines };
    let three: [&Mac; 3] = [&source.root, &source.xattrs, &source.errors];
    line(format!("VFS: {{{}}}", three.map(Mac::to_string).join(" ")));
    line("Importer:".to_owned());
    line(format!(" - Type: {}", source.kind));
    line(format!(" - Origin: {}", source.origin));
    line(format!(" - Directory: {}", String::from_utf8_lossy(&source.directory)));
    line("Context:".to_owned());
    for (shown, key) in [
        ("MachineID", "MachineID"),
        ("Hostname", "Hostname"),
        ("Username", "Username"),
        ("OperatingSystem", "OperatingSystem"),
        ("Architecture", "Architecture"),
        ("NumCPU", "NumCPU"),
        ("GOMAXPROCS", "MaxProcs"),
        ("ProcessID", "ProcessID"),
        ("Client", "Client"),
        ("CommandLine", "CommandLine"),
    ] {
        let value =
            header.context.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value.as_str());
        line(format!(" - {shown}: {value}"));
    }
    line("Summary:".to_owned());
    let (here, below) = (&source.summary.directory, &source.summary.below);
    let least = |a: u64, b: u64| if a == 0 || (b != 0 && b < a) { b } else { a };
    let time = |secs: i64| gotime::full(crate::base::stamp::Stamp { secs, nanos: 0 });
    let first = |a: i64, b: i64| if a == 0 || (b != 0 && b < a) { b } else { a };
    for (name, count) in [
        ("Directories", here.directories + below.directories),
        ("Files", here.files + below.files),
        ("Symlinks", here.symlinks + below.symlinks),
        ("Devices", here.devices + below.devices),
        ("Pipes", here.pipes + below.pipes),
        ("Sockets", here.sockets + below.sockets),
        ("Setuid", here.setuid + below.setuid),
        ("Setgid", here.setgid + below.setgid),
        ("Sticky", here.sticky + below.sticky),
        ("Objects", here.objects + below.objects),
        ("Chunks", here.chunks + below.chunks),
    ] {
        line(format!(" - {name}: {count}"));
    }
    line(format!(" - MinSize: {}", size(least(here.min_size, below.min_size))));
    line(format!(" - MaxSize: {}", size(here.max_size.max(below.max_size))));
    line(format!(" - Size: {}", size(here.size + below.size)));
    line(format!(" - MinModTime: {}", time(first(here.min_mod_time, below.min_mod_time))));
    line(format!(" - MaxModTime: {}", time(here.max_mod_time.max(below.max_mod_time))));
    let entropy = if here.min_entropy == 0.0 { below.min_entropy } else { here.min_entropy };
    line(format!(" - MinEntropy: {entropy:.6}"));
    line(format!(" - MaxEntropy: {:.6}", here.max_entropy.max(below.max_entropy)));
    for (name, count) in [
        ("HiEntropy", here.hi_entropy + below.hi_entropy),
        ("LoEntropy", here.lo_entropy + below.lo_entropy),
        ("MIMEAudio", here.mime_audio + below.mime_audio),
        ("MIMEVideo", here.mime_video + below.mime_video),
        ("MIMEImage", here.mime_image + below.mime_image),
        ("MIMEText", here.mime_text + below.mime_text),
        ("MIMEApplication", here.mime_application + below.mime_application),
        ("MIMEOther", here.mime_other + below.mime_other),
        ("Errors", here.errors + below.errors),
    ] {
        line(format!(" - {name}: {count}"));
    }
    lines
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `5f0c7a0e-1f0e-4c4b-9c2e-1f6b7f0d2a11`.
pub fn uuid(id: &[u8; 16]) -> String {
    let all = digits(id);
    let part = |range: std::ops::Range<usize>| all.get(range).unwrap_or_default().to_owned();
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
}
