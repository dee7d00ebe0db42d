//! Patterns of paths in the words of gitignore: `*` and `?` stay within a name, `**/`, `/**/` and
//! `/**` span directories, `[a-z]` and `[!a-z]` stand for one byte, `\\` takes a byte as it is.
//! Bytes are compared, not characters, as git does.

/// One pattern, ready to match. Time to match is the product of both lengths at worst.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wildmatch(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `?`: one byte of a name.
    One,
    /// `*`: any bytes of a name.
    Star,
    Class(Box<Class>),
    /// `**/`: nothing, or directories whole. Always followed by `InDirectories`.
    Directories,
    /// Some bytes of them were seen.
    InDirectories,
    /// `**` behind the last slash: anything that is not empty.
    Everything,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Class {
    negated: bool,
    ranges: Vec<(u8, u8)>,
}

impl Wildmatch {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Why it is none, as a part of a sentence.
    pub fn new(pattern: &[u8]) -> Result<Wildmatch, &'static str> {
        let mut tokens = Vec::new();
        let mut rest = pattern;
        let mut begins_name = true;
        while let [first, after @ ..] = rest {
            let mut next = after;
            match first {
                b'*' if after.starts_with(b"*") => {
                    next = after
                        .iter()
                        .position(|&byte| byte != b'*')
                        .map_or(&[][..], |at| after.split_at(at).1);
                    match next {
                        [b'/', after @ ..] if begins_name => {
                            tokens.extend([Token::Directories, Token::InDirectories]);
                            rest = after;
                            continue;
                        }
                        [] if begins_name && !tokens.is_empty() => tokens.push(Token::Everything),
                        _ => tokens.push(Token::Star),
                    }
                }
                b'*' => tokens.push(Token::Star),
                b'?' => tokens.push(Token::One),
                b'[' => {
                    let class;
                    (class, next) = class_of(after)?;
                    tokens.push(Token::Class(Box::new(class)));
                }
                b'\\' => {
                    let (&byte, after) = after.split_first().ok_or("nothing follows the backslash")?;
                    tokens.push(Token::Byte(byte));
                    next = after;
                }
                &byte => tokens.push(Token::Byte(byte)),
            }
            begins_name = *first == b'/';
            rest = next;
        }
        Ok(Wildmatch(tokens))
    }

    /// Whether the path as a whole matches.
    pub fn matches(&self, path: &[u8]) -> bool {
        let end = self.0.len();
        // Which tokens may come next, after the bytes seen so far.
        let mut at = vec![false; end + 1];
        let mut then = at.clone();
        self.enter(0, &mut at);
        for &byte in path {
            then.fill(false);
            for (n, token) in self.0.iter().enumerate().filter(|(n, _)| at.get(*n) == Some(&true)) {
                let name = byte != b'/';
                match token {
                    Token::Byte(wanted) if byte == *wanted => self.enter(n + 1, &mut then),
                    Token::One if name => self.enter(n + 1, &mut then),
                    Token::Class(class) if name && class.holds(byte) => self.enter(n + 1, &mut then),
                    Token::Star if name => self.enter(n, &mut then),
                    Token::Directories if name => self.enter(n + 1, &mut then),
                    Token::InDirectories if name => self.enter(n, &mut then),
                    Token::InDirectories => {
                        // Either the last of them ended, or one more begins.
                        self.enter(n + 1, &mut then);
                        self.enter(n, &mut then);
                    }
                    Token::Everything => {
                        self.enter(n, &mut then);
                        self.enter(n + 1, &mut then);
                    }
                    _ => {}
                }
            }
            std::mem::swap(&mut at, &mut then);
        }
        at.get(end) == Some(&true)
    }

    /// Token `n` may come next, and what may come when it stands for nothing.
    fn enter(&self, mut n: usize, at: &mut [bool]) {
        loop {
            if let Some(reached) = at.get_mut(n) {
                *reached = true;
            }
            match self.0.get(n) {
                Some(Token::Star) => n += 1,
                Some(Token::Directories) => n += 2,
                _ => return,
            }
        }
    }
}

impl Class {
    fn holds(&self, byte: u8) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&byte)) != self.negated
    }
}

