//! Snapshot paths: absolute, `/`-separated, clean, arbitrary bytes, no trailing slash.

use std::cmp::Ordering;

/// `parent` joined with a base name.
pub fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = parent.to_vec();
    if parent != b"/" {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// The directory part; `/` for `/` itself.
pub fn parent(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&b| b == b'/') {
        None | Some(0) => b"/",
        Some(slash) => path.get(..slash).unwrap_or(b"/"),
    }
}

/// The last component; `/` for `/` itself.
pub fn base_name(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&b| b == b'/') {
        Some(slash) if path.len() > 1 => path.get(slash + 1..).unwrap_or(b"/"),
        _ => path,
    }
}

/// Whether `path` is `dir` or lies below it.
pub fn is_within(path: &[u8], dir: &[u8]) -> bool {
    dir == b"/" || path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
}

/// The order of the file tree: fewer slashes first, then bytes (FORMAT.md, "Trees").
pub fn tree_order(a: &[u8], b: &[u8]) -> Ordering {
    let slashes = |path: &[u8]| path.iter().filter(|&&byte| byte == b'/').count();
    slashes(a).cmp(&slashes(b)).then_with(|| a.cmp(b))
}

/// Whether [`clean`] would leave the path as it is.
pub fn is_clean(path: &[u8]) -> bool {
    let Some(below) = path.strip_prefix(b"/") else { return false };
    below.is_empty() || below.split(|&b| b == b'/').all(|part| !matches!(part, b"" | b"." | b".."))
}

/// An absolute path with `.`, `..`, empty components and the trailing slash resolved by text.
pub fn clean(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    let mut cleaned = vec![b'/'];
    cleaned.extend(parts.join(&b'/'));
    cleaned
}

#[cfg(test)]
mod tests {
    use super::{clean, is_clean};

    #[test]
    fn a_path_is_clean_when_cleaning_changes_nothing() {
        for (path, cleaned) in [
            ("/", "/"),
            ("/a", "/a"),
            ("/a/.b/..c/...", "/a/.b/..c/..."),
            ("", "/"),
            ("a", "/a"),
            ("//", "/"),
            ("/a/", "/a"),
            ("/a//b", "/a/b"),
            ("/./a", "/a"),
            ("/a/..", "/"),
            ("/../a", "/a"),
        ] {
            assert_eq!(clean(path.as_bytes()), cleaned.as_bytes(), "{path}");
            assert_eq!(is_clean(path.as_bytes()), path == cleaned, "{path}");
        }
    }
}
