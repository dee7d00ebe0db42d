//! `archive`: files that tar and zip readers open, with the content of the snapshot and nothing else.

use crate::kit::small_store::SmallStore;
use crate::kit::trees;
use plakar::base::file::FileInfo;
use plakar::connectors::archive::{Archive, Format, Kind};
use std::fs;
use std::io::BufWriter;
use std::os::unix::fs::{PermissionsExt, symlink};

const UNZIP: &str = r#"
import os, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    assert z.testzip() is None
    for i in z.infolist():
        path = z.extract(i, sys.argv[2])
        mode = i.external_attr >> 16
        if mode >> 12 == 0o12:
            target = open(path).read()
            os.remove(path)
            os.symlink(target, path)
        elif mode & 0o777:
            os.chmod(path, mode & 0o7777)
"#;

fn filled(name: &str) -> (SmallStore, String) {
    let small = SmallStore::new(name);
    let tree = small.home.dir().join("tree");
    fs::write(tree.join("large"), trees::noise(3, 20 << 20)).unwrap();
    fs::create_dir(tree.join("empty")).unwrap();
    fs::create_dir(tree.join("d".repeat(120))).unwrap();
    fs::write(tree.join("d".repeat(120)).join("n".repeat(120)), b"far").unwrap();
    fs::set_permissions(tree.join("a.txt"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("a.txt", tree.join("link")).unwrap();
    let id = small.backup("2025-01-01", "one");
    (small, id)
}

#[test]
fn an_archive_holds_the_tree() {
    let (small, id) = filled("archive");
    let home = &small.home;
    for (format, suffix) in [("tar", "tar"), ("tarball", "tar.gz"), ("zip", "zip")] {
        let out = home.path(&format!("out-{format}"));
        fs::create_dir(&out).unwrap();
        let file = home.path(&format!("file.{suffix}"));
        let words = ["archive", "-format", format, "-output", &file, "-rebase", &id[..8]];
        small.run(&words).succeeds().prints_nothing();
        match format {
            "zip" => home.program("python3", &["-c", UNZIP, &file, &out]),
            _ => home.program("tar", &["-xpf", &file, "-C", &out]),
        }
        .succeeds();
        let found = trees::differences(&home.dir().join("tree"), out.as_ref());
        // What such files keep: names, kinds, content, permissions and targets.
        let told = |line: &&String| !line.contains("mtime") && !line.contains("owner");
        let found: Vec<&String> = found.iter().filter(told).collect();
        assert!(found.is_empty(), "{format}: {found:?}");
    }
    let names = fs::read_dir(home.dir()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().contains(".part")), "a part stayed");
}

#[test]
fn an_archive_goes_to_standard_output_and_to_a_name_of_its_own() {
    let (small, id) = filled("archive-out");
    let ran = small.run(&["archive", "-output", "-", &format!("{}:a.txt", &id[..8])]).succeeds();
    fs::write(small.home.dir().join("piped.tar.gz"), ran.bytes).unwrap();
    let name = small.home.path("tree/a.txt");
    let listed = small.home.program("tar", &["-tzf", "piped.tar.gz"]).succeeds();
    listed.prints(&format!("{}\n", name.trim_start_matches('/')));
    small.run(&["archive", "-format", "tar", &id[..8]]).succeeds();
    let made = fs::read_dir(small.home.dir()).unwrap().map(|entry| entry.unwrap().file_name().into_string());
    let made: Vec<String> = made.map(Result::unwrap).filter(|name| name.starts_with("plakar-")).collect();
    assert!(made.len() == 1 && made[0].ends_with("Z.tar"), "{made:?}");
    small.run(&["archive"]).exits(1).says("need at least one snapshot ID to pull");
    small.run(&["archive", "-format", "rar", &id[..8]]).exits(1).says("unsupported format rar");
    small.run(&["archive", "nope"]).exits(1).says("archive: could not open snapshot: nope");
}

#[test]
fn a_damaged_file_is_told_and_no_part_of_it_is_in_the_archive() {
    let (small, id) = filled("archive-damaged");
    // The largest packfile holds the large file's chunks.
    let path = |name: &String| small.home.dir().join("store/packfiles").join(&name[..2]).join(name);
    let names = small.files("packfiles");
    let largest = names.iter().max_by_key(|name| fs::metadata(path(name)).unwrap().len()).unwrap();
    let mut file = fs::read(path(largest)).unwrap();
    let middle = file.len() / 2;
    file[middle] ^= 1;
    fs::write(path(largest), file).unwrap();
    let ran = small.run(&["archive", "-format", "tar", "-output", "x.tar", "-rebase", &id[..8]]).exits(1);
    let ran = ran.says("/tree/large: ").says("archive: 1 entry could not be read");
    assert_eq!(ran.stderr.matches("error: ").count(), 1, "{ran}");
    let listed = small.home.program("tar", &["-tf", "x.tar"]).succeeds();
    assert!(!listed.stdout.contains("large") && listed.stdout.contains("sub/b.log"), "{listed}");
}

#[test]
fn a_zip_file_has_more_entries_than_16_bits_count_and_says_when_they_were_changed() {
    let small = SmallStore::new("archive-many");
    let file = fs::File::create(small.home.dir().join("many.zip")).unwrap();
    let mut zip = Archive::new(Format::Zip, BufWriter::new(file));
    let mut info = FileInfo::default();
    info.mod_time.secs = 1_700_000_001;
    for number in 0..70_000 {
        zip.add(format!("d{number}").as_bytes(), &info, Kind::Directory).unwrap();
    }
    zip.finish().unwrap().into_inner().unwrap();
    let read = r#"
import zipfile
with zipfile.ZipFile("many.zip") as z:
    last = z.infolist()[-1]
    print(len(z.namelist()), last.filename, last.date_time, last.extra.hex())
"#;
    let listed = small.home.program("python3", &["-c", read]).succeeds();
    // Even seconds in the old field; Info-ZIP's beside it has all of them, and says so of UTC.
    listed.prints("70000 d69999/ (2023, 11, 14, 22, 13, 20) 555405000101f15365\n");
}
