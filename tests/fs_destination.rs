//! What a restore into a directory leaves there, whatever it finds.

use crate::kit::connect::{Remarks, Scratch, bytes, context, fs_source};
use crate::kit::trees;
use plakar::base::file::{FileInfo, Mode};
use plakar::base::path;
use plakar::base::stamp::Stamp;
use plakar::connectors::context::Writing;
use plakar::connectors::fs_destination::FsDestination;
use plakar::connectors::fs_source::FsSource;
use plakar::ports::destination::{Attributes, Destination, Order};
use plakar::ports::fault::FaultKind;
use plakar::ports::source::{Found, Source, Step};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

fn destination(root: &Path) -> (FsDestination, Remarks) {
    let (context, remarks) = context();
    (FsDestination::new(bytes(root), &Writing { attributes: true }, context), remarks)
}

fn file_of(size: usize, mode: u32) -> Attributes {
    // Root restores owners, so the facts must say whose the file was.
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let info = FileInfo {
        size: i64::try_from(size).unwrap(),
        mode: Mode::from_posix(0o100_000 | mode),
        mod_time: Stamp { secs: 1_000_000_000, nanos: 5 },
        uid: uid.into(),
        gid: gid.into(),
        ..FileInfo::default()
    };
    Attributes { info, ..Attributes::default() }
}

fn write(destination: &FsDestination, path: &[u8], content: &[u8]) {
    let mut body = destination.file(path, &file_of(content.len(), 0o644)).unwrap();
    body.write_at(0, content).unwrap();
    body.finish().unwrap();
}

/// Restores everything a source tells, as the engine does.
fn copy(source: &FsSource, destination: &dyn Destination) {
    let root = source.origin().root;
    let mut names: HashMap<(u64, u64), Vec<u8>> = HashMap::new();
    let mut directories = Vec::new();
    let mut visit = |found| {
        let Found::Entry(record) = found else { panic!("{found:?}") };
        if !path::is_within(&record.path, &root) {
            return Step::Descend;
        }
        let below = record.path[root.len()..].strip_prefix(b"/").unwrap_or_default().to_vec();
        let read = |name: &Vec<u8>| (name.clone(), source.xattr(&record, name).unwrap());
        let attributes = Attributes {
            info: record.info.clone(),
            xattrs: record.xattrs.iter().map(read).collect(),
            ..Attributes::default()
        };
        let mode = record.info.mode;
        if mode.is_dir() {
            destination.directory(&below).unwrap();
            directories.push((below, attributes));
        } else if mode.is_symlink() {
            destination.symlink(&below, &record.symlink_target, &attributes).unwrap();
        } else if !mode.is_regular() {
            destination.special(&below, &attributes).unwrap();
        } else if let Some(first) = names.get(&(record.info.dev, record.info.ino)) {
            destination.hard_link(&below, first).unwrap();
        } else {
            let mut content = Vec::new();
            source.open(&record).unwrap().content.read_to_end(&mut content).unwrap();
            let mut body = destination.file(&below, &attributes).unwrap();
            // Pieces of an odd size, last one first.
            for (n, piece) in content.chunks(300_007).enumerate().collect::<Vec<_>>().into_iter().rev() {
                body.write_at(n as u64 * 300_007, piece).unwrap();
            }
            body.finish().unwrap();
            if record.info.nlink > 1 {
                names.insert((record.info.dev, record.info.ino), below);
            }
        }
        Step::Descend
    };
    source.walk(&mut visit).unwrap();
    for (path, attributes) in directories.into_iter().rev() {
        destination.finish_directory(&path, &attributes).unwrap();
    }
}

