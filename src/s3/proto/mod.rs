//! S3 as values: requests built and signed, replies read, retries judged.
