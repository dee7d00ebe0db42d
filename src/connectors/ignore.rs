//! What a backup leaves out: gitignore patterns against absolute paths.

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Patterns in the words of gitignore, as if one `.gitignore` with them stood in `/`: `/foo`
/// anchors there, the last match wins, `!` takes back, and nothing below a directory that is left
/// out can be taken back.
pub struct Ignore(Gitignore);

impl Ignore {
    /// Reads patterns, one each; blank ones and `#` comments mean nothing.
    ///
    /// # Errors
    /// Names the first pattern that is not a glob.
    pub fn new(patterns: &[String]) -> Result<Ignore, String> {
        let mut builder = GitignoreBuilder::new("/");
        for pattern in patterns {
            let line = without_alternatives(pattern);
            builder.add_line(None, &line).map_err(|error| format!("invalid ignore pattern: {error}"))?;
        }
        builder.build().map(Ignore).map_err(|error| format!("invalid ignore patterns: {error}"))
    }

    /// Whether the entry at this absolute, clean path is left out, itself or through a directory
    /// above it. `/` never is.
    pub fn excluded(&self, path: &[u8], is_dir: bool) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let slashes = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        slashes.filter_map(|at| path.get(..at)).any(|above| self.matches(above, true))
            || self.matches(path, is_dir)
    }

    fn matches(&self, path: &[u8], is_dir: bool) -> bool {
        path != b"/" && self.0.matched(Path::new(OsStr::from_bytes(path)), is_dir).is_ignore()
    }
}

/// Git takes braces for ordinary characters, the glob library for `{this,that}`.
fn without_alternatives(pattern: &str) -> String {
    let mut line = String::with_capacity(pattern.len());
    let (mut escaped, mut in_class) = (false, false);
    for c in pattern.chars() {
        if !escaped && !in_class && matches!(c, '{' | '}') {
            line.push('\\');
        }
        match c {
            '[' if !escaped => in_class = true,
            ']' if !escaped => in_class = false,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        line.push(c);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::Ignore;

    #[test]
    fn patterns_mean_what_git_means() {
        let cases: [(&[&str], &[u8], bool, bool); 29] = [
            (&[], b"/a", false, false),
            (&["*.log"], b"/var/log/x.log", false, true),
            (&["*.log"], b"/var/log/x.log.gz", false, false),
            (&["/foo"], b"/foo", false, true),
            (&["/foo"], b"/bar/foo", false, false),
            (&["foo"], b"/bar/foo/baz", false, true),
            (&["foo/"], b"/bar/foo", false, false),
            (&["foo/"], b"/bar/foo", true, true),
            (&["foo/"], b"/bar/foo/x", false, true),
            (&["a/b"], b"/a/b", false, true),
            (&["a/b"], b"/x/a/b", false, false),
            (&["**/a/b"], b"/x/a/b", false, true),
            (&["/x/**"], b"/x", true, false),
            (&["/x/**"], b"/x/y/z", false, true),
            (&["/x/*/z"], b"/x/y/z", false, true),
            (&["/x/*/z"], b"/x/y/y/z", false, false),
            (&["*.log", "!keep.log"], b"/keep.log", false, false),
            (&["!keep.log", "*.log"], b"/keep.log", false, true),
            (&["/d", "!/d/keep"], b"/d/keep", false, true),
            (&["/d/*", "!/d/keep"], b"/d/keep", false, false),
            (&["/d/*", "!/d/keep"], b"/d/other", false, true),
            (&["# note", "", "  "], b"/# note", false, false),
            (&["\\#x"], b"/#x", false, true),
            (&["[ab].txt"], b"/q/b.txt", false, true),
            (&["caf\u{e9}*"], "/caf\u{e9}s".as_bytes(), false, true),
            (&["{a,b}"], b"/a", false, false),
            (&["{a,b}"], b"/{a,b}", false, true),
            (&["x[{]y", "\\{"], b"/x{y", false, true),
            (&["*.bin"], b"/\xff\xfe\n.bin", false, true),
        ];
        for (patterns, path, is_dir, expected) in cases {
            let owned: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
            let ignore = Ignore::new(&owned).unwrap();
            let shown = String::from_utf8_lossy(path);
            assert_eq!(ignore.excluded(path, is_dir), expected, "{patterns:?} on {shown}");
        }
    }

    #[test]
    fn the_root_is_never_left_out() {
        let ignore = Ignore::new(&["*".to_owned(), "/".to_owned(), "/**".to_owned()]).unwrap();
        assert!(!ignore.excluded(b"/", true));
        assert!(ignore.excluded(b"/a", false));
    }

    #[test]
    fn a_broken_pattern_is_named() {
        let error = Ignore::new(&["fine".to_owned(), "bro[z-a]ken".to_owned()]).err().unwrap();
        assert!(error.contains("bro[z-a]ken"), "{error}");
    }
}