#[test]
fn an_awkward_tree_comes_out_the_same_and_again_over_itself() {
    let scratch = Scratch::new("restore");
    let (from, to) = (scratch.join("from"), scratch.join("to/deeper"));
    trees::awkward(&from, trees::Bulk { large: 3 << 20, tiny: 400 });
    let source = fs_source(&from);
    for round in ["fresh", "over the first"] {
        let (destination, remarks) = destination(&to);
        assert_eq!(destination.order(), Order::Any);
        copy(&source, &destination);
        assert_eq!(trees::differences(&from, &to), [""; 0], "{round}");
        assert_eq!(*remarks.lock().unwrap(), [""; 0], "{round}");
    }
    let blocks = fs::metadata(to.join("sparse")).unwrap().blocks();
    assert!(blocks * 512 < 1 << 20, "holes became {blocks} blocks");
}

#[test]
fn no_link_inside_leads_out() {
    let scratch = Scratch::new("links");
    let (to, outside) = (scratch.join("to"), scratch.join("outside"));
    fs::create_dir_all(to.join("real")).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("victim"), b"untouched").unwrap();
    symlink(&outside, to.join("planted")).unwrap();
    symlink(outside.join("victim"), to.join("file-link")).unwrap();
    symlink("../../outside", to.join("real/relative")).unwrap();
    fs::write(to.join("a-file"), b"").unwrap();
    let (destination, _) = destination(&to);
    let attributes = file_of(1, 0o644);
    for path in [&b"planted/x"[..], b"planted/sub/x", b"real/relative/x", b"a-file/x"] {
        let parent = path::parent(path);
        for fault in [
            destination.directory(parent).unwrap_err(),
            destination.file(path, &attributes).err().unwrap(),
            destination.symlink(path, b"t", &attributes).unwrap_err(),
            destination.hard_link(path, b"a-file").unwrap_err(),
            destination.hard_link(b"new", path).unwrap_err(),
            destination.special(path, &attributes).err().unwrap(),
            destination.finish_directory(parent, &attributes).unwrap_err(),
        ] {
            assert!(
                matches!(fault.kind, FaultKind::Denied | FaultKind::Unsupported),
                "{} {fault}",
                path.escape_ascii()
            );
        }
    }
    for path in
        [&b""[..], b"/abs", b"..", b"../x", b"real/../x", b"real//x", b"./x", b"x/", b"real/..", b"a\0b"]
    {
        assert!(destination.file(path, &attributes).is_err(), "{}", path.escape_ascii());
    }
    // A link where a file is to be is replaced, not written through.
    write(&destination, b"file-link", b"own content");
    assert_eq!(fs::read(to.join("file-link")).unwrap(), b"own content");
    assert!(fs::symlink_metadata(to.join("file-link")).unwrap().is_file());
    assert_eq!(fs::read(outside.join("victim")).unwrap(), b"untouched");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn a_directory_swapped_for_a_link_meanwhile_is_not_followed() {
    let scratch = Scratch::new("swapped");
    let (to, outside) = (scratch.join("to"), scratch.join("outside"));
    fs::create_dir(&outside).unwrap();
    let (destination, _) = destination(&to);
    write(&destination, b"dir/before", b"1");
    let mut body = destination.file(b"dir/during", &file_of(2, 0o644)).unwrap();
    fs::rename(to.join("dir"), to.join("moved")).unwrap();
    symlink(&outside, to.join("dir")).unwrap();
    body.write_at(0, b"22").unwrap();
    // Where these land depends on which handles are still open; never outside.
    let _ = body.finish();
    let _ = destination
        .directory(b"dir/new")
        .and_then(|()| destination.file(b"dir/new/after", &file_of(0, 0o644))?.finish());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn an_unfinished_file_leaves_nothing_and_the_old_one_stays() {
    let scratch = Scratch::new("unfinished");
    let (destination, _) = destination(scratch.path());
    write(&destination, b"f", b"old");
    let mut body = destination.file(b"f", &file_of(9, 0o644)).unwrap();
    body.write_at(0, b"new").unwrap();
    assert_eq!(fs::read(scratch.join("f")).unwrap(), b"old");
    assert_eq!(body.write_at(8, b"too much").unwrap_err().kind, FaultKind::Damaged);
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 2);
    drop(body);
    assert_eq!(fs::read(scratch.join("f")).unwrap(), b"old");
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
}

