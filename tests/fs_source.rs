//! What a walk over a directory tells.

use crate::kit::connect::{Scratch, bytes, context};
use crate::kit::trees;
use plakar::base::file::Mode;
use plakar::base::path;
use plakar::connectors::context::Reading;
use plakar::connectors::fs_source::FsSource;
use plakar::ports::fault::FaultKind;
use plakar::ports::source::{Found, Record, Source, Step};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

fn reading() -> Reading {
    Reading { xattrs: true, skip: Vec::new() }
}

fn source(root: &Path) -> FsSource {
    FsSource::new(bytes(root), false, reading(), context().0).unwrap()
}

/// Entries in the order told, and errors.
fn walk(source: &FsSource) -> (Vec<Record>, Vec<(Vec<u8>, String)>) {
    let (mut records, mut errors) = (Vec::new(), Vec::new());
    let mut visit = |found| {
        match found {
            Found::Entry(record) => records.push(*record),
            Found::Unreadable { path, reason } => errors.push((path, reason)),
        }
        Step::Descend
    };
    source.walk(&mut visit).unwrap();
    (records, errors)
}

fn shown(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(&record.path).into_owned()).collect()
}

fn chain(path: &Path) -> Vec<String> {
    let mut chain: Vec<String> = path.ancestors().map(|path| path.display().to_string()).collect();
    chain.reverse();
    chain
}

#[test]
fn every_entry_is_told_once_with_its_facts_and_content() {
    let scratch = Scratch::new("walk");
    let root = scratch.join("tree");
    trees::awkward(&root, trees::Bulk { large: 3 << 20, tiny: 60 });
    let source = source(&root);
    let (records, errors) = walk(&source);
    assert_eq!(errors, []);

    let above = root.components().count() - 1;
    assert_eq!(records.len(), trees::count(&root) + above);
    let mut directories = Vec::new();
    for (n, record) in records.iter().enumerate() {
        // Other tests are at work in the directories above.
        let ours = n >= above;
        let on_disk = Path::new(OsStr::from_bytes(&record.path));
        let meta = fs::symlink_metadata(on_disk).unwrap();
        let info = &record.info;
        assert_eq!(info.name, path::base_name(&record.path));
        assert_eq!(info.mode, Mode::from_posix(meta.mode()), "{on_disk:?}");
        assert_eq!((info.dev, info.ino), (meta.dev(), meta.ino()));
        assert_eq!((info.uid, info.gid), (u64::from(meta.uid()), u64::from(meta.gid())));
        if ours {
            assert_eq!(
                (u64::from(info.nlink), info.size),
                (meta.nlink(), i64::try_from(meta.len()).unwrap())
            );
            assert_eq!(
                (info.mod_time.secs, i64::from(info.mod_time.nanos)),
                (meta.mtime(), meta.mtime_nsec())
            );
            assert_eq!(record.changed_ns, Some(meta.ctime() * 1_000_000_000 + meta.ctime_nsec()));
        }
        let owner: &[u8] = if ours && info.uid == 0 { b"root" } else { b"" };
        assert_eq!(info.username, owner, "{on_disk:?}");
        if info.mode.is_symlink() {
            assert_eq!(record.symlink_target, bytes(&fs::read_link(on_disk).unwrap()));
        } else {
            assert_eq!(record.symlink_target, b"");
        }
        if info.mode.is_regular() {
            let mut content = Vec::new();
            source.open(record).unwrap().content.read_to_end(&mut content).unwrap();
            assert!(content == fs::read(on_disk).unwrap(), "{on_disk:?}");
        }
        // A directory comes before what is in it, and its subtree in one piece.
        if record.path != b"/" {
            while directories.last().is_some_and(|dir| dir != path::parent(&record.path)) {
                directories.pop();
            }
            assert!(!directories.is_empty(), "{on_disk:?} is told outside of its directory");
        }
        if info.mode.is_dir() {
            directories.push(record.path.clone());
        }
    }
    let tagged = records.iter().find(|record| record.info.name == b"attributes").unwrap();
    if !tagged.xattrs.is_empty() {
        let names: [&[u8]; 3] = [b"user.binary", b"user.empty", b"user.text"];
        assert_eq!(tagged.xattrs, names);
        assert_eq!(source.xattr(tagged, b"user.binary").unwrap(), b"\x00\xff\n\x01");
        assert_eq!(source.xattr(tagged, b"user.empty").unwrap(), b"");
        assert_eq!(source.xattr(tagged, b"user.gone").unwrap_err().kind, FaultKind::Broken);
    }
    let without =
        FsSource::new(bytes(&root), false, Reading { xattrs: false, ..reading() }, context().0).unwrap();
    assert!(walk(&without).0.iter().all(|record| record.xattrs.is_empty()));
}

