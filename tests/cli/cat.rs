//! `cat`: content, and nothing but content, on standard output.

use crate::cli::small;
use crate::kit::trees;
use std::fs;
use std::io::Write;

#[test]
fn files_are_printed_byte_for_byte_in_order() {
    let home = small::with_store("cat");
    let id = small::backup(&home, &[]);
    let ran =
        home.plakar(&["at", "st", "cat", &format!("{id}:sub/b.bin"), &format!("{id}:a.txt")]).succeeds();
    assert!(ran.bytes == [&trees::noise(1, 30_000)[..], b"hello\n"].concat());
    assert_eq!(ran.stderr, "");
    // A link is followed.
    home.plakar(&["at", "st", "cat", &format!("{id}:link")]).succeeds().prints("hello\n");
}

#[test]
fn what_cannot_be_printed_is_told_and_the_rest_is_printed() {
    let home = small::with_store("cat-errors");
    let id = small::backup(&home, &[]);
    let tree = home.path("tree");
    home.plakar(&["at", "st", "cat"]).exits(1).complains("plakar: at least one parameter is required\n");
    home.plakar(&[
        "at",
        "st",
        "cat",
        &format!("{id}:nope"),
        &format!("{id}:sub"),
        "abcd:/x",
        &format!("{id}:a.txt"),
    ])
    .exits(1)
    .prints("hello\n")
    .complains(&format!(
        "error: cat: {tree}/nope: no such file\nerror: cat: {tree}/sub: not a regular file\n\
             error: cat: abcd:/x: no snapshot has prefix: abcd\nplakar: errors occurred\n"
    ));
}

#[test]
fn decompress_unpacks_gzip_and_leaves_the_rest_alone() {
    let home = small::with_store("cat-gzip");
    let packed = |bytes: &[u8]| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    };
    let text = b"line\n".repeat(300_000);
    fs::write(home.dir().join("tree/text.gz"), packed(&text)).unwrap();
    fs::write(home.dir().join("tree/two.gz"), [packed(b"one "), packed(b"two")].concat()).unwrap();
    let broken = packed(&text);
    fs::write(home.dir().join("tree/broken.gz"), &broken[..broken.len() / 2]).unwrap();
    let id = small::backup(&home, &[]);
    let cat = |name: &str| home.plakar(&["at", "st", "cat", "-decompress", &format!("{id}:{name}")]);
    assert!(cat("text.gz").succeeds().bytes == text);
    cat("two.gz").succeeds().prints("one two");
    cat("a.txt").succeeds().prints("hello\n");
    assert!(cat("broken.gz").exits(1).stderr.starts_with("error: cat: "));
    let ran = home.plakar(&["at", "st", "cat", &format!("{id}:text.gz")]).succeeds();
    assert!(ran.bytes == packed(&text), "packed as it is without the option");
}
