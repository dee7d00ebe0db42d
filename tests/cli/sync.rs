//! `sync`: snapshots from one store into another of any spelling, each whole or not at all.

use crate::kit::small_store::SmallStore;
use crate::kit::trees;
use std::fs;

const OTHER: &str = "another passphrase, 42 letters";

/// Two snapshots here, and an encrypted peer with another hash.
fn with_peer(name: &str) -> (SmallStore, [String; 2]) {
    let small = SmallStore::new(name);
    let tree = small.home.dir().join("tree");
    trees::awkward(&tree, trees::Bulk { large: 3 << 20, tiny: 60 });
    let old = small.backup("2025-01-01", "one");
    fs::write(tree.join("more"), trees::noise(5, 900_000)).unwrap();
    let new = small.backup("2025-02-01", "two");
    let (peer, passphrase) = (small.home.path("peer"), format!("passphrase={OTHER}"));
    small.home.plakar(&["store", "add", "peer", &peer, &passphrase]).succeeds();
    small.home.plakar(&["at", "@peer", "create", "-hashing", "SHA256", "-no-compression"]).succeeds();
    (small, [old, new])
}

fn listing(small: &SmallStore, at: &str) -> String {
    small.home.plakar(&["at", at, "ls", "-uuid", "-tags"]).succeeds().stdout
}

#[test]
fn snapshots_go_there_and_back_as_they_are() {
    let (small, _) = with_peer("sync");
    let (home, store) = (&small.home, small.home.path("store"));
    let ran = small.run(&["sync", "to", "@peer"]).succeeds().complains("");
    ran.says("completed: 2 snapshots synchronized");
    assert_eq!(listing(&small, "@peer"), listing(&small, &store));
    home.plakar(&["at", "@peer", "check", "-quiet"]).succeeds().complains("");
    home.plakar(&["at", "@peer", "restore", "-quiet", "-to", &home.path("out")]).succeeds().complains("");
    assert_eq!(trees::differences(&home.dir().join("tree"), &home.dir().join("out/tree")), [""; 0]);
    small.run(&["sync", "to", "@peer"]).succeeds().says("completed: 0 snapshots synchronized");
    // A third store gets them from the copy.
    home.plakar(&["at", "third", "create", "-plaintext"]).succeeds();
    home.plakar(&["at", "third", "sync", "from", "@peer"]).succeeds();
    assert_eq!(listing(&small, "third"), listing(&small, &store));
    home.plakar(&["at", "third", "check", "-quiet"]).succeeds().complains("");
}

#[test]
fn what_was_selected_is_copied_and_with_goes_both_ways() {
    let (small, [old, new]) = with_peer("sync-select");
    let home = &small.home;
    small.run(&["sync", "-tag", "one", "to", "@peer"]).succeeds();
    assert!(listing(&small, "@peer").contains(&old) && !listing(&small, "@peer").contains(&new));
    home.plakar(&["at", "@peer", "backup", "-quiet", "-tag", "three", &home.path("tree/links")]).succeeds();
    small.run(&["sync", "with", "@peer"]).succeeds().says("completed: 2 snapshots synchronized");
    assert_eq!(listing(&small, "@peer"), listing(&small, &home.path("store")));
    assert_eq!(listing(&small, "@peer").lines().count(), 3);
    small.is_sound();
    home.plakar(&["at", "@peer", "check", "-quiet"]).succeeds().complains("");
    home.plakar(&["at", "third", "create", "-plaintext"]).succeeds();
    small.run(&["sync", &new[..8], "to", "third"]).succeeds().says("1 snapshots synchronized");
    assert!(listing(&small, "third").contains(&new) && listing(&small, "third").lines().count() == 1);
}

#[test]
fn a_damaged_snapshot_is_not_copied_in_part_and_the_others_are() {
    let (small, [old, new]) = with_peer("sync-damaged");
    // Content that the newer snapshot alone has.
    let before = small.files("packfiles");
    fs::write(small.home.dir().join("tree/last"), trees::noise(6, 2 << 20)).unwrap();
    let last = small.backup("2025-03-01", "three");
    let added: Vec<String> =
        small.files("packfiles").into_iter().filter(|name| !before.contains(name)).collect();
    let path = |name: &String| small.home.dir().join("store/packfiles").join(&name[..2]).join(name);
    let content = added.iter().max_by_key(|name| fs::metadata(path(name)).unwrap().len()).unwrap();
    let mut body = fs::read(path(content)).unwrap();
    let middle = body.len() / 2;
    body[middle] ^= 1;
    fs::write(path(content), body).unwrap();
    let ran = small.run(&["sync", "to", "@peer"]).exits(1).says("sync: 1 of 3 snapshots failed");
    ran.says(&format!("failed to synchronize snapshot {}", &last[..8]));
    let there = listing(&small, "@peer");
    assert!(there.contains(&old) && there.contains(&new) && !there.contains(&last), "{there}");
    small.home.plakar(&["at", "@peer", "check", "-quiet"]).succeeds().complains("");
}

#[test]
fn a_peer_without_its_passphrase_is_refused_at_once() {
    let (small, _) = with_peer("sync-locked");
    let peer = small.home.path("peer");
    small.run(&["sync", "to", &peer]).exits(1).says("peer store: ");
    small.home.env("PLAKAR_PASSPHRASE", "wrong, and long enough");
    small.run(&["sync", "to", &peer]).exits(1).says("invalid passphrase").never_says("wrong, and long");
    small.run(&["sync", "sideways", &peer]).exits(1).says("invalid direction, must be to, from or with");
}

#[test]
fn what_was_removed_at_the_destination_is_left_out_and_said() {
    let (small, [old, new]) = with_peer("sync-removed");
    small.run(&["sync", "to", "@peer"]).succeeds();
    small.home.plakar(&["at", "@peer", "rm", "-apply", &old]).succeeds();
    let left_out = format!("warn: {} is left out: it was removed from store", &old[..8]);
    let again = small.run(&["sync", "to", "@peer"]).succeeds();
    again.says(&left_out).says("completed: 0 snapshots synchronized");
    // Whoever names it is told that it did not get there.
    small.run(&["sync", &old, "to", "@peer"]).exits(1).says(&left_out);
    let there = listing(&small, "@peer");
    assert!(there.contains(&new) && !there.contains(&old), "{there}");
}
