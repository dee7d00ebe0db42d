//! The content type of bytes by their first few, in the spelling the reference uses for the common
//! kinds. A type this table does not know costs nothing but the sharing of one small blob.

/// How many leading bytes are looked at.
const LOOK: usize = 3072;

const OCTETS: &str = "application/octet-stream";
const TEXT: &str = "text/plain; charset=utf-8";

/// Magic bytes at a fixed place, and what they mean. The first match wins.
const MAGIC: &[(usize, &[u8], &str)] = &[
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"OggS", "application/ogg"),
    (0, b"fLaC", "audio/flac"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/x-matroska"),
    (0, b"\x7fELF", "application/x-elf"),
    (0, b"!<arch>\n", "application/x-archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"SQLite format 3\x00", "application/vnd.sqlite3"),
    (257, b"ustar", "application/x-tar"),
    (0, b"\x00asm", "application/wasm"),
    (0, b"wOFF", "font/woff"),
    (0, b"wOF2", "font/woff2"),
    (0, b"\xca\xfe\xba\xbe", "application/x-java-applet"),
    (0, b"<?xml", "text/xml; charset=utf-8"),
    (0, b"{\\rtf", "text/rtf"),
    (0, b"#!/usr/bin/env python", "text/x-python"),
    (0, b"#!/usr/bin/python", "text/x-python"),
    (0, b"#!/usr/bin/perl", "text/x-perl"),
];

/// The content type; `text/plain` for no bytes at all.
pub fn sniff(content: &[u8]) -> &'static str {
    let head = content.get(..LOOK).unwrap_or(content);
    if head.is_empty() {
        return "text/plain";
    }
    let known =
        MAGIC.iter().find(|(at, magic, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    if let Some((_, _, kind)) = known {
        return kind;
    }
    if head.starts_with(b"<!DOCTYPE html")
        || head.starts_with(b"<html")
        || head.starts_with(b"<!doctype html")
    {
        return "text/html; charset=utf-8";
    }
    if is_text(head, content.len() > LOOK) { TEXT } else { OCTETS }
}

/// UTF-8 without control bytes that text does not have; a character cut by the look is forgiven.
fn is_text(head: &[u8], cut: bool) -> bool {
    let control = |&byte: &u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    if head.iter().any(control) {
        return false;
    }
    match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => cut && error.error_len().is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::sniff;

    #[test]
    fn common_kinds_are_known() {
        let cases: [(&[u8], &str); 7] = [
            (b"", "text/plain"),
            (b"hello world\n", "text/plain; charset=utf-8"),
            ("grüße".as_bytes(), "text/plain; charset=utf-8"),
            (b"\x00\x01\x02", "application/octet-stream"),
            (b"\xff\xfe text", "application/octet-stream"),
            (b"\x1f\x8b\x08", "application/gzip"),
            (b"\x7fELF\x02", "application/x-elf"),
        ];
        for (content, kind) in cases {
            assert_eq!(sniff(content), kind);
        }
    }
}
