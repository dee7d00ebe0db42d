//! Percent-encoding: the one encoder for what is signed and what is sent, and the decoder for
//! `encoding-type=url`.

/// Appends `bytes` as AWS's `UriEncode`: all but `A-Z a-z 0-9 - . _ ~` becomes `%XX`; `/` stays
/// when `keep_slash`.
pub fn encode_into(out: &mut String, bytes: &[u8], keep_slash: bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |n: u8| DIGITS.get(usize::from(n)).map_or('0', |d| char::from(*d));
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b'/' if keep_slash => out.push('/'),
            _ => {
                out.push('%');
                out.push(digit(byte >> 4));
                out.push(digit(byte & 15));
            }
        }
    }
}

/// A name or value of a query string.
pub fn encode_query(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    encode_into(&mut out, bytes, false);
    out
}

/// What a raw `+` stands for in an encoded value: servers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plus {
    /// A space, as in HTML forms: MinIO, AWS.
    Space,
    /// Itself: servers that write a space as `%20`.
    Literal,
}

/// Undoes percent-encoding; `None` when a `%` is not followed by two hexadecimal digits.
pub fn decode(text: &str, plus: Plus) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    let digit = |bytes: &mut std::str::Bytes<'_>| {
        bytes.next().and_then(|b| char::from(b).to_digit(16)).and_then(|n| u8::try_from(n).ok())
    };
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => digit(&mut bytes)? << 4 | digit(&mut bytes)?,
            b'+' if plus == Plus::Space => b' ',
            other => other,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{Plus, decode, encode_into};

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        for keep in [false, true] {
            let mut text = String::new();
            encode_into(&mut text, &all, keep);
            assert_eq!(decode(&text, Plus::Space), Some(all.clone()));
            assert_eq!(text.contains('/'), keep);
            assert!(!text.contains(['+', ' ', '?', '#', '&', '=']));
        }
    }

    #[test]
    fn known_encodings() {
        for (bytes, path) in [
            ("my file", "my%20file"),
            ("a+b", "a%2Bb"),
            ("a//b/../c", "a//b/../c"),
            ("ü~*'()", "%C3%BC~%2A%27%28%29"),
            ("\u{1}\u{7f}", "%01%7F"),
        ] {
            let mut out = String::new();
            encode_into(&mut out, bytes.as_bytes(), true);
            assert_eq!(out, path);
        }
    }

    #[test]
    fn decoding_refuses_half_escapes_and_keeps_plus_when_told() {
        assert_eq!(decode("a%2", Plus::Space), None);
        assert_eq!(decode("a%zz", Plus::Space), None);
        assert_eq!(decode("%+1", Plus::Space), None);
        assert_eq!(decode("a+b%2B", Plus::Space), Some(b"a b+".to_vec()));
        assert_eq!(decode("a+b%20", Plus::Literal), Some(b"a+b ".to_vec()));
    }
}
