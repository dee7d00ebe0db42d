//! `digest`: what other tools print of the same content.

use crate::kit::small_store::SmallStore;
use std::fs;

#[test]
fn digests_are_those_of_the_content() {
    let small = SmallStore::new("digest");
    fs::remove_dir_all(small.home.dir().join("tree/sub")).unwrap();
    fs::write(small.home.dir().join("tree/a.txt"), b"abc").unwrap();
    fs::write(small.home.dir().join("tree/empty"), b"").unwrap();
    let id = small.backup("2025-01-01", "one");
    let tree = small.home.path("tree");
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    small
        .run(&["digest", &id[..8]])
        .succeeds()
        .complains("")
        .prints(&format!("SHA256 ({tree}/a.txt) = {abc}\nSHA256 ({tree}/empty) = {empty}\n"));
    let blake3 = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";
    small
        .run(&["digest", "-hashing", "blake3", &format!("{}:a.txt", &id[..8])])
        .succeeds()
        .prints(&format!("BLAKE3 ({tree}/a.txt) = {blake3}\n"));
}

#[test]
fn what_cannot_be_digested_is_told_and_the_rest_is_done() {
    let small = SmallStore::new("digest-errors");
    let id = small.backup("2025-01-01", "one");
    let id = &id[..8];
    small.run(&["digest", "-hashing", "MD5", id]).exits(1).says("unsupported hashing algorithm: MD5");
    small.run(&["digest"]).exits(1).says("at least one parameter is required");
    let ran = small.run(&["digest", "nope", &format!("{id}:nope"), &format!("{id}:a.txt")]).exits(1);
    let ran = ran.says("error: digest: nope: no snapshot has prefix: nope");
    ran.says("nope: file does not exist").says("/tree/a.txt) = ");
}