#[test]
fn a_tree_deeper_than_the_kernel_takes_paths_is_read() {
    let scratch = Scratch::new("deep");
    let name = "d".repeat(100);
    let mut dir = std::os::fd::OwnedFd::from(fs::File::open(scratch.path()).unwrap());
    for _ in 0..300 {
        rustix::fs::mkdirat(&dir, &name, 0o700.into()).unwrap();
        let flags = rustix::fs::OFlags::DIRECTORY;
        dir = rustix::fs::openat(&dir, &name, flags, rustix::fs::Mode::empty()).unwrap();
    }
    let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    let file = rustix::fs::openat(&dir, "bottom", flags, 0o600.into()).unwrap();
    let tagged = rustix::fs::fsetxattr(&file, "user.k", b"v", rustix::fs::XattrFlags::empty()).is_ok();
    std::io::Write::write_all(&mut fs::File::from(file), b"reached").unwrap();
    fs::write(scratch.join("z"), b"").unwrap();

    let source = source(scratch.path());
    let (records, errors) = walk(&source);
    assert_eq!(errors, []);
    assert_eq!(records.len(), scratch.path().components().count() + 302);
    let bottom = records.iter().find(|record| record.info.name == b"bottom").unwrap();
    assert!(bottom.path.len() > 30_000);
    let mut content = Vec::new();
    source.open(bottom).unwrap().content.read_to_end(&mut content).unwrap();
    assert_eq!(content, b"reached");
    if tagged {
        assert_eq!(source.xattr(bottom, b"user.k").unwrap(), b"v");
    }
    assert_eq!(records.last().unwrap().info.name, b"z");
}

#[test]
fn roots_that_are_files_and_links() {
    let scratch = Scratch::new("roots");
    fs::create_dir_all(scratch.join("b/real")).unwrap();
    fs::write(scratch.join("b/real/f"), b"x").unwrap();
    symlink("b/real", scratch.join("link")).unwrap();
    symlink("link", scratch.join("again")).unwrap();
    symlink("..", scratch.join("b/real/up")).unwrap();
    symlink("gone", scratch.join("dangling")).unwrap();
    let at = |name: &str| scratch.join(name).display().to_string();

    let cases: [(&str, &[&str]); 6] = [
        ("b/real/f", &["b", "b/real", "b/real/f"]),
        ("b/real", &["b", "b/real", "b/real/f", "b/real/up"]),
        ("link", &["b", "b/real", "b/real/f", "b/real/up", "link"]),
        ("again", &["again", "b", "b/real", "b/real/f", "b/real/up"]),
        // A link inside the tree it leads to is told once.
        ("b/real/up", &["b", "b/real", "b/real/f", "b/real/up"]),
        // The link above the root stands for the directory it leads to.
        ("link/f", &["link", "link/f"]),
    ];
    for (root, below) in cases {
        let source = source(&scratch.join(root));
        assert_eq!(source.origin().root, bytes(&scratch.join(root)));
        assert_eq!((source.origin().kind.as_str(), source.origin().origin.as_str()), ("fs", "testhost"));
        let (records, errors) = walk(&source);
        assert_eq!(errors, []);
        let mut expected = chain(scratch.path());
        expected.extend(below.iter().map(|name| at(name)));
        assert_eq!(shown(&records), expected, "{root}");
        let is_parent =
            |record: &Record| records.iter().any(|other| path::parent(&other.path) == record.path);
        for record in records.iter().filter(|record| is_parent(record)) {
            assert!(record.info.mode.is_dir(), "{root}: {:?}", record.path);
        }
    }
    let fault = FsSource::new(bytes(&scratch.join("none")), false, reading(), context().0).err().unwrap();
    assert_eq!(fault.kind, FaultKind::Missing);
    assert_eq!(fault.message, format!("lstat {}: no such file or directory", at("none")));
    let fault = source(&scratch.join("dangling")).walk(&mut |_| Step::Descend).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Missing);
}