#[test]
fn more_files_at_once_than_handles() {
    let scratch = Scratch::new("many");
    let (destination, _) = destination(scratch.path());
    let mut bodies = Vec::new();
    for n in 0..1500_usize {
        let path = format!("d{}/f{n}", n % 100);
        bodies.push((n, path.clone(), destination.file(path.as_bytes(), &file_of(8, 0o644)).unwrap()));
    }
    for (n, _, body) in &mut bodies {
        body.write_at(4, &(*n as u32).to_le_bytes()).unwrap();
    }
    for (n, _, body) in bodies.iter_mut().rev() {
        body.write_at(0, &(*n as u32).to_be_bytes()).unwrap();
    }
    let mut paths = Vec::new();
    for (n, path, body) in bodies {
        body.finish().unwrap();
        paths.push((n as u32, path));
    }
    for (n, path) in paths {
        let expected = [n.to_be_bytes(), n.to_le_bytes()].concat();
        assert_eq!(fs::read(scratch.join(&path)).unwrap(), expected, "{path}");
    }
}

#[test]
fn what_is_in_the_way() {
    let scratch = Scratch::new("inway");
    let (destination, _) = destination(scratch.path());
    let attributes = file_of(0, 0o644);
    fs::create_dir_all(scratch.join("dir/sub")).unwrap();
    fs::write(scratch.join("file"), b"x").unwrap();
    fs::hard_link(scratch.join("file"), scratch.join("other-name")).unwrap();
    assert!(destination.file(b"dir", &attributes).unwrap().finish().is_err());
    assert!(destination.symlink(b"dir", b"t", &attributes).is_err());
    assert!(destination.directory(b"file").is_err());
    // Replaced, also when it is the same file already; other names keep their content.
    write(&destination, b"file", b"y");
    assert_eq!(fs::read(scratch.join("other-name")).unwrap(), b"x");
    destination.hard_link(b"other-name", b"file").unwrap();
    destination.hard_link(b"other-name", b"file").unwrap();
    destination.symlink(b"link", b"one", &attributes).unwrap();
    destination.symlink(b"link", b"two", &attributes).unwrap();
    assert_eq!(fs::read_link(scratch.join("link")).unwrap(), Path::new("two"));
    // A directory that its owner closed is opened for the restore, and closed again by it.
    trees::mode(&scratch.join("dir/sub"), 0o500);
    write(&destination, b"dir/sub/x", b"");
    let mut closed = attributes.clone();
    closed.info.mode = Mode::from_posix(0o040_500);
    destination.finish_directory(b"dir/sub", &closed).unwrap();
    assert_eq!(fs::metadata(scratch.join("dir/sub")).unwrap().permissions().mode() & 0o7777, 0o500);
    let mut names: Vec<_> = fs::read_dir(scratch.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["dir", "file", "link", "other-name"]);
    let mut device = attributes;
    device.info.mode = Mode::from_posix(0o020_600);
    assert_eq!(destination.special(b"tty", &device).unwrap_err().kind, FaultKind::Unsupported);
}

#[test]
fn attributes_are_left_alone_on_demand() {
    let scratch = Scratch::new("plain");
    let destination = FsDestination::new(bytes(scratch.path()), &Writing { attributes: false }, context().0);
    let mut attributes = file_of(1, 0o4777);
    attributes.xattrs.push((b"user.k".to_vec(), b"v".to_vec()));
    let mut body = destination.file(b"f", &attributes).unwrap();
    body.write_at(0, b"x").unwrap();
    body.finish().unwrap();
    let meta = fs::metadata(scratch.join("f")).unwrap();
    assert_eq!(meta.permissions().mode() & 0o7111, 0);
    assert!(meta.mtime() > 1_600_000_000);
}

