//! What an object has besides its content, as metadata of an entry: named as S3's headers name it.

use crate::ports::source::Metadata;
use crate::s3::bucket::{ObjectInfo, PutOptions, is_kept};

const ETAG: &str = "etag";
const STORAGE_CLASS: &str = "x-amz-storage-class";
const TAGS: &str = "x-amz-tagging";
const SYMLINK_MARK: [&[u8]; 2] = [b"x-amz-meta-plakar-type", b"symlink"];

/// What a listing tells: enough to notice that the content is another.
pub fn listed(etag: &str) -> Metadata {
    match etag {
        "" => Vec::new(),
        etag => vec![(ETAG.into(), etag.into())],
    }
}

/// Everything, once the object was looked at.
pub fn kept(info: &ObjectInfo, tags: Option<Vec<u8>>) -> Metadata {
    let mut metadata = listed(&info.etag);
    metadata.extend(info.headers.iter().map(|(name, value)| (name.clone().into_bytes(), value.clone())));
    if !info.storage_class.is_empty() {
        metadata.push((STORAGE_CLASS.into(), info.storage_class.clone().into_bytes()));
    }
    metadata.extend(tags.map(|tags| (TAGS.into(), tags)));
    metadata.sort();
    metadata
}

/// Of an object that stands for a symbolic link: its content is the target.
pub fn of_symlink() -> Metadata {
    vec![SYMLINK_MARK.map(<[u8]>::to_vec).into()]
}

/// Whether the entry is an object that stands for a symbolic link.
pub fn is_symlink(metadata: &Metadata) -> bool {
    metadata.iter().any(|(name, value)| [name.as_slice(), value.as_slice()] == SYMLINK_MARK)
}

/// How an object is stored that shall have what is kept in `metadata`. What other sources keep is
/// passed over.
pub fn put_options(metadata: &Metadata) -> PutOptions {
    let mut options = PutOptions::default();
    for (name, value) in metadata {
        match std::str::from_utf8(name) {
            Ok(STORAGE_CLASS) => options.storage_class = String::from_utf8(value.clone()).ok(),
            Ok(TAGS) => options.tags = Some(value.clone()),
            Ok(name) if is_kept(name) => options.headers.push((name.to_owned(), value.clone())),
            _ => {}
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::{kept, put_options};
    use crate::s3::bucket::ObjectInfo;

    #[test]
    fn what_was_kept_is_given_back_and_nothing_else() {
        let header = |name: &str| (name.to_owned(), b"value".to_vec());
        let info = ObjectInfo {
            size: 1,
            etag: "e".to_owned(),
            headers: vec![header("content-type"), header("x-amz-meta-a")],
            storage_class: "STANDARD_IA".to_owned(),
            ..ObjectInfo::default()
        };
        let mut metadata = kept(&info, Some(b"a=b".to_vec()));
        metadata.push((b"host".to_vec(), b"evil".to_vec()));
        metadata.push((b"\xff".to_vec(), b"x".to_vec()));
        let options = put_options(&metadata);
        assert_eq!(options.headers, info.headers);
        assert_eq!(options.storage_class.as_deref(), Some("STANDARD_IA"));
        assert_eq!(options.tags.as_deref(), Some(&b"a=b"[..]));
        assert!(!options.if_none_match && !options.make_bucket);
    }
}