#[test]
fn skipping_and_stopping() {
    let scratch = Scratch::new("steps");
    for dir in ["a/inner", "b/inner", "store/packfiles"] {
        fs::create_dir_all(scratch.join(dir)).unwrap();
    }
    let (context, remarks) = context();
    let skip = vec![bytes(&scratch.join("store")).to_vec()];
    let source =
        FsSource::new(bytes(scratch.path()), false, Reading { skip, ..reading() }, context.clone()).unwrap();
    let told = |answer: &dyn Fn(&[u8]) -> Step| {
        let mut names = Vec::new();
        let above = bytes(scratch.path());
        source
            .walk(&mut |found| {
                let Found::Entry(record) = found else { panic!("{found:?}") };
                if path::is_within(&record.path, above) {
                    names.push(String::from_utf8_lossy(&record.path[above.len()..]).into_owned());
                }
                answer(&record.path)
            })
            .unwrap();
        names
    };
    assert_eq!(told(&|_| Step::Descend), ["", "/a", "/a/inner", "/b", "/b/inner"]);
    let store = scratch.join("store").display().to_string();
    assert_eq!(*remarks.lock().unwrap(), [format!("leaving out the store itself: {store}")]);
    let skip_a = |path: &[u8]| if path.ends_with(b"/a") { Step::Skip } else { Step::Descend };
    assert_eq!(told(&skip_a), ["", "/a", "/b", "/b/inner"]);
    let stop_at_inner = |path: &[u8]| if path.ends_with(b"/inner") { Step::Stop } else { Step::Descend };
    assert_eq!(told(&stop_at_inner), ["", "/a", "/a/inner"]);
    assert_eq!(told(&|_| Step::Stop), [""; 0]);
    assert_eq!(told(&|path| if path == b"/" { Step::Skip } else { Step::Descend }), [""; 0]);

    let inside = FsSource::new(
        bytes(&scratch.join("store")),
        false,
        Reading { skip: vec![bytes(&scratch.join("store")).to_vec()], ..reading() },
        context,
    );
    let fault = inside.unwrap().walk(&mut |_| Step::Descend).unwrap_err();
    assert!(fault.message.ends_with("is the store itself"), "{fault}");
}

#[test]
fn a_directory_that_cannot_be_entered_is_told_and_the_walk_goes_on() {
    let scratch = Scratch::new("closed");
    fs::create_dir_all(scratch.join("swapped")).unwrap();
    fs::create_dir_all(scratch.join("target/inside")).unwrap();
    fs::write(scratch.join("z"), b"").unwrap();
    let (mut told, mut errors) = (Vec::new(), Vec::new());
    let swapped = scratch.join("swapped");
    let mut visit = |found| {
        match found {
            Found::Entry(record) => {
                if record.path == bytes(&swapped) {
                    fs::remove_dir(&swapped).unwrap();
                    symlink("target", &swapped).unwrap();
                }
                told.push(record.path);
            }
            Found::Unreadable { path, reason } => errors.push((path, reason)),
        }
        Step::Descend
    };
    source(scratch.path()).walk(&mut visit).unwrap();
    let reason = format!("open {}: not a directory", swapped.display());
    assert_eq!(errors, [(bytes(&swapped).to_vec(), reason)]);
    assert!(!told.contains(&bytes(&scratch.join("swapped/inside")).to_vec()));
    assert_eq!(told.last().unwrap(), bytes(&scratch.join("z")));
}

#[test]
fn a_file_replaced_after_the_walk_is_not_followed() {
    let scratch = Scratch::new("swap");
    fs::write(scratch.join("f"), b"content").unwrap();
    fs::write(scratch.join("g"), b"other").unwrap();
    let source = source(scratch.path());
    let (records, _) = walk(&source);
    let file = records.iter().find(|record| record.info.name == b"f").unwrap();
    fs::remove_file(scratch.join("f")).unwrap();
    assert_eq!(source.open(file).err().unwrap().kind, FaultKind::Missing);
    symlink("g", scratch.join("f")).unwrap();
    assert!(source.open(file).is_err());
    fs::remove_file(scratch.join("f")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, scratch.join("f"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    // A pipe without a writer would make a plain open wait for ever.
    assert!(source.open(file).err().unwrap().message.ends_with("no longer a regular file"));
}

#[test]
fn one_device_means_other_file_systems_are_not_entered() {
    let proc = Path::new("/proc/self");
    let dev = |path: &Path| fs::metadata(path).unwrap().dev();
    if !proc.exists() || dev(Path::new("/proc")) == dev(Path::new("/")) {
        crate::kit::skip::missing("no second file system at /proc");
        return;
    }
    let source = FsSource::new(b"/", true, reading(), context().0).unwrap();
    let mut told = Vec::new();
    source
        .walk(&mut |found| {
            let Found::Entry(record) = found else { return Step::Descend };
            let step =
                if record.path == b"/" || record.path == b"/proc" { Step::Descend } else { Step::Skip };
            told.push(record.path);
            step
        })
        .unwrap();
    assert!(told.contains(&b"/proc".to_vec()));
    assert!(!told.iter().any(|path| path.starts_with(b"/proc/")));
}
