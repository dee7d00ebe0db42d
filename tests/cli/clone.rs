//! `clone`: the same store in another place, file by file, and never a damaged file in it.

use crate::kit::s3_server::{ACCESS_KEY, S3Server, SECRET_KEY};
use crate::kit::small_store::SmallStore;
use std::fs;

#[test]
fn a_clone_is_the_same_store_in_a_directory_and_in_a_bucket() {
    let small = SmallStore::new("clone");
    small.backup("2025-01-01", "one");
    small.backup("2025-02-01", "two");
    let listed = small.run(&["ls", "-uuid"]).succeeds().stdout;
    let copy = small.home.path("copy");
    small.run(&["clone", "to", &copy]).succeeds().prints_nothing();
    for kind in ["CONFIG", "packfiles", "states"] {
        let diff = ["-r", &small.home.path(&format!("store/{kind}")), &format!("{copy}/{kind}")];
        small.home.program("diff", &diff).succeeds().prints("");
    }
    let server = S3Server::start();
    let location = format!("s3://{}/copies/of/it", server.address());
    let keys = [format!("access_key={ACCESS_KEY}"), format!("secret_access_key={SECRET_KEY}")];
    small.home.plakar(&["store", "add", "s3", &location, &keys[0], &keys[1], "use_tls=false"]).succeeds();
    small.run(&["clone", "to", "@s3"]).succeeds().prints_nothing();
    for at in [copy.as_str(), "@s3"] {
        small.home.plakar(&["at", at, "check", "-quiet"]).succeeds().complains("");
        assert_eq!(small.home.plakar(&["at", at, "ls", "-uuid"]).succeeds().stdout, listed);
    }
    small.run(&["clone", "to", &copy]).exits(1).says("could not create repository");
    small.run(&["clone", "from", &copy]).exits(1).says("usage: clone to <repository>");
}

#[test]
fn a_damaged_file_is_left_out_and_told() {
    let small = SmallStore::new("clone-damaged");
    small.backup("2025-01-01", "one");
    let name = small.files("packfiles").remove(0);
    let path = small.home.dir().join("store/packfiles").join(&name[..2]).join(&name);
    let mut file = fs::read(&path).unwrap();
    let middle = file.len() / 2;
    file[middle] ^= 1;
    fs::write(&path, file).unwrap();
    let copy = small.home.path("copy");
    let ran = small.run(&["clone", "to", &copy]).exits(1).says("clone: 1 damaged files were left out");
    ran.says(&format!("error: clone: left out: packfile {name}: "));
    assert!(!small.home.dir().join("copy/packfiles").join(&name[..2]).join(&name).exists());
}