#[test]
fn content_stays_when_an_attribute_is_refused() {
    let scratch = Scratch::new("refused");
    let (destination, _) = destination(scratch.path());
    let mut attributes = file_of(1, 0o600);
    attributes.xattrs.push((b"user.".to_vec(), b"a name that no file system takes".to_vec()));
    let mut body = destination.file(b"f", &attributes).unwrap();
    body.write_at(0, b"x").unwrap();
    let fault = body.finish().unwrap_err();
    assert_eq!(fault.kind, FaultKind::Denied, "{fault}");
    assert_eq!(fs::read(scratch.join("f")).unwrap(), b"x");
    assert_eq!(fs::metadata(scratch.join("f")).unwrap().mtime(), 1_000_000_000);
}

#[test]
fn what_a_killed_restore_left_is_removed_and_nothing_that_lives() {
    const LEFT: &str = ".plakar-000000000001.tmp";
    let temporary = |dir: &Path| {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.as_encoded_bytes().starts_with(b".plakar-")).count()
    };
    // Where another restore is at work, and the path in it of what it writes.
    let cases: [(&str, Option<(&str, &[u8])>); 5] = [
        ("nobody", None),
        ("in the same directory", Some(("a/b", b"c/living"))),
        ("in one above", Some(("a", b"b/c/living"))),
        ("in one below", Some(("a/b/c", b"living"))),
        ("beside it", Some(("a/beside", b"living"))),
    ];
    for (name, other) in cases {
        let scratch = Scratch::new("leftovers");
        for dir in ["a/b/c", "a/beside"] {
            fs::create_dir_all(scratch.join(dir)).unwrap();
        }
        let other = other.map(|(root, path)| (destination(&scratch.join(root)).0, path));
        let living = other.as_ref().map(|(other, path)| other.file(path, &file_of(4, 0o644)).unwrap());
        let (b, c) = (scratch.join("a/b"), scratch.join("a/b/c"));
        for dir in [&b, &c] {
            fs::write(dir.join(LEFT), b"half").unwrap();
        }
        let alive = living.is_some() && name != "beside it";
        let (destination, _) = destination(&b);
        write(&destination, b"one", b"1");
        write(&destination, b"c/two", b"2");
        assert_eq!(b.join(LEFT).exists(), alive && name != "in one below", "{name}: of a single file");
        for path in [&b"c"[..], b""] {
            let directory = FileInfo { mode: Mode::from_posix(0o040_755), ..file_of(0, 0o755).info };
            let wanted = Attributes { info: directory, ..Attributes::default() };
            destination.finish_directory(path, &wanted).unwrap();
        }
        assert_eq!(c.join(LEFT).exists(), alive, "{name}");
        if let Some(mut living) = living {
            living.write_at(0, b"live").unwrap();
            living.finish().unwrap();
        }
        assert_eq!(
            temporary(&c),
            usize::from(alive),
            "{name}: of the living, nothing is left when it is done"
        );
    }
}

#[test]
fn a_restored_file_whose_name_is_like_a_temporary_one_stays() {
    const ALIKE: &str = ".plakar-000000000001.tmp";
    let scratch = Scratch::new("alike");
    let root = scratch.join("out");
    fs::create_dir_all(root.join("d")).unwrap();
    let (destination, _) = destination(&root);
    let path = format!("d/{ALIKE}");
    write(&destination, path.as_bytes(), b"of the snapshot");
    fs::write(root.join("d/.plakar-000000000002.tmp"), b"half").unwrap();
    let directory = FileInfo { mode: Mode::from_posix(0o040_755), ..file_of(0, 0o755).info };
    destination.finish_directory(b"d", &Attributes { info: directory, ..Attributes::default() }).unwrap();
    let names: Vec<_> =
        fs::read_dir(root.join("d")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [ALIKE]);
}
