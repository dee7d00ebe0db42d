//! Patterns as a shell has them, of one name: `*`, `?`, `[a-z]`, `[^a-z]`, `\` before what is meant
//! as it stands. The rules are those of Go's `path.Match`.

/// Whether `name` as a whole matches. `*` and `?` do not match a slash.
///
/// # Errors
/// The pattern is malformed: a class that does not end, a range backwards, a `\` at its end.
pub fn matches(pattern: &[u8], name: &[u8]) -> Result<bool, Malformed> {
    check(pattern)?;
    Ok(matched(pattern, name))
}

/// A pattern that means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// One item of a pattern.
enum Item<'p> {
    Any,
    One,
    Class { negated: bool, ranges: Vec<(char, char)> },
    Literal(&'p [u8]),
}

fn check(mut pattern: &[u8]) -> Result<(), Malformed> {
    while !pattern.is_empty() {
        (_, pattern) = next(pattern)?;
    }
    Ok(())
}

fn next(pattern: &[u8]) -> Result<(Item<'_>, &[u8]), Malformed> {
    match pattern {
        [b'*', rest @ ..] => Ok((Item::Any, rest)),
        [b'?', rest @ ..] => Ok((Item::One, rest)),
        [b'[', rest @ ..] => class(rest),
        [b'\\', rest @ ..] => {
            let (literal, rest) = rest.split_at_checked(1).ok_or(Malformed)?;
            Ok((Item::Literal(literal), rest))
        }
        _ => {
            let (literal, rest) = pattern.split_at_checked(1).ok_or(Malformed)?;
            Ok((Item::Literal(literal), rest))
        }
    }
}

fn class(mut rest: &[u8]) -> Result<(Item<'_>, &[u8]), Malformed> {
    let negated = rest.first() == Some(&b'^');
    if negated {
        rest = rest.get(1..).unwrap_or_default();
    }
    let mut ranges = Vec::new();
    loop {
        if rest.first() == Some(&b']') && !ranges.is_empty() {
            return Ok((Item::Class { negated, ranges }, rest.get(1..).unwrap_or_default()));
        }
        let (low, after) = bound(rest)?;
        rest = after;
        let mut high = low;
        if rest.first() == Some(&b'-') {
            (high, rest) = bound(rest.get(1..).unwrap_or_default())?;
        }
        if high < low {
            return Err(Malformed);
        }
        ranges.push((low, high));
    }
}

/// One end of a range; it must be followed by something.
fn bound(rest: &[u8]) -> Result<(char, &[u8]), Malformed> {
    let rest = match rest {
        [] | [b'-' | b']', ..] => return Err(Malformed),
        [b'\\', rest @ ..] => rest,
        rest => rest,
    };
    let (found, length) = character(rest).ok_or(Malformed)?;
    let after = rest.get(length..).filter(|after| !after.is_empty()).ok_or(Malformed)?;
    Ok((found, after))
}

/// The first character; a byte that begins none counts as one of its own.
fn character(bytes: &[u8]) -> Option<(char, usize)> {
    let first = *bytes.first()?;
    let valid = (1..=4).find_map(|length| {
        let text = std::str::from_utf8(bytes.get(..length)?).ok()?;
        Some((text.chars().next()?, length))
    });
    Some(valid.unwrap_or((char::from(first), 1)))
}

fn matched(mut pattern: &[u8], mut name: &[u8]) -> bool {
    // Where to go on when what follows the last star did not fit.
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        let step = match next(pattern) {
            Ok((Item::Any, rest)) => {
                star = Some((rest, name));
                pattern = rest;
                continue;
            }
            Ok((item, rest)) => fits(&item, name).map(|length| (rest, length)),
            Err(Malformed) if name.is_empty() => return true,
            Err(Malformed) => None,
        };
        if let Some((rest, length)) = step {
            pattern = rest;
            name = name.get(length..).unwrap_or_default();
            continue;
        }
        match star {
            Some((after, [first, rest @ ..])) if *first != b'/' => {
                star = Some((after, rest));
                (pattern, name) = (after, rest);
            }
            _ => return false,
        }
    }
}

/// Bytes of the name that the item stands for.
fn fits(item: &Item<'_>, name: &[u8]) -> Option<usize> {
    let (found, length) = character(name)?;
    let fits = match item {
        Item::Any => false,
        Item::One => found != '/',
        Item::Class { negated, ranges } => {
            found != '/' && ranges.iter().any(|(low, high)| (*low..=*high).contains(&found)) != *negated
        }
        Item::Literal(literal) => return name.starts_with(literal).then_some(literal.len()),
    };
    fits.then_some(length)
}

#[cfg(test)]
mod tests {
    use super::{Malformed, matches};

    #[test]
    fn patterns_mean_what_a_shell_means() {
        for (pattern, name, expected) in [
            ("", "", true),
            ("", "a", false),
            ("abc", "abc", true),
            ("*", "", true),
            ("*", "abc", true),
            ("*", "a/b", false),
            ("*c", "abc", true),
            ("a*", "a", true),
            ("a*b*c*d*e*", "axbxcxdxe", true),
            ("a*b*c*d*e*", "axbxcxdx", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("a?b", "a\u{263a}b", true),
            ("a[^a]b", "a\u{263a}b", true),
            ("a???b", "a\u{263a}b", false),
            ("[a-\u{3b6}]*", "\u{3b1}", true),
            ("*[a-\u{3b6}]", "A", false),
            ("[\\]a]", "]", true),
            ("[\\-x]", "-", true),
            ("[x\\-]", "z", false),
            ("*.conf", "nginx.conf", true),
            ("*.conf", "nginx.conf.bak", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), Ok(expected), "{pattern} {name}");
        }
        assert_eq!(matches(b"caf?", b"caf\xe9"), Ok(true), "bytes that are no text");
    }

    #[test]
    fn what_means_nothing_is_refused_whatever_the_name() {
        for pattern in ["[", "[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "a[", "a\\", "[z-a]", "[^]", "[a"] {
            assert_eq!(matches(pattern.as_bytes(), b"other"), Err(Malformed), "{pattern}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let (pattern, name) = ("*a".repeat(200), "a".repeat(199) + "b");
        assert_eq!(matches(pattern.as_bytes(), name.repeat(50).as_bytes()), Ok(false));
    }
}
