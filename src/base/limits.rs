//! Every cap in the program, each with the reason for its number.

/// Longest CONFIG accepted. Real ones are 360 to 660 bytes; a `.ptar` header allows 32 KiB.
pub const CONFIG_BYTES_MAX: u64 = 32 * 1024;

/// Largest state file read into memory. One blob costs about 90 bytes, so this is 23 million.
pub const STATE_BYTES_MAX: u64 = 2 << 30;

/// Largest lock file. Real ones are under 300 bytes.
pub const LOCK_BYTES_MAX: u64 = 64 * 1024;

/// Largest plaintext of one chunk. The largest that a real store asks for is 8 MiB.
pub const BLOB_BYTES_MAX: usize = 64 << 20;

/// Largest plaintext of one OBJECT, the chunk list of a file: about 110 bytes a chunk, so this is a
/// file of 1 TB in chunks of the 96 KiB that Plakar v1.0 makes on average.
pub const OBJECT_BYTES_MAX: usize = 1 << 30;

/// Largest plaintext of any other blob: an entry, a header, or a tree node of 50 paths. What they
/// hold takes up to 32 times as much memory once decoded.
pub const META_BYTES_MAX: usize = 4 << 20;

/// Largest plaintext of a packfile's index: 4.8 million blobs.
pub const INDEX_BYTES_MAX: usize = 256 << 20;

/// Largest window of a zstd frame, which is held in memory. Plakar's frames ask for 8 MiB.
pub const ZSTD_WINDOW_BYTES_MAX: u64 = 64 << 20;

/// Stored form of a blob at most: sealing and framing add under 1 %.
pub const STORED_BLOB_BYTES_MAX: usize = BLOB_BYTES_MAX + (1 << 20);

/// What sealing and framing add to a blob at most: under 1 % of the largest.
pub const STORED_OVERHEAD_BYTES_MAX: usize = 8 << 20;

/// Deepest B+tree followed. Order 50 reaches 50^12 keys long before this.
pub const TREE_DEPTH_MAX: usize = 32;

/// Deepest MessagePack nesting. Kloset's own reaches 6.
pub const MSGPACK_DEPTH_MAX: usize = 24;

/// Deepest directory followed on restore and check. Linux stops at PATH_MAX / 2 = 2048 in one path.
pub const PATH_DEPTH_MAX: usize = 4096;

/// Argon2id memory accepted from a CONFIG, in KiB: 4 GiB, sixteen times what Plakar writes.
pub const KDF_MEMORY_KIB_MAX: u32 = 4 << 20;

/// Memory that a key derivation may write over all its passes, in KiB: sixty-four times what Plakar
/// asks for, about a minute. Without it a hostile CONFIG could keep a prompt waiting for years.
pub const KDF_WORK_KIB_MAX: u64 = 64 << 20;

/// Rounds of PBKDF2, which needs no memory: a thousand times what Plakar knows, about a minute.
pub const KDF_ROUNDS_MAX: u32 = 100_000_000;

/// Blob area after which a packfile is closed, when CONFIG allows as much: large enough that a
/// request costs little beside its bytes, small enough that five (two open, one waiting, two on
/// their way) stay within the memory that is promised.
pub const PACKFILE_TARGET_BYTES: u64 = 10 << 20;

/// Packfiles on their way at the same time: one more hides the wait for an answer, and each takes the
/// memory of a packfile.
pub const UPLOADS: usize = 2;

/// Last padding of a packfile: a real Kloset reader asks for up to 4,095 bytes after any blob.
pub const PACKFILE_TAIL_PADDING: usize = 4096;

/// Longest object key in S3, in bytes.
pub const S3_KEY_BYTES_MAX: usize = 1024;

/// Largest XML reply read. A listing page of 1000 keys of 1024 bytes, every byte escaped, is 4 MiB.
pub const S3_XML_BYTES_MAX: u64 = 16 << 20;

/// Deepest XML followed. S3's own replies reach 4.
pub const S3_XML_DEPTH_MAX: usize = 16;

/// Longest text of one XML element: an escaped key or an error's message is far below.
pub const S3_XML_TEXT_BYTES_MAX: usize = 64 * 1024;

/// Error bodies are read up to here: S3's are under 1 KiB, proxies' HTML pages a few.
pub const S3_ERROR_BYTES_MAX: u64 = 64 * 1024;

/// Largest object S3 takes.
pub const S3_OBJECT_BYTES_MAX: u64 = 5 << 40;

/// Largest body of one PUT or one part.
pub const S3_PUT_BYTES_MAX: u64 = 5 << 30;

/// Most parts of one upload.
pub const S3_PARTS_MAX: u64 = 10_000;

/// Largest JSON read. An `mc` configuration of a thousand aliases is 200 KiB.
pub const S3_JSON_BYTES_MAX: usize = 4 << 20;

/// Deepest JSON followed. What holds credentials reaches 3.
pub const S3_JSON_DEPTH_MAX: usize = 16;

/// Longest session token. AWS's are under 4 KiB; an answer's head of 64 KiB must hold it.
pub const S3_TOKEN_BYTES_MAX: usize = 16 << 10;
