//! `info`: the facts of a store and of a snapshot, in the reference's lines.

use crate::cli::small;

#[test]
fn a_stores_facts_are_told_in_order() {
    let home = small::home("info-store");
    home.env("PLAKAR_PASSPHRASE", small::PASSPHRASE);
    home.plakar(&["at", "st", "create"]).succeeds();
    small::backup(&home, &[]);
    let ran = home.plakar(&["at", "st", "info"]).succeeds().complains("");
    let keys: Vec<&str> = ran.stdout.lines().map(|line| line.split_once(':').unwrap().0).collect();
    assert_eq!(
        keys,
        [
            "Version",
            "Timestamp",
            "RepositoryID",
            "Packfile",
            " - MaxSize",
            "Chunking",
            " - Algorithm",
            " - MinSize",
            " - NormalSize",
            " - MaxSize",
            "Hashing",
            " - Algorithm",
            " - Bits",
            "Compression",
            " - Algorithm",
            " - Level",
            "Encryption",
            " - SubkeyAlgorithm",
            " - DataAlgorithm",
            " - ChunkSize",
            " - Canary",
            " - KDF",
            "   - Salt",
            "   - SaltSize",
            "   - KeyLen",
            "   - Time",
            "   - Memory",
            "   - Thread",
            "Snapshots",
            "Storage size",
            "Logical size",
        ],
        "{ran}"
    );
    for line in [
        "Version: v1.0.0",
        " - MaxSize: 20 MiB (20971520 bytes)",
        " - Algorithm: FASTCDC",
        " - NormalSize: 1.0 MiB (1048576 bytes)",
        " - Bits: 256",
        " - Level: 131072",
        " - SubkeyAlgorithm: AES256-KW",
        " - DataAlgorithm: AES256-GCM-SIV",
        "   - SaltSize: 16",
        "   - Memory: 262144",
        "Snapshots: 1",
        "Logical size: 29 KiB (30011 bytes)",
    ] {
        assert!(ran.stdout.lines().any(|found| found == line), "{line:?}\n{ran}");
    }
    // Not the reference's 16 EiB.
    assert!(ran.stdout.contains("\nStorage size: ") && !ran.stdout.contains("EiB"), "{ran}");
    // -errors without a snapshot changes nothing.
    home.plakar(&["at", "st", "info", "-errors"]).succeeds().prints(&ran.stdout);
}

#[test]
fn a_snapshots_facts_are_told_in_order() {
    let home = small::with_store("info-snapshot");
    let id = small::backup(&home, &["-tag", "x,y"]);
    let ran = home.plakar(&["at", "st", "info", &id]).succeeds().complains("");
    let keys: Vec<&str> = ran.stdout.lines().map(|line| line.split_once(':').unwrap().0).collect();
    assert_eq!(
        keys,
        [
            "Version",
            "SnapshotID",
            "Timestamp",
            "Duration",
            "Name",
            "Environment",
            "Perimeter",
            "Category",
            "Tags",
            "VFS",
            "Importer",
            " - Type",
            " - Origin",
            " - Directory",
            "Context",
            " - MachineID",
            " - Hostname",
            " - Username",
            " - OperatingSystem",
            " - Architecture",
            " - NumCPU",
            " - GOMAXPROCS",
            " - ProcessID",
            " - Client",
            " - CommandLine",
            "Summary",
            " - Directories",
            " - Files",
            " - Symlinks",
            " - Devices",
            " - Pipes",
            " - Sockets",
            " - Setuid",
            " - Setgid",
            " - Sticky",
            " - Objects",
            " - Chunks",
            " - MinSize",
            " - MaxSize",
            " - Size",
            " - MinModTime",
            " - MaxModTime",
            " - MinEntropy",
            " - MaxEntropy",
            " - HiEntropy",
            " - LoEntropy",
            " - MIMEAudio",
            " - MIMEVideo",
            " - MIMEImage",
            " - MIMEText",
            " - MIMEApplication",
            " - MIMEOther",
            " - Errors",
        ],
        "{ran}"
    );
    for line in [
        "Tags: x, y".to_owned(),
        "Name: default".to_owned(),
        " - Type: fs".to_owned(),
        format!(" - Directory: {}", home.path("tree")),
        " - Files: 2".to_owned(),
        " - Symlinks: 1".to_owned(),
        " - Size: 29 KiB (30011 bytes)".to_owned(),
        " - Errors: 0".to_owned(),
    ] {
        assert!(ran.stdout.lines().any(|found| found == line), "{line:?}\n{ran}");
    }
    home.plakar(&["at", "st", "info", &format!("{id}:sub")]).succeeds().prints(&ran.stdout);
    home.plakar(&["at", "st", "info", "-errors", &id]).succeeds().prints_nothing();
    home.plakar(&["at", "st", "info", "-errors", &format!("{id}:sub")]).succeeds().prints_nothing();
    home.plakar(&["at", "st", "info", "zz"]).exits(1).complains("plakar: no snapshot has prefix: zz\n");
    home.plakar(&["at", "st", "info", &id, &id]).exits(1).complains("plakar: too many arguments\n");
}