/// A class from behind its `[`, and what follows its `]`.
fn class_of(mut rest: &[u8]) -> Result<(Class, &[u8]), &'static str> {
    const OPEN: &str = "a [ without its ]";
    let mut class = Class::default();
    if let [b'!' | b'^', after @ ..] = rest {
        class.negated = true;
        rest = after;
    }
    let mut first = true;
    loop {
        match rest {
            [] => return Err(OPEN),
            [b']', after @ ..] if !first => return Ok((class, after)),
            [b'[', b':', after @ ..] => {
                let length = after.windows(2).position(|two| two == b":]").ok_or(OPEN)?;
                let (name, after) = after.split_at(length);
                class.ranges.extend_from_slice(named(name).ok_or("an unknown [:name:]")?);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                let (low, after) = bound(rest).ok_or(OPEN)?;
                let (high, after) = match after {
                    [b'-', next @ ..] if !next.starts_with(b"]") => bound(next).ok_or(OPEN)?,
                    after => (low, after),
                };
                if high < low {
                    return Err("a range that ends before it begins");
                }
                class.ranges.push((low, high));
                rest = after;
            }
        }
        first = false;
    }
}

fn bound(rest: &[u8]) -> Option<(u8, &[u8])> {
    match rest {
        [b'\\', byte, after @ ..] => Some((*byte, after)),
        [byte, after @ ..] => Some((*byte, after)),
        [] => None,
    }
}

fn named(name: &[u8]) -> Option<&'static [(u8, u8)]> {
    Some(match name {
        b"alnum" => &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')],
        b"alpha" => &[(b'A', b'Z'), (b'a', b'z')],
        b"blank" => &[(b' ', b' '), (b'\t', b'\t')],
        b"cntrl" => &[(0, 31), (127, 127)],
        b"digit" => &[(b'0', b'9')],
        b"graph" => &[(b'!', b'~')],
        b"lower" => &[(b'a', b'z')],
        b"print" => &[(b' ', b'~')],
        b"punct" => &[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')],
        b"space" => &[(b' ', b' '), (9, 13)],
        b"upper" => &[(b'A', b'Z')],
        b"xdigit" => &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::Wildmatch;

    #[test]
    fn every_kind_of_wildcard_means_what_git_means() {
        let cases: &[(&str, &[(&str, bool)])] = &[
            ("abc", &[("abc", true), ("ab", false), ("abcd", false)]),
            ("a*c", &[("ac", true), ("abbc", true), ("a/c", false)]),
            ("a?c", &[("abc", true), ("a/c", false), ("ac", false)]),
            ("**/z", &[("z", true), ("a/z", true), ("a/b/z", true), ("az", false)]),
            ("a/**", &[("a/b", true), ("a/b/c", true), ("a", false), ("a/", false)]),
            ("a/**/z", &[("a/z", true), ("a/b/z", true), ("a/b/c/z", true), ("a/bz", false)]),
            ("a**z", &[("az", true), ("abz", true), ("a/z", false)]),
            ("**", &[("a", true)]),
            ("[a-c]x", &[("bx", true), ("dx", false)]),
            ("[!a-c]x", &[("bx", false), ("dx", true), ("/x", false)]),
            ("[]x]", &[("]", true), ("x", true), ("a", false)]),
            ("[a-]", &[("-", true), ("a", true), ("b", false)]),
            ("[\\]]", &[("]", true), ("\\", false)]),
            ("[[:digit:]_]", &[("7", true), ("_", true), ("x", false)]),
            ("\\*", &[("*", true), ("a", false)]),
        ];
        for (pattern, paths) in cases {
            let glob = Wildmatch::new(pattern.as_bytes()).unwrap();
            for (path, expected) in *paths {
                assert_eq!(glob.matches(path.as_bytes()), *expected, "{pattern} {path}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in ["[", "[a", "[z-a]", "a\\", "[[:what:]]", "[[:alpha", "[!"] {
            assert!(Wildmatch::new(pattern.as_bytes()).is_err(), "{pattern}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let glob = Wildmatch::new("**/*a".repeat(100).as_bytes()).unwrap();
        assert!(!glob.matches("a/b".repeat(2000).as_bytes()));
    }
}
