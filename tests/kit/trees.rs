//! File trees for tests: one with everything awkward a file system allows, and an exact comparison.

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

/// How large the two bulky parts of [`awkward`] are.
#[derive(Clone, Copy)]
pub struct Bulk {
    /// Bytes of the one large file.
    pub large: usize,
    /// Number of tiny files.
    pub tiny: usize,
}

/// Names with newlines, quotes, control and non-UTF-8 bytes, 255-byte names, deep nesting, empty
/// files and directories, sparse and hard-linked files, symlink loops, setuid and sticky bits, a
/// fifo, extended attributes, a large file and many tiny ones. Deterministic but for inodes.
pub fn awkward(root: &Path, bulk: Bulk) {
    fs::create_dir_all(root).unwrap();
    let names: [&[u8]; 12] = [
        b"plain.txt",
        b"new\nline",
        b"quote'\"`$(x)",
        b"\x01\x1b[31m\x7f",
        b"\xff\xfe not utf-8 \x80",
        b" leading and trailing ",
        b"-dash",
        b"back\\slash",
        b"%2F percent + plus & amp",
        "grüße-日本語-🦀".as_bytes(),
        b"...",
        &[b'n'; 255],
    ];
    for (n, name) in names.iter().enumerate() {
        fs::write(root.join(OsStr::from_bytes(name)), noise(n as u64, 10 + n * 1000)).unwrap();
    }
    fs::write(root.join("empty"), b"").unwrap();
    fs::create_dir(root.join("empty-dir")).unwrap();
    fs::create_dir(root.join(OsStr::from_bytes(b"dir\nwith \xff"))).unwrap();
    fs::write(root.join(OsStr::from_bytes(b"dir\nwith \xff/inside")), b"inside\n").unwrap();
    // A file that sorts between a directory's name and its content.
    fs::create_dir(root.join("a")).unwrap();
    fs::write(root.join("a/z"), b"a/z").unwrap();
    fs::write(root.join("a-b"), b"a-b").unwrap();

    let mut deep = root.to_path_buf();
    for level in 0..60 {
        deep.push(format!("level-{level}"));
    }
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("bottom"), b"deep\n").unwrap();

    let sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(3 << 20).unwrap();
    std::os::unix::fs::FileExt::write_at(&sparse, b"island", 2 << 20).unwrap();
    fs::create_dir(root.join("links")).unwrap();
    fs::write(root.join("links/one"), b"one inode, three names\n").unwrap();
    fs::hard_link(root.join("links/one"), root.join("links/two")).unwrap();
    fs::hard_link(root.join("links/one"), root.join("another-name")).unwrap();
    symlink("loop-b", root.join("loop-a")).unwrap();
    symlink("loop-a", root.join("loop-b")).unwrap();
    symlink("/nowhere/at all", root.join("dangling")).unwrap();
    symlink("links/one", root.join("good-link")).unwrap();
    symlink("..", root.join("links/up")).unwrap();
    symlink(OsStr::from_bytes(b"\xff\n"), root.join("odd-target")).unwrap();

    fs::write(root.join("setuid"), b"#!/bin/true\n").unwrap();
    mode(&root.join("setuid"), 0o4755);
    fs::write(root.join("setgid"), b"#!/bin/true\n").unwrap();
    mode(&root.join("setgid"), 0o2755);
    fs::create_dir(root.join("sticky")).unwrap();
    mode(&root.join("sticky"), 0o1777);
    fs::write(root.join("secret"), b"mode 0600\n").unwrap();
    mode(&root.join("secret"), 0o600);
    fs::write(root.join("read-only"), b"mode 0444\n").unwrap();
    mode(&root.join("read-only"), 0o444);
    rustix::fs::mknodat(CWD, root.join("fifo"), rustix::fs::FileType::Fifo, 0o640.into(), 0).unwrap();

    let tagged = root.join("attributes");
    fs::write(&tagged, b"has extended attributes\n").unwrap();
    for (name, value) in
        [("user.empty", &b""[..]), ("user.text", b"value"), ("user.binary", b"\x00\xff\n\x01")]
    {
        // A file system without user attributes leaves them out on both sides.
        let _ = rustix::fs::setxattr(&tagged, name, value, XattrFlags::empty());
    }
    let _ = rustix::fs::setxattr(root.join("empty-dir"), "user.dir", b"on a directory", XattrFlags::empty());

    let mut large = fs::File::create(root.join("large")).unwrap();
    let mut left = bulk.large;
    let mut seed = 1000;
    while left > 0 {
        let piece = left.min(1 << 20);
        large.write_all(&noise(seed, piece)).unwrap();
        left -= piece;
        seed += 1;
    }
    drop(large);
    fs::create_dir(root.join("tiny")).unwrap();
    for n in 0..bulk.tiny {
        let dir = root.join(format!("tiny/{:02}", n % 50));
        if n < 50 {
            fs::create_dir(&dir).unwrap();
        }
        fs::write(dir.join(format!("{n:05}.txt")), format!("tiny file number {n}\n").repeat(1 + n % 7))
            .unwrap();
    }

    touch(&root.join("plain.txt"), 1_000_000_000, 123_456_789);
    touch(&root.join("empty"), -1, 999_999_999);
    touch(&root.join("secret"), 4_000_000_000, 1);
    touch(&root.join("good-link"), 1_234_567_890, 5);
    touch(&root.join("empty-dir"), 86_400, 0);
    touch(root, 1_500_000_000, 42);
}

