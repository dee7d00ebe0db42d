//! What a backup leaves out: gitignore patterns against absolute paths.

use crate::base::wildmatch::Wildmatch;

/// Patterns in the words of gitignore, as if one `.gitignore` with them stood in `/`: `/foo`
/// anchors there, the last match wins, `!` takes back, and nothing below a directory that is left
/// out can be taken back.
pub struct Ignore(Vec<Rule>);

struct Rule {
    glob: Wildmatch,
    takes_back: bool,
    directories_only: bool,
    /// Compared with the path from `/`; otherwise with the last name alone.
    anchored: bool,
}

impl Ignore {
    /// Reads patterns, one each; blank ones and `#` comments mean nothing.
    ///
    /// # Errors
    /// Names the first pattern that is not a glob.
    pub fn new(patterns: &[String]) -> Result<Ignore, String> {
        let rules = patterns.iter().filter_map(|pattern| {
            let rule = rule(pattern.as_bytes())?;
            Some(rule.map_err(|why| format!("invalid ignore pattern {pattern:?}: {why}")))
        });
        rules.collect::<Result<_, _>>().map(Ignore)
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
        let path = path.strip_prefix(b"/").unwrap_or(path);
        if path.is_empty() {
            return false;
        }
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
        let matching = self.0.iter().rev().find(|rule| {
            (is_dir || !rule.directories_only) && rule.glob.matches(if rule.anchored { path } else { name })
        });
        matching.is_some_and(|rule| !rule.takes_back)
    }
}

/// One line; `None` when it means nothing.
fn rule(line: &[u8]) -> Option<Result<Rule, &'static str>> {
    let line = without_trailing_spaces(line.strip_suffix(b"\r").unwrap_or(line));
    if line.starts_with(b"#") {
        return None;
    }
    let (takes_back, line) = match line {
        [b'!', rest @ ..] => (true, rest),
        line => (false, line),
    };
    let (directories_only, line) = match line {
        [rest @ .., b'/'] => (true, rest),
        line => (false, line),
    };
    let anchored = line.contains(&b'/');
    let line = line.strip_prefix(b"/").unwrap_or(line);
    if line.is_empty() {
        return None;
    }
    Some(Wildmatch::new(line).map(|glob| Rule { glob, takes_back, directories_only, anchored }))
}

/// Spaces at the end mean nothing, unless a backslash stands before them.
fn without_trailing_spaces(mut line: &[u8]) -> &[u8] {
    while let [rest @ .., b' '] = line {
        let backslashes = rest.iter().rev().take_while(|&&byte| byte == b'\\').count();
        if backslashes % 2 == 1 {
            break;
        }
        line = rest;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::Ignore;

    #[test]
    fn patterns_mean_what_git_means() {
        let cases: [(&[&str], &[u8], bool, bool); 35] = [
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
            (&["a "], b"/a", false, true),
            (&["a\\ "], b"/a ", false, true),
            (&["\\!a"], b"/!a", false, true),
            (&["a/**/z"], b"/a/z", false, true),
            (&["a/**/z"], b"/a/b/c/z", false, true),
            (&["a/**/z"], b"/a/bz", false, false),
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
