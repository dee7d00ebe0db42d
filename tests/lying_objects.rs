//! Objects that say what is not so of their chunks. Every MAC matches, so that only what is said can
//! tell them: a full check does, whatever it has seen of the chunks before.

use crate::kit::command::Home;
use crate::kit::connect::{bytes, fs_source};
use crate::kit::memory_store::MemoryStore;
use crate::kit::reader::{self, Opened};
use crate::kit::trees;
use plakar::base::mac::Mac;
use plakar::engine::backup::{self, Options, Previous};
use plakar::engine::blobs::Blobs;

use plakar::engine::error::Error;
use plakar::engine::frames::Remembered;
use plakar::engine::packer::Packer;
use plakar::engine::previous::Earlier;
use plakar::engine::publish::Lineage;
use plakar::engine::repository::{self, NewStore};
use plakar::engine::snapshot::Snapshot;
use plakar::engine::writer::{Scratch as Buffers, Writer};
use plakar::format::kind::Resource;
use plakar::format::object::Object;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// An earlier snapshot that names another object for one file.
struct Misled<'a> {
    earlier: &'a Earlier<'a, 'a>,
    truth: Mac,
    lie: Mac,
}

impl Previous for Misled<'_> {
    fn timestamp_ns(&self) -> i64 {
        // Later than any change: files are taken for unchanged.
        i64::MAX / 2
    }

    fn directory(&self, path: &[u8]) -> Result<Option<Remembered>, Error> {
        let mut found = self.earlier.directory(path)?;
        for known in found.iter_mut().flatten().filter(|known| known.object == self.truth) {
            known.object = self.lie;
        }
        Ok(found)
    }

    fn object(&self, mac: &Mac) -> Result<Object, Error> {
        self.earlier.object(mac)
    }
}

/// A store whose newest snapshot has a file with such an object, beside one of honest objects.
fn misled(tree: &Path, lie: fn(&mut Object)) -> Arc<MemoryStore> {
    let (store, world) = (Arc::new(MemoryStore::default()), reader::world().0);
    repository::create(&*store, NewStore::default(), None, &world).unwrap();
    let opened = Opened::new(store.clone(), None).unwrap();
    backup::backup(&opened.repository, &opened.index, &fs_source(tree), &Options::default(), &world).unwrap();

    let opened = Opened::new(store.clone(), None).unwrap();
    let blobs = Blobs::for_lookups(&opened.repository, &opened.index);
    let snapshot = Snapshot::open(&blobs, &opened.index.snapshots()[0]).unwrap();
    let file = tree.join("file");
    let truth = snapshot.entry(&blobs, bytes(&file)).unwrap().object;
    let mut object = blobs.object(&truth).unwrap();
    assert!(object.chunks.len() > 2);
    lie(&mut object);
    let plain = object.encode();
    let lie = opened.repository.codec.mac(&plain);
    let packer = Packer::new(&opened.repository, Lineage::of(&opened.repository, &opened.index), &world);
    let writer = Writer::new(&opened.repository, &opened.index, &packer, &world);
    packer.shipping(|| writer.put(Resource::OBJECT, lie, &plain, &mut Buffers::default())).unwrap();
    packer.commit(world.dice.mac(), &[]).unwrap();

    let opened = Opened::new(store.clone(), None).unwrap();
    let blobs = Blobs::for_lookups(&opened.repository, &opened.index);
    let earlier = Earlier::new(&blobs, &snapshot).unwrap();
    let misled = Misled { earlier: &earlier, truth, lie };
    let options = Options { previous: Some(&misled), ..Options::default() };
    let made = backup::backup(&opened.repository, &opened.index, &fs_source(tree), &options, &world).unwrap();
    assert_eq!((made.changed, made.errors), (0, Vec::new()), "it was believed");
    store
}

#[test]
fn an_object_that_does_not_tell_the_truth_of_its_chunks_is_told_by_a_full_check() {
    let lies: [(&str, fn(&mut Object)); 2] = [
        ("one chunk longer and the next one shorter", |object| {
            object.chunks[0].length += 1;
            object.chunks[1].length -= 1;
        }),
        ("one chunk twice, with two lengths", |object| {
            let (sum, again) = (object.chunks[0].length + object.chunks[1].length, object.chunks[0]);
            object.chunks[1] = again;
            object.chunks[1].length = sum - again.length;
        }),
    ];
    for (case, lie) in lies {
        let home = Home::new("lying-objects");
        let tree = home.dir().join("tree");
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("file"), trees::noise(3, 600_000)).unwrap();
        fs::write(tree.join("other"), b"honest").unwrap();
        misled(&tree, lie).save(&home.dir().join("st"));
        let at = ["at", "st", "check"];
        let checked = home.plakar(&at).exits(1);
        assert!(checked.stderr.contains("its object says"), "{case}\n{checked}");
        // The honest snapshot of the same chunks is not blamed.
        let sound = format!("{}{}", checked.stdout, checked.stderr);
        assert_eq!(sound.matches("completed successfully").count(), 1, "{case}\n{checked}");
    }
}