/// Bytes that look random and are the same every time for one seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        out.extend_from_slice(&x.to_le_bytes());
    }
    out.truncate(len);
    out
}

/// Sets the modification time, of a link itself too.
pub fn touch(path: &Path, secs: i64, nanos: i64) {
    let time = Timespec { tv_sec: secs, tv_nsec: nanos };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Sets permission bits.
pub fn mode(path: &Path, bits: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(bits)).unwrap();
}

/// Every difference between two trees, one line each: presence, kind, mode, owner, size, time (to
/// the nanosecond), target, content, extended attributes, and which names share an inode.
pub fn differences(expected: &Path, found: &Path) -> Vec<String> {
    let (mut left, mut right) = (BTreeMap::new(), BTreeMap::new());
    list(expected, OsStr::new(""), &mut left);
    list(found, OsStr::new(""), &mut right);
    let mut faults = Vec::new();
    for path in right.keys().filter(|path| !left.contains_key(*path)) {
        faults.push(format!("{path:?}: not in the original"));
    }
    let (left_links, right_links) = (link_groups(&left), link_groups(&right));
    for (path, meta) in &left {
        let Some(other) = right.get(path) else {
            faults.push(format!("{path:?}: missing"));
            continue;
        };
        let (a, b) = (at(expected, path), at(found, path));
        let mut differ = |what: &str, left: String, right: String| {
            if left != right {
                faults.push(format!("{path:?}: {what} is {right}, was {left}"));
            }
        };
        differ("mode", format!("{:o}", meta.mode()), format!("{:o}", other.mode()));
        differ("owner", format!("{}:{}", meta.uid(), meta.gid()), format!("{}:{}", other.uid(), other.gid()));
        differ(
            "mtime",
            format!("{}.{:09}", meta.mtime(), meta.mtime_nsec()),
            format!("{}.{:09}", other.mtime(), other.mtime_nsec()),
        );
        differ("hard link", format!("{:?}", left_links.get(path)), format!("{:?}", right_links.get(path)));
        if meta.is_symlink() && other.is_symlink() {
            differ(
                "target",
                format!("{:?}", fs::read_link(&a).ok()),
                format!("{:?}", fs::read_link(&b).ok()),
            );
        } else {
            differ("attributes", format!("{:?}", xattrs(&a)), format!("{:?}", xattrs(&b)));
        }
        if meta.is_file() && other.is_file() {
            differ("size", meta.len().to_string(), other.len().to_string());
            if meta.len() == other.len() && fs::read(&a).unwrap() != fs::read(&b).unwrap() {
                faults.push(format!("{path:?}: content differs"));
            }
        }
    }
    faults
}

/// Number of entries below `root`, the root included.
pub fn count(root: &Path) -> usize {
    let mut entries = BTreeMap::new();
    list(root, OsStr::new(""), &mut entries);
    entries.len()
}

fn at(root: &Path, below: &OsStr) -> std::path::PathBuf {
    if below.is_empty() { root.to_path_buf() } else { root.join(below) }
}

fn list(root: &Path, below: &OsStr, out: &mut BTreeMap<OsString, fs::Metadata>) {
    let path = at(root, below);
    let meta = fs::symlink_metadata(&path).unwrap();
    let directory = meta.is_dir();
    out.insert(below.to_os_string(), meta);
    if directory {
        for entry in fs::read_dir(&path).unwrap() {
            list(root, Path::new(below).join(entry.unwrap().file_name()).as_os_str(), out);
        }
    }
}

/// For each further name of an inode, the first one.
fn link_groups(tree: &BTreeMap<OsString, fs::Metadata>) -> BTreeMap<OsString, OsString> {
    let mut first: BTreeMap<(u64, u64), &OsString> = BTreeMap::new();
    let mut groups = BTreeMap::new();
    for (path, meta) in tree.iter().filter(|(_, meta)| meta.is_file() && meta.nlink() > 1) {
        let leader = *first.entry((meta.dev(), meta.ino())).or_insert(path);
        if leader != path {
            groups.insert(path.clone(), leader.clone());
        }
    }
    groups
}

fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 64 << 10];
    let Ok(len) = rustix::fs::llistxattr(path, &mut names[..]) else { return BTreeMap::new() };
    let mut found = BTreeMap::new();
    for name in names[..len].split(|&b| b == 0).filter(|name| name.starts_with(b"user.")) {
        let mut value = vec![0; 64 << 10];
        let len = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value[..]).unwrap();
        found.insert(name.to_vec(), value[..len].to_vec());
    }
    found
}
