//! `ptar`: one file that is a whole store, from paths and from stores.

use crate::kit::small_store::SmallStore;
use crate::kit::trees;
use std::fs;

#[test]
fn an_archive_of_a_path_is_a_store_that_is_only_read() {
    let small = SmallStore::new("ptar");
    let home = &small.home;
    let tree = home.dir().join("awkward");
    trees::awkward(&tree, trees::Bulk { large: 5 << 20, tiny: 100 });
    let (file, words) = (home.path("x.ptar"), ["ptar", "-plaintext", "-o"]);
    home.plakar(&[&words[..], &[&file, tree.to_str().unwrap()]].concat()).succeeds().prints_nothing();
    for at in [file.clone(), format!("ptar:{file}"), "x.ptar".to_owned()] {
        home.plakar(&["at", &at, "check", "-quiet"]).succeeds().complains("");
        let listed = home.plakar(&["at", &at, "ls"]).succeeds();
        assert!(listed.stdout.lines().count() == 1 && listed.stdout.ends_with("/awkward\n"), "{listed}");
    }
    home.plakar(&["at", &file, "restore", "-quiet", "-to", &home.path("out")]).succeeds().complains("");
    assert_eq!(trees::differences(&tree, &home.dir().join("out/awkward")), Vec::<String>::new());
    let before = fs::read(&file).unwrap();
    for words in
        [&["backup", "tree"][..], &["rm", "-apply", "-latest"], &["maintenance"], &["repair", "-apply"]]
    {
        home.plakar(&[&["at", file.as_str()], words].concat())
            .exits(1)
            .says("an archive is never written to");
    }
    assert!(fs::read(&file).unwrap() == before, "an archive was changed");
    // What is there is kept unless told otherwise.
    home.plakar(&[&words[..], &[&file, &home.path("tree")]].concat())
        .exits(1)
        .says("already exists, use -overwrite to overwrite it");
    assert!(fs::read(&file).unwrap() == before);
    home.plakar(&["ptar", "-plaintext", "-overwrite", "-o", &file, &home.path("tree")]).succeeds();
    home.plakar(&["at", &file, "ls"]).succeeds().says("/tree");
    home.plakar(&["ptar", "-plaintext"]).exits(1).says("-o option must be specified");
}

#[test]
fn an_archive_of_stores_keeps_their_snapshots_as_they_are() {
    let small = SmallStore::new("ptar-stores");
    let home = &small.home;
    small.backup("2025-01-01", "one");
    fs::write(home.dir().join("tree/more"), trees::noise(1, 300_000)).unwrap();
    small.backup("2025-02-01", "two");
    home.env("PLAKAR_PASSPHRASE", "a long enough passphrase 17");
    let (file, store) = (home.path("stores.ptar"), home.path("store"));
    home.plakar(&["ptar", "-o", &file, "-k", &store]).succeeds().prints_nothing();
    let listing = |at: &str| home.plakar(&["at", at, "ls", "-uuid", "-tags"]).succeeds().stdout;
    assert_eq!(listing(&file), listing(&store));
    home.plakar(&["at", &file, "check", "-quiet"]).succeeds().complains("");
    home.plakar(&["at", &file, "restore", "-quiet", "-to", &home.path("out")]).succeeds();
    assert_eq!(trees::differences(&home.dir().join("tree"), &home.dir().join("out/tree")), [""; 0]);
    // And back into a store, where the snapshots are the same ones again.
    let back = home.path("back");
    home.plakar(&["at", &back, "create", "-plaintext"]).succeeds();
    home.plakar(&["at", &back, "sync", "from", &file]).succeeds();
    assert_eq!(listing(&back), listing(&store));
    home.plakar(&["at", &back, "check", "-quiet"]).succeeds().complains("");
}

#[test]
fn an_archive_that_could_not_be_finished_is_not_there() {
    let small = SmallStore::new("ptar-broken");
    fs::write(small.home.dir().join("tree/more"), trees::noise(1, 300_000)).unwrap();
    small.backup("2025-01-01", "one");
    for name in small.files("packfiles") {
        let path = small.home.dir().join("store/packfiles").join(&name[..2]).join(&name);
        let mut body = fs::read(&path).unwrap();
        let middle = body.len() / 2;
        body[middle] ^= 1;
        fs::write(path, body).unwrap();
    }
    let file = small.home.path("x.ptar");
    let store = small.home.path("store");
    small.home.plakar(&["ptar", "-plaintext", "-o", &file, "-k", &store]).exits(1);
    let left: Vec<_> =
        fs::read_dir(small.home.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("ptar")), "{left:?}");
}
